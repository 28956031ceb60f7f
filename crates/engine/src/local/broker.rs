//! An in-process log with Kafka's rules: offsets with gaps, committed offsets with metadata, transactions that are visible
//! only once they are committed and are aborted when they time out, producers that are fenced by their successor, requests
//! that arrive late.

mod transactions;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use pipewarden_core::log::{Offset, Partition};
use pipewarden_core::time::AppendTime;
use thiserror::Error;

/// A topic and one of its partitions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: Partition,
}

impl TopicPartition {
    /// A partition of a topic.
    pub fn new(topic: &str, partition: Partition) -> Self {
        Self {
            topic: topic.to_owned(),
            partition,
        }
    }
}

/// A record as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset.
    pub offset: Offset,
    /// When it was appended.
    pub append_time: AppendTime,
    /// Empty for none.
    pub key: Vec<u8>,
    /// The payload.
    pub value: Vec<u8>,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to read.
    pub offset: Offset,
    /// The metadata that was committed with it.
    pub metadata: String,
}

/// Why the log rejected a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BrokerError {
    /// A producer with the same transactional id was started after this one.
    #[error("the producer is fenced: a later one uses its transactional id")]
    Fenced,
    /// The group has been rebalanced since the generation that the member names.
    #[error("the generation is stale: the group has been rebalanced")]
    StaleGeneration,
    /// The producer's last transaction has not been ended.
    #[error("a transaction is open: end it first")]
    TransactionOpen,
    /// There is no open transaction.
    #[error("no transaction is open: begin one first")]
    NoTransaction,
    /// The transaction has been aborted by a late request of this producer.
    #[error("the transaction has been aborted")]
    InvalidState,
    /// The client has no room for more records.
    #[error("the client's queue is full")]
    QueueFull,
    /// Any other reason for which the transaction must be aborted.
    #[error("the transaction must be aborted")]
    Rejected,
    /// An open transaction holds an offset of this partition: what is committed will be known when it has ended.
    #[error("the committed offset is not stable: a transaction that holds it is open")]
    Unstable,
}

/// A transactional producer: its id and its epoch. Starting another with the same id fences it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    id: String,
    epoch: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Visible to everyone.
    Committed,
    /// Its transaction is open: nothing after it can be read.
    Pending,
    /// Never visible.
    Aborted,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    state: State,
}

#[derive(Debug, Default)]
struct PartitionLog {
    entries: BTreeMap<Offset, Entry>,
    /// Records below it have been deleted.
    log_start: Offset,
    next_offset: Offset,
}

/// A transactional id. As on a real broker, a transaction begins with its first record or offset, whatever the producer
/// believes.
#[derive(Debug, Default)]
struct Transaction {
    epoch: u64,
    /// Whether the producer has begun one.
    is_begun: bool,
    /// Whether the log holds a record or an offset of one.
    is_open: bool,
    /// How long it has been open.
    age: Duration,
    /// How the last one ended: committed or not.
    last_end: Option<bool>,
    written: Vec<(TopicPartition, Offset)>,
    offsets: Vec<(String, TopicPartition, Committed)>,
}

/// The log.
#[derive(Debug, Default)]
pub struct Broker {
    partitions: BTreeMap<TopicPartition, PartitionLog>,
    transactions: BTreeMap<String, Transaction>,
    committed: BTreeMap<(String, TopicPartition), Committed>,
    generations: BTreeMap<String, u64>,
    late: VecDeque<LateEnd>,
}

/// A request to end a transaction that is still on its way.
#[derive(Debug)]
struct LateEnd {
    producer: Producer,
    commit: bool,
}

impl Broker {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a record outside of any transaction; returns its offset.
    pub fn append(
        &mut self,
        to: &TopicPartition,
        append_time: AppendTime,
        key: &[u8],
        value: &[u8],
    ) -> Offset {
        self.push(to, append_time, key, value, State::Committed)
    }

    /// Leaves a gap of one offset, as compaction and control records do.
    pub fn skip_offset(&mut self, of: &TopicPartition) {
        let partition = self.partitions.entry(of.clone()).or_default();
        partition.next_offset = partition.next_offset.next();
    }

    /// The offset after the last record: the high watermark.
    pub fn end_offset(&self, of: &TopicPartition) -> Offset {
        self.partitions
            .get(of)
            .map_or(Offset::ZERO, |partition| partition.next_offset)
    }

