//! The topics that Winlogbeat publishes to: those that the settings name, which need not all exist, and those whose names match
//! a pattern.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tracing::{debug, info, warn};

use super::context::WorkerContext;
use super::error::DriverError;
use super::metadata::Probe;
use super::observer::WorkerFact;
use super::settings::Topics;

/// How often it is looked which topics exist.
const LOOK: Duration = Duration::from_secs(10);

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(5);

/// Under which name it reports.
const NAME: &str = "input";

impl Topics {
    /// The input topics that the settings name one by one.
    pub fn named_input(&self) -> impl Iterator<Item = &String> {
        self.input.iter().filter(|name| !name.starts_with('^'))
    }

    /// The patterns that the names of other input topics match.
    pub fn input_patterns(&self) -> impl Iterator<Item = &String> {
        self.input.iter().filter(|name| name.starts_with('^'))
    }

    /// Those that do not exist, or that this user may not see.
    pub(super) fn missing_input(&self, probe: &Probe) -> Result<BTreeSet<&str>, DriverError> {
        let mut missing = BTreeSet::new();
        for topic in self.named_input() {
            if probe.topic(topic, REQUEST)?.partitions == 0 {
                missing.insert(topic.as_str());
            }
        }
        Ok(missing)
    }
}

/// Says which input topics come and go, until the service ends. The consumers read those that exist.
pub(super) fn watch(context: &WorkerContext, probe: &Probe) {
    let topics = &context.settings.kafka.topics;
    let mut known = BTreeSet::new();
    loop {
        match topics.missing_input(probe) {
            Ok(missing) => {
                for topic in missing.difference(&known) {
                    warn!(
                        topic,
                        "this input topic does not exist, or this user may not see it; the others are read, and this one as \
                         soon as it exists"
                    );
                }
                for topic in known.difference(&missing) {
                    info!(topic, "this input topic exists now");
                }
                let topics = missing.len();
                context.observer.worker(NAME, WorkerFact::MissingInput { topics });
                known = missing;
            }
            Err(problem) => debug!("which input topics exist is not known: {problem}"),
        }
        if context.stop.wait(LOOK) {
            return;
        }
    }
}

/// Whether a consumer reports that one of its topics does not exist, without saying which.
pub(super) fn is_missing_topic(problem: &KafkaError) -> bool {
    use RDKafkaErrorCode::{UnknownTopic, UnknownTopicOrPartition};
    let code = problem.rdkafka_error_code();
    code.is_some_and(|code| matches!(code, UnknownTopic | UnknownTopicOrPartition))
}
