//! Asks the brokers every few seconds whether what the service needs is there: workers notice only what they happen to use.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::context::WorkerContext;
use super::error::DriverError;
use super::metadata::Probe;

/// The thread's name.
pub(super) const NAME: &str = "monitor";

/// How often the brokers are asked; and how soon once more where they had something to object: while one of them starts
/// again, its partitions have no leader for a moment.
const INTERVAL: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_secs(1);

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(5);

/// Starts the thread, which ends when the service does.
pub(super) fn start(context: &WorkerContext, probe: Probe) -> Result<JoinHandle<()>, DriverError> {
    let context = context.clone();
    let run = move || {
        let mut had_problems = false;
        loop {
            let problems = problems(&context, &probe);
            // What is seen once may be over; what is seen twice is a state.
            let is_new = !had_problems && !problems.is_empty();
            had_problems = !problems.is_empty();
            if !is_new {
                context.observer.cluster(&problems);
            }
            if context.stop.wait(if is_new { SOON } else { INTERVAL }) {
                break;
            }
        }
    };
    Ok(thread::Builder::new().name(NAME.to_owned()).spawn(run)?)
}

/// Everything that keeps the service from working, in words.
fn problems(context: &WorkerContext, probe: &Probe) -> Vec<String> {
    let mut problems = Vec::new();
    for topic in own_topics(context) {
        match probe.topic(topic, REQUEST) {
            Err(none @ DriverError::NoBroker { .. }) => return vec![none.to_string()],
            Err(other) => problems.push(other.to_string()),
            Ok(found) if found.partitions == 0 => {
                let topic = topic.clone();
                problems.push(DriverError::MissingTopic { topic }.to_string());
            }
            Ok(found) if found.leaderless > 0 => problems.push(format!(
                "no broker leads {} of {} partitions of topic {topic}",
                found.leaderless, found.partitions
            )),
            Ok(_) => {}
        }
    }
    problems
}

/// The topics that this process reads or writes, but for its input, which is others' to look after.
fn own_topics(context: &WorkerContext) -> Vec<&String> {
    let settings = &context.settings;
    let topics = &settings.kafka.topics;
    let mut all = vec![&topics.observations, &topics.dead_letters];
    if settings.router.enabled {
        all.push(&topics.bindings);
    }
    if settings.correlator.enabled {
        all.push(&topics.suppressed);
        all.push(&topics.sightings);
        all.extend(settings.alert_topics());
    }
    all
}
