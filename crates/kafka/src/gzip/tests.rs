//! Batches as the broker hands them out, written byte by byte, through librdkafka to the marker.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::{Offset, TopicPartitionList};

use super::*;
use crate::client;
use crate::settings::Kafka;

const PATIENCE: Duration = Duration::from_secs(30);

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// More than the default ceiling: many members, because only one of them has to be compressed.
fn bomb() -> Vec<u8> {
    gzip(&[0; 1 << 20]).repeat(129)
}

/// A record of message format 2 without key: short enough that each of its numbers takes one byte.
fn record(offset_delta: u8, value: &str) -> Vec<u8> {
    let length = |number: usize| u8::try_from(number * 2).unwrap();
    let head = [0, 0, offset_delta * 2, 1, length(value.len())];
    let mut record = vec![length(head.len() + value.len() + 1)];
    record.extend(head);
    record.extend(value.as_bytes());
    record.push(0);
    record
}

/// A gzip batch of message format 2 that claims to hold so many records.
fn batch(records: i32, payload: &[u8]) -> Vec<u8> {
    let mut batch = vec![0; 8];
    batch.extend(i32::try_from(payload.len() + 49).unwrap().to_be_bytes());
    // Leader epoch, magic, checksum, attributes: gzip.
    batch.extend([0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1]);
    batch.extend((records - 1).to_be_bytes());
    // Two timestamps; no producer.
    batch.extend([0; 16]);
    batch.extend([0xff; 14]);
    batch.extend(records.to_be_bytes());
    batch.extend(payload);
    batch
}

/// Appends a batch to partition 0 by a ProduceRequest of version 7.
fn append(servers: &str, topic: &str, batch: &[u8]) {
    let mut request = vec![0, 0, 0, 7, 0, 0, 0, 1];
    // No client id, no transactional id, acks of 1, time to wait, one topic.
    request.extend([0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0, 0x75, 0x30, 0, 0, 0, 1]);
    request.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
    request.extend(topic.as_bytes());
    request.extend([0, 0, 0, 1, 0, 0, 0, 0]);
    request.extend(u32::try_from(batch.len()).unwrap().to_be_bytes());
    request.extend(batch);
    let mut broker = TcpStream::connect(servers).unwrap();
    broker.set_read_timeout(Some(PATIENCE)).unwrap();
    broker
        .write_all(&u32::try_from(request.len()).unwrap().to_be_bytes())
        .unwrap();
    broker.write_all(&request).unwrap();
    let mut length = [0; 4];
    broker.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    broker.read_exact(&mut answer).unwrap();
    // Behind the correlation id, the topics' number, this topic and the partitions' number: partition, error.
    let error = 4 + 4 + 2 + topic.len() + 4 + 4;
    assert_eq!(answer[error..error + 2], [0, 0], "{answer:?}");
}

fn lost(reason: BatchLossReason, batch: &[u8]) -> Result<String, LostBatch> {
    Err(LostBatch {
        reason,
        compressed: u32::try_from(batch.len()).unwrap(),
    })
}

#[test]
fn a_rejected_batch_is_one_marker_and_the_next_message_is_the_one_behind_it() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("input", 1, 1).unwrap();
    let servers = cluster.bootstrap_servers();
    let (bomb, damaged) = (bomb(), &gzip(&[7; 5_000])[..20]);
    let both = [record(0, "first"), record(1, "second")].concat();
    append(&servers, "input", &batch(2, &gzip(&both)));
    append(&servers, "input", &batch(3, &bomb));
    append(&servers, "input", &batch(1, &gzip(&record(0, "between"))));
    append(&servers, "input", &batch(4, damaged));
    append(&servers, "input", &batch(1, &gzip(&record(0, "last"))));
    let expected = [
        (0, Ok("first".to_owned())),
        (1, Ok("second".to_owned())),
        (2, lost(BatchLossReason::TooLarge, &bomb)),
        (5, Ok("between".to_owned())),
        (6, lost(BatchLossReason::Damaged, damaged)),
        (10, Ok("last".to_owned())),
    ];

    let kafka = Kafka {
        brokers: servers,
        ..Kafka::default()
    };
    let consumer: BaseConsumer = client::consumer(&kafka, "worker", "group", "0").create().unwrap();
    // From within the rejected batch on too: it is skipped then, and was counted before.
    for (start, expected) in [(0, &expected[..]), (3, &expected[3..])] {
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset("input", 0, Offset::Offset(start))
            .unwrap();
        consumer.assign(&assignment).unwrap();
        for (offset, what) in expected {
            let message = consumer.poll(PATIENCE).expect("in time").unwrap();
            let payload = message.payload().unwrap_or_default();
            let found = lost_batch(payload).map_or_else(|| Ok(String::from_utf8_lossy(payload).into()), Err);
            assert_eq!((message.offset(), &found), (*offset, what));
        }
    }
}

