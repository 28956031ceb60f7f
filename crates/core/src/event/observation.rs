//! An [`Event`] as one host logged it, and an [`Observation`], which is an event whose destination is known.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::names::is_local;
use super::provenance::{one_agent, one_text, shared_agent, shared_text};
use super::{Agent, Logon, ObservationId, Origin, PipeConnected, Received, ShareAccess, ShareSession};
use crate::time::EventTime;

/// One Windows event that can matter, normalised: names in lower case where Windows ignores case,
/// addresses as addresses, empty and `-` values gone, the ends of a connection in their true roles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened, by the clock of the logging host.
    pub time: EventTime,
    /// Which field of the document `time` was read from.
    #[serde(default, skip_serializing_if = "TimeSource::is_timestamp")]
    pub time_source: TimeSource,
    /// The host that logged it (`winlog.computer_name`), in lower case; never the collector.
    pub computer: Arc<str>,
    /// The event log, in lower case: `security` or `microsoft-windows-sysmon/operational`.
    pub channel: Arc<str>,
    /// The number the event log gave it; missing in some shapes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_id: Option<u64>,
    /// What happened.
    pub detail: Detail,
}

/// Which clock an event's time was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// `@timestamp`, the event log's own time.
    #[default]
    Timestamp,
    /// `event.created`, because a shape had moved Sysmon's drifting clock into `@timestamp`.
    Created,
}

impl TimeSource {
    const fn is_timestamp(&self) -> bool {
        matches!(self, Self::Timestamp)
    }
}

/// The kinds of event that matter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// Sysmon 3 or Security 5156 to an SMB port.
    NetworkConnection(NetworkConnection),
    /// Security 4624 over the network.
    Logon(Logon),
    /// Security 5140 on `IPC$`.
    ShareSession(ShareSession),
    /// Sysmon 18 on a watched pipe.
    PipeConnected(PipeConnected),
    /// Security 5145 on a watched pipe, or a watched path of a share.
    ShareAccess(ShareAccess),
}

/// A kind of observation, for counters, order and evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// See [`Detail::NetworkConnection`].
    NetworkConnection,
    /// See [`Detail::Logon`].
    Logon,
    /// See [`Detail::ShareSession`].
    ShareSession,
    /// See [`Detail::PipeConnected`].
    PipeConnected,
    /// See [`Detail::ShareAccess`].
    ShareAccess,
}

impl Kind {
    /// Every kind, in the order in which one access produces them.
    pub const ALL: [Self; 5] = [
        Self::NetworkConnection,
        Self::Logon,
        Self::ShareSession,
        Self::PipeConnected,
        Self::ShareAccess,
    ];

    /// The word used in documents, metrics and docs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NetworkConnection => "network_connection",
            Self::Logon => "logon",
            Self::ShareSession => "share_session",
            Self::PipeConnected => "pipe_connected",
            Self::ShareAccess => "share_access",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Detail {
    /// Which of them it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NetworkConnection(_) => Kind::NetworkConnection,
            Self::Logon(_) => Kind::Logon,
            Self::ShareSession(_) => Kind::ShareSession,
            Self::PipeConnected(_) => Kind::PipeConnected,
            Self::ShareAccess(_) => Kind::ShareAccess,
        }
    }
}

/// A TCP connection to an SMB port, its ends in their true roles (un-reversed).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkConnection {
    /// The client's address.
    pub source_ip: IpAddr,
    /// The client's port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// The client's name: the logging computer where the client logged it, else what Sysmon resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_host: Option<Arc<str>>,
    /// The server's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_ip: Option<IpAddr>,
    /// The server's SMB port, 445 or 139; one that is kept for the client may be to another.
    pub destination_port: u16,
    /// The server's name as the event gives it, in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_host: Option<Arc<str>>,
    /// Sysmon's `Initiated`, or the direction of a 5156: true where the client logged it, false where the server did.
    pub initiated: bool,
    /// Whether it is kept for the client, as something that it did, and not for the server.
    #[serde(default, skip_serializing_if = "is_false")]
    pub of_client: bool,
    /// Which log tells of it.
    #[serde(default, skip_serializing_if = "Log::is_sysmon")]
    pub reported_by: Log,
    /// The process on the *logging* computer: the client's only where `initiated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The user of that process, `DOMAIN\name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Arc<str>>,
    /// Sysmon's own clock, as text: evidence only, since it was seen to drift by days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc_time: Option<Arc<str>>,
}

