//! How often exceptions were hit, as running services show on `/status`.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use owo_colors::OwoColorize as _;
use pipewarden_kafka::WorkerRole;
use serde::Deserialize;

use super::http_client::{Credentials, Endpoint};
use crate::time::EventTime;

/// The hits that all services together have counted.
#[derive(Debug, Default)]
pub(super) struct Hits {
    entries: BTreeMap<String, Entry>,
    /// How many services were asked.
    services: usize,
    /// How many partitions they own.
    pub(super) partitions: u64,
}

/// The hits of one exception.
#[derive(Debug)]
struct Entry {
    hits: u64,
    /// From when on every service that has it has counted.
    since: EventTime,
    /// How many of them have it.
    services: usize,
}

/// The part of `/status` that is read.
#[derive(Deserialize)]
struct Answer {
    exceptions: Option<BTreeMap<String, Own>>,
    workers: BTreeMap<String, Worker>,
}

#[derive(Deserialize)]
struct Own {
    hits: u64,
    since: EventTime,
}

#[derive(Deserialize)]
struct Worker {
    role: WorkerRole,
    partitions: u64,
}

/// Asks every service.
///
/// # Errors
/// A service that does not answer, is none, or has no correlator: without it the sum would be wrong.
pub(super) fn ask(endpoints: &[String], credentials: &Credentials) -> anyhow::Result<Hits> {
    let mut all = Hits::default();
    for endpoint in endpoints {
        let endpoint = Endpoint::resolve(endpoint, credentials).context("--status")?;
        let (status, body) = endpoint.get("/status").context("--status")?;
        if status != 200 {
            bail!("--status: {endpoint}/status answers {status}: {}", why(status));
        }
        let answer: Answer = serde_json::from_str(&body).with_context(|| {
            format!("--status: {endpoint}/status shows no exceptions: is it Pipewarden, of this version?")
        })?;
        let Some(exceptions) = answer.exceptions else {
            bail!("--status: {endpoint} runs no correlator (yet), so it counts no hits; name those that do");
        };
        all.add(exceptions, &answer.workers);
    }
    Ok(all)
}

/// What is missing where the answer is no document.
fn why(status: u16) -> &'static str {
    match status {
        401 => "it asks for a token; name its file with --token-file",
        403 => "/status is off there; set http.token_file at the service, or ask on its own machine",
        _ => "is it Pipewarden?",
    }
}

impl Hits {
    fn add(&mut self, exceptions: BTreeMap<String, Own>, workers: &BTreeMap<String, Worker>) {
        self.services += 1;
        let correlators = workers
            .values()
            .filter(|worker| worker.role == WorkerRole::Correlator);
        self.partitions += correlators.map(|worker| worker.partitions).sum::<u64>();
        for (id, Own { hits, since }) in exceptions {
            let entry = self.entries.entry(id).or_insert(Entry {
                hits: 0,
                since,
                services: 0,
            });
            entry.hits += hits;
            entry.since = entry.since.max(since);
            entry.services += 1;
        }
    }

    /// The line of an exception.
    pub(super) fn of(&self, id: &str, is_builtin: bool) -> String {
        match self.entries.get(id) {
            Some(entry) if entry.services < self.services => format!(
                "in force at {} of {} services, {} hits",
                entry.services, self.services, entry.hits
            )
            .yellow()
            .to_string(),
            None => "in force at none of the services".yellow().to_string(),
            Some(Entry { hits: 0, since, .. }) if !is_builtin => {
                format!("no hit counted since {since}: is it still needed?")
                    .yellow()
                    .to_string()
            }
            Some(entry) => format!("{} hits since {}", entry.hits, entry.since),
        }
    }
}
