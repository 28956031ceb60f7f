//! A correlator worker on the in-process log: what a Kafka worker does, one step at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipewarden_core::time::AppendTime;

use super::broker::{Broker, BrokerError, Committed, Producer, TopicPartition};
use crate::owned::Owned;
use crate::{Applied, Correlator, LogRecord, Origin, PartitionsChanged, Program, Seek};

/// Names on the in-process log.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The observations topic's name.
    pub observations: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// Where alerts go: the partition of the same number.
    pub alerts: String,
    /// Where suppressed alerts go: the partition of the same number.
    pub suppressed: String,
    /// Where they go as OCSF findings.
    pub findings: String,
    /// The consumer group.
    pub group: String,
}

impl Layout {
    /// Topics with this many partitions.
    pub fn new(partitions: u32) -> Self {
        Self {
            observations: "pipewarden.observations".to_owned(),
            partitions,
            alerts: "pipewarden.alerts".to_owned(),
            suppressed: "pipewarden.suppressed".to_owned(),
            findings: "pipewarden.alerts.ocsf".to_owned(),
            group: "pipewarden-correlator".to_owned(),
        }
    }

    /// One partition of the observations topic.
    pub fn input(&self, partition: u32) -> TopicPartition {
        TopicPartition::new(&self.observations, partition)
    }

    /// Where the alerts of that partition go.
    pub fn output(&self, partition: u32) -> TopicPartition {
        TopicPartition::new(&self.alerts, partition)
    }

    /// Where its suppressed alerts go.
    pub fn suppressed_output(&self, partition: u32) -> TopicPartition {
        TopicPartition::new(&self.suppressed, partition)
    }

    /// Where they go as OCSF findings.
    pub fn findings(&self, partition: u32) -> TopicPartition {
        TopicPartition::new(&self.findings, partition)
    }
}

/// A worker and its partitions. Dropping it is a crash: what it has not committed is lost.
#[derive(Debug)]
pub struct Worker {
    layout: Layout,
    producer: Producer,
    generation: u64,
    partitions: BTreeMap<u32, (Owned, u64)>,
}

impl Worker {
    /// Starts a worker without partitions, and fences whoever had its name.
    pub fn start(broker: &mut Broker, layout: &Layout, name: &str) -> Self {
        Self {
            layout: layout.clone(),
            producer: broker.start_producer(name),
            generation: 0,
            partitions: BTreeMap::new(),
        }
    }

