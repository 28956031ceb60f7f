//! Why an alert says what it says: what each access was joined with, and what came close and failed.
//!
//! An explanation is read off the state of the join and is no part of an alert: nothing that an alert says hangs on it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::Serialize;

use super::{Action, AlertId, Attribution, Confidence};
use crate::event::{AssetId, Detail, Event, Kind};
use crate::time::EventTime;

/// A line of `replay --explain --format ndjson` that is no alert.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is only described")]
struct Line {
    /// Why the alert above says what it says.
    explanation: Explanation,
}

/// The JSON Schema of such a line.
pub fn json_schema() -> Schema {
    schemars::schema_for!(Line)
}

/// Why an alert says what it says.
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
}

impl fmt::Display for ExceptedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = match self.action {
            Action::Suppress => "suppressed",
            Action::Downgrade => "downgraded",
        };
        write!(f, "excepted by {}: {done}", self.id)
    }
}

/// One access, how its source is known, and what was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExplainedAccess {
    /// The observation that is the access.
    #[serde(flatten)]
    pub access: Seen,
    /// How the source of this access alone is known.
    pub attribution: Attribution,
    /// Sources that connected within `attribution_window`; 0 where the access names its source.
    pub sources: usize,
    /// What it was joined with, the nearest first.
    pub joined: Vec<Finding>,
    /// What came close and was not joined, the nearest first, and what was never seen.
    pub missed: Vec<Finding>,
}

