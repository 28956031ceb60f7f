//! A plain description of an event, and the document that Winlogbeat 8 makes of it.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::definition::{Definition, Provider};

/// The release that raw documents name.
const VERSION: &str = "8.15.3";

/// An event. It serialises as Winlogbeat 8 publishes it, with its fields in the order in which they were set.
#[derive(Clone, Debug)]
pub struct Event {
    pub(super) definition: &'static Definition,
    pub(super) time: String,
    pub(super) computer: String,
    pub(super) record_id: Value,
    pub(super) outcome: Option<String>,
    data: Vec<(String, String)>,
    surroundings: Option<Surroundings>,
}

/// What Windows and Winlogbeat write around an event for people to read; no detection depends on it. Documents that
/// must have the size and form of real ones have it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The host that runs Winlogbeat.
    pub reporter: String,
    /// When it read the event, as in `event.created`.
    pub created: String,
    /// The id of the process that logged the event.
    pub process_id: Value,
    /// The id of its thread.
    pub thread_id: Value,
    /// What Windows calls the outcome of an audit.
    pub keyword: Option<String>,
}

impl Event {
    /// An event that `computer` logged at `time` (RFC 3339), the first of its log, without any fields.
    pub fn new(
        definition: &'static Definition,
        time: impl Into<String>,
        computer: impl Into<String>,
    ) -> Self {
        Self {
            definition,
            time: time.into(),
            computer: computer.into(),
            record_id: 1.into(),
            outcome: None,
            data: Vec::with_capacity(definition.fields.len()),
            surroundings: None,
        }
    }

    /// The number of its record in the log.
    #[must_use]
    pub fn record_id(mut self, record_id: impl Into<Value>) -> Self {
        self.record_id = record_id.into();
        self
    }

    /// What Windows decided: `success` or `failure`. Audits have one.
    #[must_use]
    pub fn outcome(mut self, outcome: impl Into<String>) -> Self {
        self.outcome = Some(outcome.into());
        self
    }

    /// With all that Windows and Winlogbeat add.
    #[must_use]
    pub fn surrounded(mut self, surroundings: Surroundings) -> Self {
        self.surroundings = Some(surroundings);
        self
    }

    /// Sets a field; the one that had the name before is replaced.
    #[must_use]
    pub fn set(mut self, field: &str, value: impl Into<String>) -> Self {
        match self.data.iter_mut().find(|(name, _)| name == field) {
            Some((_, own)) => *own = value.into(),
            None => self.data.push((field.to_owned(), value.into())),
        }
        self
    }

    /// Sets fields.
    #[must_use]
    pub fn set_all<'f, V: Into<String>>(self, fields: impl IntoIterator<Item = (&'f str, V)>) -> Self {
        fields
            .into_iter()
            .fold(self, |event, (field, value)| event.set(field, value))
    }

    /// The value of a field.
    pub fn get(&self, field: &str) -> Option<&str> {
        let (_, value) = self.data.iter().find(|(name, _)| name == field)?;
        Some(value)
    }

    /// The fields with their values, in the order in which they were set.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.data.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The fields as `winlog.event_data` holds them.
    pub fn event_data(&self) -> Map<String, Value> {
        self.fields()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect()
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "@timestamp")]
    timestamp: &'a str,
    #[serde(rename = "@metadata")]
    metadata: Metadata,
    winlog: Winlog<'a>,
    event: Outline<'a>,
    host: Host<'a>,
    #[serde(flatten)]
    rest: Option<Rest<'a>>,
}

#[derive(Serialize)]
struct Metadata {
    beat: &'static str,
    r#type: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Winlog<'a> {
    channel: &'a str,
    provider_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_guid: Option<&'a str>,
    event_id: &'a str,
    record_id: &'a Value,
    computer_name: &'a str,
    #[serde(flatten)]
    header: Option<Header<'a>>,
    #[serde(serialize_with = "in_order")]
    event_data: &'a Event,
}

#[derive(Serialize)]
struct Header<'a> {
    api: &'static str,
    opcode: &'static str,
    task: &'a str,
    version: u8,
    process: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<User>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keywords: Option<[&'a str; 1]>,
}

#[derive(Serialize)]
struct User {
    identifier: &'static str,
    domain: &'static str,
    name: &'static str,
    r#type: &'static str,
}

#[derive(Serialize)]
struct Outline<'a> {
    code: &'a str,
    kind: &'static str,
    provider: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
}

#[derive(Serialize)]
struct Host<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Rest<'a> {
    log: Value,
    ecs: Value,
    agent: Reporter<'a>,
    message: String,
}

#[derive(Serialize)]
struct Reporter<'a> {
    name: &'a str,
    r#type: &'static str,
    version: &'static str,
}

fn in_order<S: Serializer>(event: &&Event, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(event.fields())
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Definition {
            provider, version, ..
        } = *self.definition;
        let around = self.surroundings.as_ref();
        let code = self.definition.id.to_string();
        let action = self.definition.action();
        let header = around.map(|around| Header {
            api: "wineventlog",
            opcode: "Info",
            task: &action,
            version,
            process: json!({"pid": around.process_id, "thread": {"id": around.thread_id}}),
            user: (provider == Provider::SYSMON).then_some(User {
                identifier: "S-1-5-18",
                domain: "NT AUTHORITY",
                name: "SYSTEM",
                r#type: "User",
            }),
            keywords: around.keyword.as_deref().map(|keyword| [keyword]),
        });
        let rest = around.map(|around| Rest {
            log: json!({"level": "information"}),
            ecs: json!({"version": "8.0.0"}),
            agent: Reporter {
                name: &around.reporter,
                r#type: "winlogbeat",
                version: VERSION,
            },
            message: self.message(),
        });
        let document = Document {
            timestamp: &self.time,
            metadata: Metadata {
                beat: "winlogbeat",
                r#type: "_doc",
                version: VERSION,
            },
            winlog: Winlog {
                channel: provider.channel,
                provider_name: provider.name,
                provider_guid: around.and(provider.guid),
                event_id: &code,
                record_id: &self.record_id,
                computer_name: &self.computer,
                header,
                event_data: self,
            },
            event: Outline {
                code: &code,
                kind: "event",
                provider: provider.name,
                action: around.is_some().then_some(&*action),
                created: around.map(|around| &*around.created),
                outcome: self.outcome.as_deref(),
            },
            host: Host {
                name: around.map_or(&self.computer, |around| &around.reporter),
            },
            rest,
        };
        document.serialize(serializer)
    }
}
