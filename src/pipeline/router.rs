//! The router: messages of the input topics in, observations keyed by their destination host out.

use std::sync::Arc;

use super::{DeadLetter, ObservationRecord, Program};
use crate::event::{AssetId, Decoder, Event, Kind, Observation, Skip, TimeSource};
use crate::inventory::{Identity, Outcome, ResolvedBy};

/// Where a message stood.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Its topic, or the file it was read from.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset, or its line from 1.
    pub offset: i64,
}

/// What became of one message.
#[derive(Clone, Debug, PartialEq)]
pub enum Routed {
    /// It is an observation of this asset.
    Observation(RoutedObservation),
    /// It could not be decoded: here is what to keep.
    DeadLetter(DeadLetter),
    /// It is well-formed and does not matter.
    Skipped(Reason),
}

/// What became of a message that gives no event.
#[derive(Clone, Debug, PartialEq)]
pub enum NoEvent {
    /// It could not be decoded: here is what to keep.
    DeadLetter(DeadLetter),
    /// It is well-formed and none of ours.
    Skipped(Skip),
}

impl From<NoEvent> for Routed {
    fn from(none: NoEvent) -> Self {
        match none {
            NoEvent::DeadLetter(letter) => Self::DeadLetter(letter),
            NoEvent::Skipped(skip) => Self::Skipped(Reason::Event(skip)),
        }
    }
}

/// An observation on its way to the observations topic.
#[derive(Clone, Debug, PartialEq)]
pub struct RoutedObservation {
    /// The observation itself.
    pub observation: Observation,
    /// What named the destination.
    pub resolved_by: ResolvedBy,
    /// Whether the destination's address and name disagree; the address won.
    pub conflict: bool,
}

impl RoutedObservation {
    /// The Kafka key: the destination host.
    pub fn key(&self) -> &AssetId {
        &self.observation.asset
    }

    /// The record's value.
    pub fn encode(self) -> Vec<u8> {
        ObservationRecord::Observation(self.observation).encode()
    }

    /// Which of the three kinds it is.
    pub fn kind(&self) -> Kind {
        self.observation.kind()
    }

    /// Which clock its time was read from.
    pub fn time_source(&self) -> TimeSource {
        self.observation.event.time_source
    }
}

/// Why a well-formed message does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It is none of the three kinds.
    Event(Skip),
    /// Its destination is not in the inventory, and unlisted hosts are ignored.
    UnlistedHost,
    /// Its source is the asset itself.
    LocalAccess,
    /// Nothing names its destination.
    UnresolvedDestination,
}

impl Reason {
    /// The word used in metrics and in `replay`'s summary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event(skip) => skip.as_str(),
            Self::UnlistedHost => "unlisted_host",
            Self::LocalAccess => "local_access",
            Self::UnresolvedDestination => "unresolved_destination",
        }
    }
}

/// Decodes, learns, resolves. One per worker.
#[derive(Debug)]
pub struct Router {
    decoder: Decoder,
    identity: Identity,
}

impl Router {
    /// A router that has learned nothing yet.
    pub fn new(program: &Program) -> Self {
        Self {
            decoder: Decoder::new(program.rules.watched(), program.join.allowed_lateness),
            identity: Identity::new(Arc::clone(&program.inventory), Some(program.unlisted_hosts)),
        }
    }

    /// Routes one message.
    pub fn route(&mut self, message: &[u8], origin: Origin<'_>) -> Routed {
        match self.read(message, origin) {
            Ok(event) => self.resolve(event),
            Err(none) => none.into(),
        }
    }

    /// The first half of [`Router::route`]: decodes a message and learns from it.
    ///
    /// # Errors
    /// [`NoEvent`] says what became of a message that gives none.
    pub fn read(&mut self, message: &[u8], origin: Origin<'_>) -> Result<Event, NoEvent> {
        let decoded = self
            .decoder
            .decode(message)
            .map_err(|error| NoEvent::DeadLetter(DeadLetter::new(&error, origin, message)))?;
        decoded
            .lessons
            .iter()
            .for_each(|lesson| self.identity.learn(lesson));
        decoded.outcome.map_err(NoEvent::Skipped)
    }

    /// The second half: says which asset an event is about, by what has been learned so far.
    pub fn resolve(&self, event: Event) -> Routed {
        let resolution = self.identity.resolve(&event);
        match resolution.outcome {
            Outcome::Asset(asset) => Routed::Observation(RoutedObservation {
                observation: Observation::new(asset, event),
                resolved_by: resolution.resolved_by,
                conflict: resolution.conflict,
            }),
            Outcome::Ignored => Routed::Skipped(Reason::UnlistedHost),
            Outcome::Local => Routed::Skipped(Reason::LocalAccess),
            Outcome::Unresolved => Routed::Skipped(Reason::UnresolvedDestination),
        }
    }
}
