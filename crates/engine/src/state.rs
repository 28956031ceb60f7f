//! The state of one partition: that of the join, or that of campaigns.

use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::detection::{
    AlertId, Campaigns, ClockState, Explanation, Join, JoinOutput, Revision, SensorState, SightingRecord,
    StateSize,
};
use pipewarden_core::event::{Kind, ObservationRecord};
use pipewarden_core::log::At;
use pipewarden_core::time::AppendTime;

use super::{Policy, Topic};

/// A record of either topic.
#[derive(Clone, Debug, PartialEq)]
pub enum StateRecord {
    /// Of the observations topic.
    Observations(ObservationRecord),
    /// Of the sightings topic.
    Sightings(SightingRecord),
}

impl StateRecord {
    /// Nothing but the passing of time.
    pub fn tick(topic: Topic) -> Self {
        match topic {
            Topic::Observations => Self::Observations(ObservationRecord::Tick {}),
            Topic::Sightings => Self::Sightings(SightingRecord::Tick {}),
        }
    }

    /// Reads the value of a record.
    ///
    /// # Errors
    /// serde's, where the value is not such a document.
    pub(super) fn decode(topic: Topic, value: &[u8]) -> Result<Self, serde_json::Error> {
        match topic {
            Topic::Observations => ObservationRecord::decode(value).map(Self::Observations),
            Topic::Sightings => SightingRecord::decode(value).map(Self::Sightings),
        }
    }

    /// The record's value.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Observations(record) => record.encode(),
            Self::Sightings(record) => record.encode(),
        }
    }

    /// The kind of the observation, if it is one.
    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Observations(ObservationRecord::Observation(observation)) => Some(observation.kind()),
            Self::Observations(ObservationRecord::Tick {}) | Self::Sightings(_) => None,
        }
    }
}

impl From<ObservationRecord> for StateRecord {
    fn from(record: ObservationRecord) -> Self {
        Self::Observations(record)
    }
}

impl From<SightingRecord> for StateRecord {
    fn from(record: SightingRecord) -> Self {
        Self::Sightings(record)
    }
}

/// What the records of one partition make.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a partition has one, which is never moved"
)]
pub(super) enum State {
    Join(Join),
    Campaigns(Campaigns),
}

impl State {
    /// Before the first record.
    pub(super) fn new(topic: Topic, policy: &Policy) -> Self {
        let rules = policy.rules.rules();
        match topic {
            Topic::Observations => Self::Join(
                Join::new(rules, policy.join.clone())
                    .with_exceptions(Arc::clone(&policy.exceptions))
                    .with_inventory(Arc::clone(&policy.inventory)),
            ),
            Topic::Sightings => Self::Campaigns(Campaigns::new(rules, policy.join.clone())),
        }
    }

    pub(super) const fn topic(&self) -> Topic {
        match self {
            Self::Join(_) => Topic::Observations,
            Self::Campaigns(_) => Topic::Sightings,
        }
    }

    /// How much of the log it is rebuilt from.
    pub(super) fn rewind(topic: Topic, policy: &Policy) -> Duration {
        match topic {
            Topic::Observations => policy.join.rewind(),
            Topic::Sightings => policy.join.campaign_rewind(),
        }
    }

    /// Applies a record. One of the other topic only lets time pass.
    pub(super) fn apply(&mut self, at: At, record: StateRecord) -> JoinOutput {
        match (self, record) {
            (Self::Join(join), StateRecord::Observations(record)) => join.apply(at, record),
            (Self::Join(join), StateRecord::Sightings(_)) => join.apply(at, ObservationRecord::Tick {}),
            (Self::Campaigns(campaigns), StateRecord::Sightings(record)) => campaigns.apply(at, record),
            (Self::Campaigns(campaigns), StateRecord::Observations(_)) => {
                campaigns.apply(at, SightingRecord::Tick {})
            }
        }
    }

    /// Writes everything that is open, as a change of policy asks for.
    pub(super) fn publish_open(&mut self, at: At) -> Vec<Revision> {
        match self {
            Self::Join(join) => join.publish_open(at),
            Self::Campaigns(campaigns) => campaigns.publish_open(at),
        }
    }

    pub(super) fn advance_to(&mut self, stream_time: AppendTime) {
        match self {
            Self::Join(join) => join.advance_to(stream_time),
            Self::Campaigns(campaigns) => campaigns.advance_to(stream_time),
        }
    }

    pub(super) fn stream_time(&self) -> AppendTime {
        match self {
            Self::Join(join) => join.stream_time(),
            Self::Campaigns(campaigns) => campaigns.stream_time(),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<AppendTime> {
        match self {
            Self::Join(join) => join.next_deadline(),
            Self::Campaigns(campaigns) => campaigns.next_deadline(),
        }
    }

    /// The same, alerts about sensors aside.
    pub(super) fn next_deadline_of_accesses(&self) -> Option<AppendTime> {
        match self {
            Self::Join(join) => join.next_deadline_of_accesses(),
            Self::Campaigns(campaigns) => campaigns.next_deadline(),
        }
    }

    pub(super) fn size(&self) -> StateSize {
        match self {
            Self::Join(join) => join.state_size(),
            Self::Campaigns(campaigns) => campaigns.state_size(),
        }
    }

    fn join(&self) -> Option<&Join> {
        match self {
            Self::Join(join) => Some(join),
            Self::Campaigns(_) => None,
        }
    }

    pub(super) fn sensors(&self) -> impl Iterator<Item = SensorState> {
        self.join().into_iter().flat_map(Join::sensors)
    }

    pub(super) fn clocks(&self) -> impl Iterator<Item = ClockState> {
        self.join().into_iter().flat_map(Join::clocks)
    }

    pub(super) fn explain(&self, id: AlertId) -> Option<Explanation> {
        self.join()?.explain(id)
    }

    /// The alerts that close with a record of this append time.
    pub(super) fn closing_by(&self, append_time: AppendTime) -> impl Iterator<Item = AlertId> {
        self.join()
            .into_iter()
            .flat_map(move |join| join.closing_by(append_time))
    }
}
