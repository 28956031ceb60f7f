//! A test file's form.

use std::net::IpAddr;

use pipewarden_core::detection::{Attribution, Confidence, ExceptionEntry};
use pipewarden_core::event::Outcome;
use pipewarden_core::inventory;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The cases of one rule.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Rule tests")]
pub struct TestFile {
    /// The protected hosts of every case that names none of its own. Without any, every host is watched.
    #[serde(default)]
    #[schemars(with = "Vec<inventory::Entry>")]
    pub assets: Vec<Value>,
    /// The accounts of every case that names none of its own, beside the machine accounts of the assets.
    #[serde(default)]
    #[schemars(with = "Vec<inventory::AccountEntry>")]
    pub accounts: Vec<Value>,
    /// At least one that must raise an alert, and one that must not.
    #[schemars(length(min = 1))]
    pub cases: Vec<Case>,
}

/// Events, and the alerts that they must raise.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the case shows.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The protected hosts of this case, in place of the file's; an empty list watches every host.
    #[schemars(with = "Option<Vec<inventory::Entry>>")]
    pub assets: Option<Vec<Value>>,
    /// The accounts of this case, in place of the file's.
    #[schemars(with = "Option<Vec<inventory::AccountEntry>>")]
    pub accounts: Option<Vec<Value>>,
    /// The exceptions that are in force in this case; none where it names none.
    #[serde(default)]
    #[schemars(with = "Vec<ExceptionEntry>")]
    pub exceptions: Vec<Value>,
    /// What Winlogbeat publishes.
    #[schemars(length(min = 1))]
    pub events: Vec<EventSpec>,
    /// Exactly the alerts that are active in the end, in any order; an empty list where none may be.
    pub alerts: Vec<ExpectedAlert>,
}

/// One event: in short, by `event_id`, or whole, as a `document`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EventSpec {
    /// 3 and 18 of Sysmon, or 4624, 5140, 5145 and 5156 of Security. Provider, channel, record id and the usual fields are filled in.
    #[schemars(range(min = 3, max = 5156))]
    pub event_id: Option<u16>,
    /// How long after the start of the case: `519ms`, `2s`, `1h 30m`. Default 0.
    pub after: Option<String>,
    /// The host that logs it. Default: the first asset; a connection that its source logs names its source.
    pub computer: Option<String>,
    /// What Windows decided about a 5140 or 5145. Default `success`.
    pub outcome: Option<Outcome>,
    /// The fields under Windows' own names; null takes a field away that would be filled in.
    pub event_data: Map<String, Value>,
    /// A document as it is published, in any shape; it brings its own time. In place of everything else.
    pub document: Option<Map<String, Value>>,
}

/// An alert that must be active. What is left out may be anything.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectedAlert {
    /// `pipewarden.asset.id`
    pub asset: Option<String>,
    /// `source.ip`
    pub source: Option<IpAddr>,
    /// `pipewarden.attribution`
    pub attribution: Option<Attribution>,
    /// `pipewarden.confidence`
    pub confidence: Option<Confidence>,
    /// `pipewarden.accounts[]`, all of them in any order.
    pub accounts: Option<Vec<String>>,
    /// `pipewarden.pipes[]`, all of them in any order.
    pub pipes: Option<Vec<String>>,
    /// `pipewarden.paths[]`, all of them in any order, in lower case and with their share: `reminst\smstemp`.
    pub paths: Option<Vec<String>>,
    /// `pipewarden.exception.id`: the entry that downgrades it.
    pub exception: Option<String>,
    /// `pipewarden.unexpected.exception`: the entry that expects its accounts elsewhere.
    pub unexpected: Option<String>,
    /// `event.risk_score`
    pub risk_score: Option<u8>,
    /// `pipewarden.accesses`
    pub accesses: Option<u32>,
    /// `event.outcome`
    pub outcome: Option<Outcome>,
    /// The addresses of `pipewarden.candidates[]`, all of them in any order.
    pub candidates: Option<Vec<IpAddr>>,
}

/// The JSON Schema of a test file.
pub fn json_schema() -> Schema {
    schemars::schema_for!(TestFile)
}

impl TestFile {
    /// Reads a test file.
    ///
    /// # Errors
    /// What the parser reports, with the line, or what is invalid.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: Self = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        for (number, case) in file.cases.iter().enumerate() {
            if case.name.trim().is_empty() {
                return Err(format!(
                    "case {}: the name is empty; say what the case shows",
                    number + 1
                ));
            }
            if case.events.is_empty() {
                return Err(format!("case {:?}: it has no events", case.name));
            }
            if file.cases[..number].iter().any(|other| other.name == case.name) {
                return Err(format!("two cases are named {:?}", case.name));
            }
        }
        Ok(file)
    }

    /// Whether a case of the file must raise an alert.
    pub fn must_fire(&self) -> bool {
        self.cases.iter().any(|case| !case.alerts.is_empty())
    }

    /// Whether a case of the file must not raise any, by what it shows and not by an exception.
    pub fn must_not_fire(&self) -> bool {
        let mut cases = self.cases.iter();
        cases.any(|case| case.alerts.is_empty() && case.exceptions.is_empty())
    }
}
