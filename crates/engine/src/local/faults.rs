//! Faults between a worker and the in-process log.

use std::collections::BTreeMap;

use crate::worker::Output;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A request for a committed offset fails.
    CommittedUnanswered,
    /// A request for the watermarks of a log fails.
    LogUnanswered,
    /// A seek times out; it takes effect all the same after the next record was fetched from the old position.
    SeekTimedOut,
    /// The client's queue has no room for a transaction.
    QueueFull,
    /// The broker rejects a document of a correlator for good: the batch with it and, where each record is sent on its own, the
    /// first document that is no stub.
    AlertRejected,
    /// A transaction is aborted after all of its records were sent.
    Abort,
    /// The group is rebalanced within a transaction, so that its offsets are rejected.
    RebalanceInCommit,
    /// The group begins a new generation within a transaction, and the client learns of it without a callback, as by KIP-848.
    EpochRises,
    /// The process crashes within a transaction, which stays open.
    TornCommit,
    /// A new producer cannot be made, and the attempt may be repeated.
    ProducerFailed,
    /// A new producer cannot be made, for good.
    ProducerFatal,
    /// After an abort a copy of a request to commit the transaction is still on its way.
    LateCommit,
    /// After an abort a copy of a request to abort the transaction is still on its way.
    LateAbort,
    /// A request to commit is lost and repeated, so that the commit takes long; the lost one is still on its way.
    SlowCommit,
    /// A late request arrives within a transaction.
    LateArrival,
    /// The producer does not take a tick.
    TickRejected,
    /// The producer takes a tick that is never appended.
    TickLost,
    /// An answer takes long enough for a batch to come due.
    SlowAnswer,
    /// The service ends while a callback waits for an answer.
    StopInCallback,
    /// A router's producer has no room for a record.
    NoRoom,
    /// The broker does not acknowledge everything while a router waits for it.
    NotFlushed,
    /// A commit of a router's offsets fails.
    NotCommitted,
    /// The broker takes no records of a router any more, as where an ACL is missing, while the router waits for acknowledgements.
    RecordRejected,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::CommittedUnanswered,
        Self::LogUnanswered,
        Self::SeekTimedOut,
        Self::QueueFull,
        Self::AlertRejected,
        Self::Abort,
        Self::RebalanceInCommit,
        Self::EpochRises,
        Self::TornCommit,
        Self::ProducerFailed,
        Self::ProducerFatal,
        Self::LateCommit,
        Self::LateAbort,
        Self::SlowCommit,
        Self::LateArrival,
        Self::TickRejected,
        Self::TickLost,
        Self::SlowAnswer,
        Self::StopInCallback,
        Self::NoRoom,
        Self::NotFlushed,
        Self::NotCommitted,
        Self::RecordRejected,
    ];

    /// Those of a correlator worker.
    pub const CORRELATOR: &'static [Self] = Self::ALL.split_at(19).0;

    /// Those of a router worker.
    pub const ROUTER: &'static [Self] = Self::ALL.split_at(19).1;
}

/// The faults to come, and a count of those that have occurred. None by default.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    pending: BTreeMap<Fault, u32>,
    occurred: BTreeMap<Fault, u64>,
}

impl Faults {
    /// Lets a fault occur the next so many times that it can.
    pub fn inject(&mut self, fault: Fault, times: u32) {
        self.pending.insert(fault, times);
    }

    /// Lets no more faults occur.
    pub fn clear(&mut self) {
        self.pending.clear();
    }

    /// The faults that have occurred, and how often.
    pub fn occurred(&self) -> impl Iterator<Item = (Fault, u64)> {
        self.occurred.iter().map(|(fault, times)| (*fault, *times))
    }

    /// Whether this fault occurs now.
    pub(super) fn occurs(&mut self, fault: Fault) -> bool {
        let Some(times) = self.pending.get_mut(&fault).filter(|times| **times > 0) else {
            return false;
        };
        *times -= 1;
        *self.occurred.entry(fault).or_default() += 1;
        true
    }
}

/// The treatment of an output, for tests that put a defect into the worker itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tamper {
    /// It is executed.
    Execute,
    /// It is dropped; for outputs without an answer.
    Omit,
    /// It is answered as if it had been executed, and is not.
    Pretend,
}

/// Chooses the treatment of each output.
pub type TamperWith = fn(&Output<u64>, Moment) -> Tamper;

/// The situation of a worker while an output is executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Moment {
    /// Between two polls.
    #[default]
    Polling,
    /// Within a callback that assigns partitions.
    Assignment,
    /// Within a callback that revokes partitions.
    Revocation,
}

/// How often each input met each state, by their names.
pub type Coverage = BTreeMap<(&'static str, &'static str), u64>;
