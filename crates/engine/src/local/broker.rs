//! An in-process log with Kafka's rules: offsets with gaps, committed offsets with metadata, transactions that show only
//! when they commit and are aborted when nobody ends them, producers that are fenced by their successor, requests that
//! arrive late.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use pipewarden_core::time::AppendTime;
use thiserror::Error;

/// A topic and one of its partitions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition's number, from 0.
    pub partition: u32,
}

impl TopicPartition {
    /// A partition of a topic.
    pub fn new(topic: &str, partition: u32) -> Self {
        Self {
            topic: topic.to_owned(),
            partition,
        }
    }
}

/// A record as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the partition.
    pub offset: u64,
    /// When the log took it.
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
    pub offset: u64,
    /// What the consumer wrote beside it.
    pub metadata: String,
}

/// Why the log refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BrokerError {
    /// A producer with the same transactional id was started after this one.
    #[error("the producer is fenced: a later one uses its transactional id")]
    Fenced,
    /// The group has been rebalanced since the member last looked.
    #[error("the generation is stale: the group has been rebalanced")]
    StaleGeneration,
    /// The producer's last transaction has not been ended.
    #[error("a transaction is open: end it first")]
    TransactionOpen,
    /// There is no open transaction.
    #[error("no transaction is open: begin one first")]
    NoTransaction,
    /// The transaction has been ended the other way, by a request of this producer that was late.
    #[error("the transaction has been aborted")]
    InvalidState,
    /// The client has no room for more records.
    #[error("the client's queue is full")]
    QueueFull,
    /// Any other reason for which the transaction must be aborted.
    #[error("the transaction must be aborted")]
    Refused,
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
    /// Its transaction is open: nothing after it can be read either.
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
struct Partition {
    entries: BTreeMap<u64, Entry>,
    /// Records below it have been deleted.
    log_start: u64,
    next_offset: u64,
}

/// A transactional id. As on a real broker, a transaction begins with its first record or offset, whatever the producer
/// believes.
#[derive(Debug, Default)]
struct Transaction {
    epoch: u64,
    /// Whether the producer has begun one.
    is_begun: bool,
    /// Whether the log holds anything of one.
    is_open: bool,
    /// How long it has been open.
    age: Duration,
    /// How the last one ended: committed or not.
    last_end: Option<bool>,
    written: Vec<(TopicPartition, u64)>,
    offsets: Vec<(String, TopicPartition, Committed)>,
}

/// The log.
#[derive(Debug, Default)]
pub struct Broker {
    partitions: BTreeMap<TopicPartition, Partition>,
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

/// How long a transaction may stay open: the service's `transaction.timeout.ms`.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

impl Broker {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a record outside any transaction and says its offset.
    pub fn append(&mut self, to: &TopicPartition, append_time: AppendTime, key: &[u8], value: &[u8]) -> u64 {
        self.push(to, append_time, key, value, State::Committed)
    }

    /// Leaves a gap of one offset, as compaction and control records do.
    pub fn skip_offset(&mut self, of: &TopicPartition) {
        self.partitions.entry(of.clone()).or_default().next_offset += 1;
    }

    /// The offset after the last record.
    pub fn end_offset(&self, of: &TopicPartition) -> u64 {
        self.partitions
            .get(of)
            .map_or(0, |partition| partition.next_offset)
    }

    /// The first record at or after `offset` that a `read_committed` consumer may see: not aborted, and not
    /// behind an open transaction.
    pub fn fetch(&self, from: &TopicPartition, offset: u64) -> Option<&Record> {
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
        let mut next = Some(0);
        std::iter::from_fn(move || {
            let record = self.fetch(from, next?)?;
            next = record.offset.checked_add(1);
            Some(record)
        })
    }

    /// Forgets the records before `offset`, as retention does.
    pub fn delete_before(&mut self, of: &TopicPartition, offset: u64) {
        if let Some(partition) = self.partitions.get_mut(of) {
            partition.entries = partition.entries.split_off(&offset);
            partition.log_start = partition.log_start.max(offset.min(partition.next_offset));
        }
    }

