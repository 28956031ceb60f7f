//! The bare consumer.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

/// Polls so many messages and drops them, with the client settings of the router. Says how long it took from the first
/// to the last, in seconds.
pub(crate) fn consume(servers: &str, topic: &str, group: &str, count: u64) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("statistics.interval.ms", "2000")
        .set("queued.max.messages.kbytes", "32768")
        .set("fetch.queue.backoff.ms", "10")
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
