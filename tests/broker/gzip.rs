//! Batches of gzip are read as they were written, by the function that stands in for librdkafka's own; those that are
//! damaged or too large are lost, and nothing else.

// Without it nothing is rejected, and some of what follows has no use.
#![cfg_attr(not(feature = "libdeflate"), allow(dead_code, unused_imports))]

use std::collections::BTreeSet;
use std::time::Duration;

use pipewarden_engine::DeadLetter;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use testkit::{schema, winlogbeat};

use crate::support::broker::{Broker, broker};
use crate::support::service::{Service, Settings};

const PATIENCE: Duration = Duration::from_secs(30);

/// Another librdkafka may call that function in another way, or make one pass by itself: then look at
/// `crates/kafka/src/gunzip.c`, which replaces `rd_gz_decompress` of `src/rdgz.c`, before this is changed.
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

/// The lowest that the setting may be.
const CEILING: u64 = 16 << 20;

fn settings(broker: &Broker, test: &str) -> Settings {
    let settings = Settings::new(broker.servers(), &broker.prefix(test))
        .with("kafka/max_inflated_batch_bytes", CEILING.into());
    settings.create_topics();
    settings
}

/// Appends values to partition 0 as one batch of gzip.
fn append(broker: &Broker, topic: &str, values: &[Vec<u8>]) {
    let producer: BaseProducer = broker
        .client()
        .set("compression.type", "gzip")
        .set("linger.ms", "60000")
        .set("batch.size", "100000000")
        .set("message.max.bytes", "100000000")
        .create()
        .unwrap();
    for value in values {
        // A compacted topic takes nothing without a key.
        let record = BaseRecord::to(topic).partition(0).key("key").payload(value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    // Sends what there is, whatever `linger.ms` says.
    producer.flush(PATIENCE).unwrap();
}

/// So many records of blanks, which together exceed the ceiling.
fn bomb(records: usize) -> Vec<Vec<u8>> {
    vec![vec![b' '; (20 << 20) / records]; records]
}

/// Offset and reason of each dead letter that comes from a topic.
fn dead_letters(broker: &Broker, settings: &Settings, topic: &str) -> Vec<(i64, String)> {
    let records = broker.read_all(settings.topic("dead_letters"));
    let letters = records.iter().map(|record| {
        let value: Value = serde_json::from_slice(&record.value).unwrap();
        schema::assert_valid("dead-letter", &value);
        serde_json::from_value::<DeadLetter>(value).unwrap()
    });
    let letters = letters.filter(|letter| letter.topic == settings.topic(topic));
    let mut letters: Vec<_> = letters
        .map(|letter| (letter.offset.to_wire(), letter.reason.as_str().to_owned()))
        .collect();
    letters.sort();
    letters
}

#[cfg(feature = "libdeflate")]
#[test]
fn a_batch_that_would_inflate_beyond_the_ceiling_is_lost_alone_and_only_once() {
    let Some(broker) = broker() else { return };
    let settings = settings(broker, "bomb");
    let (input, group) = (
        settings.topic("input"),
        format!(
            "{}-router",
            settings.value["kafka"]["application_id"].as_str().unwrap()
        ),
    );
    let [connection, pipe, share] = winlogbeat::detect_8().map(|event| vec![event.to_string().into_bytes()]);
    // At the offsets 0, 1, 2, 3 to 10, 11 and 12.
    for batch in [connection, bomb(1), pipe, bomb(8), share.clone(), bomb(1)] {
        append(broker, input, &batch);
    }
    let service = Service::start(&settings);
    service.await_ready();
    service.await_that("all is read but what is lost", || {
        broker
            .committed(&group, input, 0)
            .is_some_and(|(offset, _)| offset == 13)
    });
    let lost = [1, 3, 12].map(|offset| (offset, "batch_too_large".to_owned()));
    assert_eq!(dead_letters(broker, &settings, "input"), lost);
    for kind in ["network_connection", "pipe_connected", "share_access"] {
        assert_eq!(
            service.metric("pipewarden_observations_total", kind),
            1.0,
            "{kind}"
        );
    }
    assert_eq!(service.metric("pipewarden_batches_lost_total", input), 3.0);
    assert_eq!(
        service.metric("pipewarden_dead_letters_total", "batch_too_large"),
        3.0
    );
    let logged: BTreeSet<i64> = service
        .log()
        .iter()
        .filter(|entry| entry["level"] == "ERROR" && entry["topic"] == input && entry["partition"] == 0)
        .map(|entry| entry["offset"].as_i64().unwrap())
        .collect();
    assert_eq!(logged, BTreeSet::from([1, 3, 12]));
    service.signal("TERM");
    assert!(service.wait().0.success());

    append(broker, input, &share);
    let service = Service::start(&settings);
    service.await_ready();
    service.await_that("it goes on behind them", || {
        broker
            .committed(&group, input, 0)
            .is_some_and(|(offset, _)| offset == 14)
    });
    assert_eq!(service.metric("pipewarden_batches_lost_total", input), 0.0);
    assert_eq!(dead_letters(broker, &settings, "input"), lost);
}

#[cfg(feature = "libdeflate")]
#[test]
fn a_lost_batch_of_observations_or_bindings_is_counted_and_the_rest_is_read() {
    let Some(broker) = broker() else { return };
    let settings = settings(broker, "bomb-inside");
    let (observations, bindings) = (settings.topic("observations"), settings.topic("bindings"));
    append(broker, observations, &bomb(8));
    append(broker, observations, &[b"no observation".to_vec()]);
    append(broker, bindings, &bomb(2));
    let service = Service::start(&settings);
    service.await_ready();
    service.await_that("what stands behind the batch is read", || {
        service.metric(
            "pipewarden_observations_applied_total",
            "disposition=\"undecodable\"",
        ) == 2.0
    });
    assert_eq!(service.metric("pipewarden_batches_lost_total", observations), 1.0);
    assert_eq!(service.metric("pipewarden_batches_lost_total", bindings), 1.0);
    // What is missing in the state counts as a loss of state.
    assert_eq!(
        service.metric("pipewarden_log_losses_total", "batch_too_large"),
        1.0
    );
    let letters = || dead_letters(broker, &settings, "observations");
    let expected = [0, 8].map(|offset| (offset, "undecodable_observation".to_owned()));
    service.await_that("both are dead letters", || letters() == expected);
}