    /// Forgets the records from `offset` on, as a leader does that was elected without having them.
    pub fn truncate(&mut self, of: &TopicPartition, offset: u64) {
        if let Some(partition) = self.partitions.get_mut(of) {
            partition.entries.split_off(&offset);
            partition.next_offset = partition.next_offset.min(offset.max(partition.log_start));
        }
    }

    /// The offset of the first record that there may be.
    pub fn start_offset(&self, of: &TopicPartition) -> u64 {
        self.partitions.get(of).map_or(0, |partition| partition.log_start)
    }

    /// What `group` committed last for a partition.
    pub fn committed(&self, group: &str, of: &TopicPartition) -> Option<&Committed> {
        self.committed.get(&(group.to_owned(), of.clone()))
    }

    /// What `group` committed last for a partition, as a `read_committed` consumer asks for it.
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

    /// Lets time pass: transactions that nobody ends are aborted, and their producers fenced.
    pub fn pass(&mut self, span: Duration) {
        let mut expired = Vec::new();
        for (id, transaction) in &mut self.transactions {
            if transaction.is_open {
                transaction.age += span;
                if transaction.age >= TRANSACTION_TIMEOUT {
                    transaction.epoch += 1;
                    transaction.is_begun = false;
                    expired.push(id.clone());
                }
            }
        }
        expired.iter().for_each(|id| self.end_transaction(id, false));
    }

    /// A request of this producer to end its transaction is on its way and will arrive late: see
    /// [`Broker::deliver_late`].
    pub fn delay_end(&mut self, producer: &Producer, commit: bool) {
        let producer = producer.clone();
        self.late.push_back(LateEnd { producer, commit });
    }

    /// One of the late requests arrives, whichever is named modulo their number; false if there is none. It ends whatever
    /// transaction of the same producer and epoch is open now: a broker can't tell which one was meant.
    pub fn deliver_late(&mut self, which: usize) -> bool {
        if self.late.is_empty() {
            return false;
        }
        let Some(LateEnd { producer, commit }) = self.late.remove(which % self.late.len()) else {
            return false;
        };
        if self
            .current(&producer)
            .is_ok_and(|transaction| transaction.is_open)
        {
            self.end_transaction(&producer.id, commit);
        }
        true
    }

    /// Begins a new generation of a group, whose members must look before they can commit again.
    pub fn rebalance(&mut self, group: &str) -> u64 {
        let generation = self.generations.entry(group.to_owned()).or_default();
        *generation += 1;
        *generation
    }

    /// Starts a transactional producer: fences the one before it and aborts what that left open.
    pub fn start_producer(&mut self, transactional_id: &str) -> Producer {
        self.end_transaction(transactional_id, false);
        let transaction = self.transactions.entry(transactional_id.to_owned()).or_default();
        transaction.epoch += 1;
        transaction.is_begun = false;
        transaction.last_end = None;
        Producer {
            id: transactional_id.to_owned(),
            epoch: transaction.epoch,
        }
    }

    /// Opens a transaction.
    ///
    /// # Errors
    /// [`BrokerError::Fenced`] if a later producer uses the id, [`BrokerError::TransactionOpen`] if one is open.
    pub fn begin(&mut self, producer: &Producer) -> Result<(), BrokerError> {
        let transaction = self.current(producer)?;
        if transaction.is_begun {
            return Err(BrokerError::TransactionOpen);
        }
        transaction.is_begun = true;
        transaction.last_end = None;
        Ok(())
    }

    /// Appends a record within the producer's transaction.
    ///
    /// # Errors
    /// [`BrokerError`] if the producer is fenced or has no transaction open.
    pub fn append_in(
        &mut self,
        producer: &Producer,
        to: &TopicPartition,
        append_time: AppendTime,
        key: &[u8],
        value: &[u8],
    ) -> Result<u64, BrokerError> {
        self.open_transaction(producer)?.is_open = true;
        let offset = self.push(to, append_time, key, value, State::Pending);
        self.open_transaction(producer)?
            .written
            .push((to.clone(), offset));
        Ok(offset)
    }

