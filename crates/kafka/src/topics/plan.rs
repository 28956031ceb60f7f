//! The settings that each topic must have.

use std::num::NonZeroU16;
use std::time::Duration;

use pipewarden_core::alert::AlertFormat;

use crate::client::MAX_RECORD;
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Requirement {
    /// Exactly the value.
    Equal,
    /// The value or more; -1 means without bound.
    AtLeast,
    /// Any value: the operator may have changed it.
    Free,
}

impl Setting {
    fn new(key: &'static str, value: impl Into<String>, requirement: Requirement) -> Self {
        Self {
            key,
            value: value.into(),
            requirement,
        }
    }

    /// Whether a topic that has this value is right.
    fn is_met_by(&self, found: &str) -> bool {
        match self.requirement {
            Requirement::Equal => self.value == found,
            Requirement::AtLeast => match (self.value.parse::<i64>(), found.parse::<i64>()) {
                (Ok(least), Ok(found)) => found >= least || found == -1,
                _ => false,
            },
            Requirement::Free => true,
        }
    }

    /// What is wrong with a topic that has this value.
    pub(super) fn problem(&self, found: &str) -> Option<String> {
        let word = match self.requirement {
            Requirement::AtLeast => "at least ",
            Requirement::Equal | Requirement::Free => "",
        };
        (!self.is_met_by(found)).then(|| format!("{} is {found} and must be {word}{}", self.key, self.value))
    }
}

/// The plans for Pipewarden's own topics, where state lives for a `horizon` and alerts are written as `format`; and, with
/// `with_input`, for those that Winlogbeat publishes to.
pub fn plans(topics: &Topics, format: AlertFormat, horizon: Duration, with_input: bool) -> Vec<TopicPlan> {
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
                log_of_state(horizon * 2 + topics.longest_outage),
            )
        },
        plan(&topics.suppressed, kept_for(ALERTS_KEPT)),
        plan(&topics.dead_letters, kept_for(DEAD_LETTERS_KEPT)),
    ];
    plans.extend(
        topics
            .of_alerts(format)
            .map(|topic| plan(topic, kept_for(ALERTS_KEPT))),
    );
    plans.push(TopicPlan {
        // Small, and read whole: one partition keeps all its records in one order.
        partitions: NonZeroU16::MIN,
        ..plan(&topics.bindings, table())
    });
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
        Setting::new("retention.ms", millis(kept), Requirement::AtLeast),
        Setting::new("retention.bytes", "-1", Requirement::Equal),
        max_record(),
    ]
}

/// Topics that the operator may keep for any time.
fn kept_for(span: Duration) -> Vec<Setting> {
    vec![
        Setting::new("cleanup.policy", "delete", Requirement::Free),
        Setting::new("retention.ms", millis(span), Requirement::Free),
        max_record(),
    ]
}

/// The last record of each key is the table; any other policy would delete parts of it.
fn table() -> Vec<Setting> {
    vec![
        Setting::new("cleanup.policy", "compact", Requirement::Equal),
        // The segment that is written to is never compacted.
        Setting::new("segment.ms", millis(SEGMENT), Requirement::Free),
    ]
}

fn max_record() -> Setting {
    Setting::new("max.message.bytes", MAX_RECORD.to_string(), Requirement::AtLeast)
}

fn millis(span: Duration) -> String {
    span.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_observations_topic_keeps_two_horizons_and_the_longest_outage() {
        let horizon = Duration::from_secs(3_600);
        let plans = plans(&Topics::default(), AlertFormat::Ecs, horizon, false);
        let retention = plans[0]
            .settings
            .iter()
            .find(|setting| setting.key == "retention.ms")
            .unwrap();
        let millis = 2 * 3_600_000 + 86_400_000;
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
            let planned = plans(&Topics::default(), format, Duration::ZERO, false);
            let names = planned.iter().map(|plan| plan.name.as_str());
            let names: Vec<&str> = names.filter(|name| name.contains("alerts")).collect();
            assert_eq!(names, expected);
        }
    }

    #[test]
    fn the_bindings_topic_is_compacted() {
        let plans = plans(&Topics::default(), AlertFormat::Ecs, Duration::ZERO, false);
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
            let plans = plans(&Topics::default(), AlertFormat::Ecs, Duration::ZERO, with_input);
            assert_eq!(plans.iter().any(|plan| plan.name == "winlogbeat"), with_input);
        }
    }
}