/// Which log tells of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Log {
    /// Sysmon's.
    #[default]
    Sysmon,
    /// Windows' own.
    Security,
}

impl Log {
    /// The word used in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sysmon => "sysmon",
            Self::Security => "security",
        }
    }

    const fn is_sysmon(&self) -> bool {
        matches!(self, Self::Sysmon)
    }
}

impl Detail {
    /// Which log tells of it.
    pub const fn log(&self) -> Log {
        match self {
            Self::NetworkConnection(connection) => connection.reported_by,
            Self::PipeConnected(_) => Log::Sysmon,
            Self::Logon(_) | Self::ShareSession(_) | Self::ShareAccess(_) => Log::Security,
        }
    }
}

impl NetworkConnection {
    /// Whether both ends can only be the host that logged it: they are one address, or one that means every host itself.
    pub(crate) fn is_within_one_host(&self) -> bool {
        let is_own = |ip: IpAddr| ip == self.source_ip || is_local(ip);
        is_local(self.source_ip) || self.destination_ip.is_some_and(is_own)
    }
}

/// A process as Sysmon names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Process {
    /// `Image`: a path, `System`, or `<unknown process>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Arc<str>>,
    /// `ProcessGuid`, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guid: Option<Arc<str>>,
    /// `ProcessId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// The canonical name of a protected host, in lower case: the key of everything downstream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AssetId(Arc<str>);

impl AssetId {
    /// From a host's name or, for a host known only by its address, the address as text.
    pub fn new(name: &str) -> Self {
        Self(name.to_ascii_lowercase().into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A normalised, resolved event that can matter: the value of a record on the observations topic.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Observation {
    /// Equal for every copy of the same event.
    pub id: ObservationId,
    /// The destination, resolved.
    pub asset: AssetId,
    /// Whether it shows the asset at both ends, by the word of the asset's own log.
    #[serde(rename = "local", default, skip_serializing_if = "is_false")]
    pub is_local: bool,
    /// Whether a client logged it, and nothing but a binding of that time says that `asset` is the destination.
    #[serde(rename = "bound", default, skip_serializing_if = "is_false")]
    pub is_bound: bool,
    /// The event itself.
    pub event: Event,
    /// What a binding of that time calls the source, where no inventory does: to show, and to decide nothing by.
    #[serde(
        default,
        deserialize_with = "shared_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub source_name: Option<Arc<str>>,
    /// Who shipped it.
    #[serde(
        default,
        deserialize_with = "shared_agent",
        skip_serializing_if = "Option::is_none"
    )]
    pub agent: Option<Arc<Agent>>,
    /// Where the message lay that it was read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Box<Origin>>,
}

/// By all but who shipped it, where it lay and what bindings said then, so that an alert is no other alert because a copy came first.
impl PartialEq for Observation {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            id,
            asset,
            is_local,
            is_bound: _,
            event,
            source_name: _,
            agent: _,
            origin: _,
        } = self;
        *id == other.id && *asset == other.asset && *is_local == other.is_local && *event == other.event
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it by reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Observation {
    /// An event whose destination has been resolved to `asset`, and whose source is another host.
    pub fn new(asset: AssetId, received: impl Into<Received>) -> Self {
        let Received { event, agent, origin } = received.into();
        Self {
            id: ObservationId::of(&event).at(&asset),
            asset,
            is_local: false,
            is_bound: false,
            event,
            source_name: None,
            agent,
            origin: origin.map(Box::new),
        }
    }

    /// The same, marked as by the asset itself where `is_local`.
    #[must_use]
    pub fn local_where(self, is_local: bool) -> Self {
        Self { is_local, ..self }
    }

    /// The same, marked as placed by a binding alone where `is_bound`.
    #[must_use]
    pub fn bound_where(self, is_bound: bool) -> Self {
        Self { is_bound, ..self }
    }

    /// The same, holding who shipped it and what its source is called together with others of this thread, as one does that is
    /// read from a record.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.agent = self.agent.map(one_agent);
        self.source_name = self.source_name.map(one_text);
        self
    }

    /// The same, with what a binding calls its source.
    #[must_use]
    pub fn with_source_name(self, source_name: Option<Arc<str>>) -> Self {
        Self { source_name, ..self }
    }

    /// Which of the kinds it is.
    pub const fn kind(&self) -> Kind {
        self.event.detail.kind()
    }
}
