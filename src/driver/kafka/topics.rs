//! The topics that the service needs: what they must be like, creating them, checking them.

use std::fmt;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::{self, MAX_RECORD, Quiet};
use super::error::DriverError;
use crate::config::Settings;

const REQUEST: Duration = Duration::from_secs(15);

/// How long between two looks at a topic that is about to appear.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Alerts and dead letters are kept this long.
const ALERTS_KEPT: Duration = Duration::from_secs(30 * 86_400);
const DEAD_LETTERS_KEPT: Duration = Duration::from_secs(14 * 86_400);

/// A segment of the identities topic is closed after this long.
const SEGMENT: Duration = Duration::from_secs(86_400);

/// What one topic must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// How many partitions it gets.
    pub partitions: i32,
    /// Whether it must have just that many.
    pub is_partition_count_fixed: bool,
    /// Settings it gets, and what must hold of them later.
    pub settings: Vec<Setting>,
}

/// One topic setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Kafka's name for it.
    pub key: &'static str,
    /// What it gets when the topic is created.
    pub value: String,
    /// What must hold of it.
    demand: Demand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Demand {
    /// Exactly the value.
    Equal,
    /// The value or more; -1 means without bound.
    AtLeast,
    /// Whatever the operator likes better.
    Free,
}

impl Setting {
    fn is_met_by(&self, found: &str) -> bool {
        match self.demand {
            Demand::Equal => self.value == found,
            Demand::AtLeast => match (self.value.parse::<i64>(), found.parse::<i64>()) {
                (Ok(least), Ok(found)) => found >= least || found == -1,
                _ => false,
            },
            Demand::Free => true,
        }
    }
}

/// What was found of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicState {
    /// It has just been created.
    Created,
    /// It is there and right.
    Right,
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
            Self::Wrong(problems) => f.write_str(&problems.join("; ")),
            Self::Missing => f.write_str("missing"),
        }
    }
}

/// The plans for Pipewarden's own topics and, `with_input`, for those that Winlogbeat publishes to.
pub fn plans(settings: &Settings, with_input: bool) -> Vec<TopicPlan> {
    let topics = &settings.kafka.topics;
    let kept = settings.detection.horizon() * 2 + topics.longest_outage;
    let millis = |span: Duration| span.as_millis().to_string();
    let free = |key, value: &str| Setting {
        key,
        value: value.to_owned(),
        demand: Demand::Free,
    };
    let max_record = || Setting {
        key: "max.message.bytes",
        value: MAX_RECORD.to_string(),
        demand: Demand::AtLeast,
    };
    let plan = |name: &str, settings| TopicPlan {
        name: name.to_owned(),
        partitions: topics.partitions,
        is_partition_count_fixed: false,
        settings,
    };
    let mut plans = vec![
        TopicPlan {
            is_partition_count_fixed: true,
            ..plan(
                &topics.observations,
                vec![
                    Setting {
                        key: "message.timestamp.type",
                        value: "LogAppendTime".to_owned(),
                        demand: Demand::Equal,
                    },
                    // Compaction would drop all but the last observation of a host.
                    Setting {
                        key: "cleanup.policy",
                        value: "delete".to_owned(),
                        demand: Demand::Equal,
                    },
                    Setting {
                        key: "retention.ms",
                        value: millis(kept),
                        demand: Demand::AtLeast,
                    },
                    Setting {
                        key: "retention.bytes",
                        value: "-1".to_owned(),
                        demand: Demand::Equal,
                    },
                    max_record(),
                ],
            )
        },
        plan(
            &topics.suppressed,
            vec![
                free("cleanup.policy", "delete"),
                free("retention.ms", &millis(ALERTS_KEPT)),
                max_record(),
            ],
        ),
        plan(
            &topics.dead_letters,
            vec![
                free("cleanup.policy", "delete"),
                free("retention.ms", &millis(DEAD_LETTERS_KEPT)),
                max_record(),
            ],
        ),
    ];
    plans.extend(settings.alert_topics().map(|topic| {
        let settings = vec![
            free("cleanup.policy", "delete"),
            free("retention.ms", &millis(ALERTS_KEPT)),
            max_record(),
        ];
        plan(topic, settings)
    }));
    plans.push(TopicPlan {
        // Small, and read whole: one partition keeps all its records in one order.
        partitions: 1,
        ..plan(
            &topics.identities,
            vec![
                // The last record of each key is the table; any other policy would forget it.
                Setting {
                    key: "cleanup.policy",
                    value: "compact".to_owned(),
                    demand: Demand::Equal,
                },
                // The segment that is written to is never compacted.
                free("segment.ms", &millis(SEGMENT)),
            ],
        )
    });
    if with_input {
        plans.extend(topics.input.iter().map(|name| plan(name, Vec::new())));
    }
    plans
}

/// An administrator of topics.
pub struct Topics {
    admin: AdminClient<Quiet>,
    replication: i32,
}

impl Topics {
    /// Nothing is connected until the first request.
    ///
    /// # Errors
    /// Properties that librdkafka refuses.
    pub fn new(settings: &Settings) -> Result<Self, DriverError> {
        let admin = client::plain(&settings.kafka, "topics")
            .create_with_context(Quiet)
            .map_err(|problem| DriverError::Client {
                client: "administration client".to_owned(),
                problem,
            })?;
        Ok(Self {
            admin,
            replication: settings.kafka.topics.replication_factor,
        })
    }