    /// Learns of the group's latest generation, as the callback of a rebalance does.
    pub fn rejoin(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// Takes over a partition: goes back as far as the state demands.
    ///
    /// # Errors
    /// [`PartitionsChanged`] where keys have moved.
    pub fn take_over(
        &mut self,
        broker: &Broker,
        partition: u32,
        program: &Arc<Program>,
    ) -> Result<(), PartitionsChanged> {
        let (program, partitions) = (Arc::clone(program), self.layout.partitions);
        let (correlator, next) = match broker.committed(&self.layout.group, &self.layout.input(partition)) {
            None => (Correlator::fresh(program, partitions), 0),
            Some(Committed { offset, metadata }) => {
                let recovery = Correlator::recover(program, *offset, metadata, partitions)?;
                let next = match recovery.seek {
                    Seek::Offset(rewind) => rewind,
                    Seek::Beginning => 0,
                };
                (recovery.correlator, next)
            }
        };
        self.partitions.insert(partition, (Owned::new(correlator), next));
        Ok(())
    }

    /// Takes another program up: every partition is rebuilt from the log, as after a start. Everything that was read must
    /// have been committed; false, and nothing happens, where that is not so.
    pub fn adopt(&mut self, program: &Arc<Program>) -> bool {
        let is_settled = |owned: &Owned| owned.commit().is_none() && owned.correlator().is_caught_up();
        if !self.partitions.values().all(|(owned, _)| is_settled(owned)) {
            return false;
        }
        for (owned, next) in self.partitions.values_mut() {
            let correlator = owned.correlator().under(Arc::clone(program));
            *next = correlator.position();
            *owned = Owned::new(correlator);
        }
        true
    }

    /// Gives a partition up, with whatever waited to be committed.
    pub fn drop_partition(&mut self, partition: u32) {
        self.partitions.remove(&partition);
    }

    /// The partitions it believes to own.
    pub fn partitions(&self) -> impl Iterator<Item = u32> {
        self.partitions.keys().copied()
    }

    /// Applies the next record of a partition; what it causes waits for the commit. `None` at the end.
    pub fn step(&mut self, broker: &Broker, partition: u32) -> Option<Applied> {
        let input = self.layout.input(partition);
        let (owned, next) = self.partitions.get_mut(&partition)?;
        let Some(record) = broker.fetch(&input, *next) else {
            owned.reach_end();
            return None;
        };
        let origin = Origin {
            topic: &input.topic,
            partition: i32::try_from(partition).unwrap_or(i32::MAX),
            offset: i64::try_from(record.offset).unwrap_or(i64::MAX),
        };
        *next = record.offset + 1;
        let log_record = LogRecord {
            offset: record.offset,
            append_time: record.append_time,
            value: &record.value,
        };
        Some(owned.apply(log_record, origin))
    }

    /// Commits alerts and offsets in one transaction. Where the log refuses, the batch stays.
    ///
    /// # Errors
    /// [`BrokerError::Fenced`] if the worker's name has been taken, [`BrokerError::StaleGeneration`] if the group has
    /// been rebalanced since [`Worker::rejoin`].
    pub fn commit(&mut self, broker: &mut Broker) -> Result<(), BrokerError> {
        if self
            .partitions
            .values()
            .all(|(owned, _)| owned.commit().is_none())
        {
            return Ok(());
        }
        let written = self.write(broker).and_then(|()| broker.commit(&self.producer));
        if let Err(error) = written {
            // A producer that is fenced cannot abort; its successor has.
            let _ = broker.abort(&self.producer);
            return Err(error);
        }
        for (owned, _) in self.partitions.values_mut() {
            if owned.commit().is_some() {
                owned.committed().for_each(drop);
            }
        }
        Ok(())
    }

    /// Writes the batch and leaves its transaction open, as a worker does that dies in the midst of a commit.
    ///
    /// # Errors
    /// As [`Worker::commit`].
    pub fn write(&self, broker: &mut Broker) -> Result<(), BrokerError> {
        broker.begin(&self.producer)?;
        for (&partition, (owned, _)) in &self.partitions {
            let time = owned.correlator().stream_time();
            for pending in owned.alerts() {
                let alert = &pending.alert;
                let mut append = |output: TopicPartition, value: &[u8]| {
                    broker
                        .append_in(&self.producer, &output, time, alert.key.as_bytes(), value)
                        .map(drop)
                };
                if alert.is_told {
                    append(self.layout.output(partition), &alert.value)?;
                    if let Some(finding) = &alert.finding {
                        append(self.layout.findings(partition), finding)?;
                    }
                }
                if alert.is_suppressed() {
                    append(self.layout.suppressed_output(partition), &alert.value)?;
                }
            }
            if let Some((offset, checkpoint)) = owned.commit() {
                let committed = Committed {
                    offset,
                    metadata: checkpoint.to_string(),
                };
                let group = (self.layout.group.as_str(), self.generation);
                broker.send_offset(&self.producer, group, &self.layout.input(partition), committed)?;
            }
        }
        Ok(())
    }

    /// Writes the batch and aborts it: the batch stays, to be tried again.
    ///
    /// # Errors
    /// As [`Worker::commit`].
    pub fn abort(&mut self, broker: &mut Broker) -> Result<(), BrokerError> {
        let written = self.write(broker);
        written.and(broker.abort(&self.producer))
    }

    /// When the next revision of a partition is due.
    pub fn next_deadline(&self, partition: u32) -> Option<AppendTime> {
        self.correlator(partition)?.next_deadline()
    }

    /// The state it holds for a partition.
    pub fn correlator(&self, partition: u32) -> Option<&Correlator> {
        self.partitions
            .get(&partition)
            .map(|(owned, _)| owned.correlator())
    }
}
