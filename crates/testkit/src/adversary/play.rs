//! Runs the documents of a world through the whole path: decoder, router with inventory and bindings, join, alert documents.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use pipewarden_core::detection::{Confidence, StateSize};
use pipewarden_core::event::{Kind, Observation, ObservationId, Received};
use pipewarden_core::inventory::Tuples;
use pipewarden_core::log::{Offset, Partition};
use pipewarden_core::time::AppendTime;
use pipewarden_engine::local::Replayer;
use pipewarden_engine::{AlertRecord, Origin, Routed, Router};
use serde::Deserialize;

use super::draft::EPOCH;
use super::estate::Regime;
use super::truth::Message;

/// What came of a world.
#[derive(Debug, Default)]
pub struct Played {
    /// Of each message that is an observation, by its place: what it is.
    pub seen: BTreeMap<usize, Seen>,
    /// The places of the messages by what they say.
    pub places: BTreeMap<ObservationId, BTreeSet<usize>>,
    /// The last revisions of the alerts that are not superseded.
    pub told: Vec<Told>,
    /// Records that were applied.
    pub records: usize,
    /// Revisions that were written.
    pub revisions: usize,
    /// The most that was in state.
    pub state: StateSize,
    /// Bindings at the end.
    pub bindings: usize,
    /// The most bytes of a document, in either format.
    pub largest: usize,
}

/// What a message is.
#[derive(Clone, Debug)]
pub struct Seen {
    pub id: ObservationId,
    pub kind: Kind,
    pub asset: String,
}

/// An alert document, as far as the promises are about it.
#[derive(Clone, Debug, Deserialize)]
pub struct Told {
    pub source: Option<SourceFields>,
    pub pipewarden: Own,
}

#[derive(Clone, Debug, Deserialize)]
pub struct SourceFields {
    pub ip: Option<IpAddr>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Own {
    pub status: String,
    pub suppressed_by: Option<String>,
    pub who: Option<String>,
    pub attribution: String,
    pub confidence: Confidence,
    pub asset: AssetFields,
    pub observations: Counts,
    #[serde(default)]
    pub dropped: Dropped,
    #[serde(default)]
    pub rests_on: Vec<Ground>,
    #[serde(default)]
    pub conflicts: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    #[serde(default)]
    pub omitted: Omitted,
    #[serde(default)]
    pub candidates: Vec<Candidate>,
    pub untimely: Option<u32>,
    pub overflow: Option<Overflow>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct AssetFields {
    pub id: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Counts {
    pub pipe_connected: u32,
    pub share_access: u32,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Dropped {
    pub evidence: u32,
    pub accesses: u32,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Omitted {
    pub evidence: u32,
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Candidate {
    pub ip: IpAddr,
    pub local: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Overflow {
    pub accesses: u32,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Ground {
    pub says: String,
    pub event: Option<String>,
    pub log: String,
    pub computer: Option<String>,
}

impl Ground {
    /// Whether it is that a connection was to the asset.
    pub fn is_binding_of_a_connection(&self) -> bool {
        self.log == "binding" && self.event.is_some()
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct Evidence {
    pub kind: String,
    pub role: String,
    pub computer: String,
    pub source_ip: Option<IpAddr>,
    pub account: Option<String>,
    pub origin: Option<Place>,
}

/// Where a document lay: its offset is the place of its message.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Place {
    pub offset: usize,
}

impl Told {
    /// The address of its source, where it names one.
    pub fn source(&self) -> Option<IpAddr> {
        let is_named = self.pipewarden.who.as_deref() == Some("source");
        self.source.as_ref().filter(|_| is_named)?.ip
    }

    /// Whose accesses it is about.
    pub fn who(&self) -> &str {
        self.pipewarden.who.as_deref().unwrap_or_default()
    }

    /// The accesses and the pipe connections of pairs among its evidence.
    pub fn parts(&self) -> impl Iterator<Item = &Evidence> {
        let is_part = |seen: &&Evidence| {
            matches!(&*seen.kind, "pipe_connected" | "share_access") && seen.role != "conflicting"
        };
        self.pipewarden.evidence.iter().filter(is_part)
    }
}

/// Runs these messages, each with its place in the world.
pub fn play<'m>(regime: Regime, messages: impl Iterator<Item = (usize, &'m Message)>) -> Played {
    let policy = regime.policy();
    let mut stage = Stage {
        played: Played::default(),
        replayer: Replayer::new(&policy),
        last: BTreeMap::new(),
    };
    let mut router = Router::new(&policy).with_bindings(regime.bindings());
    let (mut events, mut tuples): (Vec<(usize, Received)>, _) = (Vec::new(), Tuples::default());
    for (place, message) in messages {
        let origin = Origin {
            topic: "world",
            partition: Partition::ZERO,
            offset: Offset::new(place as u64),
        };
        let document = serde_json::to_vec(&message.draft.document()).unwrap();
        let mut read = Vec::new();
        router.read_each(Some(&document), origin, &mut |document| read.extend(document));
        for received in read {
            if regime.is_replayed {
                tuples.note(&received.event);
                events.push((place, received));
            } else if let Routed::Observation(routed) = router.resolve(received) {
                let at = AppendTime::from_millis(EPOCH + message.arrival);
                stage.observe(place, at, routed.observation);
            }
        }
    }
    let window = policy.join.attribution_window;
    router.resolver().apply_tuples(tuples, window);
    events.sort_by_key(|(place, received)| (received.event.time, *place));
    for (place, received) in events {
        let at = AppendTime::at_event(received.event.time);
        if let Routed::Observation(routed) = router.resolve(received) {
            stage.observe(place, at, routed.observation);
        }
    }
    stage.played.bindings = router.resolver().bindings().size().bindings;
    stage.end()
}

struct Stage {
    played: Played,
    replayer: Replayer,
    last: BTreeMap<String, AlertRecord>,
}

impl Stage {
    fn observe(&mut self, place: usize, at: AppendTime, observation: Observation) {
        let (id, kind, asset) = (observation.id, observation.kind(), observation.asset.to_string());
        self.played.seen.insert(place, Seen { id, kind, asset });
        self.played.places.entry(id).or_default().insert(place);
        let applied = self.replayer.observe(at, observation);
        self.played.records += 1;
        self.take(applied.alerts);
        let (now, most) = (self.replayer.state_size(), &mut self.played.state);
        *most = StateSize {
            session_evidence: most.session_evidence.max(now.session_evidence),
            accesses: most.accesses.max(now.accesses),
            alerts: most.alerts.max(now.alerts),
            seen_events: most.seen_events.max(now.seen_events),
            assets: most.assets.max(now.assets),
            ..*most
        };
    }

    fn take(&mut self, alerts: Vec<AlertRecord>) {
        for alert in alerts {
            self.played.revisions += 1;
            let sizes = [alert.value.len(), alert.finding.as_ref().map_or(0, Vec::len)];
            self.played.largest = self.played.largest.max(sizes[0]).max(sizes[1]);
            self.last.insert(alert.key.clone(), alert);
        }
    }

    fn end(mut self) -> Played {
        let applied = self.replayer.finish();
        self.take(applied.alerts);
        let told = self.last.into_values().map(|alert| {
            let told: Result<Told, _> = serde_json::from_slice(&alert.value);
            told.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&alert.value)))
        });
        self.played.told = told
            .filter(|told| told.pipewarden.status != "superseded")
            .collect();
        self.played
    }
}
