//! Transactional producers.

use std::time::Duration;

use pipewarden_core::log::Offset;
use pipewarden_core::time::AppendTime;

use super::{Broker, BrokerError, Committed, LateEnd, Producer, State, TopicPartition, Transaction};

/// How long a transaction may stay open: the service's `transaction.timeout.ms`.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

impl Broker {
    /// Advances time: transactions that have timed out are aborted, and their producers fenced.
    pub fn advance(&mut self, span: Duration) {
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

    /// Keeps a request of this producer to end its transaction, which arrives late: see [`Broker::deliver_late`].
    pub fn delay_end(&mut self, producer: &Producer, commit: bool) {
        let producer = producer.clone();
        self.late.push_back(LateEnd { producer, commit });
    }

    /// Delivers one of the late requests, number `which` modulo their count; false if there is none. It ends whatever
    /// transaction of the same producer and epoch is open now: a broker does not know which one was meant.
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
    ) -> Result<Offset, BrokerError> {
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

    /// Commits the transaction: its records and offsets become visible together.
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

    /// Aborts the transaction.
    ///
    /// # Errors
    /// [`BrokerError`] if the producer is fenced or has no transaction open.
    pub fn abort(&mut self, producer: &Producer) -> Result<(), BrokerError> {
        self.open_transaction(producer)?.is_begun = false;
        self.end_transaction(&producer.id, false);
        Ok(())
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
