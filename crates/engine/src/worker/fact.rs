//! Facts about a worker: each is reported once, for metrics, `/status` and the log alike, so that they always agree.

use std::sync::Arc;
use std::time::Duration;

use super::batch::Batch;
use super::io::{PartitionId, RenewalReason};
use super::rejection::Replacement;
use crate::{Applied, CheckpointError};
use pipewarden_core::detection::{ClockState, Counters, Disposition, Explanation, SensorState, StateSize};
use pipewarden_core::log::Offset;

/// Something that happened. No decision depends on it.
#[derive(Clone, Debug)]
pub enum Fact {
    /// The group assigned this many partitions.
    Assigned(usize),
    /// The group revokes this many partitions.
    Revoked(usize),
    /// This many partitions are lost: others may own them already.
    Lost(usize),
    /// The service ends before these could be taken over.
    NotTakenOver(usize),
    /// The worker's share of the partitions has changed, or how many of them are live.
    Worker(WorkerState),
    /// Committed offset or watermarks of a partition could not be read; they are asked for again.
    NotLocated {
        /// The partition.
        partition: PartitionId,
        /// Why.
        problem: String,
    },
    /// A seek failed; it is tried again.
    SeekFailed {
        /// The partition.
        partition: PartitionId,
        /// Why.
        problem: String,
    },
    /// State can't be rebuilt in full.
    Loss {
        /// The partition.
        partition: PartitionId,
        /// The loss.
        loss: Loss,
    },
    /// Open alerts are published once more, because another policy decided them.
    PolicyDiffers {
        /// The partition.
        partition: PartitionId,
    },
    /// The log is being replayed.
    Restoring {
        /// The partition.
        partition: PartitionId,
        /// The first offset that is read.
        from: Offset,
        /// The committed offset.
        to: Offset,
    },
    /// A record below the committed offset has been replayed.
    RestoredRecord,
    /// The state is rebuilt: the partition is live.
    Restored {
        /// The partition.
        partition: PartitionId,
        /// The next offset.
        offset: Offset,
        /// How many records were replayed.
        records: u64,
        /// The duration.
        took: Duration,
    },
    /// The progress of restorations that take long.
    Progress {
        /// How many partitions are not restored yet.
        partitions: usize,
        /// How many of their records have been replayed.
        records: u64,
    },
    /// A live record was applied.
    Applied(AppliedRecord),
    /// A batch is committed.
    Published(Arc<Batch>),
    /// A transaction was aborted; its batch is tried again, or by the new owner where the partitions go.
    Aborted {
        /// Why.
        problem: String,
        /// Whether this worker tries it again.
        is_repeated: bool,
    },
    /// The broker rejects records for good: these were replaced, and the batch is tried again with what took their place.
    Replaced(Vec<Replacement>),
    /// The transactional producer is replaced before the next transaction.
    ProducerReplaced(RenewalReason),
    /// No new producer could be made; it is tried again.
    NoProducer {
        /// Why.
        problem: String,
    },
    /// There is a new producer, and no batch waits any more: fetching is resumed.
    Recovered,
    /// A tick was appended.
    Ticked,
    /// A tick could not be appended; it is tried again.
    TickFailed {
        /// The partition.
        partition: PartitionId,
        /// Why.
        problem: String,
    },
    /// Partitions are being rebuilt from the log under another policy.
    Reloading {
        /// How many.
        partitions: usize,
        /// The policy's id.
        policy: String,
    },
    /// Explanations of some of the alerts that were just published.
    Explained(Vec<Explanation>),
    /// The size of a partition's state, and what is known of the listed assets in it.
    Partition(Box<PartitionReport>),
}

/// The worker's share of the partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerState {
    /// The group has assigned it a share, which may be empty.
    pub is_assigned: bool,
    /// How many partitions it owns.
    pub partitions: usize,
    /// How many of them are not live yet.
    pub restoring: usize,
}

/// The state of a partition.
#[derive(Clone, Debug)]
pub struct PartitionReport {
    /// The partition.
    pub partition: PartitionId,
    /// The number of entries in state.
    pub size: StateSize,
    /// The sensors of its listed assets.
    pub sensors: Vec<SensorState>,
    /// The clocks of its listed assets, as far as sessions show them.
    pub clocks: Vec<ClockState>,
}

/// The outcome of one live record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppliedRecord {
    /// `None` if its value could not be read: it is a dead letter.
    pub disposition: Option<Disposition>,
    /// What metrics count of it.
    pub counters: Counters,
    /// How many alerts it repeats because the policy changed.
    pub reemitted: usize,
}

impl From<&Applied> for AppliedRecord {
    fn from(applied: &Applied) -> Self {
        Self {
            disposition: applied.disposition,
            counters: applied.counters,
            reemitted: applied.reemitted,
        }
    }
}

/// Why state can't be rebuilt in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The log has records and the group has no offset: all of them are read.
    NoCommittedOffset {
        /// The offset of the first.
        low: Offset,
        /// One more than the offset of the last.
        high: Offset,
    },
    /// The log is replayed from its start, because the committed metadata is not a checkpoint.
    UnreadableCheckpoint {
        /// The offset of the first record.
        low: Offset,
        /// What is wrong with it.
        problem: CheckpointError,
    },
    /// The log ends before the committed offset.
    LogTruncated {
        /// The committed offset.
        committed: Offset,
        /// One more than the offset of the last record.
        high: Offset,
    },
    /// The log no longer reaches back to where the state begins.
    RewindBelowLogStart {
        /// Where the state begins.
        rewind: Offset,
        /// The offset of the first record.
        low: Offset,
    },
}

impl Loss {
    /// The labels of [`Loss::as_str`].
    pub const REASONS: [&'static str; 4] = [
        "no_committed_offset",
        "unreadable_checkpoint",
        "log_truncated",
        "rewind_below_log_start",
    ];

    /// The label in metrics.
    pub fn as_str(&self) -> &'static str {
        Self::REASONS[match self {
            Self::NoCommittedOffset { .. } => 0,
            Self::UnreadableCheckpoint { .. } => 1,
            Self::LogTruncated { .. } => 2,
            Self::RewindBelowLogStart { .. } => 3,
        }]
    }
}
