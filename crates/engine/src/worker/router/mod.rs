//! The router worker as a machine without I/O: how far it has come, and when that may be committed.
//!
//! ```text
//!     Routing --> due, and the producer has taken everything --> Flushing --> all acknowledged --> Committing --> Routing
//!        |                                                          |                                 |
//!        |  the producer has no room: partitions are paused         +-- not in time --> Routing <-----+ refused
//! ```
//!
//! At least once: everything that came of a message is acknowledged by the broker before the message's offset is committed.
//! What is routed again after a crash is a copy, which the correlator drops. What happens to each message stays outside:
//! an adapter routes it, hands what comes of it to its producer, and says so by [`RouterMachine::routed`].

mod positions;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub use positions::Position;
use positions::Positions;

use crate::Policy;
use pipewarden_core::log::{Offset, Partition};

/// How long a flush may take before the worker goes back to polling. Well below `max.poll.interval.ms`.
const FLUSH: Duration = Duration::from_secs(30);

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

/// What can happen to a router worker.
#[derive(Clone, Debug)]
pub enum RouterInput {
    /// The group gives these partitions to the worker, beside those that it has. Within a rebalance callback.
    Assigned(Vec<InputPartition>),
    /// The group takes these partitions back; they are the worker's until [`RouterOutput::CallbackDone`].
    Revoked(Vec<InputPartition>),
    /// Others may own these partitions already.
    Lost(Vec<InputPartition>),
    /// Between two messages, often: whether the producer has taken all records, or some wait for room.
    Turn {
        /// Nothing waits.
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
    /// A record was refused for good: nothing more may be committed.
    Failed,
}

/// The inputs of a router worker, by name; they meet one of [`ROUTER_STATES`].
pub const ROUTER_INPUTS: [&str; 10] = [
    "assigned",
    "revoked",
    "lost",
    "turn",
    "flushed",
    "not_flushed",
    "committed",
    "not_committed",
    "policy_changed",
    "failed",
];

/// What a router worker is doing, by name.
pub const ROUTER_STATES: [&str; 4] = ["routing", "held", "flushing", "committing"];

impl RouterInput {
    /// Its name in [`ROUTER_INPUTS`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Assigned(_) => "assigned",
            Self::Revoked(_) => "revoked",
            Self::Lost(_) => "lost",
            Self::Turn { .. } => "turn",
            Self::Flushed => "flushed",
            Self::NotFlushed => "not_flushed",
            Self::Committed => "committed",
            Self::NotCommitted { .. } => "not_committed",
            Self::PolicyChanged(_) => "policy_changed",
            Self::Failed => "failed",
        }
    }
}

/// What a router worker asks of its adapter.
#[derive(Clone, Debug)]
pub enum RouterOutput {
    /// Fetch nothing from these until they are resumed.
    Pause(Vec<InputPartition>),
    /// Fetch from these, whatever was paused before.
    Resume(Vec<InputPartition>),
    /// Wait until everything that was sent is acknowledged.
    Flush {
        /// How long to wait.
        within: Duration,
    },
    /// Commit these offsets.
    Commit(Vec<Position>),
    /// Route by this policy from the next message on.
    TakeUp(Arc<Policy>),
    /// These partitions are no longer the worker's.
    Forget(Vec<InputPartition>),
    /// The callback may return.
    CallbackDone,
    /// For metrics, `/status` and the log.
    Observe(RouterFact),
}

/// Something that happened, which no decision hangs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouterFact {
    /// The group gave this many partitions.
    Assigned(usize),
    /// The group takes this many partitions back.
    Revoked(usize),
    /// This many partitions may be others' already.
    Lost(usize),
    /// How many partitions the worker has now.
    Owns(usize),
    /// The producer has no room: fetching is paused.
    Held,
    /// Fetching goes on.
    Released,
    /// Offsets are committed.
    Committed,
    /// Offsets are not committed, because the broker has not acknowledged everything.
    NotFlushed,
    /// Offsets are not committed; it is tried again.
    NotCommitted {
        /// Why.
        problem: String,
    },
}

/// A router worker. What it does is told at the top of this file.
#[derive(Debug)]
pub struct RouterMachine {
    commit_interval: Duration,
    owned: BTreeSet<InputPartition>,
    positions: Positions,
    next_policy: Option<Arc<Policy>>,
    stage: Stage,
    /// A callback that waits for a commit, and the partitions that go then.
    revoking: Option<Vec<InputPartition>>,
    /// Whether the producer has taken everything, as last told.
    has_room: bool,
    is_held: bool,
    has_failed: bool,
    /// When a commit was begun last.
    tried: Duration,
    outputs: VecDeque<RouterOutput>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Routing,
    Flushing,
    Committing,
}

impl RouterMachine {
    /// A worker that is not yet in its group. `now` is monotonic, here and below.
    pub fn new(commit_interval: Duration, now: Duration) -> Self {
        Self {
            commit_interval,
            owned: BTreeSet::new(),
            positions: Positions::default(),
            next_policy: None,
            stage: Stage::Routing,
            revoking: None,
            has_room: true,
            is_held: false,
            has_failed: false,
            tried: now,
            outputs: VecDeque::new(),
        }
    }

    /// A message was routed, and what came of it was handed to the producer or waits for room.
    pub fn routed(&mut self, topic: &str, partition: Partition, offset: Offset) {
        self.positions.set(topic, partition, offset.next());
    }

    /// Whether a partition is the worker's.
    pub fn owns(&self, topic: &str, partition: Partition) -> bool {
        let mut owned = self.owned.iter();
        owned.any(|own| *own.topic == *topic && own.number == partition)
    }

