//! Inputs and outputs of a correlator worker: two closed sets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::batch::Batch;
use super::fact::Fact;
use super::rejection::Rejection;
pub use crate::Topic;
use crate::{PartitionsChanged, Policy};
use pipewarden_core::log::{Offset, Partition};
use pipewarden_core::time::AppendTime;

/// The time of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct At {
    /// Since a moment that the adapter chose once. Never goes back.
    pub monotonic: Duration,
    /// The host's clock, which may jump. Only ticks are decided by it.
    pub wall: AppendTime,
}

/// A partition that a worker may own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// Its topic.
    pub topic: Topic,
    /// Its number.
    pub number: Partition,
}

impl PartitionId {
    /// A partition of the observations topic.
    pub const fn observations(number: Partition) -> Self {
        Self {
            topic: Topic::Observations,
            number,
        }
    }

    /// A partition of the sightings topic.
    pub const fn sightings(number: Partition) -> Self {
        Self {
            topic: Topic::Sightings,
            number,
        }
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic.as_str(), self.number)
    }
}

/// An offset that the group has committed, and the string that was committed beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: Offset,
    /// A [checkpoint](crate::Checkpoint), unless another program wrote it.
    pub metadata: String,
}

/// A record as it was fetched.
#[derive(Clone, Copy, Debug)]
pub struct Fetched<'a> {
    /// Its offset.
    pub offset: Offset,
    /// When the broker appended it; `None` where the topic keeps the producer's time instead, which ends the worker.
    pub append_time: Option<AppendTime>,
    /// Its value; empty for none.
    pub value: &'a [u8],
}

/// An input of a worker. `M` is the membership of its consumer group, which the machine keeps and never inspects.
#[derive(Clone, Debug)]
pub enum Input<'a, M> {
    /// The group assigns these partitions, in addition to those that the worker has. Empty where only the membership is new.
    /// Within a rebalance callback: see [`Output::CallbackDone`].
    Assigned {
        /// The new ones.
        partitions: Vec<PartitionId>,
        /// The generation in which they are assigned.
        membership: M,
    },
    /// The group revokes these partitions; the worker owns them until the callback is done.
    Revoked {
        /// The revoked ones.
        partitions: Vec<PartitionId>,
        /// The generation in which their offsets may still be committed.
        membership: M,
    },
    /// The worker has lost these partitions: others may own them already. Within a callback, too.
    Lost {
        /// The lost ones.
        partitions: Vec<PartitionId>,
    },
    /// Answers [`Output::AskCommitted`], once for each partition. `None` where nothing is committed.
    Committed {
        /// The partition in question.
        partition: PartitionId,
        /// The group's offset.
        committed: Option<CommittedOffset>,
    },
    /// Answers [`Output::AskLog`]: the watermarks.
    Log {
        /// The partition in question.
        partition: PartitionId,
        /// The offset of its first record.
        low: Offset,
        /// One more than the offset of its last.
        high: Offset,
    },
    /// The broker has not answered [`Output::AskCommitted`] or [`Output::AskLog`] for this partition.
    AskFailed {
        /// The partition in question.
        partition: PartitionId,
        /// Why.
        problem: String,
    },
    /// Answers [`Output::Seek`]: what is fetched from now on starts there.
    SeekDone {
        /// Which partition.
        partition: PartitionId,
    },
    /// The consumer could not be sent there, or not in time.
    SeekFailed {
        /// Which partition.
        partition: PartitionId,
        /// Why.
        problem: String,
    },
    /// A record was fetched.
    Record {
        /// Its partition.
        partition: PartitionId,
        /// The record.
        record: Fetched<'a>,
    },
    /// There is nothing more to read in a partition for now.
    EndOfPartition {
        /// Which.
        partition: PartitionId,
    },
    /// Answers [`Output::Publish`].
    Ended(Ended),
    /// Answers [`Output::RenewProducer`].
    Producer(Renewed),
    /// Answers [`Output::AskMembership`]. `None` where the assignment is lost, of which a callback is still to tell.
    Membership(Option<M>),
    /// Answers [`Output::AppendTick`]: the producer has it.
    Ticked {
        /// For this partition.
        partition: PartitionId,
    },
    /// The producer did not take the tick.
    TickFailed {
        /// For this partition.
        partition: PartitionId,
        /// Why.
        problem: String,
    },
    /// Another policy is in force from now on.
    PolicyChanged(Arc<Policy>),
    /// Nothing has come for at most the time that [`Machine::wait`](super::Machine::wait) has returned.
    Timer,
    /// The service ends: no more partitions are taken over. What was read is committed when the partitions are revoked.
    Stop,
}

/// The calls of a transaction that was committed. librdkafka speaks transaction protocol 1, where a request that arrives late
/// may end a *later* transaction of the same epoch (KIP-890), and it repeats requests after a lost connection without saying
/// so, but never sooner than 0.8 x `retry.backoff.ms`. So calls that took less than that, and were made once, leave nothing
/// behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitCalls {
    /// How long sending the offsets took.
    pub offsets: Duration,
    /// How long ending the transaction took.
    pub end: Duration,
    /// Whether any call was made more than once.
    pub is_repeated: bool,
    /// Whether the producer was made to send [each record on its own](Output::RenewProducer), which is slow.
    pub is_one_by_one: bool,
}

