//! The router worker as a machine without I/O: its positions, and when they may be committed.
//!
//! ```text
//!     Routing --> due, and the producer has taken everything --> Flushing --> all acknowledged --> Committing --> Routing
//!        |                                                          |                                 |
//!        |  the producer has no room: partitions are paused         +-- not in time --> Routing <-----+ failed
//! ```
//!
//! At least once: all output of a message is acknowledged by the broker before the message's offset is committed. What is
//! routed again after a crash is a copy, which the correlator drops. Routing itself stays outside: an adapter routes each
//! message, hands the output to its producer, and calls [`RouterMachine::routed`].

mod io;
mod positions;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub use io::{InputPartition, ROUTER_INPUTS, ROUTER_STATES, RouterFact, RouterInput, RouterOutput};
pub use positions::Position;
use positions::Positions;

use crate::Policy;
use pipewarden_core::log::{Offset, Partition};

/// The time limit of a flush, after which the worker goes back to polling. Well below `max.poll.interval.ms`.
const FLUSH: Duration = Duration::from_secs(30);

/// A router worker. It commits the offset of a message once all output of the message is acknowledged, so nothing is lost,
/// and what is routed again after a crash is a copy.
#[derive(Debug)]
pub struct RouterMachine {
    commit_interval: Duration,
    owned: BTreeSet<InputPartition>,
    positions: Positions,
    next_policy: Option<Arc<Policy>>,
    phase: Phase,
    /// The partitions of a revocation callback that waits for a commit.
    revoking: Option<Vec<InputPartition>>,
    /// Whether the producer has taken everything, by the last input.
    has_room: bool,
    is_paused: bool,
    has_failed: bool,
    /// When a commit was last attempted, or due while none was possible.
    last_attempt: Duration,
    outputs: VecDeque<RouterOutput>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
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
            phase: Phase::Routing,
            revoking: None,
            has_room: true,
            is_paused: false,
            has_failed: false,
            last_attempt: now,
            outputs: VecDeque::new(),
        }
    }

    /// Notes that a message was routed, and its output was handed to the producer or waits for room.
    pub fn routed(&mut self, topic: &str, partition: Partition, offset: Offset) {
        self.positions.set(topic, partition, offset.next());
    }

    /// Whether the worker owns a partition.
    pub fn owns(&self, topic: &str, partition: Partition) -> bool {
        let mut owned = self.owned.iter();
        owned.any(|own| *own.topic == *topic && own.number == partition)
    }

    /// The name of its state, in [`ROUTER_STATES`].
    pub fn state(&self) -> &'static str {
        match self.phase {
            Phase::Routing if self.is_paused => "paused",
            Phase::Routing => "routing",
            Phase::Flushing => "flushing",
            Phase::Committing => "committing",
        }
    }

    /// Handles an input. The outputs are fetched by [`RouterMachine::next_output`].
    ///
    /// # Panics
    /// Where something other than an answer comes while one is outstanding: a defect of the adapter.
    pub fn handle(&mut self, input: RouterInput, now: Duration) {
        let is_expected = match self.phase {
            Phase::Routing => !matches!(
                input,
                RouterInput::Flushed
                    | RouterInput::NotFlushed
                    | RouterInput::Committed
                    | RouterInput::NotCommitted { .. }
            ),
            Phase::Flushing => matches!(
                input,
                RouterInput::Flushed | RouterInput::NotFlushed | RouterInput::Failed
            ),
            Phase::Committing => matches!(input, RouterInput::Committed | RouterInput::NotCommitted { .. }),
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
            RouterInput::Timer { has_room } => self.timer(has_room, now),
            RouterInput::Flushed => self.flushed(),
            RouterInput::NotFlushed => self.not_committed(RouterFact::NotFlushed),
            RouterInput::Committed => self.committed(),
            RouterInput::NotCommitted { problem } => self.not_committed(RouterFact::NotCommitted { problem }),
            RouterInput::PolicyChanged(policy) => self.next_policy = Some(policy),
            RouterInput::Failed => self.has_failed = true,
        }
    }

    /// The next output to execute.
    pub fn next_output(&mut self) -> Option<RouterOutput> {
        self.outputs.pop_front()
    }

    fn assigned(&mut self, partitions: Vec<InputPartition>) {
        self.observe(RouterFact::Assigned(partitions.len()));
        if !partitions.is_empty() {
            self.owned.extend(partitions.iter().cloned());
            // The client remembers that a partition was paused even after it was lost.
            self.outputs.push_back(if self.is_paused {
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
            self.finish_revocation();
        }
    }

    fn timer(&mut self, has_room: bool, now: Duration) {
        self.has_room = has_room;
        if self.is_paused == has_room {
            self.is_paused = !has_room;
            let owned = self.owned.iter().cloned().collect();
            if self.is_paused {
                self.outputs.push_back(RouterOutput::Pause(owned));
                self.observe(RouterFact::Paused);
            } else {
                self.outputs.push_back(RouterOutput::Resume(owned));
                self.observe(RouterFact::Resumed);
            }
        }
        if now >= self.last_attempt + self.commit_interval {
            self.last_attempt = now;
            if self.may_commit() {
                self.flush(now);
            } else {
                self.reload();
            }
        }
    }

    /// While records wait for room, the output of some messages is not even sent; after a rejection it never will be.
    fn may_commit(&self) -> bool {
        self.has_room && !self.has_failed && self.positions.is_dirty()
    }

    fn flush(&mut self, now: Duration) {
        self.last_attempt = now;
        self.phase = Phase::Flushing;
        self.outputs.push_back(RouterOutput::Flush { within: FLUSH });
    }

    fn flushed(&mut self) {
        self.phase = Phase::Routing;
        if self.has_failed {
            return self.finish_revocation();
        }
        let positions = self.positions.dirty();
        if positions.is_empty() {
            // The partitions that had moved are lost meanwhile.
            return self.committed();
        }
        self.phase = Phase::Committing;
        self.outputs.push_back(RouterOutput::Commit(positions));
    }

    fn committed(&mut self) {
        if self.phase == Phase::Committing {
            self.observe(RouterFact::Committed);
        }
        self.phase = Phase::Routing;
        self.positions.clean();
        self.reload();
        self.finish_revocation();
    }

    fn not_committed(&mut self, fact: RouterFact) {
        self.phase = Phase::Routing;
        self.observe(fact);
        self.finish_revocation();
    }

    /// Switches to another policy once everything that the old one routed is committed, so that as little as possible is
    /// routed by both.
    fn reload(&mut self) {
        if !self.positions.is_dirty()
            && let Some(policy) = self.next_policy.take()
        {
            self.outputs.push_back(RouterOutput::Reload(policy));
        }
    }

    /// Ends a revocation callback, if there is one.
    fn finish_revocation(&mut self) {
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
