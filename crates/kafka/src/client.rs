//! librdkafka clients: their properties, and what they log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{NoCustomPartitioner, ProducerContext};
use tracing::{debug, error, trace, warn};

use super::settings::Kafka;
use super::{connection, gzip};

/// The largest record that any client writes or takes, in bytes: a dead letter holds a whole message.
pub(super) const MAX_RECORD: usize = 8 << 20;

/// Room for a key, headers and the batch around a record.
pub(super) const ROOM: usize = 4 << 10;

/// The most that a producer sends to a partition together, but for a single record that is larger: librdkafka's default. A
/// topic's `max.message.bytes` is for what is sent together, so that no topic may take less.
pub(super) const BATCH: usize = 1_000_000;

/// Our defaults, which `kafka.client` may change.
fn with_defaults(kafka: &Kafka, name: &str, defaults: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("client.id", format!("{}-{name}", kafka.application_id));
    config.set("reconnect.backoff.max.ms", "5000");
    for (key, value) in defaults {
        config.set(*key, *value);
    }
    for (key, value) in &kafka.client {
        config.set(key, value);
    }
    config.set("bootstrap.servers", &kafka.brokers);
    config.set_log_level(RDKafkaLogLevel::Info);
    config
}

/// How long a worker may go without polling: well below the time after which librdkafka expels a member that does not
/// poll.
pub(super) fn budget(kafka: &Kafka) -> Duration {
    /// librdkafka's default of `max.poll.interval.ms`.
    const MAX_POLL_INTERVAL: Duration = Duration::from_secs(300);
    /// Longer than the predecessor's open transaction lives: 10 s, and up to 10 s until the broker checks.
    const ENOUGH: Duration = Duration::from_secs(60);
    let set = kafka.client.get("max.poll.interval.ms");
    let set = set
        .and_then(|millis| millis.parse().ok())
        .map(Duration::from_millis);
    (set.unwrap_or(MAX_POLL_INTERVAL) / 3).min(ENOUGH)
}

/// A client for metadata and administration.
pub(super) fn plain(kafka: &Kafka, name: &str) -> ClientConfig {
    with_defaults(kafka, name, &[])
}

/// A member of a consumer group, of a process called `instance`. What guarantees depend on comes last, so that
/// `kafka.client` cannot change it.
pub(super) fn consumer(kafka: &Kafka, name: &str, group: &str, instance: &str) -> ClientConfig {
    gzip::set_up(kafka.max_inflated_batch_bytes);
    let mut defaults = vec![
        ("auto.offset.reset", "earliest"),
        ("statistics.interval.ms", "2000"),
        ("queued.max.messages.kbytes", "32768"),
        // Its default of a second is many times what it takes to read a full queue.
        ("fetch.queue.backoff.ms", "10"),
        // How long it takes until a new topic is read that the subscription names or matches.
        ("topic.metadata.refresh.interval.ms", "30000"),
    ];
    if !kafka.brokers_assign() {
        defaults.extend([
            ("partition.assignment.strategy", "cooperative-sticky"),
            // A member that is killed keeps its partitions for so long: with librdkafka's default, 45 s without detection.
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "1500"),
        ]);
    }
    let mut config = with_defaults(kafka, name, &defaults);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("allow.auto.create.topics", "false");
    if kafka.static_membership {
        config.set("group.instance.id", format!("{instance}-{name}"));
    }
    config
}

/// Reads and writes offsets of a group that has no members.
pub(super) fn of_group(kafka: &Kafka, name: &str, group: &str) -> ClientConfig {
    let mut config = with_defaults(kafka, name, &[]);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("allow.auto.create.topics", "false")
        // A commit waits no longer for who coordinates the group.
        .set("session.timeout.ms", "6000")
        .set("reconnect.backoff.max.ms", "500")
        .set("group.protocol", "classic");
    // Those of the other protocol.
    config.remove("group.remote.assignor");
    config
}

/// A reader of whole topics, which belongs to no group and commits nothing.
pub(super) fn reader(kafka: &Kafka, name: &str) -> ClientConfig {
    gzip::set_up(kafka.max_inflated_batch_bytes);
    let mut config = with_defaults(kafka, name, &[("queued.max.messages.kbytes", "4096")]);
    config
        // Without a group's name librdkafka assigns nothing. It asks who coordinates that group and no more, which the ACLs
        // for this group allow.
        .set("group.id", kafka.router_group())
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("allow.auto.create.topics", "false");
    config
}

