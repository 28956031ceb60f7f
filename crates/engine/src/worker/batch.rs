//! What one transaction writes: alerts, sightings, dead letters and the offsets of the records that caused them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::io::PartitionId;
use super::rejection::{Destination, RecordId, Replacement};
use crate::{AlertRecord, Checkpoint, DeadLetter};
use pipewarden_core::log::Offset;
use pipewarden_core::time::AppendTime;

/// An alert that waits for its transaction.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The record to write.
    pub alert: AlertRecord,
    /// When the record that caused it was appended.
    pub appended: AppendTime,
    /// The offset of that record.
    pub offset: Offset,
    /// Whether its documents are stubs, because the broker rejected the whole ones.
    pub is_stub: bool,
    /// Where nothing of it is written, because the broker rejected the stub as well.
    pub left_out: BTreeSet<Destination>,
}

/// The part of a batch that one partition contributes.
#[derive(Clone, Debug)]
pub struct Part {
    /// The partition.
    pub partition: PartitionId,
    /// The offset to commit: everything below it has been applied, and what that caused is in this batch or an earlier one.
    pub offset: Offset,
    /// The metadata that is committed with the offset.
    pub checkpoint: Checkpoint,
    /// The greatest append time that has been applied.
    pub stream_time: AppendTime,
    /// Alerts, in order.
    pub alerts: Vec<Pending>,
    /// Records that could not be read, and those that the broker rejected.
    pub dead_letters: Vec<DeadLetter>,
}

/// A record that a batch writes.
#[derive(Clone, Debug)]
pub struct BatchRecord<'a> {
    /// Which one it is.
    pub id: RecordId,
    /// The Kafka key.
    pub key: Cow<'a, str>,
    /// The value.
    pub value: Cow<'a, [u8]>,
}

/// Everything that has been read and not yet committed at one moment. After an abort the very same records and offsets are
/// tried again, except those of partitions that the worker no longer owns, and records that the broker
/// [rejects](super::Rejection) for good.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(super) parts: Vec<Arc<Part>>,
    /// Whether each record is sent [on its own](super::Output::RenewProducer), so that it is known which one the broker rejects.
    pub is_one_by_one: bool,
    /// What the broker rejected, in the order in which it was replaced.
    pub replaced: Vec<Replacement>,
    /// How often a record for each destination was rejected, whole ones and short ones.
    pub(super) rejections: BTreeMap<(Destination, bool), u32>,
}

impl Batch {
    pub(super) fn new(parts: Vec<Part>) -> Self {
        Self {
            parts: parts.into_iter().map(Arc::new).collect(),
            ..Self::default()
        }
    }

    /// By partition.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().map(Arc::as_ref)
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The records to write, in order.
    pub fn records(&self) -> impl Iterator<Item = BatchRecord<'_>> {
        self.parts().flat_map(Part::records)
    }

    /// The same without some partitions.
    pub(super) fn without(&self, is_gone: impl Fn(PartitionId) -> bool) -> Self {
        let parts = self.parts.iter().filter(|part| !is_gone(part.partition));
        Self {
            parts: parts.cloned().collect(),
            is_one_by_one: self.is_one_by_one,
            replaced: self.replaced.clone(),
            rejections: self.rejections.clone(),
        }
    }
}

impl Part {
    fn records(&self) -> impl Iterator<Item = BatchRecord<'_>> {
        let alerts = self.alerts.iter().enumerate();
        let alerts = alerts.flat_map(move |(index, pending)| {
            pending.documents().map(move |document| BatchRecord {
                id: self.record_id(document.destination, index),
                key: Cow::Borrowed(document.key),
                value: Cow::Borrowed(document.value),
            })
        });
        let letters = self.dead_letters.iter().enumerate();
        alerts.chain(letters.map(move |(index, letter)| BatchRecord {
            id: self.record_id(Destination::DeadLetters, index),
            key: Cow::Owned(letter.key()),
            value: Cow::Owned(letter.encode()),
        }))
    }

    fn record_id(&self, destination: Destination, index: usize) -> RecordId {
        RecordId {
            partition: self.partition,
            destination,
            index,
        }
    }
}

/// One record of an alert that waits.
pub(super) struct PendingDocument<'a> {
    pub(super) destination: Destination,
    pub(super) key: &'a str,
    pub(super) value: &'a [u8],
}

impl Pending {
    pub(super) fn new(alert: AlertRecord, offset: Offset, appended: AppendTime) -> Self {
        Self {
            alert,
            appended,
            offset,
            is_stub: false,
            left_out: BTreeSet::new(),
        }
    }

    /// Its documents and its sighting.
    pub(super) fn documents(&self) -> impl Iterator<Item = PendingDocument<'_>> {
        let alert = &self.alert;
        let published = alert.is_published;
        let finding = alert.finding.as_deref().filter(|_| published);
        let document = |destination, value| PendingDocument {
            destination,
            key: &alert.key,
            value,
        };
        let all = [
            published.then(|| document(Destination::Alerts, &*alert.value)),
            finding.map(|finding| document(Destination::Findings, finding)),
            (alert.is_suppressed()).then(|| document(Destination::Suppressed, &*alert.value)),
            alert.sighting.as_ref().map(|sighting| PendingDocument {
                destination: Destination::Sightings,
                key: &sighting.key,
                value: &sighting.value,
            }),
        ];
        let all = all.into_iter().flatten();
        all.filter(|document| !self.left_out.contains(&document.destination))
    }
}
