//! What the API answers.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::row::Row;
use crate::detection::JoinSettings;

/// What the page is of.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct About {
    /// The program's version.
    pub version: &'static str,
    /// Where alerts come from.
    pub source: Source,
    /// Where to look or what to do while there is no alert.
    pub hint: String,
    /// The brokers whose topics evidence names, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brokers: Option<String>,
    /// The services that are asked how they are.
    pub services: Vec<String>,
    /// The windows of the join, as far as they are known here.
    pub windows: Windows,
    /// How much is held at most.
    pub bounds: Bounds,
}

/// Where alerts come from.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Source {
    /// `file`, `kafka`, `demo` or `replay`.
    pub kind: &'static str,
    /// The file, or the topics.
    pub name: String,
}

/// The windows that the timeline shows, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Windows {
    /// `detection.attribution_window`: before an opened pipe.
    pub attribution_ms: u64,
    /// After it, for connections that the host itself logs.
    pub after_ms: u64,
    /// `detection.tuple_window`: around an audited access, either way.
    pub tuple_ms: u64,
    /// `detection.pair_window`: between an audited access and the opened pipe that it is.
    pub pair_ms: u64,
}

/// How much later than the access a host may log a connection that led to it.
const LOGGED_AFTER: Duration = Duration::from_secs(3);

impl Windows {
    /// Those of these settings.
    pub fn of(join: &JoinSettings) -> Self {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            attribution_ms: ms(join.attribution_window),
            after_ms: ms(LOGGED_AFTER),
            tuple_ms: ms(join.tuple_window),
            pair_ms: ms(join.pair_window),
        }
    }
}

/// How much is held at most.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Bounds {
    /// Alerts; of more, those that were changed longest ago are forgotten.
    pub alerts: usize,
    /// Revisions of one alert; of more, the earliest are forgotten.
    pub revisions: usize,
    /// Bytes of documents and rows.
    pub bytes: usize,
}

/// How a running service is.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ServiceState {
    /// Where it was asked.
    pub name: String,
    /// When.
    pub asked: String,
    /// Why there is no answer, if there is none.
    pub problem: Option<String>,
    /// Of its `/status`: `version`, `policy`, `ready`, `reasons`, `workers`, `last_reload`, `dead_letters`, `assets`, `sensors`.
    pub status: Option<serde_json::Value>,
}

/// `/api/services`: how running services are.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Services {
    /// Each that is asked; none before the first has been.
    pub(super) services: Vec<ServiceState>,
}

/// `/api/alerts`: all rows.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Alerts {
    /// Names this run of the server: numbers of changes are comparable within it.
    pub(super) epoch: String,
    /// The number of the last change.
    pub(super) last: u64,
    /// What was changed last by this change or an earlier one has been forgotten.
    pub(super) floor: u64,
    /// Every alert that is held.
    pub(super) rows: Vec<Listed>,
    /// How reading goes.
    pub(super) health: Health,
}

/// Changes, an event of `/api/stream`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Changes {
    /// The number of the last change in it.
    pub(super) last: u64,
    /// See [`Alerts::floor`].
    pub(super) floor: u64,
    /// What has changed, in order.
    pub(super) rows: Vec<Listed>,
}

/// A row with where it stands.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Listed {
    /// The number of its last change.
    pub(super) seq: u64,
    /// How many revisions are held.
    pub(super) revisions: usize,
    /// The latest revision.
    #[serde(flatten)]
    pub(super) row: Arc<Row>,
}

/// `/api/alerts/{id}`: one alert.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Detail {
    /// The number of its last change.
    pub(super) seq: u64,
    /// Each revision that is held, the earliest first.
    pub(super) revisions: Vec<Arc<Row>>,
    /// How many earlier ones are not held any more.
    pub(super) forgotten: u64,
    /// The latest document, as it was published.
    #[schemars(with = "serde_json::Value")]
    pub(super) document: Box<RawValue>,
    /// Why it says so and what nearly joined, where that is known.
    #[schemars(with = "Option<serde_json::Value>")]
    pub(super) explanation: Option<Box<RawValue>>,
}

/// How reading goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub(super) struct Health {
    /// What keeps alerts from being read, in words.
    pub(super) problem: Option<String>,
    /// What was read.
    pub(super) read: Read,
    /// The last message or line that could not be read, and why.
    pub(super) last_unreadable: Option<String>,
    /// How many alerts, and how many bytes, are held.
    pub(super) held: Amount,
    /// How many alerts were forgotten for others, and how many revisions.
    pub(super) forgotten: Forgotten,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Read {
    /// Revisions of alerts that are new here.
    pub(super) revisions: u64,
    /// Revisions that were known.
    pub(super) copies: u64,
    /// OCSF findings, which are not shown.
    pub(super) findings: u64,
    /// What is no alert, or could not be read.
    pub(super) unreadable: u64,
}

/// How much is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Amount {
    /// Alerts.
    pub(super) alerts: usize,
    /// Bytes of documents and rows.
    pub(super) bytes: usize,
}

/// What was forgotten for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Forgotten {
    /// Alerts.
    pub(super) alerts: u64,
    /// Earlier revisions of alerts that are held.
    pub(super) revisions: u64,
}
