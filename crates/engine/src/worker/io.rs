//! What can happen to a correlator worker, and what it may ask for: two closed sets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::batch::Batch;
use super::fact::Fact;
use crate::{PartitionsChanged, Policy};
use pipewarden_core::log::{Offset, Partition};
use pipewarden_core::time::AppendTime;

/// When an input came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct At {
    /// Since a moment that the adapter chose and keeps to. Never goes back.
    pub monotonic: Duration,
    /// This machine's clock, which may jump. Only ticks are decided by it.
    pub wall: AppendTime,
}

/// Which of the two topics that hold durable state a partition belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Events of protected hosts, keyed by host.
    Observations,
    /// What alerts say of their sources, keyed by source.
    Sightings,
}

impl Topic {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Observations, Self::Sightings];
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
        let topic = match self.topic {
            Topic::Observations => "observations",
            Topic::Sightings => "sightings",
        };
        write!(f, "{topic}-{}", self.number)
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

/// What can happen to a worker. `M` is the membership of its consumer group, which the machine keeps and never looks
/// into.
#[derive(Clone, Debug)]
pub enum Input<'a, M> {
    /// The group gives these partitions to the worker, beside those that it has. Empty where only the membership is new.
    /// Within a rebalance callback: see [`Output::CallbackDone`].
    Assigned {
        /// The new ones.
        partitions: Vec<PartitionId>,
        /// The generation in which they are given.
        membership: M,
    },
    /// The group takes these partitions back; they are the worker's until the callback is done.
    Revoked {
        /// Those that go.
        partitions: Vec<PartitionId>,
        /// The generation in which they may still be committed for.
        membership: M,
    },
    /// Others may own these partitions already. Within a callback, too.
    Lost {
        /// Those that are gone.
        partitions: Vec<PartitionId>,
    },
    /// Answers [`Output::AskCommitted`], once for each partition. `None` where nothing is committed.
    Committed {
        /// Asked about.
        partition: PartitionId,
        /// The group's offset.
        committed: Option<CommittedOffset>,
    },
    /// Answers [`Output::AskLog`].
    Log {
        /// Asked about.
        partition: PartitionId,
        /// The offset of its first record.
        low: Offset,
        /// One more than the offset of its last.
        high: Offset,
    },
    /// The broker has not answered [`Output::AskCommitted`] or [`Output::AskLog`] for this partition.
    AskFailed {
        /// Asked about.
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
        /// From here.
        partition: PartitionId,
        /// What.
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
    /// Nothing has come for as long as [`Machine::wait`](super::Machine::wait) said, or less.
    Timer,
    /// The service ends: nothing more is taken over. What was read is committed when the group takes the partitions back.
    Stop,
}

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its records and offsets are visible.
    Committed,
    /// Nothing of it will ever be visible, and the same batch may be tried again.
    Aborted {
        /// What the broker or the client said.
        problem: String,
    },
    /// It could not be sent as a whole, because the client's queue was full; nothing of it will ever be visible.
    QueueFull,
    /// The producer is of no more use: it is fenced, or nobody can tell how the transaction ended.
    Fatal {
        /// What the client said.
        problem: String,
    },
}

/// Whether there is a new producer.
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

/// What a worker asks of its adapter, which executes outputs in order. Those that have an answer are answered before
/// anything else is handed in, but for [`Input::Revoked`] and [`Input::Lost`].
#[derive(Clone, Debug)]
pub enum Output<M> {
    /// Which offsets has the group committed? One answer for each partition.
    AskCommitted {
        /// For these.
        partitions: Vec<PartitionId>,
        /// How long the broker may take.
        within: Duration,
    },
    /// Where does the log start and end?
    AskLog {
        /// Of this partition.
        partition: PartitionId,
        /// How long the broker may take.
        within: Duration,
    },
    /// Read on from this offset. Within the callback that assigns the partition: start there.
    Seek {
        /// Which partition.
        partition: PartitionId,
        /// The first record to fetch, or the first after it.
        offset: Offset,
        /// How long the consumer may take.
        within: Duration,
    },
    /// Fetch nothing from these until they are resumed.
    Pause(Vec<PartitionId>),
    /// Fetch from these, whatever was paused before.
    Resume(Vec<PartitionId>),
    /// Write the batch and its offsets in one transaction.
    Publish {
        /// What to write. It is the same after an abort.
        batch: Arc<Batch>,
        /// The generation that the offsets belong to.
        membership: M,
        /// How long it may take altogether. What is not committed by then is aborted.
        within: Duration,
    },
    /// Make a new transactional producer of the same id: it fences the one before, and whatever of that is still on its
    /// way.
    RenewProducer,
    /// Append a [tick](crate::ObservationRecord::Tick) outside of any transaction.
    AppendTick {
        /// To this partition.
        partition: PartitionId,
    },
    /// These partitions are no longer the worker's: what is shown of them goes.
    Forget(Vec<PartitionId>),
    /// The callback that [`Input::Assigned`], [`Input::Revoked`] or [`Input::Lost`] stands for may return. Until it comes
    /// and no output is left, the adapter waits as long as [`Machine::wait`](super::Machine::wait) says and hands in
    /// [`Input::Timer`].
    CallbackDone,
    /// Something for metrics, `/status` and the log. No decision hangs on it.
    Observe(Fact),
    /// The worker can't go on; the partitions that it has are to be given back.
    End(End),
}

/// Why a worker ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The topic has not the number of partitions that it had.
    PartitionsChanged(PartitionsChanged),
    /// Records carry the producer's time.
    TimestampType(Topic),
    /// The transactional producer is of no more use.
    Producer {
        /// What the client said.
        problem: String,
    },
}
