//! Reads the topics that alerts are written to, from some time back, for people: belongs to no group and commits nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use pipewarden_core::log::Partition;
use pipewarden_core::time::AppendTime;
use pipewarden_engine::Origin;
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::client::{self, LogOnly};
use super::error::DriverError;
use super::metadata::Probe;
use super::settings::Kafka;
use super::{group, gzip};

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(5);

/// A reader of alerts, `read_committed`: what a transaction has not committed is not there.
pub struct AlertReader {
    consumer: BaseConsumer<LogOnly>,
    probe: Probe,
    topics: Vec<String>,
    since: AppendTime,
    /// How many partitions are read of each topic.
    assigned: BTreeMap<String, u32>,
}

/// What a call of [`AlertReader::poll`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// A record, which has been taken in.
    Record,
    /// The end of a partition: whatever was committed when it was asked has been taken in.
    End(Partition),
    /// Nothing within that time.
    Nothing,
}

impl AlertReader {
    /// Reads alerts in ECS and what is suppressed, written at `since` or later. Nothing is connected before the first call.
    ///
    /// # Errors
    /// Properties that librdkafka rejects.
    pub fn new(kafka: &Kafka, since: AppendTime) -> Result<Self, DriverError> {
        let topics = vec![kafka.topics.alerts.clone(), kafka.topics.suppressed.clone()];
        Self::of(topics, kafka, since)
    }

    /// Reads alerts in ECS alone, so that an end is one of their topic.
    ///
    /// # Errors
    /// Properties that librdkafka rejects.
    pub fn without_suppressed(kafka: &Kafka, since: AppendTime) -> Result<Self, DriverError> {
        Self::of(vec![kafka.topics.alerts.clone()], kafka, since)
    }

    fn of(topics: Vec<String>, kafka: &Kafka, since: AppendTime) -> Result<Self, DriverError> {
        let consumer = client::reader(kafka, "page")
            .create_with_context(LogOnly)
            .map_err(DriverError::client("consumer of the alert topics"))?;
        Ok(Self {
            consumer,
            probe: Probe::new(kafka, "page-metadata")?,
            topics,
            since,
            assigned: BTreeMap::new(),
        })
    }

    /// How many partitions of all topics are read.
    pub fn partitions(&self) -> u32 {
        self.assigned.values().sum()
    }

    /// The topics.
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// Asks which partitions there are and reads those that are new. To be called at the start, and from time to time.
    ///
    /// # Errors
    /// No broker answers, or a topic does not exist or may not be read. May be tried again.
    pub fn assign(&mut self) -> Result<(), DriverError> {
        let mut list = TopicPartitionList::new();
        let mut found = BTreeMap::new();
        for topic in &self.topics {
            let number = self.probe.topic(topic, REQUEST)?.partitions;
            if number == 0 {
                let topic = topic.clone();
                return Err(DriverError::MissingTopic { topic });
            }
            found.insert(topic.clone(), number);
            for partition in self.assigned.get(topic).copied().unwrap_or(0)..number {
                let partition = Partition::new(partition).to_wire();
                list.add_partition_offset(topic, partition, Offset::Offset(self.since.as_millis()))
                    .map_err(Self::failed)?;
            }
        }
        if list.count() == 0 {
            return Ok(());
        }
        let begins = self
            .consumer
            .offsets_for_times(list, REQUEST)
            .map_err(Self::failed)?;
        for begin in begins.elements() {
            begin.error().map_err(Self::failed)?;
        }
        self.consumer.incremental_assign(&begins).map_err(Self::failed)?;
        self.assigned = found;
        Ok(())
    }

    /// The next record, within so long: where it lay and its value. A record without a value takes nothing back here.
    ///
    /// # Errors
    /// What ends reading; everything else is waited out by the client.
    pub fn poll(
        &mut self,
        within: Duration,
        take: &mut impl FnMut(Origin<'_>, &[u8]),
    ) -> Result<Polled, DriverError> {
        match self.consumer.poll(within) {
            Some(Ok(message)) => {
                let origin = Origin {
                    topic: message.topic(),
                    partition: group::number(message.partition()),
                    offset: group::offset(message.offset()),
                };
                match message.payload() {
                    Some(payload) if gzip::lost_batch(payload).is_none() => take(origin, payload),
                    Some(_) => take(origin, b"a batch that could not be inflated"),
                    None => {}
                }
                Ok(Polled::Record)
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Polled::End(group::number(partition))),
            Some(Err(fatal @ KafkaError::MessageConsumptionFatal(_))) => Err(Self::failed(fatal)),
            Some(Err(_)) | None => Ok(Polled::Nothing),
        }
    }

    fn failed(problem: KafkaError) -> DriverError {
        DriverError::admin("cannot read the alert topics".to_owned())(problem)
    }
}
