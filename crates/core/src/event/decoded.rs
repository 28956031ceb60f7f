//! What comes of a message: an event, the reason why it is skipped, or the reason why it cannot be read.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Agent, Event, WatchedShare};
use crate::time::EventTime;

/// What the rules in force watch. Names of pipes are normalised as [`super::normalise_pipe`] does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Pipes, as Sysmon 18 names them.
    pub pipe_connected: HashSet<Arc<str>>,
    /// Pipes, as Security 5145 names them.
    pub share_access: HashSet<Arc<str>>,
    /// Paths of other shares than that of pipes, in Security 5145.
    pub shares: Vec<WatchedShare>,
    /// Ports on which a host may connect back to whoever made it.
    pub call_back_ports: BTreeSet<u16>,
}

/// On whose word an address is a computer's, the weakest first: where several claim one address, the strongest decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Of others: a client's connection and a share access that bear one source address and port.
    Tuple,
    /// Of whoever shipped the computer's log: `host.ip`, which also lists addresses that many have.
    Agent,
    /// The computer's own log, of a connection that it accepted there.
    Server,
    /// The computer's own log, of a connection that it made from there.
    Client,
}

/// An address belonged to a computer at a time, by an event of that computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressClaim {
    /// The address; never loopback, unspecified or multicast.
    pub address: IpAddr,
    /// The computer, in lower case.
    pub computer: Arc<str>,
    /// When it was seen, by the computer's clock.
    pub time: EventTime,
    /// On whose word.
    pub says: Word,
}

/// Why a well-formed message is no event that can matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// Skipped unparsed: it lacks what every event that can matter has.
    Prefiltered,
    /// None of the event ids that are read, or not from their provider.
    OtherEvent,
    /// Sysmon 3 or Security 5156 over another transport than TCP.
    OtherTransport,
    /// Sysmon 3 or Security 5156 with no end on an SMB port.
    OtherPort,
    /// Sysmon 18 or Security 5145 on a pipe that no rule watches.
    OtherPipe,
    /// Security 5140 on another share than `IPC$`, or 5145 on a share and path that no rule watches.
    OtherShare,
    /// Sysmon 18 by a process of the host itself.
    LocalClient,
    /// Security 4624 in another way than over the network.
    OtherLogon,
    /// Security 4624 or 5140 without an address: it shows no source.
    NoAddress,
}

impl Skip {
    /// The word used in metrics and in `replay`'s summary.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prefiltered => "prefiltered",
            Self::OtherEvent => "other_event",
            Self::OtherTransport => "other_transport",
            Self::OtherPort => "other_port",
            Self::OtherPipe => "other_pipe",
            Self::OtherShare => "other_share",
            Self::LocalClient => "local_client",
            Self::OtherLogon => "other_logon",
            Self::NoAddress => "no_address",
        }
    }
}

/// A message that could be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The event, or why there is none.
    pub outcome: Result<Event, Skip>,
    /// The same connection, or one that is skipped otherwise, as something that the computer did which logged it.
    pub call_back: Option<Event>,
    /// The agent that shipped it, where there is an event and the document names the agent.
    pub agent: Option<Arc<Agent>>,
    /// Which addresses are whose by the message, whether it is kept or not.
    pub claims: Vec<AddressClaim>,
    /// Fields that cannot be what they should, as Winlogbeat names them: the event counts without them.
    pub odd_fields: Vec<&'static str>,
}

impl Decoded {
    pub(super) fn skipped(skip: Skip) -> Self {
        Self {
            outcome: Err(skip),
            call_back: None,
            agent: None,
            claims: Vec::new(),
            odd_fields: Vec::new(),
        }
    }
}

/// All names that [`Decoded::odd_fields`] may hold; `text` stands for half a character in any text.
pub const ODD_FIELDS: [&str; 11] = [
    "SourceIp",
    "SourcePort",
    "DestinationIp",
    "DestinationPort",
    "Initiated",
    "Direction",
    "LogonType",
    "IpAddress",
    "IpPort",
    "record_id",
    "text",
];

/// Why a message cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// It is not UTF-8.
    #[error("invalid UTF-8 after {valid_up_to} bytes")]
    InvalidUtf8 {
        /// How many bytes were sound.
        valid_up_to: usize,
    },
    /// It is not JSON, or is truncated.
    #[error("invalid JSON: {0}")]
    InvalidJson(String),
    /// An object names a field twice, so that readers disagree about its value.
    #[error("duplicate key: {0}")]
    DuplicateKey(String),
    /// It is nested too deeply where a field that is read should be.
    #[error("nested too deeply: {0}")]
    TooDeep(String),
    /// It is JSON and not an object.
    #[error("not an object: {0}")]
    NotAnObject(String),
    /// It is an object of none of the shapes that are read.
    #[error("not a document of Winlogbeat, nor one that holds such documents: its keys are {0}")]
    NotWinlogbeat(String),
    /// An event that can matter lacks what it must have.
    #[error("missing field {0}")]
    MissingField(&'static str),
    /// An event that can matter has a field of another type.
    #[error("bad field {field}: expected {expected}")]
    BadField {
        /// The field, as Winlogbeat names it.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}
