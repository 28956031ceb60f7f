//! What the brokers know of topics, or why none of them answers.

use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tracing::debug;

use super::error::DriverError;
use super::settings::Kafka;
use super::{client, connection};

/// How long the queue of a client is read, and how often: an error in it ends one reading.
const DRAIN: Duration = Duration::from_millis(20);
const EVENTS: usize = 5;

/// How long an answer is waited for before the reasons are read for the first time.
const STEP: Duration = Duration::from_secs(1);

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(5);

/// What is known of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TopicMetadata {
    /// How many partitions it has; none if it does not exist, or this user may not see it.
    pub(super) partitions: u32,
    /// How many of them no broker leads.
    pub(super) leaderless: u32,
}

/// How many partitions a topic has; none if it does not exist, or this user may not see it.
pub(super) fn partition_count<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    within: Duration,
) -> Result<u32, DriverError> {
    topic_metadata(client, topic, within).map(|found| found.partitions)
}

fn topic_metadata<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    within: Duration,
) -> Result<TopicMetadata, DriverError> {
    let unread = || DriverError::admin(format!("cannot read the metadata of topic {topic}"));
    let metadata = client.fetch_metadata(Some(topic), within);
    let metadata = metadata.map_err(|problem| unread()(problem))?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(TopicMetadata::default());
    };
    if let Some(RDKafkaErrorCode::TopicAuthorizationFailed) = found.error().map(RDKafkaErrorCode::from) {
        return Err(DriverError::NotAuthorized {
            client: "client for metadata".to_owned(),
            acl: format!("Describe on topic {topic}"),
            source: KafkaError::MetadataFetch(RDKafkaErrorCode::TopicAuthorizationFailed).into(),
        });
    }
    let partitions = found.partitions();
    let leaderless = partitions.iter().filter(|partition| partition.leader() < 0);
    let number = |count: usize| u32::try_from(count).expect("Kafka numbers partitions by 31 bits");
    Ok(TopicMetadata {
        partitions: number(partitions.len()),
        leaderless: number(leaderless.count()),
    })
}

/// A client that asks for metadata only, and knows why it gets no answer.
pub(super) struct Probe {
    consumer: BaseConsumer<Told>,
}

/// What librdkafka says of this client's connections is kept, and not logged: the one who asks tells it.
struct Told;

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message, true);
    }

    fn error(&self, _: KafkaError, reason: &str) {
        debug!("{reason}");
    }
}

impl ConsumerContext for Told {}

impl Probe {
    /// Nothing is connected until the first question.
    pub(super) fn new(kafka: &Kafka, name: &str) -> Result<Self, DriverError> {
        let consumer = client::plain(kafka, name)
            .set("allow.auto.create.topics", "false")
            .create_with_context(Told)
            .map_err(DriverError::client("client for metadata"))?;
        Ok(Self { consumer })
    }

    /// What is known of a topic.
    ///
    /// # Errors
    /// [`DriverError::NoBroker`] with the reason where none answers, or [`DriverError::NotAuthorized`].
    pub(super) fn topic(&self, topic: &str, within: Duration) -> Result<TopicMetadata, DriverError> {
        // Not all at once: what only a changed setting mends is not waited for. Nor in many steps: a slow broker would answer
        // none of them.
        for step in [STEP.min(within), within.saturating_sub(STEP)] {
            match topic_metadata(self.consumer.client(), topic, step) {
                Err(DriverError::Admin { .. }) => self.drain(),
                other => {
                    connection::answered();
                    return other;
                }
            }
            if connection::latest().is_some_and(|reason| reason.is_lasting()) {
                break;
            }
        }
        let reason = connection::latest().map(|reason| reason.to_string());
        Err(DriverError::NoBroker {
            reason: reason.unwrap_or_else(|| format!("no answer within {within:?}")),
        })
    }

    /// Every broker by the address that it gives, with why it cannot be reached there if so.
    ///
    /// # Errors
    /// [`DriverError::NoBroker`] where none answers.
    pub(super) fn brokers(&self, kafka: &Kafka) -> Result<Vec<(String, Option<String>)>, DriverError> {
        let topic = &kafka.topics.observations;
        self.topic(topic, REQUEST)?;
        let unread = DriverError::admin("cannot read which brokers there are");
        let metadata = self.consumer.client().fetch_metadata(Some(topic), REQUEST);
        let metadata = metadata.map_err(unread)?;
        let mut all = Vec::new();
        for broker in metadata.brokers() {
            let address = format!("{}:{}", broker.host(), broker.port());
            let alone = Kafka {
                brokers: address.clone(),
                ..kafka.clone()
            };
            let problem = match Self::new(&alone, "check")?.topic(topic, REQUEST) {
                Err(DriverError::NoBroker { reason }) => Some(reason),
                // It has answered.
                Ok(_) | Err(_) => None,
            };
            all.push((address, problem));
        }
        Ok(all)
    }

    /// Takes what waits in the client's queue: the reasons are among it.
    fn drain(&self) {
        for _ in 0..EVENTS {
            let _ = self.consumer.poll(DRAIN);
        }
    }
}