/// A producer that neither loses nor reorders nor repeats what it was given.
pub(super) fn producer(kafka: &Kafka, name: &str) -> ClientConfig {
    let max_record = MAX_RECORD.to_string();
    let mut config = with_defaults(
        kafka,
        name,
        &[
            ("compression.type", "lz4"),
            ("message.max.bytes", &max_record),
            ("queue.buffering.max.kbytes", "65536"),
        ],
    );
    config
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random");
    config
}

/// Writes librdkafka's own log. What it says of connections that fail goes to [`connection`], which has each reason once for
/// all clients. `is_told` where whoever polls this client tells the reason itself.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str, is_told: bool) {
    use RDKafkaLogLevel as Level;
    let is_problem = matches!(
        level,
        Level::Emerg | Level::Alert | Level::Critical | Level::Error | Level::Warning
    );
    match facility {
        // A broker that closes the connection is no problem to librdkafka, though it may say why that was.
        "FAIL" if is_problem || connection::is_explained(message) => connection::failed(message, is_told),
        // The same, once more, of all brokers; and properties of the one kind of client that the other does not know.
        "FAIL" | "ERROR" | "CONFWARN" => debug!(facility, "librdkafka: {message}"),
        _ if is_problem => warn!(facility, "librdkafka: {message}"),
        _ if matches!(level, Level::Debug) => trace!(facility, "librdkafka: {message}"),
        _ => debug!(facility, "librdkafka: {message}"),
    }
}

/// Logs an error that a client recovers from by itself.
pub(super) fn log_transient(code: Option<RDKafkaErrorCode>, reason: &str) {
    match code {
        Some(RDKafkaErrorCode::AllBrokersDown) => warn_of_no_broker(),
        // Readers ask for it, and get it here as well as where they poll.
        Some(RDKafkaErrorCode::PartitionEOF) => {}
        // The log of the client has the reason.
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SSL,
        ) => debug!("{reason}"),
        Some(RDKafkaErrorCode::BadCompression) => warn!(
            "{reason}; the batch is fetched again: too many dense batches of gzip came at once, or one of another codec is \
             damaged or too large"
        ),
        Some(RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::GroupAuthorizationFailed) => {
            error!("the broker denies access; grant the principal of kafka.client an ACL: {reason}");
        }
        _ => warn!("{reason}"),
    }
}

/// Every client reports it at every attempt; one line every ten seconds is enough.
fn warn_of_no_broker() {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let now = Instant::now();
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_none_or(|last| now.duration_since(last) > Duration::from_secs(10)) {
        *last = Some(now);
        warn!("no broker can be reached; the clients retry until one answers");
    }
}

/// The context of clients that need no callbacks: their logs and errors are written.
#[derive(Debug, Default)]
pub(super) struct LogOnly;

impl ClientContext for LogOnly {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message, false);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_transient(error.rdkafka_error_code(), reason);
    }
}

impl ConsumerContext for LogOnly {}

/// The context of a producer: keeps the first record that was rejected for good.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    rejected: Mutex<Option<(String, KafkaError)>>,
}

impl Deliveries {
    /// The first rejected record's topic and why, once.
    pub(super) fn take_rejected(&self) -> Option<(String, KafkaError)> {
        self.rejected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message, false);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_transient(error.rdkafka_error_code(), reason);
    }
}

impl ProducerContext<NoCustomPartitioner> for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            self.rejected
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert_with(|| (message.topic().to_owned(), error.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::consumer::BaseConsumer;

    use super::*;

    #[test]
    fn a_member_whose_partitions_the_brokers_assign_takes_no_property_that_librdkafka_refuses_then() {
        for protocol in ["classic", "consumer", "CONSUMER"] {
            let client = [("group.protocol".to_owned(), protocol.to_owned())];
            let kafka = Kafka {
                client: client.into(),
                ..Kafka::default()
            };
            let created: Result<BaseConsumer, KafkaError> = consumer(&kafka, "worker", "group", "0").create();
            assert!(created.is_ok(), "{protocol}: {:?}", created.err());
        }
    }
}
