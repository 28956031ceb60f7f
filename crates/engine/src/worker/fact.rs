//! What is told of a worker: each fact once, for metrics, `/status` and the log alike, so that they can't drift apart.

use std::sync::Arc;
use std::time::Duration;

use super::batch::Batch;
use super::io::PartitionId;
use crate::{Applied, CheckpointError};
use pipewarden_core::detection::{ClockState, Counters, Disposition, Explanation, SensorState, StateSize};
use pipewarden_core::log::Offset;

/// Something that happened, which no decision hangs on.
#[derive(Clone, Debug)]
pub enum Fact {
    /// The group gave this many partitions.
    Assigned(usize),
    /// The group takes this many partitions back.
    Revoked(usize),
    /// This many partitions may be others' already.
    Lost(usize),
    /// The service ends before these could be taken over.
    NotTakenOver(usize),
    /// What the worker is doing has changed.
    Worker(WorkerState),
    /// Committed offsets, or the ends of a log, can't be read yet.
    NotLocated {
        /// Of this partition.
        partition: PartitionId,
        /// Why.
        problem: String,
    },
    /// The consumer could not be sent where a partition must be read from; it is asked again.
    NotSought {
        /// Which partition.
        partition: PartitionId,
        /// Why.
        problem: String,
    },
    /// State can't be rebuilt as promised.
    Loss {
        /// Of this partition.
        partition: PartitionId,
        /// What is lost.
        loss: Loss,
    },
    /// Open alerts are written once more, because another policy decided them.
    PolicyDiffers {
        /// In this partition.
        partition: PartitionId,
    },
    /// The log is being replayed.
    Restoring {
        /// Of this partition.
        partition: PartitionId,
        /// The first offset that is read.
        from: Offset,
        /// The committed offset.
        to: Offset,
    },
    /// A record below the committed offset has been replayed.
    RestoredRecord,
    /// The state is what it was.
    Restored {
        /// Of this partition.
        partition: PartitionId,
        /// The next offset.
        offset: Offset,
        /// How many records were replayed.
        records: u64,
        /// How long it took.
        took: Duration,
    },
    /// How far long restorations are.
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
    /// There is no new producer yet.
    NoProducer {
        /// Why.
        problem: String,
    },
    /// Batches are committed again.
    Recovered,
    /// A tick was appended.
    Ticked,
    /// A tick could not be appended; it is repeated.
    NotTicked {
        /// For this partition.
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
    /// Why some of the alerts that were just published say what they say.
    Explained(Vec<Explanation>),
    /// What a partition holds, and what is known of the listed assets in it.
    Partition(Box<PartitionReport>),
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerState {
    /// The group has given it its share, which may be empty.
    pub is_assigned: bool,
    /// How many partitions it owns.
    pub partitions: usize,
    /// How many of them are not live yet.
    pub restoring: usize,
}

/// What a partition holds.
#[derive(Clone, Debug)]
pub struct PartitionReport {
    /// Which.
    pub partition: PartitionId,
    /// How much is in state.
    pub size: StateSize,
    /// The sensors of its listed assets.
    pub sensors: Vec<SensorState>,
    /// The clocks of its listed assets, as far as sessions tell.
    pub clocks: Vec<ClockState>,
}

/// What became of one live record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppliedRecord {
    /// `None` if its value could not be read: it is a dead letter.
    pub disposition: Option<Disposition>,
    /// What metrics tell of it.
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

/// Why state can't be rebuilt as promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The log has records and the group has no offset: all of them are read.
    NoCommittedOffset {
        /// The offset of the first.
        low: Offset,
        /// One more than the offset of the last.
        high: Offset,
    },
    /// The log is replayed from its start, because the string beside the committed offset says nothing.
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
    /// The words of [`Loss::as_str`].
    pub const WORDS: [&'static str; 4] = [
        "no_committed_offset",
        "unreadable_checkpoint",
        "log_truncated",
        "rewind_below_log_start",
    ];

    /// The word used in metrics.
    pub fn as_str(&self) -> &'static str {
        Self::WORDS[match self {
            Self::NoCommittedOffset { .. } => 0,
            Self::UnreadableCheckpoint { .. } => 1,
            Self::LogTruncated { .. } => 2,
            Self::RewindBelowLogStart { .. } => 3,
        }]
    }
}
