//! Asks running services how they are.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::reader::Reader;
use crate::cli::UiArgs;
use crate::commands::http_client::{Credentials, Endpoint};
use crate::page::{ServiceState, Store};
use crate::telemetry::wall_clock;
use crate::time::EventTime;

/// How often each is asked.
const EVERY: Duration = Duration::from_secs(10);

/// What the page shows of `/status`; the rest is not held.
const SHOWN: [&str; 9] = [
    "version",
    "policy",
    "ready",
    "reasons",
    "workers",
    "last_reload",
    "dead_letters",
    "assets",
    "sensors",
];

/// The services to ask.
pub(super) struct Services(Vec<Endpoint>);

impl Services {
    /// Those that the arguments name.
    ///
    /// # Errors
    /// An address of another form, a host that cannot be resolved, a file that cannot be read.
    pub(super) fn resolve(args: &UiArgs) -> anyhow::Result<Self> {
        let credentials = Credentials::read(
            args.status_token_file.as_deref(),
            args.status_certificate_file.as_deref(),
        )?;
        let resolve = |url: &String| Endpoint::resolve(url, &credentials).context("--status");
        Ok(Self(
            args.status.iter().map(resolve).collect::<anyhow::Result<_>>()?,
        ))
    }

    /// What they are called.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Asks them from now on, if there are any.
    pub(super) fn start(self, store: &Arc<Store>) -> Option<Reader> {
        if self.0.is_empty() {
            return None;
        }
        let store = Arc::clone(store);
        Some(Reader::start(move |until| {
            loop {
                store.set_services(self.0.iter().map(|service| ask(service, &store)).collect());
                if until.is_over(EVERY) {
                    return;
                }
            }
        }))
    }
}

/// What a service says of itself; why its last alerts say what they do goes to these alerts.
fn ask(service: &Endpoint, store: &Store) -> ServiceState {
    let answer = answer(service);
    if let Ok(Value::Object(status)) = &answer {
        let explanations = status.get("explanations").and_then(Value::as_array);
        for explanation in explanations.into_iter().flatten() {
            store.explain(explanation);
        }
    }
    state(&service.to_string(), answer)
}

/// What the page shows of an answer that came now.
pub(crate) fn state(name: &str, answer: anyhow::Result<Value>) -> ServiceState {
    let asked = EventTime::from_micros(wall_clock().as_millis().saturating_mul(1000));
    let (status, problem) = match answer {
        Ok(Value::Object(mut status)) => {
            status.retain(|name, _| SHOWN.contains(&name.as_str()));
            (Some(Value::Object(status)), None)
        }
        Ok(_) => (None, Some("/status is no object".to_owned())),
        Err(problem) => (None, Some(format!("{problem:#}"))),
    };
    ServiceState {
        name: name.to_owned(),
        asked: asked.to_string(),
        problem,
        status,
    }
}

fn answer(service: &Endpoint) -> anyhow::Result<Value> {
    let (code, body) = service.get("/status")?;
    anyhow::ensure!(code == 200, "{service}/status answers {code}: {}", body.trim());
    Ok(serde_json::from_str(&body)?)
}