impl CommitCalls {
    /// Less than librdkafka waits before it repeats a request: see [`RETRY_BACKOFF`].
    const SLOW: Duration = Duration::from_millis(300);

    /// Why there must be a new producer, mostly since requests of the transaction may still be on their way; `None` if none can be.
    pub(super) fn doubt(&self) -> Option<RenewalReason> {
        if self.is_repeated {
            Some(RenewalReason::Repeated)
        } else if self.offsets >= Self::SLOW || self.end >= Self::SLOW {
            Some(RenewalReason::Slow)
        } else if self.is_one_by_one {
            Some(RenewalReason::Rejected)
        } else {
            None
        }
    }
}

/// What `retry.backoff.ms` of a transactional producer must be at least, for [`CommitCalls`] to tell clean transactions.
pub const RETRY_BACKOFF: Duration = Duration::from_millis(400);

/// Why a transactional producer is replaced before the next transaction begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewalReason {
    /// The last transaction was aborted.
    Aborted,
    /// A call of the last transaction took so long that librdkafka may have repeated it.
    Slow,
    /// A call of the last transaction was repeated.
    Repeated,
    /// The last transaction had what replaces a rejected record, each record on its own; the next has no need of that.
    Rejected,
}

impl RenewalReason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Aborted, Self::Slow, Self::Repeated, Self::Rejected];

    /// The label in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Slow => "slow",
            Self::Repeated => "repeated",
            Self::Rejected => "rejected",
        }
    }
}

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its records and offsets are visible.
    Committed(CommitCalls),
    /// Nothing of it will ever be visible, and the same batch may be tried again.
    Aborted {
        /// The error of the broker or the client.
        problem: String,
    },
    /// The broker has rejected a record for good; nothing of the transaction will ever be visible.
    Rejected(Rejection),
    /// The same, because the group no longer knows the membership that its offsets named.
    StaleMembership {
        /// The error of the broker.
        problem: String,
    },
    /// It could not be sent as a whole, because the client's queue was full; nothing of it will ever be visible.
    QueueFull,
    /// The producer cannot be used any more: it is fenced, or the outcome of the transaction is unknown.
    Fatal {
        /// The error of the client.
        problem: String,
    },
}

/// The outcome of renewing the producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// Its predecessor is fenced and whatever that left open is aborted.
    Ready,
    /// Not yet.
    Failed {
        /// Why.
        problem: String,
    },
    /// There will be none.
    Fatal {
        /// Why.
        problem: String,
    },
}

/// An output of a worker. The adapter executes outputs in order. Those that have an answer are answered before anything
/// else is handed in, except for [`Input::Revoked`] and [`Input::Lost`].
#[derive(Clone, Debug)]
pub enum Output<M> {
    /// Ask for the committed offsets of the group. One answer for each partition.
    AskCommitted {
        /// For these.
        partitions: Vec<PartitionId>,
        /// The time limit.
        within: Duration,
    },
    /// Ask for the watermarks of a log: its start and its end.
    AskLog {
        /// Of this partition.
        partition: PartitionId,
        /// The time limit.
        within: Duration,
    },
    /// Fetch from this offset on. Within the callback that assigns the partition: start there.
    Seek {
        /// Which partition.
        partition: PartitionId,
        /// The first record to fetch, or the first after it.
        offset: Offset,
        /// The time limit.
        within: Duration,
    },
    /// Fetch nothing from these until they are resumed.
    Pause(Vec<PartitionId>),
    /// Fetch from these, even if they were paused.
    Resume(Vec<PartitionId>),
    /// Write the batch and its offsets in one transaction.
    Publish {
        /// The batch. It is the same after an abort, but for what the broker has rejected.
        batch: Arc<Batch>,
        /// The generation that the offsets belong to.
        membership: M,
        /// The time limit of the whole transaction, which is aborted afterwards.
        within: Duration,
    },
    /// Make a new transactional producer of the same id. It fences the old one, and requests of that which are still on
    /// their way.
    RenewProducer {
        /// Whether it sends each record in a request of its own, whatever comes together: a broker takes or rejects a request's
        /// records as a whole, and only so is it known which of them it rejects.
        is_one_by_one: bool,
    },
    /// Read the membership anew: by KIP-848 its epoch rises without a callback. First the membership is read and *then*
    /// whether the assignment is lost, so that a membership that is handed in covers the partitions of the last callback.
    AskMembership,
    /// Append a [tick](crate::StateRecord::tick) outside of any transaction.
    AppendTick {
        /// To this partition.
        partition: PartitionId,
    },
    /// The worker no longer owns these partitions: metrics and status of them are removed.
    Forget(Vec<PartitionId>),
    /// The rebalance callback that began with [`Input::Assigned`], [`Input::Revoked`] or [`Input::Lost`] may return. While
    /// it is outstanding and there are no other outputs, the adapter waits for [`Machine::wait`](super::Machine::wait) and
    /// hands in [`Input::Timer`].
    CallbackDone,
    /// A fact for metrics, `/status` and the log. No decision depends on it.
    Observe(Fact),
    /// The worker has failed and is to leave its group.
    End(End),
}

/// Why a worker ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The topic no longer has the number of partitions that it had.
    PartitionsChanged(PartitionsChanged),
    /// Records carry the producer's time.
    TimestampType(Topic),
    /// The transactional producer cannot be used any more.
    Producer {
        /// The error of the client.
        problem: String,
    },
}
