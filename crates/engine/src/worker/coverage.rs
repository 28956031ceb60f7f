//! Names for pairs of an input and the state that it meets, so that a simulation can count which have occurred.

use super::io::{Ended, Input, PartitionId, Renewed};
use super::machine::{Callback, Life, Machine};
use super::partition::Phase;
use super::publisher::Publisher;

/// Inputs about one partition, by name; they meet one of [`PARTITION_STATES`].
pub const PARTITION_INPUTS: [&str; 9] = [
    "committed",
    "log",
    "ask_failed",
    "seek_done",
    "seek_failed",
    "record",
    "end_of_partition",
    "ticked",
    "tick_failed",
];

/// Inputs about the worker, by name; they meet one of [`WORKER_STATES`].
pub const WORKER_INPUTS: [&str; 17] = [
    "assigned",
    "revoked",
    "lost",
    "ended.committed",
    "ended.aborted",
    "ended.rejected",
    "ended.stale_membership",
    "ended.queue_full",
    "ended.fatal",
    "membership.read",
    "membership.lost",
    "producer.ready",
    "producer.failed",
    "producer.fatal",
    "policy_changed",
    "timer",
    "stop",
];

/// The states of a partition, by name.
pub const PARTITION_STATES: [&str; 5] = ["absent", "locating", "seeking", "restoring", "live"];

/// The states of a worker, by name: the first that applies.
pub const WORKER_STATES: [&str; 8] = [
    "failed",
    "stopping",
    "assigning",
    "revoking",
    "publishing",
    "renewing",
    "waiting",
    "ready",
];

impl<M> Input<'_, M> {
    /// Its name in [`PARTITION_INPUTS`] or [`WORKER_INPUTS`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Committed { .. } => "committed",
            Self::Log { .. } => "log",
            Self::AskFailed { .. } => "ask_failed",
            Self::SeekDone { .. } => "seek_done",
            Self::SeekFailed { .. } => "seek_failed",
            Self::Record { .. } => "record",
            Self::EndOfPartition { .. } => "end_of_partition",
            Self::Ticked { .. } => "ticked",
            Self::TickFailed { .. } => "tick_failed",
            Self::Assigned { .. } => "assigned",
            Self::Revoked { .. } => "revoked",
            Self::Lost { .. } => "lost",
            Self::Ended(Ended::Committed(_)) => "ended.committed",
            Self::Ended(Ended::Aborted { .. }) => "ended.aborted",
            Self::Ended(Ended::Rejected(_)) => "ended.rejected",
            Self::Ended(Ended::StaleMembership { .. }) => "ended.stale_membership",
            Self::Membership(Some(_)) => "membership.read",
            Self::Membership(None) => "membership.lost",
            Self::Ended(Ended::QueueFull) => "ended.queue_full",
            Self::Ended(Ended::Fatal { .. }) => "ended.fatal",
            Self::Producer(Renewed::Ready) => "producer.ready",
            Self::Producer(Renewed::Failed { .. }) => "producer.failed",
            Self::Producer(Renewed::Fatal { .. }) => "producer.fatal",
            Self::PolicyChanged(_) => "policy_changed",
            Self::Timer => "timer",
            Self::Stop => "stop",
        }
    }

    /// The partition that it is about.
    fn partition(&self) -> Option<PartitionId> {
        match self {
            Self::Committed { partition, .. }
            | Self::Log { partition, .. }
            | Self::AskFailed { partition, .. }
            | Self::SeekDone { partition }
            | Self::SeekFailed { partition, .. }
            | Self::Record { partition, .. }
            | Self::EndOfPartition { partition }
            | Self::Ticked { partition }
            | Self::TickFailed { partition, .. } => Some(*partition),
            Self::Assigned { .. }
            | Self::Revoked { .. }
            | Self::Lost { .. }
            | Self::Ended(_)
            | Self::Producer(_)
            | Self::Membership(_)
            | Self::PolicyChanged(_)
            | Self::Timer
            | Self::Stop => None,
        }
    }
}

impl<M> Machine<M> {
    /// The name of the state that an input would meet now, in [`PARTITION_STATES`] or [`WORKER_STATES`].
    pub fn state_met_by(&self, input: &Input<'_, M>) -> &'static str {
        match input.partition() {
            Some(partition) => match self.partitions.get(&partition) {
                None => "absent",
                Some(Phase::Locating(_)) => "locating",
                Some(Phase::Seeking(_)) => "seeking",
                Some(Phase::Reading(reader)) if reader.is_live() => "live",
                Some(Phase::Reading(_)) => "restoring",
            },
            None => self.worker_state(),
        }
    }

    pub(super) fn worker_state(&self) -> &'static str {
        match (self.life, &self.callback, &self.publisher) {
            (Life::Ended, ..) => "failed",
            (Life::Stopping, ..) => "stopping",
            (_, Some(Callback::Assigning { .. }), _) => "assigning",
            (_, Some(Callback::Revoking { .. }), _) => "revoking",
            (_, None, Publisher::Publishing { .. }) => "publishing",
            (_, None, Publisher::Renewing { .. }) => "renewing",
            (_, None, Publisher::Waiting { .. }) => "waiting",
            (_, None, Publisher::Ready) => "ready",
        }
    }
}