    /// Creates a topic where it is missing; one that is there is checked and left alone.
    ///
    /// # Errors
    /// What the broker refuses, or that there is none.
    pub async fn create(&self, plan: &TopicPlan) -> Result<TopicState, DriverError> {
        let topic = NewTopic::new(
            &plan.name,
            plan.partitions,
            TopicReplication::Fixed(self.replication),
        );
        let topic = plan
            .settings
            .iter()
            .fold(topic, |topic, setting| topic.set(setting.key, &setting.value));
        let failed = |problem| DriverError::Admin {
            what: format!("creating topic {}", plan.name),
            problem,
        };
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
            Some(Err((_, code))) => Err(failed(KafkaError::AdminOp(code))),
            _ => {
                self.await_visible(plan).await?;
                Ok(TopicState::Created)
            }
        }
    }

    /// Waits until brokers tell of a topic that the controller has: a service that starts sooner would miss it. One that
    /// stays hidden is for the caller to see.
    async fn await_visible(&self, plan: &TopicPlan) -> Result<(), DriverError> {
        let deadline = tokio::time::Instant::now() + REQUEST;
        while self.partitions(plan)? == 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// How many partitions a topic has; none if it does not exist.
    fn partitions(&self, plan: &TopicPlan) -> Result<usize, DriverError> {
        let metadata = self
            .admin
            .inner()
            .fetch_metadata(Some(&plan.name), REQUEST)
            .map_err(|problem| DriverError::Admin {
                what: format!("looking at topic {}", plan.name),
                problem,
            })?;
        let found = metadata.topics().iter().find(|topic| topic.name() == plan.name);
        Ok(found.map_or(0, |topic| topic.partitions().len()))
    }

    /// Compares a topic with its plan.
    ///
    /// # Errors
    /// What the broker refuses, or that there is none.
    pub async fn check(&self, plan: &TopicPlan) -> Result<TopicState, DriverError> {
        let failed = |problem| DriverError::Admin {
            what: format!("looking at topic {}", plan.name),
            problem,
        };
        let has = self.partitions(plan)?;
        if has == 0 {
            return Ok(TopicState::Missing);
        }
        let mut problems = Vec::new();
        if plan.is_partition_count_fixed && i32::try_from(has) != Ok(plan.partitions) {
            problems.push(format!(
                "has {has} partitions, kafka.topics.partitions says {}",
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
            Some(Ok(config)) => problems.extend(
                plan.settings
                    .iter()
                    .filter_map(|setting| problem(setting, &config)),
            ),
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

fn problem(setting: &Setting, config: &ConfigResource) -> Option<String> {
    let found = config
        .get(setting.key)
        .and_then(|entry| entry.value.as_deref())
        .unwrap_or("unset");
    let word = match setting.demand {
        Demand::AtLeast => "at least ",
        Demand::Equal | Demand::Free => "",
    };
    (!setting.is_met_by(found))
        .then(|| format!("{} is {found} and must be {word}{}", setting.key, setting.value))
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(REQUEST))
        .operation_timeout(Some(REQUEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertFormat;

    #[test]
    fn the_observations_topic_keeps_two_horizons_and_the_longest_outage() {
        let settings = Settings::default();
        let plans = plans(&settings, false);
        let retention = plans[0]
            .settings
            .iter()
            .find(|setting| setting.key == "retention.ms")
            .unwrap();
        let millis = u64::try_from(settings.detection.horizon().as_millis()).unwrap() * 2 + 86_400_000;
        assert_eq!(retention.value, millis.to_string());
        assert!(retention.is_met_by("-1") && retention.is_met_by(&millis.to_string()));
        assert!(!retention.is_met_by(&(millis - 1).to_string()) && !retention.is_met_by("unset"));
    }

    #[test]
    fn only_the_topics_of_the_formats_that_are_written_are_planned() {
        for (format, expected) in [
            (AlertFormat::Ecs, ["pipewarden.alerts"].as_slice()),
            (AlertFormat::Ocsf, &["pipewarden.alerts.ocsf"]),
            (
                AlertFormat::Both,
                &["pipewarden.alerts", "pipewarden.alerts.ocsf"],
            ),
        ] {
            let mut settings = Settings::default();
            settings.alerts.format = format;
            let planned = plans(&settings, false);
            let names = planned.iter().map(|plan| plan.name.as_str());
            let names: Vec<&str> = names.filter(|name| name.contains("alerts")).collect();
            assert_eq!(names, expected);
        }
    }

    #[test]
    fn the_identities_topic_is_compacted() {
        let settings = Settings::default();
        let plans = plans(&settings, false);
        let plan = plans.iter().find(|plan| plan.name == "pipewarden.identities");
        let policy = plan
            .unwrap()
            .settings
            .iter()
            .find(|setting| setting.key == "cleanup.policy");
        assert!(policy.unwrap().is_met_by("compact"));
        assert!(!policy.unwrap().is_met_by("delete") && !policy.unwrap().is_met_by("compact,delete"));
    }

    #[test]
    fn input_topics_are_planned_only_when_asked_for() {
        let settings = Settings::default();
        assert!(
            plans(&settings, false)
                .iter()
                .all(|plan| plan.name != "winlogbeat")
        );
        assert!(
            plans(&settings, true)
                .iter()
                .any(|plan| plan.name == "winlogbeat")
        );
    }
}