    /// Adds a consumed offset to the producer's transaction, as a member that knows this generation of the group.
    ///
    /// # Errors
    /// [`BrokerError`] if the producer is fenced or has no transaction open, or the generation is not the latest.
    pub fn send_offset(
        &mut self,
        producer: &Producer,
        group: (&str, u64),
        of: &TopicPartition,
        committed: Committed,
    ) -> Result<(), BrokerError> {
        let (group, generation) = group;
        self.open_transaction(producer)?;
        if self.generation(group) != generation {
            return Err(BrokerError::StaleGeneration);
        }
        let transaction = self.open_transaction(producer)?;
        transaction.is_open = true;
        transaction
            .offsets
            .push((group.to_owned(), of.clone(), committed));
        Ok(())
    }

    /// Commits an offset outside of any transaction, as a member that knows this generation of the group.
    ///
    /// # Errors
    /// [`BrokerError::StaleGeneration`] if the generation is not the latest.
    pub fn commit_offset(
        &mut self,
        group: (&str, u64),
        of: &TopicPartition,
        offset: u64,
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

    /// Makes the transaction's records and offsets visible, all at once.
    ///
    /// # Errors
    /// [`BrokerError`] if the producer is fenced or has begun no transaction, or if a late request has aborted it.
    pub fn commit(&mut self, producer: &Producer) -> Result<(), BrokerError> {
        let transaction = self.open_transaction(producer)?;
        transaction.is_begun = false;
        if !transaction.is_open && transaction.last_end == Some(false) {
            return Err(BrokerError::InvalidState);
        }
        self.end_transaction(&producer.id, true);
        Ok(())
    }

    /// Throws the transaction away.
    ///
    /// # Errors
    /// [`BrokerError`] if the producer is fenced or has no transaction open.
    pub fn abort(&mut self, producer: &Producer) -> Result<(), BrokerError> {
        self.open_transaction(producer)?.is_begun = false;
        self.end_transaction(&producer.id, false);
        Ok(())
    }

    fn push(
        &mut self,
        to: &TopicPartition,
        append_time: AppendTime,
        key: &[u8],
        value: &[u8],
        state: State,
    ) -> u64 {
        let partition = self.partitions.entry(to.clone()).or_default();
        let offset = partition.next_offset;
        partition.next_offset += 1;
        let record = Record {
            offset,
            append_time,
            key: key.to_vec(),
            value: value.to_vec(),
        };
        partition.entries.insert(offset, Entry { record, state });
        offset
    }

    fn current(&mut self, producer: &Producer) -> Result<&mut Transaction, BrokerError> {
        self.transactions
            .get_mut(&producer.id)
            .filter(|transaction| transaction.epoch == producer.epoch)
            .ok_or(BrokerError::Fenced)
    }

    fn open_transaction(&mut self, producer: &Producer) -> Result<&mut Transaction, BrokerError> {
        let transaction = self.current(producer)?;
        if transaction.is_begun {
            Ok(transaction)
        } else {
            Err(BrokerError::NoTransaction)
        }
    }

    fn end_transaction(&mut self, id: &str, commit: bool) {
        let Some(transaction) = self.transactions.get_mut(id) else {
            return;
        };
        if !transaction.is_open {
            return;
        }
        transaction.is_open = false;
        transaction.age = Duration::ZERO;
        transaction.last_end = Some(commit);
        let written = std::mem::take(&mut transaction.written);
        let offsets = std::mem::take(&mut transaction.offsets);
        for (place, offset) in &written {
            if let Some(partition) = self.partitions.get_mut(place)
                && let Some(entry) = partition.entries.get_mut(offset)
            {
                entry.state = if commit { State::Committed } else { State::Aborted };
            }
        }
        // The control record that ends a transaction takes an offset in every partition it wrote to.
        let mut marked: Vec<TopicPartition> = written.into_iter().map(|(place, _)| place).collect();
        marked.sort();
        marked.dedup();
        for place in &marked {
            self.skip_offset(place);
        }
        if commit {
            self.committed.extend(
                offsets
                    .into_iter()
                    .map(|(group, place, committed)| ((group, place), committed)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: AppendTime = AppendTime::from_millis(0);

    fn alerts() -> TopicPartition {
        TopicPartition::new("alerts", 0)
    }

    fn values(broker: &Broker) -> Vec<&[u8]> {
        broker
            .read_committed(&alerts())
            .map(|record| record.value.as_slice())
            .collect()
    }

    fn committed(offset: u64) -> Committed {
        Committed {
            offset,
            metadata: String::new(),
        }
    }

    #[test]
    fn a_transaction_shows_its_records_and_its_offsets_together_or_not_at_all() {
        let mut broker = Broker::new();
        let input = TopicPartition::new("observations", 3);
        let producer = broker.start_producer("worker-0");
        for (value, keep) in [(b"a", false), (b"b", true)] {
            broker.begin(&producer).unwrap();
            broker.append_in(&producer, &alerts(), NOW, b"", value).unwrap();
            broker
                .send_offset(&producer, ("group", 0), &input, committed(7))
                .unwrap();
            assert!(values(&broker).is_empty());
            assert_eq!(broker.committed("group", &input), None);
            if keep {
                broker.commit(&producer).unwrap()
            } else {
                broker.abort(&producer).unwrap()
            }
        }
        assert_eq!(values(&broker), [b"b"]);
        assert_eq!(broker.committed("group", &input), Some(&committed(7)));
    }

    #[test]
    fn nothing_behind_an_open_transaction_can_be_read() {
        let mut broker = Broker::new();
        let producer = broker.start_producer("worker-0");
        broker.begin(&producer).unwrap();
        broker
            .append_in(&producer, &alerts(), NOW, b"", b"pending")
            .unwrap();
        broker.append(&alerts(), NOW, b"", b"plain");
        assert!(values(&broker).is_empty());
        broker.abort(&producer).unwrap();
        assert_eq!(values(&broker), [b"plain"]);
    }

    #[test]
    fn a_zombie_can_do_nothing_and_what_it_left_open_is_aborted() {
        let mut broker = Broker::new();
        let zombie = broker.start_producer("worker-0");
        broker.begin(&zombie).unwrap();
        broker.append_in(&zombie, &alerts(), NOW, b"", b"lost").unwrap();
        let successor = broker.start_producer("worker-0");
        assert_eq!(broker.commit(&zombie), Err(BrokerError::Fenced));
        assert_eq!(broker.begin(&zombie), Err(BrokerError::Fenced));
        broker.begin(&successor).unwrap();
        broker
            .append_in(&successor, &alerts(), NOW, b"", b"kept")
            .unwrap();
        broker.commit(&successor).unwrap();
        assert_eq!(values(&broker), [b"kept"]);
    }

    #[test]
    fn a_member_that_has_not_seen_the_latest_rebalance_cannot_commit() {
        let (mut broker, input) = (Broker::new(), TopicPartition::new("observations", 0));
        let producer = broker.start_producer("worker");
        let old = broker.rebalance("group");
        let new = broker.rebalance("group");
        broker.begin(&producer).unwrap();
        let stale = broker.send_offset(&producer, ("group", old), &input, committed(7));
        assert_eq!(stale, Err(BrokerError::StaleGeneration));
        broker
            .send_offset(&producer, ("group", new), &input, committed(8))
            .unwrap();
        broker.commit(&producer).unwrap();
        assert_eq!(broker.committed("group", &input), Some(&committed(8)));
    }

    #[test]
    fn the_end_of_a_transaction_takes_an_offset() {
        let mut broker = Broker::new();
        let producer = broker.start_producer("worker-0");
        for _ in 0..2 {
            broker.begin(&producer).unwrap();
            broker.append_in(&producer, &alerts(), NOW, b"", b"x").unwrap();
            broker.commit(&producer).unwrap();
        }
        let offsets: Vec<u64> = broker
            .read_committed(&alerts())
            .map(|record| record.offset)
            .collect();
        assert_eq!(offsets, [0, 2]);
        assert_eq!(broker.end_offset(&alerts()), 4);
    }
}
