//! The documents of alerts that stand for more accesses, or more sources, than alerts of their own can show.

use super::Document;
use super::document as doc;
use super::ecs::{Frame, Outline, Pivots, Weight};
use crate::detection::{Counts, Covering, MANY_SOURCES, ManySources, OVERFLOW, Overflow, SeenSource};
use crate::text::plural;
use crate::time::EventTime;

/// What both kinds have in common.
struct Crowd<'a> {
    message: String,
    action: &'static str,
    who: &'static str,
    times: (EventTime, EventTime),
    accesses: u32,
    exception: Option<&'a Covering>,
}

impl Crowd<'_> {
    fn document(self, frame: &Frame<'_>) -> Document {
        let mut document = frame.document(Outline {
            message: self.message,
            action: self.action,
            category: &["intrusion_detection", "network"],
            outcome: None,
            first: self.times.0,
            last: self.times.1,
            weight: Weight {
                is_excepted: self.exception.is_some(),
                ..Weight::default()
            },
            addresses: frame.asset.addresses.to_vec(),
            accesses: self.accesses,
            observations: Counts::default(),
        });
        document.pipewarden.who = Some(self.who.to_owned());
        document.pipewarden.exception = self.exception.map(super::access::exception);
        document
    }
}

pub(super) fn overflow(alert: &Overflow, frame: &Frame<'_>) -> Document {
    let hosts = if alert.is_of_partition {
        "hosts that share its partition"
    } else {
        frame.asset.id
    };
    let message = format!(
        "Overflow: accesses to {hosts} within one bucket of arrival, beyond those that have alerts of their own: {}",
        alert.accesses
    );
    let crowd = Crowd {
        message,
        action: "overflow",
        who: OVERFLOW,
        times: alert.times,
        accesses: alert.accesses,
        exception: alert.exception.as_ref(),
    };
    let mut document = crowd.document(frame);
    let mut pivots = Pivots::of(frame.asset.id, frame.asset.addresses);
    let listed = alert.first.iter().chain(&alert.last);
    pivots.ips.extend(listed.map(|seen| seen.ip));
    document.related = pivots.fields();
    let fields = &mut document.pipewarden;
    fields.overflow = Some(doc::OverflowFields {
        accesses: alert.accesses,
        first: alert.first.iter().map(source).collect(),
        last: alert.last.iter().map(source).collect(),
    });
    document
}

fn source(seen: &SeenSource) -> doc::OverflowSource {
    doc::OverflowSource {
        ip: seen.ip,
        time: seen.time,
    }
}

pub(super) fn many_sources(alert: &ManySources, frame: &Frame<'_>) -> Document {
    let network = alert.network.as_ref();
    let network = network.map_or_else(String::new, |network| format!(", most of them of {network},"));
    let message = format!(
        "{}{}{network} accessed {} within two adjacent buckets",
        if alert.is_superseded { "Superseded: " } else { "" },
        plural(alert.sources as usize, "source"),
        frame.asset.id
    );
    let crowd = Crowd {
        message,
        action: "many-sources",
        who: MANY_SOURCES,
        times: alert.times,
        accesses: alert.accesses,
        exception: alert.exception.as_ref(),
    };
    let mut document = crowd.document(frame);
    let fields = &mut document.pipewarden;
    fields.many_sources = Some(doc::ManySourcesFields {
        sources: alert.sources,
        network: alert.network.clone(),
    });
    document
}
