//! Records in and out of a correlator.

use std::sync::Arc;

use pipewarden_core::detection::{Attribution, Confidence, Counters, Disposition, Exception, Status};
use pipewarden_core::event::Kind;
use pipewarden_core::log::Offset;
use pipewarden_core::time::{AppendTime, EventTime};

/// One record of a partition that a correlator owns.
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    /// Its offset. Offsets rise, with gaps.
    pub offset: Offset,
    /// The broker's LogAppendTime.
    pub append_time: AppendTime,
    /// An [`ObservationRecord`](crate::ObservationRecord) or a
    /// [`SightingRecord`](pipewarden_core::detection::SightingRecord), as JSON.
    pub value: &'a [u8],
}

/// One revision for the alerts topics or the suppressed one, and what metrics count of it.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRecord {
    /// The Kafka key: the alert's id, so that a sink that upserts by key keeps one document per alert.
    pub key: String,
    /// The document in ECS, as JSON.
    pub value: Vec<u8>,
    /// The same revision as an OCSF finding, as JSON, where [`Policy::with_format`] asks for it.
    pub finding: Option<Vec<u8>>,
    /// The event time of the first access, which the document has as `event.start`.
    pub start: EventTime,
    /// The rule's id.
    pub rule: Arc<str>,
    /// How sure the alert is of its source.
    pub confidence: Confidence,
    /// How the source is known.
    pub attribution: Attribution,
    /// Whether the alert is active, superseded or suppressed.
    pub status: Status,
    /// Whether this is the first revision in which the alert is active.
    pub is_first: bool,
    /// The exception that covers it and did not cover its last revision.
    pub hit: Option<Arc<Exception>>,
    /// Whether it belongs on the alerts topic: the alert is active, or was when an earlier revision was published.
    pub is_published: bool,
    /// The record for the sightings topic that the revision causes.
    pub sighting: Option<SightingMessage>,
}

/// A record for the sightings topic.
#[derive(Clone, Debug, PartialEq)]
pub struct SightingMessage {
    /// The Kafka key: the source.
    pub key: String,
    /// A [`SightingRecord`](pipewarden_core::detection::SightingRecord), as JSON.
    pub value: Vec<u8>,
}

impl AlertRecord {
    /// How many bytes its values take.
    pub(super) fn len(&self) -> usize {
        let finding = self.finding.as_ref().map_or(0, Vec::len);
        let sighting = self.sighting.as_ref().map_or(0, |sighting| sighting.value.len());
        self.value.len() + finding + sighting
    }

    /// Whether it belongs on the suppressed topic: it is suppressed, or ends an alert that was only ever published there.
    /// So every record belongs on one of the two topics, and one that ends the life of an alert on both.
    pub fn is_suppressed(&self) -> bool {
        self.status == Status::Suppressed || !self.is_published
    }
}

/// The outcome of one record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Records to write, in order. Empty while the log is being replayed below the committed offset.
    pub alerts: Vec<AlertRecord>,
    /// How many of them repeat an alert because the policy changed.
    pub reemitted: usize,
    /// The kind of the observation, if it was one.
    pub kind: Option<Kind>,
    /// The disposition; `None` if its value could not be read.
    pub disposition: Option<Disposition>,
    /// What metrics count of it.
    pub counters: Counters,
    /// Why the value could not be read; such a record only lets time pass.
    pub undecodable: Option<String>,
}