    /// The first record at or after `offset` that a `read_committed` consumer may see: not aborted, and not
    /// behind an open transaction.
    pub fn fetch(&self, from: &TopicPartition, offset: Offset) -> Option<&Record> {
        let entries = self
            .partitions
            .get(from)?
            .entries
            .range(offset..)
            .map(|(_, entry)| entry);
        entries
            .take_while(|entry| entry.state != State::Pending)
            .find(|entry| entry.state == State::Committed)
            .map(|entry| &entry.record)
    }

    /// All records that a `read_committed` consumer sees from the start of the partition.
    pub fn read_committed(&self, from: &TopicPartition) -> impl Iterator<Item = &Record> {
        let mut next = Offset::ZERO;
        std::iter::from_fn(move || {
            let record = self.fetch(from, next)?;
            next = record.offset.next();
            Some(record)
        })
    }

    /// Deletes the records before `offset`, as retention does.
    pub fn delete_before(&mut self, of: &TopicPartition, offset: Offset) {
        if let Some(partition) = self.partitions.get_mut(of) {
            partition.entries = partition.entries.split_off(&offset);
            partition.log_start = partition.log_start.max(offset.min(partition.next_offset));
        }
    }

    /// Deletes the records from `offset` on, as an unclean election of a leader does that lacks them.
    pub fn truncate(&mut self, of: &TopicPartition, offset: Offset) {
        if let Some(partition) = self.partitions.get_mut(of) {
            partition.entries.split_off(&offset);
            partition.next_offset = partition.next_offset.min(offset.max(partition.log_start));
        }
    }

    /// The start of the log: the low watermark.
    pub fn start_offset(&self, of: &TopicPartition) -> Offset {
        let partition = self.partitions.get(of);
        partition.map_or(Offset::ZERO, |partition| partition.log_start)
    }

    /// The last commit of `group` for a partition.
    pub fn committed(&self, group: &str, of: &TopicPartition) -> Option<&Committed> {
        self.committed.get(&(group.to_owned(), of.clone()))
    }

    /// The same, as a `read_committed` consumer asks for it.
    ///
    /// # Errors
    /// [`BrokerError::Unstable`] while a transaction is open that holds an offset of this partition.
    pub fn stable_committed(
        &self,
        group: &str,
        of: &TopicPartition,
    ) -> Result<Option<&Committed>, BrokerError> {
        let holds = |transaction: &Transaction| {
            let mut offsets = transaction.offsets.iter();
            offsets.any(|(in_group, place, _)| in_group == group && place == of)
        };
        if self.transactions.values().any(holds) {
            return Err(BrokerError::Unstable);
        }
        Ok(self.committed(group, of))
    }

    /// The generation of a group.
    pub fn generation(&self, group: &str) -> u64 {
        self.generations.get(group).copied().unwrap_or_default()
    }

    /// Begins a new generation of a group: commits of members that know only an older one are rejected.
    pub fn rebalance(&mut self, group: &str) -> u64 {
        let generation = self.generations.entry(group.to_owned()).or_default();
        *generation += 1;
        *generation
    }

    /// Commits an offset outside of any transaction, as a member that knows this generation of the group.
    ///
    /// # Errors
    /// [`BrokerError::StaleGeneration`] if the generation is not the latest.
    pub fn commit_offset(
        &mut self,
        group: (&str, u64),
        of: &TopicPartition,
        offset: Offset,
    ) -> Result<(), BrokerError> {
        let (group, generation) = group;
        if self.generation(group) != generation {
            return Err(BrokerError::StaleGeneration);
        }
        let metadata = String::new();
        self.committed
            .insert((group.to_owned(), of.clone()), Committed { offset, metadata });
        Ok(())
    }

    fn push(
        &mut self,
        to: &TopicPartition,
        append_time: AppendTime,
        key: &[u8],
        value: &[u8],
        state: State,
    ) -> Offset {
        let partition = self.partitions.entry(to.clone()).or_default();
        let offset = partition.next_offset;
        partition.next_offset = offset.next();
        let record = Record {
            offset,
            append_time,
            key: key.to_vec(),
            value: value.to_vec(),
        };
        partition.entries.insert(offset, Entry { record, state });
        offset
    }
}

#[cfg(test)]
mod tests;
