//! What is in force, in words.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::moment;
use crate::config::Settings;
use crate::engine::Policy;
use crate::time::{AppendTime, EventTime};

/// Settings, rules, inventory and exceptions in force.
#[derive(Clone, Debug, Default, Serialize)]
pub struct InForce {
    /// The hash of it all.
    pub id: String,
    /// One sentence.
    pub summary: String,
    /// Since when, in this process.
    pub since: Option<EventTime>,
    /// Ids of the rules that are on.
    pub rules: Vec<String>,
    /// How many assets the inventory lists.
    pub assets: usize,
    /// What becomes of hosts that it does not list.
    pub unlisted_hosts: Value,
    /// Ids of the exceptions.
    pub exceptions: Vec<String>,
    /// The main settings.
    pub settings: Map<String, Value>,
}

impl InForce {
    /// What is in force from `now` on.
    pub fn new(settings: &Map<String, Value>, policy: &Policy, now: AppendTime) -> Self {
        let rules = policy.rules.rules().iter().map(|rule| rule.id.to_string());
        let exceptions = policy.exceptions.entries().iter();
        let mut in_force = Self {
            id: policy.id().to_owned(),
            summary: String::new(),
            since: Some(moment(now)),
            rules: rules.collect(),
            assets: policy.inventory.assets().len(),
            unlisted_hosts: json!(policy.unlisted_hosts),
            exceptions: exceptions.map(|entry| entry.id.to_string()).collect(),
            settings: settings.clone(),
        };
        in_force.summary = in_force.sentence();
        in_force
    }

    fn sentence(&self) -> String {
        /// More rules than this are counted, not named.
        const NAMED: usize = 5;
        let mut text = number(self.rules.len(), "rule");
        if (1..=NAMED).contains(&self.rules.len()) {
            // Writing to a string does not fail.
            let _ = write!(text, " ({})", self.rules.join(", "));
        }
        let _ = write!(text, " on {}", number(self.assets, "listed host"));
        text += match self.unlisted_hosts.as_str() {
            Some("watch") => " and on all others",
            _ => "; others are ignored",
        };
        let _ = write!(text, "; {}", number(self.exceptions.len(), "exception"));
        text
    }
}

fn number(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// The main settings, as `/status` shows them: nothing of them is a secret.
pub(in crate::telemetry) fn main_settings(settings: &Settings) -> Map<String, Value> {
    let mut all = Map::new();
    if let Ok(Value::Object(detection)) = serde_json::to_value(&settings.detection) {
        let plain = detection.into_iter().filter(|(_, value)| !value.is_object());
        all.extend(plain.map(|(key, value)| (format!("detection.{key}"), value)));
    }
    let horizon = jiff::SignedDuration::try_from(settings.detection.horizon());
    let topics = &settings.kafka.topics;
    for (key, value) in [
        (
            "horizon",
            json!(horizon.map(|span| format!("{span:#}")).unwrap_or_default()),
        ),
        ("alerts.format", json!(settings.alerts.format)),
        ("router.enabled", json!(settings.router.enabled)),
        ("router.threads", json!(settings.router.threads)),
        ("correlator.enabled", json!(settings.correlator.enabled)),
        ("correlator.threads", json!(settings.correlator.threads)),
        ("kafka.application_id", json!(settings.kafka.application_id)),
        ("kafka.topics.input", json!(topics.input)),
        ("kafka.topics.observations", json!(topics.observations)),
        ("kafka.topics.sightings", json!(topics.sightings)),
        ("kafka.topics.alerts", json!(topics.alerts)),
    ] {
        all.insert(key.to_owned(), value);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_force_is_said_in_a_sentence_with_the_main_settings_and_no_secret() {
        let mut settings = Settings::default();
        let password = ("sasl.password".to_owned(), "swordfish".to_owned());
        settings.kafka.client.extend([password]);
        let policy = settings.policy().unwrap();
        let in_force = InForce::new(&main_settings(&settings), &policy, AppendTime::from_millis(0));
        let exceptions = number(policy.exceptions.entries().len(), "exception");
        assert_eq!(
            in_force.summary,
            format!(
                "4 rules (detect-1, detect-3, detect-7, detect-8) on 0 listed hosts and on all others; {exceptions}"
            )
        );
        assert_eq!(in_force.rules, ["detect-1", "detect-3", "detect-7", "detect-8"]);
        assert!(in_force.settings.contains_key("detection.attribution_window"));
        assert_eq!(in_force.settings["kafka.topics.input"], json!(["winlogbeat"]));
        let text = json!(in_force).to_string();
        assert!(!text.contains("swordfish"), "{text}");
    }
}
