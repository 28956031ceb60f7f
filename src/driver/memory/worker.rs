//! A correlator worker on the in-process log: what a Kafka worker does, one step at a time.

use std::sync::Arc;

use super::broker::{Broker, BrokerError, Committed, Producer, TopicPartition};
use crate::pipeline::{Applied, Correlator, LogRecord, PartitionsChanged, Program, Seek};
use crate::time::AppendTime;

/// Names on the in-process log.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The observations topic's name.
    pub observations: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// Where alerts go.
    pub alerts: TopicPartition,
    /// The consumer group.
    pub group: String,
}

impl Layout {
    /// One observations topic with this many partitions, one partition of alerts.
    pub fn new(partitions: u32) -> Self {
        Self {
            observations: "pipewarden.observations".to_owned(),
            partitions,
            alerts: TopicPartition::new("pipewarden.alerts", 0),
            group: "pipewarden-correlator".to_owned(),
        }
    }

    /// One partition of the observations topic.
    pub fn input(&self, partition: u32) -> TopicPartition {
        TopicPartition::new(&self.observations, partition)
    }
}

/// The owner of one observations partition. Dropping it is a crash: what it has not committed is lost.
#[derive(Debug)]
pub struct Worker {
    layout: Layout,
    input: TopicPartition,
    producer: Producer,
    correlator: Correlator,
    next: u64,
    in_transaction: bool,
}

impl Worker {
    /// Takes over a partition: fences whoever had it, and goes back as far as the state demands.
    ///
    /// # Errors
    /// [`PartitionsChanged`] where keys have moved.
    pub fn take_over(
        broker: &mut Broker,
        layout: &Layout,
        partition: u32,
        program: &Arc<Program>,
    ) -> Result<Self, PartitionsChanged> {
        let producer = broker.start_producer(&format!("{}-{partition}", layout.group));
        let input = layout.input(partition);
        let (correlator, next) = match broker.committed(&layout.group, &input) {
            None => (Correlator::fresh(Arc::clone(program), layout.partitions), 0),
            Some(Committed { offset, metadata }) => {
                let recovery =
                    Correlator::recover(Arc::clone(program), *offset, metadata, layout.partitions)?;
                let next = match recovery.seek {
                    Seek::Offset(rewind) => rewind,
                    Seek::Beginning => 0,
                };
                (recovery.correlator, next)
            }
        };
        Ok(Self {
            layout: layout.clone(),
            input,
            producer,
            correlator,
            next,
            in_transaction: false,
        })
    }

    /// Applies the next record and writes what it causes into the open transaction. `None` at the end of the
    /// partition.
    ///
    /// # Errors
    /// [`BrokerError::Fenced`] if another worker has taken over.
    pub fn step(&mut self, broker: &mut Broker) -> Result<Option<Applied>, BrokerError> {
        let Some(record) = broker.fetch(&self.input, self.next) else {
            return Ok(None);
        };
        let (offset, append_time) = (record.offset, record.append_time);
        let applied = self.correlator.apply(LogRecord {
            offset,
            append_time,
            value: &record.value,
        });
        self.next = offset + 1;
        if !applied.alerts.is_empty() {
            self.begin(broker)?;
            for alert in &applied.alerts {
                broker.append_in(
                    &self.producer,
                    &self.layout.alerts,
                    self.correlator.stream_time(),
                    alert.key.as_bytes(),
                    &alert.value,
                )?;
            }
        }
        Ok(Some(applied))
    }

    /// Commits alerts and offset in one transaction. Does nothing while the log is still being replayed: its
    /// offset must not go back.
    ///
    /// # Errors
    /// [`BrokerError::Fenced`] if another worker has taken over.
    pub fn commit(&mut self, broker: &mut Broker) -> Result<(), BrokerError> {
        if !self.correlator.is_caught_up() {
            return Ok(());
        }
        self.begin(broker)?;
        let committed = Committed {
            offset: self.correlator.position(),
            metadata: self.correlator.checkpoint().to_string(),
        };
        broker.send_offset(&self.producer, &self.layout.group, &self.input, committed)?;
        self.in_transaction = false;
        broker.commit(&self.producer)
    }

    /// Throws the open transaction away. The state has run ahead of what is written then: the partition must be
    /// taken over again.
    ///
    /// # Errors
    /// [`BrokerError::Fenced`] if another worker has taken over.
    pub fn abort(&mut self, broker: &mut Broker) -> Result<(), BrokerError> {
        if std::mem::take(&mut self.in_transaction) {
            broker.abort(&self.producer)
        } else {
            Ok(())
        }
    }

    /// When the next revision is due.
    pub fn next_deadline(&self) -> Option<AppendTime> {
        self.correlator.next_deadline()
    }

    /// The state it holds.
    pub fn correlator(&self) -> &Correlator {
        &self.correlator
    }

    fn begin(&mut self, broker: &mut Broker) -> Result<(), BrokerError> {
        if !self.in_transaction {
            broker.begin(&self.producer)?;
            self.in_transaction = true;
        }
        Ok(())
    }
}
