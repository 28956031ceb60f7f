//! The settings that each topic must have.

use std::num::NonZeroU16;
use std::time::Duration;

use pipewarden_core::alert::AlertFormat;
use pipewarden_core::detection::JoinSettings;
use pipewarden_core::inventory::BINDING_MAX_BYTES;
use pipewarden_engine::OBSERVATION_MAX_BYTES;

use crate::client::{BATCH, MAX_RECORD, ROOM};
use crate::settings::Topics;

/// Alerts and dead letters are kept this long.
const ALERTS_KEPT: Duration = Duration::from_secs(30 * 86_400);
const DEAD_LETTERS_KEPT: Duration = Duration::from_secs(14 * 86_400);

/// A segment of the bindings topic is closed after this long.
const SEGMENT: Duration = Duration::from_secs(86_400);

/// The partitions and settings that one topic must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// How many partitions it gets.
    pub partitions: NonZeroU16,
    /// Whether any other number is wrong.
    pub is_partition_count_fixed: bool,
    /// Settings it gets, and what must hold of them later.
    pub settings: Vec<Setting>,
}

/// One topic setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Kafka's name for it.
    pub key: &'static str,
    /// The value when the topic is created.
    pub value: String,
    /// What must hold of it.
    requirement: Requirement,
    /// What else may be done where it does not hold.
    instead: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Requirement {
    /// Exactly the value.
    Equal,
    /// So much or more; -1 means without bound.
    AtLeast(u128),
    /// Any value: the operator may have changed it.
    Free,
}

impl Setting {
    fn new(key: &'static str, value: impl Into<String>, requirement: Requirement) -> Self {
        Self {
            key,
            value: value.into(),
            requirement,
            instead: "",
        }
    }

    /// Whether a topic that has this value is right.
    fn is_met_by(&self, found: &str) -> bool {
        match self.requirement {
            Requirement::Equal => self.value == found,
            Requirement::AtLeast(least) => match found.parse::<i64>() {
                Ok(-1) => true,
                Ok(found) => u128::try_from(found).is_ok_and(|found| found >= least),
                Err(_) => false,
            },
            Requirement::Free => true,
        }
    }

    /// What is wrong with a topic that has this value.
    pub(super) fn problem(&self, found: &str) -> Option<String> {
        let wanted = match self.requirement {
            Requirement::AtLeast(least) => format!("at least {least}"),
            Requirement::Equal | Requirement::Free => self.value.clone(),
        };
        let Self { key, instead, .. } = self;
        (!self.is_met_by(found)).then(|| format!("{key} is {found} and must be {wanted}{instead}"))
    }
}

/// How alerts are written.
#[derive(Clone, Copy, Debug)]
pub struct AlertOutput {
    /// In which formats.
    pub format: AlertFormat,
    /// The most bytes that a document takes.
    pub max_bytes: usize,
}

/// From how much of their logs states are rebuilt.
#[derive(Clone, Copy, Debug, Default)]
pub struct StateSpans {
    /// Of the observations topic.
    pub observations: Duration,
    /// Of the sightings topic.
    pub sightings: Duration,
}

impl StateSpans {
    /// By these settings.
    pub fn of(settings: &JoinSettings) -> Self {
        Self {
            observations: settings.rewind(),
            sightings: settings.campaign_rewind(),
        }
    }
}

/// The plans for Pipewarden's own topics, where states are rebuilt from so much of their logs; and, with `with_input`, for those
/// that Winlogbeat publishes to.
pub fn plans(topics: &Topics, alerts: AlertOutput, spans: StateSpans, with_input: bool) -> Vec<TopicPlan> {
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
                log_of_state(spans.observations + topics.longest_outage),
            )
        },
        TopicPlan {
            partitions: topics.sightings_partitions,
            is_partition_count_fixed: true,
            ..plan(
                &topics.sightings,
                log_of_state(spans.sightings + topics.longest_outage),
            )
        },
        plan(&topics.suppressed, documents(alerts.max_bytes)),
        plan(
            &topics.dead_letters,
            kept_for(DEAD_LETTERS_KEPT, max_record(MAX_RECORD)),
        ),
    ];
    plans.extend(
        topics
            .of_alerts(alerts.format)
            .map(|topic| plan(topic, documents(alerts.max_bytes))),
    );
    plans.push(TopicPlan {
        // Small, and read whole: one partition keeps all its records in one order.
        partitions: NonZeroU16::MIN,
        ..plan(&topics.bindings, table())
    });
    for plan in &mut plans {
        plan.settings.push(min_insync(topics.replication_factor));
    }
    if with_input {
        plans.extend(topics.named_input().map(|name| plan(name, Vec::new())));
    }
    plans
}

/// The log that state is rebuilt from.
fn log_of_state(kept: Duration) -> Vec<Setting> {
    vec![
        Setting::new("message.timestamp.type", "LogAppendTime", Requirement::Equal),
        // Compaction would drop all but the last observation of a host.
        Setting::new("cleanup.policy", "delete", Requirement::Equal),
        Setting::new(
            "retention.ms",
            millis(kept),
            Requirement::AtLeast(kept.as_millis()),
        ),
        Setting::new("retention.bytes", "-1", Requirement::Equal),
        max_record(BATCH + ROOM),
    ]
}

/// Topics that the operator may keep for any time.
fn kept_for(span: Duration, max_record: Setting) -> Vec<Setting> {
    vec![
        Setting::new("cleanup.policy", "delete", Requirement::Free),
        Setting::new("retention.ms", millis(span), Requirement::Free),
        max_record,
    ]
}

