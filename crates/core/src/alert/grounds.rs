//! What the document shows of what an alert rests on, field by field.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::pipewarden::Process;
use crate::detection::{ConflictKind, EvidenceRole, GroundLog, Says, Strength};
use crate::event::{Agent, Kind, Log, Origin, Outcome};
use crate::time::EventTime;

/// `pipewarden.rests_on[]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ground {
    /// What is said.
    pub says: Says,
    /// The event that says so, as `5145`; absent where no log does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The log; `inventory` and `binding` give a source its name, and no more.
    pub log: GroundLog,
    /// The computer whose log it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computer: Option<String>,
    /// The agent that shipped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
}

/// `pipewarden.conflicts[]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    /// What kind of contradiction.
    pub kind: ConflictKind,
    /// All of it in one line.
    pub text: String,
    /// The computer that logged what is contradicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computer: Option<String>,
    /// Its number in that computer's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_id: Option<u64>,
}

/// `pipewarden.candidates[]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its address.
    pub ip: IpAddr,
    /// Whether it is the asset itself.
    pub local: bool,
    /// `strong` by the asset's own log, `weak` by its own, `earlier` before the windows of the accesses.
    pub strength: Strength,
    /// How many of the accesses it could explain.
    pub explains: u32,
    /// Its names.
    pub hosts: Vec<String>,
    /// Users of its processes.
    pub users: Vec<String>,
    /// Accounts of its sessions, as the asset logged them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// Its processes.
    pub processes: Vec<Process>,
    /// Session evidence of it near an access.
    pub connections: u32,
    /// Milliseconds between the nearest of them and an access.
    pub nearest_ms: u64,
    /// How many milliseconds its clock is ahead of the asset's, where sessions show it. Candidates are ranked by the
    /// asset's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_ms: Option<i64>,
}

/// `pipewarden.evidence[]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Which kind of observation.
    pub kind: Kind,
    /// What it is to the alert.
    pub role: EvidenceRole,
    /// Of a pair, how many milliseconds after its `share_access` the pipe was logged; negative where before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired_ms: Option<i64>,
    /// When, by the logging host's clock.
    pub time: EventTime,
    /// The host that logged it.
    pub computer: String,
    /// The number its event log gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_id: Option<u64>,
    /// Where the connection came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<IpAddr>,
    /// And from which port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// Where a connection went that the asset made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_ip: Option<IpAddr>,
    /// And to which port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<u16>,
    /// The share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// What was opened in the share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The pipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipe: Option<String>,
    /// The account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Its SID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The id of its session on the computer that logged it, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logon_id: Option<String>,
    /// How it logged on: 3, over the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logon_type: Option<u32>,
    /// By which package: `Kerberos`, `NTLM`, or the version of NTLM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication_package: Option<String>,
    /// What the client of a logon calls itself. Anybody may call himself anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workstation: Option<String>,
    /// The rights asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_mask: Option<String>,
    /// Granted or denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The process on the computer that logged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The user of that process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Sysmon's own clock, which may be wrong by days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc_time: Option<String>,
    /// Which log tells of a connection, where it is not Sysmon's: `security`, of event 5156.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
    /// The agent that shipped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// Where it lay when it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}
