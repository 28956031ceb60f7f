//! Topics of a test: created, filled, read to their end.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::{BorrowedMessage, Message as _, Timestamp};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::broker::Broker;

const PATIENCE: Duration = Duration::from_secs(30);

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub partition: i32,
    pub offset: i64,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    /// The broker's clock, in milliseconds; `None` where the topic keeps the producer's.
    pub append_time: Option<i64>,
}

impl Broker {
    /// Creates a topic with these settings.
    pub fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let topic = settings
            .iter()
            .fold(topic, |topic, (key, value)| topic.set(key, value));
        let created = runtime()
            .block_on(admin.create_topics([&topic], &AdminOptions::new()))
            .unwrap();
        created.into_iter().for_each(|result| {
            result.unwrap();
        });
        // The controller has it; the broker knows of it a moment later.
        let is_published = || {
            let metadata = admin.inner().fetch_metadata(Some(name), PATIENCE).unwrap();
            !metadata.topics()[0].partitions().is_empty()
        };
        while !is_published() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Deletes a topic with all that is in it.
    pub fn delete_topic(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let deleted = runtime()
            .block_on(admin.delete_topics(&[name], &AdminOptions::new()))
            .unwrap();
        deleted.into_iter().for_each(|result| {
            result.unwrap();
        });
    }

    /// Appends values to given partitions of a topic.
    pub fn produce(&self, topic: &str, records: &[(i32, Vec<u8>)]) {
        let producer = self.producer();
        for (partition, value) in records {
            let record: BaseRecord<'_, [u8], [u8]> =
                BaseRecord::to(topic).partition(*partition).payload(value);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        flush(producer);
    }

    /// Appends records with keys to the first partition of a topic; without a value a record is a tombstone.
    pub fn produce_keyed(&self, topic: &str, records: &[(&[u8], Option<Vec<u8>>)]) {
        let producer = self.producer();
        for (key, value) in records {
            let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(0).key(key);
            let record = match value {
                Some(value) => record.payload(value),
                None => record,
            };
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        flush(producer);
    }

    /// Makes a topic larger.
    pub fn grow_topic(&self, name: &str, partitions: usize) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let grown = runtime()
            .block_on(admin.create_partitions([&NewPartitions::new(name, partitions)], &AdminOptions::new()))
            .unwrap();
        grown.into_iter().for_each(|result| {
            result.unwrap();
        });
    }

    /// Forgets the records of a partition before an offset, as retention does.
    pub fn delete_before(&self, topic: &str, partition: i32, offset: i64) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let mut offsets = TopicPartitionList::new();
        offsets
            .add_partition_offset(topic, partition, Offset::Offset(offset))
            .unwrap();
        runtime()
            .block_on(admin.delete_records(&offsets, &AdminOptions::new()))
            .unwrap();
    }

    /// What a group has committed for a partition: the offset and what stands beside it.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<(i64, String)> {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().unwrap();
        let mut question = TopicPartitionList::new();
        question.add_partition(topic, partition);
        let answer = consumer.committed_offsets(question, PATIENCE).unwrap();
        let element = answer.find_partition(topic, partition).unwrap();
        match element.offset() {
            Offset::Offset(offset) => Some((offset, element.metadata().to_owned())),
            _ => None,
        }
    }

    /// Commits for a group that has no members.
    pub fn commit(&self, group: &str, topic: &str, partition: i32, offset: i64, metadata: &str) {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().unwrap();
        let mut offsets = TopicPartitionList::new();
        let mut element = offsets.add_partition(topic, partition);
        element.set_offset(Offset::Offset(offset)).unwrap();
        element.set_metadata(metadata);
        consumer.commit(&offsets, CommitMode::Sync).unwrap();
    }

    /// Every committed record of a topic, partition by partition, to where the topic ends now.
    pub fn read_all(&self, topic: &str) -> Vec<Read> {
        let mut all = Vec::new();
        self.visit(topic, |message| all.push(read(message)));
        all.sort_by_key(|read: &Read| (read.partition, read.offset));
        all
    }

    /// Shows every committed record of a topic, in no order, to where the topic ends now.
    pub fn visit(&self, topic: &str, mut visit: impl FnMut(&BorrowedMessage<'_>)) {
        let consumer: BaseConsumer = self
            .client()
            .set("group.id", "unused")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            // That a partition is at its end is known when a fetch comes back empty.
            .set("fetch.wait.max.ms", "1")
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
        let mut assignment = TopicPartitionList::new();
        let mut open = 0;
        for partition in metadata.topics()[0].partitions() {
            assignment
                .add_partition_offset(topic, partition.id(), Offset::Beginning)
                .unwrap();
            open += 1;
        }
        consumer.assign(&assignment).unwrap();
        while open > 0 {
            match consumer.poll(PATIENCE) {
                Some(Ok(message)) => visit(&message),
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(error)) => panic!("{topic}: {error}"),
                None => panic!("{topic} does not answer"),
            }
        }
    }
}

/// Returns when everything is acknowledged. The producer's own `flush` looks every 100 ms.
fn flush(producer: &BaseProducer) {
    let deadline = Instant::now() + PATIENCE;
    while producer.in_flight_count() > 0 {
        assert!(Instant::now() < deadline, "the broker does not acknowledge");
        producer.poll(Duration::from_millis(1));
    }
}

fn read(message: &BorrowedMessage<'_>) -> Read {
    Read {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().unwrap_or_default().to_vec(),
        append_time: match message.timestamp() {
            Timestamp::LogAppendTime(millis) => Some(millis),
            Timestamp::CreateTime(_) | Timestamp::NotAvailable => None,
        },
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