/// Topics of alerts, each of at most so many bytes.
fn documents(max_bytes: usize) -> Vec<Setting> {
    let max_record = Setting {
        instead: ", or alerts.max_bytes be lower",
        ..max_record(max_bytes + ROOM)
    };
    kept_for(ALERTS_KEPT, max_record)
}

/// The last record of each key is the table; any other policy would delete parts of it.
fn table() -> Vec<Setting> {
    vec![
        Setting::new("cleanup.policy", "compact", Requirement::Equal),
        // The segment that is written to is never compacted.
        Setting::new("segment.ms", millis(SEGMENT), Requirement::Free),
        max_record(BATCH + ROOM),
    ]
}

/// With the default of 1 a leader may acknowledge alone and take records and committed offsets with it when it fails.
/// Two of three lets one broker be away.
fn min_insync(replication: NonZeroU16) -> Setting {
    let least = replication.get().saturating_sub(1).clamp(1, 2);
    Setting::new(
        "min.insync.replicas",
        least.to_string(),
        Requirement::AtLeast(u128::from(least)),
    )
}

// What a router sends together is larger than any of its observations and bindings.
const _: () = assert!(OBSERVATION_MAX_BYTES < BATCH && BINDING_MAX_BYTES < BATCH);

/// New topics take what any client of ours writes; those that are there must take what is written to them.
fn max_record(least: usize) -> Setting {
    Setting::new(
        "max.message.bytes",
        MAX_RECORD.to_string(),
        Requirement::AtLeast(least as u128),
    )
}

fn millis(span: Duration) -> String {
    span.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: AlertOutput = AlertOutput {
        format: AlertFormat::Ecs,
        max_bytes: 256 << 10,
    };

    #[test]
    fn each_topic_must_take_what_is_written_to_it_and_says_what_else_would_do() {
        let plans = plans(&Topics::default(), WRITTEN, StateSpans::default(), false);
        let problem = |topic: &str, found: &str| {
            let plan = plans.iter().find(|plan| plan.name == topic).unwrap();
            let mut settings = plan.settings.iter();
            let setting = settings
                .find(|setting| setting.key == "max.message.bytes")
                .unwrap();
            setting.problem(found)
        };
        for topic in ["pipewarden.alerts", "pipewarden.suppressed"] {
            assert_eq!(problem(topic, "1048588"), None);
            assert_eq!(
                problem(topic, "100000").unwrap(),
                "max.message.bytes is 100000 and must be at least 266240, or alerts.max_bytes be lower"
            );
        }
        assert!(problem("pipewarden.dead-letters", "1048588").is_some());
        for topic in [
            "pipewarden.observations",
            "pipewarden.sightings",
            "pipewarden.bindings",
        ] {
            assert_eq!(problem(topic, "1048588"), None);
            assert!(problem(topic, "1000000").is_some());
        }
    }

    #[test]
    fn topics_of_state_keep_what_it_is_rebuilt_from_and_the_longest_outage() {
        let spans = StateSpans::of(&JoinSettings::default());
        let plans = plans(&Topics::default(), WRITTEN, spans, false);
        // Three horizons of 115 minutes and a 64th of one.
        let observations = 3 * 115 * 60_000 + 115 * 60_000 / 64;
        let sightings = (72 * 60 + 40) * 60_000;
        let topics = ["pipewarden.observations", "pipewarden.sightings"];
        for (topic, millis) in topics.into_iter().zip([observations, sightings]) {
            let plan = plans.iter().find(|plan| plan.name == topic).unwrap();
            let mut settings = plan.settings.iter();
            let retention = settings.find(|setting| setting.key == "retention.ms").unwrap();
            let millis = millis + 24 * 60 * 60_000;
            assert_eq!(retention.value, millis.to_string());
            assert!(retention.is_met_by("-1") && retention.is_met_by(&millis.to_string()));
            assert!(!retention.is_met_by(&(millis - 1).to_string()) && !retention.is_met_by("unset"));
        }
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
            let written = AlertOutput { format, ..WRITTEN };
            let planned = plans(&Topics::default(), written, StateSpans::default(), false);
            let names = planned.iter().map(|plan| plan.name.as_str());
            let names: Vec<&str> = names.filter(|name| name.contains("alerts")).collect();
            assert_eq!(names, expected);
        }
    }

    #[test]
    fn a_record_is_acknowledged_by_two_brokers_where_one_of_them_may_be_away() {
        for (replicas, expected) in [(1, "1"), (2, "1"), (3, "2"), (5, "2")] {
            let topics = Topics {
                replication_factor: NonZeroU16::new(replicas).unwrap(),
                ..Topics::default()
            };
            let both = AlertOutput {
                format: AlertFormat::Both,
                ..WRITTEN
            };
            for plan in plans(&topics, both, StateSpans::default(), true) {
                let own = plan
                    .settings
                    .iter()
                    .find(|setting| setting.key == "min.insync.replicas");
                let is_input = topics.input.contains(&plan.name);
                assert_eq!(
                    own.map(|own| &*own.value),
                    (!is_input).then_some(expected),
                    "{}",
                    plan.name
                );
            }
        }
    }

    #[test]
    fn the_bindings_topic_is_compacted() {
        let plans = plans(&Topics::default(), WRITTEN, StateSpans::default(), false);
        let plan = plans.iter().find(|plan| plan.name == "pipewarden.bindings");
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
        for with_input in [false, true] {
            let plans = plans(&Topics::default(), WRITTEN, StateSpans::default(), with_input);
            assert_eq!(plans.iter().any(|plan| plan.name == "winlogbeat"), with_input);
        }
    }
}
