//! Explanations of alerts: what each access was joined with, and what came close and failed.
//!
//! An explanation is read off the state of the join and is no part of an alert: no alert depends on it.

mod reason;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::Serialize;

use self::reason::Span;
pub use self::reason::{Reason, Window};
use super::{Action, AlertId, Attribution, Confidence, Ground, Limit};
use crate::event::{AssetId, Detail, Event, Kind};
use crate::time::EventTime;

/// A line of `replay --explain --format ndjson` that is no alert.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is only described")]
struct Line {
    /// Explains the alert above.
    explanation: Explanation,
}

/// The JSON Schema of such a line.
pub fn json_schema() -> Schema {
    schemars::schema_for!(Line)
}

/// Explains an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Explanation {
    /// Which alert.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub alert_id: AlertId,
    /// Its rule.
    pub rule: Arc<str>,
    /// The protected host.
    #[schemars(with = "String")]
    pub asset: AssetId,
    /// How the alert's source is known.
    pub attribution: Attribution,
    /// How sure that is.
    pub confidence: Confidence,
    /// The exception that covers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<ExceptedBy>,
    /// Which accounts are used from where no exception about them expects them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unexpected: Option<String>,
    /// What contradicts it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub conflicts: Vec<String>,
    /// On whose word it rests, by what is said, the strongest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub rests_on: Vec<Ground>,
    /// Its accesses, the earliest first.
    pub accesses: Vec<ExplainedAccess>,
    /// How many more accesses it has.
    pub omitted_accesses: usize,
}

/// The exception that covers an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExceptedBy {
    /// The entry's id.
    pub id: Arc<str>,
    /// What it does to the alert.
    pub action: Action,
    /// Why it only downgrades the alert though it is one that suppresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

impl fmt::Display for ExceptedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = match self.action {
            Action::Suppress => "suppressed",
            Action::Downgrade => "downgraded",
        };
        write!(f, "excepted by {}: {done}", self.id)?;
        match self.limit {
            Some(limit) => write!(f, ", not suppressed: {limit}"),
            None => Ok(()),
        }
    }
}

/// One access, how its source is known, and what was compared with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExplainedAccess {
    /// The observation that is the access.
    #[serde(flatten)]
    pub access: Seen,
    /// How the source of this access alone is known.
    pub attribution: Attribution,
    /// Whether it is by the host itself.
    #[serde(rename = "local", skip_serializing_if = "is_false")]
    #[schemars(default)]
    pub is_local: bool,
    /// How many more messages said the same, where that is known: in `replay`.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(default)]
    pub copies: u32,
    /// Sources that were connected near it; 0 where the access names its source.
    pub sources: usize,
    /// What it was joined with, the nearest first.
    pub joined: Vec<Finding>,
    /// What came close and was not joined, the nearest first, and what was never seen.
    pub missed: Vec<Finding>,
}

impl fmt::Display for ExplainedAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.access)?;
        if self.is_local {
            f.write_str("local, ")?;
        }
        match (self.attribution, self.sources) {
            (Attribution::Audited, _) => f.write_str("audited, it names its source"),
            (Attribution::Inferred, 0 | 1) => {
                f.write_str("inferred, one source connected within attribution_window")
            }
            (Attribution::Inferred, sources) => write!(
                f,
                "inferred, of {sources} sources within attribution_window the host's own log shows one"
            ),
            (Attribution::Ambiguous, sources) => {
                write!(
                    f,
                    "ambiguous, {sources} sources connected within attribution_window"
                )
            }
            (Attribution::None, 0) => f.write_str("none, nobody connected within attribution_window"),
            (Attribution::None, _) => f.write_str(
                "none, the host's own log shows only a connection to itself, and that may be another",
            ),
        }?;
        match self.copies {
            0 => Ok(()),
            1 => f.write_str("; 1 copy of it"),
            copies => write!(f, "; {copies} copies of it"),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it by reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it by reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// An observation, as far as an explanation needs it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Seen {
    /// When it happened.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: EventTime,
    /// Its kind.
    #[schemars(with = "String")]
    pub kind: Kind,
    /// The pipe, where one was opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipe: Option<Arc<str>>,
    /// The share and the path in it, where something else was opened there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Arc<str>>,
    /// The source's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<IpAddr>,
    /// The source's port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// The host that logged it.
    pub computer: Arc<str>,
    /// Its number in that host's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_id: Option<u64>,
}

impl Seen {
    /// The part of an event that explanations show.
    pub fn of(event: &Event) -> Self {
        let (pipe, source_ip, source_port) = match &event.detail {
            Detail::NetworkConnection(connection) => {
                (None, Some(connection.source_ip), connection.source_port)
            }
            Detail::Logon(logon) => (None, Some(logon.source_ip), logon.source_port),
            Detail::ShareSession(session) => (None, Some(session.source_ip), session.source_port),
            Detail::PipeConnected(pipe) => (Some(&pipe.pipe), None, None),
            Detail::ShareAccess(share) => (share.pipe(), share.source_ip, share.source_port),
        };
        let path = match &event.detail {
            Detail::ShareAccess(share) if share.pipe().is_none() => Some(share.to_string().into()),
            _ => None,
        };
        Self {
            time: event.time,
            kind: event.detail.kind(),
            pipe: pipe.cloned(),
            path,
            source_ip,
            source_port,
            computer: event.computer.clone(),
            record_id: event.record_id,
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        if let Some(opened) = self.pipe.as_ref().or(self.path.as_ref()) {
            write!(f, " {opened}")?;
        }
        if let Some(ip) = self.source_ip {
            write!(f, " from {ip}")?;
        }
        if let Some(port) = self.source_port {
            write!(f, " port {port}")?;
        }
        Ok(())
    }
}

/// An observation near an access and what came of it, or that there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// The observation; absent where something was never seen.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// How far it is from the access in event time.
    #[serde(
        rename = "apart_ms",
        serialize_with = "as_millis",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<u64>")]
    pub apart: Option<Duration>,
    /// What joined it, or what failed.
    #[serde(flatten)]
    pub reason: Reason,
    /// All of it in one line.
    pub text: String,
}

impl Finding {
    /// An observation so far from the access.
    pub fn of(seen: Seen, apart: Duration, reason: Reason) -> Self {
        let text = format!("{seen}, {} away: {reason}", Span(apart));
        Self {
            seen: Some(seen),
            apart: Some(apart),
            reason,
            text,
        }
    }

    /// Something that was never seen.
    pub fn absent(reason: Reason) -> Self {
        Self {
            seen: None,
            apart: None,
            text: reason.to_string(),
            reason,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[expect(clippy::ref_option, reason = "serde passes it by reference")]
fn as_millis<S: serde::Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    reason::millis(&span.unwrap_or_default(), serializer)
}
