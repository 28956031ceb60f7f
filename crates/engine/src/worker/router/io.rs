//! Inputs, outputs and facts of a router worker.

use std::sync::Arc;
use std::time::Duration;

use super::Position;
use crate::Policy;
use pipewarden_core::log::Partition;

/// A partition of an input topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// Its number.
    pub number: Partition,
}

impl InputPartition {
    /// A partition of this topic.
    pub fn new(topic: &str, number: Partition) -> Self {
        Self {
            topic: Arc::from(topic),
            number,
        }
    }
}

/// An input of a router worker.
#[derive(Clone, Debug)]
pub enum RouterInput {
    /// The group assigns these partitions, in addition to those that the worker has. Within a rebalance callback.
    Assigned(Vec<InputPartition>),
    /// The group revokes these partitions; the worker owns them until [`RouterOutput::CallbackDone`].
    Revoked(Vec<InputPartition>),
    /// Others may own these partitions already.
    Lost(Vec<InputPartition>),
    /// Handed in between two messages, often: time has passed.
    Timer {
        /// Whether the producer has taken all records; otherwise some wait for room in its queue.
        has_room: bool,
    },
    /// Answers [`RouterOutput::Flush`]: everything that was sent is acknowledged.
    Flushed,
    /// The broker has not acknowledged everything in time.
    NotFlushed,
    /// Answers [`RouterOutput::Commit`].
    Committed,
    /// The offsets are not committed.
    NotCommitted {
        /// Why.
        problem: String,
    },
    /// Another policy is in force from now on.
    PolicyChanged(Arc<Policy>),
    /// A record can never be delivered, and nothing can take its place: nothing more may be committed.
    Failed,
}

/// The inputs of a router worker, by name; they meet one of [`ROUTER_STATES`].
pub const ROUTER_INPUTS: [&str; 10] = [
    "assigned",
    "revoked",
    "lost",
    "timer",
    "flushed",
    "not_flushed",
    "committed",
    "not_committed",
    "policy_changed",
    "failed",
];

/// The states of a router worker, by name.
pub const ROUTER_STATES: [&str; 4] = ["routing", "paused", "flushing", "committing"];

impl RouterInput {
    /// Its name in [`ROUTER_INPUTS`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Assigned(_) => "assigned",
            Self::Revoked(_) => "revoked",
            Self::Lost(_) => "lost",
            Self::Timer { .. } => "timer",
            Self::Flushed => "flushed",
            Self::NotFlushed => "not_flushed",
            Self::Committed => "committed",
            Self::NotCommitted { .. } => "not_committed",
            Self::PolicyChanged(_) => "policy_changed",
            Self::Failed => "failed",
        }
    }
}

/// An output of a router worker.
#[derive(Clone, Debug)]
pub enum RouterOutput {
    /// Fetch nothing from these until they are resumed.
    Pause(Vec<InputPartition>),
    /// Fetch from these, even if they were paused.
    Resume(Vec<InputPartition>),
    /// Wait until everything that was sent is acknowledged.
    Flush {
        /// How long to wait.
        within: Duration,
    },
    /// Commit these offsets.
    Commit(Vec<Position>),
    /// Route by this policy from the next message on.
    Reload(Arc<Policy>),
    /// The worker no longer owns these partitions.
    Forget(Vec<InputPartition>),
    /// The callback may return.
    CallbackDone,
    /// For metrics, `/status` and the log.
    Observe(RouterFact),
}

/// Something that happened. No decision depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouterFact {
    /// The group assigned this many partitions.
    Assigned(usize),
    /// The group revokes this many partitions.
    Revoked(usize),
    /// This many partitions are lost: others may own them already.
    Lost(usize),
    /// How many partitions the worker has now.
    Owns(usize),
    /// The producer has no room: fetching is paused.
    Paused,
    /// Fetching is resumed.
    Resumed,
    /// Offsets are committed.
    Committed,
    /// Offsets are not committed, because the broker has not acknowledged everything.
    NotFlushed,
    /// Offsets are not committed; it is last_attempt again.
    NotCommitted {
        /// Why.
        problem: String,
    },
}