    /// The name in [`ROUTER_STATES`] of what it is doing.
    pub fn state(&self) -> &'static str {
        match self.stage {
            Stage::Routing if self.is_held => "held",
            Stage::Routing => "routing",
            Stage::Flushing => "flushing",
            Stage::Committing => "committing",
        }
    }

    /// Takes an input in.
    ///
    /// # Panics
    /// Where something other than an answer comes while one is outstanding: a defect of the adapter.
    pub fn handle(&mut self, input: RouterInput, now: Duration) {
        let is_expected = match self.stage {
            Stage::Routing => !matches!(
                input,
                RouterInput::Flushed
                    | RouterInput::NotFlushed
                    | RouterInput::Committed
                    | RouterInput::NotCommitted { .. }
            ),
            Stage::Flushing => matches!(
                input,
                RouterInput::Flushed | RouterInput::NotFlushed | RouterInput::Failed
            ),
            Stage::Committing => matches!(input, RouterInput::Committed | RouterInput::NotCommitted { .. }),
        };
        assert!(
            is_expected,
            "{} came while the worker was {}",
            input.name(),
            self.state()
        );
        match input {
            RouterInput::Assigned(partitions) => self.assigned(partitions),
            RouterInput::Revoked(partitions) => self.revoked(partitions, now),
            RouterInput::Lost(partitions) => {
                self.observe(RouterFact::Lost(partitions.len()));
                self.forget(partitions);
            }
            RouterInput::Turn { has_room } => self.turn(has_room, now),
            RouterInput::Flushed => self.flushed(),
            RouterInput::NotFlushed => self.not_committed(RouterFact::NotFlushed),
            RouterInput::Committed => self.committed(),
            RouterInput::NotCommitted { problem } => self.not_committed(RouterFact::NotCommitted { problem }),
            RouterInput::PolicyChanged(policy) => self.next_policy = Some(policy),
            RouterInput::Failed => self.has_failed = true,
        }
    }

    /// The next thing that the adapter must do.
    pub fn next_output(&mut self) -> Option<RouterOutput> {
        self.outputs.pop_front()
    }

    fn assigned(&mut self, partitions: Vec<InputPartition>) {
        self.observe(RouterFact::Assigned(partitions.len()));
        if !partitions.is_empty() {
            self.owned.extend(partitions.iter().cloned());
            // The client remembers that a partition was paused even after it was lost.
            self.outputs.push_back(if self.is_held {
                RouterOutput::Pause(partitions)
            } else {
                RouterOutput::Resume(partitions)
            });
        }
        self.observe(RouterFact::Owns(self.owned.len()));
        self.outputs.push_back(RouterOutput::CallbackDone);
    }

    fn revoked(&mut self, partitions: Vec<InputPartition>, now: Duration) {
        self.observe(RouterFact::Revoked(partitions.len()));
        self.revoking = Some(partitions);
        if self.may_commit() {
            self.flush(now);
        } else {
            self.let_go();
        }
    }

    fn turn(&mut self, has_room: bool, now: Duration) {
        self.has_room = has_room;
        if self.is_held == has_room {
            self.is_held = !has_room;
            let owned = self.owned.iter().cloned().collect();
            if self.is_held {
                self.outputs.push_back(RouterOutput::Pause(owned));
                self.observe(RouterFact::Held);
            } else {
                self.outputs.push_back(RouterOutput::Resume(owned));
                self.observe(RouterFact::Released);
            }
        }
        if now >= self.tried + self.commit_interval {
            self.tried = now;
            if self.may_commit() {
                self.flush(now);
            } else {
                self.take_up();
            }
        }
    }

    /// While records wait for room, what they came of is not even sent; and after a refusal it never will be.
    fn may_commit(&self) -> bool {
        self.has_room && !self.has_failed && self.positions.is_dirty()
    }

    fn flush(&mut self, now: Duration) {
        self.tried = now;
        self.stage = Stage::Flushing;
        self.outputs.push_back(RouterOutput::Flush { within: FLUSH });
    }

    fn flushed(&mut self) {
        self.stage = Stage::Routing;
        if self.has_failed {
            return self.let_go();
        }
        let positions = self.positions.dirty();
        if positions.is_empty() {
            // What had moved was lost meanwhile.
            return self.committed();
        }
        self.stage = Stage::Committing;
        self.outputs.push_back(RouterOutput::Commit(positions));
    }

    fn committed(&mut self) {
        if self.stage == Stage::Committing {
            self.observe(RouterFact::Committed);
        }
        self.stage = Stage::Routing;
        self.positions.clean();
        self.take_up();
        self.let_go();
    }

    fn not_committed(&mut self, fact: RouterFact) {
        self.stage = Stage::Routing;
        self.observe(fact);
        self.let_go();
    }

    /// Takes another policy up once everything that the old one routed is committed, so that as little as possible is
    /// routed by both.
    fn take_up(&mut self) {
        if !self.positions.is_dirty()
            && let Some(policy) = self.next_policy.take()
        {
            self.outputs.push_back(RouterOutput::TakeUp(policy));
        }
    }

    /// Ends a revocation, if there is one.
    fn let_go(&mut self) {
        if let Some(partitions) = self.revoking.take() {
            self.forget(partitions);
        }
    }

    fn forget(&mut self, partitions: Vec<InputPartition>) {
        for partition in &partitions {
            self.positions.forget(&partition.topic, partition.number);
            self.owned.remove(partition);
        }
        self.outputs.push_back(RouterOutput::Forget(partitions));
        self.observe(RouterFact::Owns(self.owned.len()));
        self.outputs.push_back(RouterOutput::CallbackDone);
    }

    fn observe(&mut self, fact: RouterFact) {
        self.outputs.push_back(RouterOutput::Observe(fact));
    }
}
