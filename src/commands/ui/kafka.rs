//! Reads alerts of their topics.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipewarden_kafka::AlertReader;

use super::reader::Reader;
use crate::config::Settings;
use crate::diagnostics::with_causes;
use crate::engine::Origin;
use crate::page::Store;
use crate::telemetry::wall_clock;

/// How long to wait for a record.
const WAIT: Duration = Duration::from_millis(200);

/// How often it is asked whether there are new partitions, and how soon again where no answer comes.
const ASSIGN: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_secs(2);

/// Reads what was published since so long ago, then follows.
///
/// # Errors
/// Properties that librdkafka rejects. Brokers that do not answer are waited for.
pub(super) fn start(settings: &Settings, since: Duration, store: &Arc<Store>) -> anyhow::Result<Reader> {
    super::super::demand_sound_client(settings)?;
    let mut reader = AlertReader::new(&settings.kafka, wall_clock().minus(since))?;
    let store = Arc::clone(store);
    store.set_problem(Some("asking the brokers where to begin"));
    Ok(Reader::start(move |until| {
        let mut due = Instant::now();
        while !until.is_over(Duration::ZERO) {
            if Instant::now() >= due {
                let problem = reader.assign().err().map(|problem| with_causes(&problem));
                due = Instant::now() + if problem.is_some() { AGAIN } else { ASSIGN };
                store.set_problem(
                    problem
                        .map(|problem| format!("{problem}; trying again"))
                        .as_deref(),
                );
            }
            let polled = reader.poll(WAIT, &mut |origin, value| store.take(value, &Place(origin)));
            if let Err(problem) = polled {
                store.set_problem(Some(&format!("{}; start the page again", with_causes(&problem))));
                return;
            }
        }
    }))
}

struct Place<'a>(Origin<'a>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin {
            topic,
            partition,
            offset,
        } = &self.0;
        write!(f, "{topic} partition {partition} offset {offset}")
    }
}