/// What librdkafka gets for a batch; nothing if it is to come again.
#[allow(unsafe_code, reason = "it is the function that librdkafka calls")]
fn as_librdkafka_gets_it(batch: &[u8]) -> Option<Vec<u8>> {
    unsafe extern "C" {
        fn rd_gz_decompress(input: *const u8, length: i32, size: *mut u64) -> *mut u8;
        fn free(memory: *mut std::ffi::c_void);
    }
    set_up(Kafka::default().max_inflated_batch_bytes);
    let mut size = 0;
    // SAFETY: the batch is readable for its length; what comes back, if anything, is readable for `size` and ours.
    unsafe {
        let length = i32::try_from(batch.len()).unwrap();
        let out = rd_gz_decompress(batch.as_ptr(), length, &raw mut size);
        if out.is_null() {
            return None;
        }
        let content = std::slice::from_raw_parts(out, usize::try_from(size).unwrap()).to_vec();
        free(out.cast());
        Some(content)
    }
}

#[test]
fn dense_batches_that_come_at_once_wait_for_each_other_and_others_never_wait() {
    const MIB: usize = 1 << 20;
    let (dense, size) = (gzip(&[0; MIB]).repeat(120), 120 * MIB);
    let text: Vec<u8> = (0..100_000_u32)
        .flat_map(|number| number.to_string().into_bytes())
        .collect();
    let ordinary = gzip(&text);
    let (began, mut read, mut rejected) = (Instant::now(), 0_usize, 0);
    while read < 4 && began.elapsed() < PATIENCE {
        match as_librdkafka_gets_it(&dense) {
            Some(content) => {
                assert_eq!(content.len(), size);
                read += 1;
            }
            None => rejected += 1,
        }
        assert_eq!(as_librdkafka_gets_it(&ordinary).as_ref(), Some(&text));
    }
    assert_eq!(read, 4, "{rejected} times rejected");
    // Half a ceiling at once, the last may overdraw it, and half a ceiling a second.
    let ceiling = 128.0 * MIB as f64;
    let bound = ceiling / 2.0 + size as f64 + ceiling / 2.0 * began.elapsed().as_secs_f64();
    assert!((read * size) as f64 <= bound, "{read} in {:?}", began.elapsed());
}

/// By the layout in Kafka's documentation of message format 1.
#[test]
fn the_marker_is_a_message_of_format_1_as_well_for_brokers_that_keep_some() {
    assert_eq!(as_librdkafka_gets_it(b"").map(|bytes| bytes.len()), Some(75));
    let bytes = as_librdkafka_gets_it(b"no gzip").unwrap();
    let number = |from: usize| i32::from_be_bytes(bytes[from..from + 4].try_into().unwrap());
    // An offset below all others, which librdkafka replaces by the batch's.
    assert!(number(0) < 0);
    let size = usize::try_from(number(8)).unwrap();
    // A byte is left, which is too little for another message.
    assert_eq!(12 + size + 1, bytes.len());
    let mut checksum = flate2::Crc::new();
    checksum.update(&bytes[16..12 + size]);
    assert_eq!(number(12).cast_unsigned(), checksum.sum());
    // Magic, attributes, no timestamp, no key.
    assert_eq!(bytes[16..18], [1, 0]);
    assert_eq!(bytes[18..26], [0; 8]);
    assert_eq!(number(26), -1);
    let value = &bytes[34..12 + size];
    assert_eq!(usize::try_from(number(30)).unwrap(), value.len());
    assert_eq!(
        lost_batch(value).unwrap().reason.as_str(),
        "batch_damaged",
        "{bytes:?}"
    );
}

#[test]
fn a_message_from_outside_is_no_marker_whatever_its_length() {
    for length in [0, MESSAGE, VALUE, VALUE + 1] {
        assert_eq!(lost_batch(&vec![1; length]), None);
    }
}
