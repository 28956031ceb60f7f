//! The bare things that Pipewarden is measured beside, each a process of its own as Pipewarden is.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

/// Reads a file and finds the ends of its lines; nothing else.
pub fn scan(path: &Path) {
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; 256 << 10];
    let mut lines = 0u64;
    loop {
        let read = file.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        lines += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
    }
    println!("{lines}");
}

/// Parses every line into a tree, as a general engine does.
pub fn parse(path: &Path) {
    use std::io::BufRead as _;
    let mut reader = std::io::BufReader::with_capacity(256 << 10, File::open(path).unwrap());
    let (mut line, mut lines) = (Vec::new(), 0u64);
    while reader.read_until(b'\n', &mut line).unwrap() > 0 {
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        lines += u64::from(value.is_object());
        line.clear();
    }
    println!("{lines}");
}

/// Polls so many messages and drops them, with the client settings of the router. Says how long it took from the first
/// to the last, in seconds.
pub fn consume(servers: &str, topic: &str, group: &str, count: u64) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("statistics.interval.ms", "2000")
        .set("queued.max.messages.kbytes", "32768")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let (mut left, mut bytes, mut began) = (count, 0, None);
    while left > 0 {
        if let Some(message) = consumer.poll(Duration::from_millis(50)) {
            began.get_or_insert_with(Instant::now);
            bytes += message.unwrap().payload_len();
            left -= 1;
        }
    }
    println!("{} {bytes}", began.unwrap().elapsed().as_secs_f64());
    // Leaving the group in order takes time that is no part of this.
    std::process::exit(0);
}
