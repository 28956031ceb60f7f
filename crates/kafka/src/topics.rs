//! The topics that the service needs: their settings, creating them, checking them.

mod plan;

use std::fmt;
use std::time::Duration;

use pipewarden_engine::Topic;
pub use plan::{AlertOutput, Setting, StateSpans, TopicPlan, plans};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::{self, LogOnly};
use super::error::DriverError;
use super::metadata::Probe;
use super::settings::Kafka;

const REQUEST: Duration = Duration::from_secs(15);

/// How often the metadata of a topic that is about to appear is read.
const VISIBILITY_POLL: Duration = Duration::from_millis(50);

/// What was found of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicState {
    /// It has just been created.
    Created,
    /// It is there and right.
    Right,
    /// It is there; its settings cannot be compared, because this user may not read them.
    Unseen,
    /// It is there, and this is wrong with it.
    Wrong(Vec<String>),
    /// It is not there.
    Missing,
}

impl fmt::Display for TopicState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created => f.write_str("created"),
            Self::Right => f.write_str("ok"),
            Self::Unseen => f.write_str(
                "there; its settings are not compared, since this user may not read them (DescribeConfigs on the topic)",
            ),
            Self::Wrong(problems) => f.write_str(&problems.join("; ")),
            Self::Missing => f.write_str("missing (or this user may not see it)"),
        }
    }
}

/// An administrator of topics.
pub struct TopicAdmin {
    admin: AdminClient<LogOnly>,
    /// Asked first: it knows why no broker answers.
    probe: Probe,
    kafka: Kafka,
}

impl TopicAdmin {
    /// Nothing is connected until the first request.
    ///
    /// # Errors
    /// Properties that librdkafka rejects.
    pub fn new(kafka: &Kafka) -> Result<Self, DriverError> {
        let admin = client::plain(kafka, "topics")
            .create_with_context(LogOnly)
            .map_err(DriverError::client("administration client"))?;
        Ok(Self {
            admin,
            probe: Probe::new(kafka, "topics")?,
            kafka: kafka.clone(),
        })
    }

    /// Creates a topic where it is missing; one that is there is checked and left alone.
    ///
    /// # Errors
    /// A request that the broker rejects or does not answer.
    pub async fn create(&self, plan: &TopicPlan) -> Result<TopicState, DriverError> {
        self.partitions(plan)?;
        let topic = NewTopic::new(
            &plan.name,
            i32::from(plan.partitions.get()),
            TopicReplication::Fixed(i32::from(self.kafka.topics.replication_factor.get())),
        );
        let topic = plan
            .settings
            .iter()
            .fold(topic, |topic, setting| topic.set(setting.key, &setting.value));
        let failed = |problem| DriverError::admin(format!("cannot create topic {}", plan.name))(problem);
        let results = self
            .admin
            .create_topics([&topic], &options())
            .await
            .map_err(failed)?;
        match results.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {
                self.await_visible(plan).await?;
                self.check(plan).await
            }
            Some(Err((
                _,
                code @ (RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed),
            ))) => Err(DriverError::NotAuthorized {
                client: "administration client".to_owned(),
                acl: format!("Create on topic {}", plan.name),
                source: KafkaError::AdminOp(code).into(),
            }),
            Some(Err((_, code))) => Err(failed(KafkaError::AdminOp(code))),
            _ => {
                self.await_visible(plan).await?;
                Ok(TopicState::Created)
            }
        }
    }

    /// Waits until brokers know of a topic that the controller has: a service that starts sooner would miss it. A topic
    /// that does not appear in time is reported by the caller's check.
    async fn await_visible(&self, plan: &TopicPlan) -> Result<(), DriverError> {
        let deadline = tokio::time::Instant::now() + REQUEST;
        while self.partitions(plan)? == 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(VISIBILITY_POLL).await;
        }
        Ok(())
    }

    /// Every broker by its address, with why it cannot be reached from here if so: one that answers at `kafka.brokers` may give
    /// others, or itself, an address that is only known elsewhere.
    ///
    /// # Errors
    /// [`DriverError::NoBroker`] where none answers.
    pub fn brokers(&self) -> Result<Vec<(String, Option<String>)>, DriverError> {
        self.probe.brokers(&self.kafka)
    }

    fn partitions(&self, plan: &TopicPlan) -> Result<u32, DriverError> {
        let found = self.probe.topic(&plan.name, REQUEST)?;
        Ok(found.partitions)
    }

    /// Compares a topic with its plan.
    ///
    /// # Errors
    /// A request that the broker rejects or does not answer.
    pub async fn check(&self, plan: &TopicPlan) -> Result<TopicState, DriverError> {
        let failed = |problem| DriverError::admin(format!("cannot describe topic {}", plan.name))(problem);
        let has = self.partitions(plan)?;
        if has == 0 {
            return Ok(TopicState::Missing);
        }
        let mut problems = Vec::new();
        if plan.is_partition_count_fixed && has != u32::from(plan.partitions.get()) {
            let setting = match self.kafka.topics.state_of(&plan.name) {
                Some(Topic::Sightings) => "kafka.topics.sightings_partitions",
                _ => "kafka.topics.partitions",
            };
            problems.push(format!(
                "has {has} partitions, {setting} says {}",
                plan.partitions
            ));
        }
        let resource = ResourceSpecifier::Topic(&plan.name);
        let described = self
            .admin
            .describe_configs([&resource], &options())
            .await
            .map_err(failed)?;
        match described.into_iter().next() {
            // So librdkafka shows that the broker has denied it.
            Some(Ok(config)) if config.entries.is_empty() && problems.is_empty() => {
                return Ok(TopicState::Unseen);
            }
            Some(Ok(config)) if config.entries.is_empty() => {}
            Some(Ok(config)) => problems.extend(plan.settings.iter().filter_map(|setting| {
                let found = config.get(setting.key).and_then(|entry| entry.value.as_deref());
                setting.problem(found.unwrap_or("unset"))
            })),
            Some(Err(RDKafkaErrorCode::TopicAuthorizationFailed)) if problems.is_empty() => {
                return Ok(TopicState::Unseen);
            }
            Some(Err(code)) => return Err(failed(KafkaError::AdminOp(code))),
            None => {}
        }
        Ok(if problems.is_empty() {
            TopicState::Right
        } else {
            TopicState::Wrong(problems)
        })
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(REQUEST))
        .operation_timeout(Some(REQUEST))
}
