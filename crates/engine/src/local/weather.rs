//! What may go wrong between a worker and the in-process log.

use std::collections::BTreeMap;

use crate::worker::Output;

/// One thing that may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A question for a committed offset is not answered.
    CommittedUnanswered,
    /// A question for the ends of a log is not answered.
    LogUnanswered,
    /// A seek is given up; it takes effect all the same once the next record was fetched from the old place.
    SeekGivenUp,
    /// The client's queue has no room for a transaction.
    QueueFull,
    /// A transaction is aborted after all of its records were sent.
    Abort,
    /// The group is rebalanced in the midst of a transaction, so that its offsets are refused.
    RebalanceInCommit,
    /// The process ends in the midst of a transaction.
    TornCommit,
    /// A producer is not made.
    ProducerRefused,
    /// There will be no producer.
    ProducerFatal,
    /// After an abort a copy of a request to commit the transaction is still on its way.
    LateCommit,
    /// After an abort a copy of a request to abort the transaction is still on its way.
    LateAbort,
    /// A late request arrives in the midst of a transaction.
    LateArrival,
    /// The producer does not take a tick.
    TickRefused,
    /// The producer takes a tick that never arrives.
    TickLost,
    /// An answer takes long enough for a batch to come due.
    SlowAnswer,
    /// The service is told to end while a callback waits for an answer.
    StopInCallback,
    /// A router's producer has no room for a record.
    NoRoom,
    /// The broker does not acknowledge everything while a router waits for it.
    NotFlushed,
    /// The broker does not take a router's offsets.
    NotCommitted,
    /// The broker refuses a record of a router for good, while the router waits for acknowledgements.
    RecordRefused,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::CommittedUnanswered,
        Self::LogUnanswered,
        Self::SeekGivenUp,
        Self::QueueFull,
        Self::Abort,
        Self::RebalanceInCommit,
        Self::TornCommit,
        Self::ProducerRefused,
        Self::ProducerFatal,
        Self::LateCommit,
        Self::LateAbort,
        Self::LateArrival,
        Self::TickRefused,
        Self::TickLost,
        Self::SlowAnswer,
        Self::StopInCallback,
        Self::NoRoom,
        Self::NotFlushed,
        Self::NotCommitted,
        Self::RecordRefused,
    ];

    /// Those of a correlator worker.
    pub const CORRELATOR: &'static [Self] = Self::ALL.split_at(16).0;

    /// Those of a router worker.
    pub const ROUTER: &'static [Self] = Self::ALL.split_at(16).1;
}

/// What goes wrong next, and what has. Nothing does by default.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    coming: BTreeMap<Fault, u32>,
    struck: BTreeMap<Fault, u64>,
}

impl Weather {
    /// The next so many times that this can go wrong, it does.
    pub fn bring(&mut self, fault: Fault, times: u32) {
        self.coming.insert(fault, times);
    }

    /// Nothing goes wrong any more.
    pub fn clear(&mut self) {
        self.coming.clear();
    }

    /// What has gone wrong, and how often.
    pub fn struck(&self) -> impl Iterator<Item = (Fault, u64)> {
        self.struck.iter().map(|(fault, times)| (*fault, *times))
    }

    /// Whether this goes wrong now.
    pub(super) fn strikes(&mut self, fault: Fault) -> bool {
        let Some(times) = self.coming.get_mut(&fault).filter(|times| **times > 0) else {
            return false;
        };
        *times -= 1;
        *self.struck.entry(fault).or_default() += 1;
        true
    }
}

/// What becomes of an output, for tests that put a fault into the worker itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tamper {
    /// It is executed.
    Execute,
    /// It is as if the machine had never said it; for outputs without an answer.
    Omit,
    /// It is answered as if it had been executed.
    Pretend,
}

/// Decides what becomes of each output.
pub type TamperWith = fn(&Output<u64>, Moment) -> Tamper;

/// What a worker is doing while an output is executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Moment {
    /// It polls.
    #[default]
    Polling,
    /// The callback in which partitions are given to it.
    Assignment,
    /// The callback in which partitions are taken from it.
    Revocation,
}

/// How often each input met each state, by their names.
pub type Coverage = BTreeMap<(&'static str, &'static str), u64>;