impl fmt::Display for ExplainedAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.access)?;
        match (self.attribution, self.sources) {
            (Attribution::Audited, _) => f.write_str("audited, it names its source"),
            (Attribution::Inferred, _) => {
                f.write_str("inferred, one source connected within attribution_window")
            }
            (Attribution::Ambiguous, sources) => {
                write!(
                    f,
                    "ambiguous, {sources} sources connected within attribution_window"
                )
            }
            (Attribution::None, _) => f.write_str("none, nobody connected within attribution_window"),
        }
    }
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
    /// The pipe, where the kind has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipe: Option<Arc<str>>,
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
    /// What is told of this event.
    pub fn of(event: &Event) -> Self {
        let (pipe, source_ip, source_port) = match &event.detail {
            Detail::NetworkConnection(connection) => {
                (None, Some(connection.source_ip), connection.source_port)
            }
            Detail::PipeConnected(pipe) => (Some(&pipe.pipe), None, None),
            Detail::ShareAccess(share) => (Some(&share.pipe), share.source_ip, share.source_port),
        };
        Self {
            time: event.time,
            kind: event.detail.kind(),
            pipe: pipe.cloned(),
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
        if let Some(pipe) = &self.pipe {
            write!(f, " {pipe}")?;
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

/// A span that something must lie within, by the name of its setting or as `check` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// `pipe_connected` with `network_connection`.
    AttributionWindow,
    /// `share_access` with `network_connection` of the same source address and port.
    TupleWindow,
    /// `pipe_connected` with `share_access`.
    PairWindow,
    /// How far arrivals may be apart.
    JoinSpan,
}

impl Window {
    const fn as_str(self) -> &'static str {
        match self {
            Self::AttributionWindow => "attribution_window",
            Self::TupleWindow => "tuple_window",
            Self::PairWindow => "pair_window",
            Self::JoinSpan => "join_span",
        }
    }
}

/// What joined two observations, or what failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// A source that connected within the window.
    Candidate,
    /// The same source address and port.
    SameTuple,
    /// The `share_access` explains this `pipe_connected`.
    Explains,
    /// It happened too far away.
    OutsideWindow {
        /// Which span it had to lie within.
        window: Window,
        /// By how much it does not.
        #[serde(rename = "outside_ms", serialize_with = "millis")]
        #[schemars(with = "u64")]
        by: Duration,
    },
    /// It happened near enough and arrived too long before or after.
    ArrivedApart {
        /// By how much its arrival is outside `join_span`.
        #[serde(rename = "outside_ms", serialize_with = "millis")]
        #[schemars(with = "u64")]
        by: Duration,
    },
    /// The same source address, another port.
    PortDiffers {
        /// The port that the access names.
        access_port: u16,
        /// The port of the connection, where it names one.
        #[serde(skip_serializing_if = "Option::is_none")]
        connection_port: Option<u16>,
    },
    /// Another `share_access` is nearer to this `pipe_connected`.
    ExplainedByNearer {
        /// That one's source.
        #[serde(skip_serializing_if = "Option::is_none")]
        nearer_source_ip: Option<IpAddr>,
        /// That one's source port.
        #[serde(skip_serializing_if = "Option::is_none")]
        nearer_source_port: Option<u16>,
    },
    /// The same source address and port, to a host that is no asset by any of its names.
    NameNotResolved {
        /// What the event says of its destination.
        destination: String,
        /// Where the event stood.
        origin: String,
    },
    /// The access names its source's address and no port to look for.
    NoPort,
    /// Nothing of a kind is in state: its sensor is off, or what it says does not arrive.
    SensorSilent {
        /// The kind.
        #[schemars(with = "String")]
        silent: Kind,
        /// The only source that was looked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<IpAddr>,
        /// How far back state goes.
        #[serde(rename = "within_ms", serialize_with = "millis")]
        #[schemars(with = "u64")]
        within: Duration,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Candidate => f.write_str("within attribution_window"),
            Self::SameTuple => f.write_str("same source address and port, within tuple_window"),
            Self::Explains => f.write_str("the same access, within pair_window"),
            Self::OutsideWindow { window, by } => write!(f, "{} outside {}", Span(*by), window.as_str()),
            Self::ArrivedApart { by } => {
                let window = Window::JoinSpan.as_str();
                write!(f, "near enough, but arrived {} outside {window}", Span(*by))
            }
            Self::PortDiffers {
                access_port,
                connection_port,
            } => match connection_port {
                Some(other) => write!(f, "port differs: {access_port} and {other}"),
                None => write!(f, "port differs: {access_port} and none"),
            },
            Self::ExplainedByNearer {
                nearer_source_ip,
                nearer_source_port,
            } => {
                f.write_str("belongs to a nearer share_access")?;
                if let Some(ip) = nearer_source_ip {
                    write!(f, " from {ip}")?;
                }
                if let Some(port) = nearer_source_port {
                    write!(f, " port {port}")?;
                }
                Ok(())
            }
            Self::NameNotResolved { destination, origin } => {
                write!(f, "name not resolved: {destination} is no asset ({origin})")
            }
            Self::NoPort => f.write_str("no network_connection looked for: the access names no source port"),
            Self::SensorSilent { silent, from, within } => {
                f.write_str("sensor silent: ")?;
                match silent {
                    Kind::NetworkConnection => f.write_str("no Sysmon 3 to this host")?,
                    Kind::PipeConnected => f.write_str("no Sysmon 18 of this host on a watched pipe")?,
                    Kind::ShareAccess => f.write_str("no Security 5145 of this host on a watched pipe")?,
                }
                if let Some(ip) = from {
                    write!(f, " from {ip}")?;
                }
                write!(f, " in the last {}", Span(*within))
            }
        }
    }
}

/// A span as people read it: `12.1 s`, `16 min 5 s`. Cut to milliseconds, and never to nothing.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = self.0.as_millis();
        if millis == 0 && !self.0.is_zero() {
            millis = 1;
        }
        let minutes = if millis < 120_000 { 0 } else { millis / 60_000 };
        let rest = millis - minutes * 60_000;
        let fraction = format!("{:03}", rest % 1_000);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        let seconds = format!("{}{point}{fraction} s", rest / 1_000);
        match (minutes, rest) {
            (0, _) => f.write_str(&seconds),
            (_, 0) => write!(f, "{minutes} min"),
            _ => write!(f, "{minutes} min {seconds}"),
        }
    }
}

fn millis<S: serde::Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

#[expect(clippy::ref_option, reason = "serde hands it by reference")]
fn as_millis<S: serde::Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    millis(&span.unwrap_or_default(), serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_to_the_millisecond_and_never_as_nothing() {
        let told = |micros| Span(Duration::from_micros(micros)).to_string();
        assert_eq!(told(0), "0 s");
        assert_eq!(told(1), "0.001 s");
        assert_eq!(told(100_000), "0.1 s");
        assert_eq!(told(12_100_000), "12.1 s");
        assert_eq!(told(119_999_000), "119.999 s");
        assert_eq!(told(965_000_000), "16 min 5 s");
        assert_eq!(told(6_900_000_000), "115 min");
    }
}
