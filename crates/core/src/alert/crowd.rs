//! The documents of alerts that stand for more accesses, or more sources, than alerts of their own can show.

use super::Document;
use super::document as doc;
use super::ecs::{Frame, Outline, Pivots, Weight};
use crate::detection::{Counts, MANY_SOURCES, ManySources, OVERFLOW, Overflow, SeenSource};
use crate::text::plural;

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
    let mut document = frame.document(Outline {
        message,
        action: "overflow",
        category: &["intrusion_detection", "network"],
        outcome: None,
        first: alert.times.0,
        last: alert.times.1,
        weight: Weight {
            is_excepted: alert.exception.is_some(),
            ..Weight::default()
        },
        addresses: frame.asset.addresses.to_vec(),
        accesses: alert.accesses,
        observations: Counts::default(),
    });
    let mut pivots = Pivots::of(frame.asset.id, frame.asset.addresses);
    let listed = alert.first.iter().chain(&alert.last);
    pivots.ips.extend(listed.map(|seen| seen.ip));
    document.related = pivots.fields();
    let fields = &mut document.pipewarden;
    fields.who = Some(OVERFLOW.to_owned());
    fields.exception = alert.exception.as_ref().map(super::access::exception);
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
    let mut document = frame.document(Outline {
        message,
        action: "many-sources",
        category: &["intrusion_detection", "network"],
        outcome: None,
        first: alert.times.0,
        last: alert.times.1,
        weight: Weight {
            is_excepted: alert.exception.is_some(),
            ..Weight::default()
        },
        addresses: frame.asset.addresses.to_vec(),
        accesses: alert.accesses,
        observations: Counts::default(),
    });
    let fields = &mut document.pipewarden;
    fields.who = Some(MANY_SOURCES.to_owned());
    fields.exception = alert.exception.as_ref().map(super::access::exception);
    fields.many_sources = Some(doc::ManySourcesFields {
        sources: alert.sources,
        network: alert.network.clone(),
    });
    document
}
