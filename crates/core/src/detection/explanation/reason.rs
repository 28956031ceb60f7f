//! What joined two observations, or what failed.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::detection::Strength;
use crate::event::Kind;

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
    Candidate {
        /// By whose word.
        strength: Strength,
    },
    /// A source that connected before the window, where nobody did within it: its session may still have been open.
    EarlierCandidate,
    /// The same source address and port.
    SameTuple,
    /// The same logon id.
    SameLogon,
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
        /// The destination in the event.
        destination: String,
        /// Where the event is in the input.
        origin: String,
    },
    /// It bears the same record id of the same log and says something else.
    Conflicting,
    /// A bound kept it out: it is counted and joined with nothing.
    Dropped,
    /// Windows denied the access, so it opened no pipe.
    Denied,
    /// The access names its source's address and no port to search for.
    NoPort,
    /// Nothing of a kind is in state of this source, though its sensor gave others: a session that is older, or a sensor that
    /// leaves this one out.
    NotAmongOthers {
        /// The kind.
        #[schemars(with = "String")]
        absent: Kind,
        /// The source.
        from: IpAddr,
        /// How long observations are kept.
        #[serde(rename = "within_ms", serialize_with = "millis")]
        #[schemars(with = "u64")]
        within: Duration,
    },
    /// Nothing of a kind is in state: its sensor is off, or its events do not arrive.
    SensorSilent {
        /// The kind.
        #[schemars(with = "String")]
        silent: Kind,
        /// The only source that was searched for.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<IpAddr>,
        /// How long observations are kept.
        #[serde(rename = "within_ms", serialize_with = "millis")]
        #[schemars(with = "u64")]
        within: Duration,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Candidate { strength } => f.write_str(match strength {
                Strength::Strong => "within attribution_window, by the host's own log",
                Strength::Weak | Strength::Earlier => "within attribution_window, by its own log",
            }),
            Self::EarlierCandidate => f.write_str("before attribution_window, within tuple_window"),
            Self::SameTuple => f.write_str("same source address and port, within tuple_window"),
            Self::SameLogon => f.write_str("same logon id, within tuple_window"),
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
            Self::Conflicting => {
                f.write_str("conflicting: it bears the same record id and says something else")
            }
            Self::Dropped => f.write_str("dropped by a bound: counted, and joined with nothing"),
            Self::Denied => f.write_str("no pipe_connected looked for: Windows denied the access"),
            Self::NotAmongOthers { absent, from, within } => {
                let span = Span(*within);
                write!(
                    f,
                    "no {} to this host from {from} in the last {span}, though there were others",
                    event_of(*absent)
                )
            }
            Self::NoPort => f.write_str("no network_connection looked for: the access names no source port"),
            Self::SensorSilent { silent, from, within } => {
                f.write_str("sensor silent: ")?;
                let event = event_of(*silent);
                match silent {
                    Kind::NetworkConnection => write!(f, "no {event} to this host")?,
                    Kind::Logon | Kind::ShareSession => write!(f, "no {event} of this host")?,
                    Kind::PipeConnected | Kind::ShareAccess => {
                        write!(f, "no {event} of this host on a watched pipe")?;
                    }
                }
                if let Some(ip) = from {
                    write!(f, " from {ip}")?;
                }
                write!(f, " in the last {}", Span(*within))
            }
        }
    }
}

/// The event that gives a kind of observation.
const fn event_of(kind: Kind) -> &'static str {
    match kind {
        Kind::NetworkConnection => "Sysmon 3",
        Kind::Logon => "Security 4624",
        Kind::ShareSession => "Security 5140",
        Kind::PipeConnected => "Sysmon 18",
        Kind::ShareAccess => "Security 5145",
    }
}

/// A span as people read it: `12.1 s`, `16 min 5 s`. Truncated to milliseconds, but never to zero.
pub(super) struct Span(pub(super) Duration);

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

pub(super) fn millis<S: serde::Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_written_to_the_millisecond_and_never_as_zero() {
        let written = |micros| Span(Duration::from_micros(micros)).to_string();
        assert_eq!(written(0), "0 s");
        assert_eq!(written(1), "0.001 s");
        assert_eq!(written(100_000), "0.1 s");
        assert_eq!(written(12_100_000), "12.1 s");
        assert_eq!(written(119_999_000), "119.999 s");
        assert_eq!(written(965_000_000), "16 min 5 s");
        assert_eq!(written(6_900_000_000), "115 min");
    }
}
