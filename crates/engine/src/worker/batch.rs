//! What one transaction writes: alerts, dead letters and the offsets of the records that caused them.

use std::sync::Arc;

use super::io::PartitionId;
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
}

/// The part of a batch that one partition contributes.
#[derive(Debug)]
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
    /// Records that could not be read.
    pub dead_letters: Vec<DeadLetter>,
}

/// Everything that has been read and not yet committed at one moment. It never changes: after an abort the very same
/// records and offsets are tried again, except those of partitions that the worker no longer owns.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    parts: Vec<Arc<Part>>,
}

impl Batch {
    pub(super) fn new(parts: Vec<Part>) -> Self {
        Self {
            parts: parts.into_iter().map(Arc::new).collect(),
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

    /// The same without some partitions.
    pub(super) fn without(&self, is_gone: impl Fn(PartitionId) -> bool) -> Self {
        let parts = self.parts.iter().filter(|part| !is_gone(part.partition));
        Self {
            parts: parts.cloned().collect(),
        }
    }
}
