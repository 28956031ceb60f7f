//! Batches of gzip are read as they were written, by the function that stands in for librdkafka's own.

use std::time::Duration;

// Linked for the sake of that function: what links it inflates by it.
use pipewarden as _;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};

const PATIENCE: Duration = Duration::from_secs(30);

/// Another librdkafka may call that function in another way, or make one pass by itself: then look at
/// `src/driver/kafka/gunzip.c`, which replaces `rd_gz_decompress` of `src/rdgz.c`, before this is changed.
#[test]
fn librdkafka_is_the_one_whose_function_is_replaced() {
    assert_eq!(rdkafka::util::get_rdkafka_version().1, "2.12.1");
}

#[test]
fn batches_of_any_size_and_content_arrive_whole() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("gzip", 1, 1).unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers());
    let producer: BaseProducer = config
        .clone()
        .set("compression.type", "gzip")
        .set("message.max.bytes", "8000000")
        .create()
        .unwrap();
    // Noise that does not shrink, text that does, and zeros that shrink as far as anything can.
    let mut noise = 1u32;
    let mut random = || {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        noise.to_le_bytes()[0]
    };
    let values: Vec<Vec<u8>> = [0, 1, 2, 500, 4_000, 100_000, 1_000_000]
        .into_iter()
        .flat_map(|size| {
            let text = br#"{"winlog":{"event_id":"3"}}"#.iter().copied().cycle();
            [
                vec![0; size],
                text.take(size).collect(),
                (0..size).map(|_| random()).collect(),
            ]
        })
        .chain([vec![0; 7_000_000]])
        .collect();
    for value in &values {
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to("gzip").payload(value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        // A batch of its own for each.
        producer.flush(PATIENCE).unwrap();
    }

    let consumer: BaseConsumer = config
        .set("group.id", "unused")
        .set("fetch.message.max.bytes", "8000000")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment
        .add_partition_offset("gzip", 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&assignment).unwrap();
    for value in &values {
        let message = consumer.poll(PATIENCE).expect("in time").unwrap();
        let payload = message.payload().unwrap_or_default();
        assert!(payload == value, "{} bytes of {}", payload.len(), value.len());
    }
}
