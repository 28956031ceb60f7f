//! An alert about accesses to one asset.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::revision::{NAMESPACE, words};
use super::{AlertId, Covering, Rule, Status, Unexpected};
use crate::event::{AssetId, Observation, Outcome, Process};
use crate::time::{AppendTime, EventTime};

/// Whose accesses an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// The source with this address, whether a share access names it or it is inferred.
    Source(IpAddr),
    /// A source that is not known.
    Unattributed,
    /// The asset itself.
    Local,
}

impl Who {
    /// The word used in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source(_) => "source",
            Self::Unattributed => "unattributed",
            Self::Local => "local",
        }
    }

    /// The source's address.
    pub const fn source(self) -> Option<IpAddr> {
        match self {
            Self::Source(ip) => Some(ip),
            Self::Unattributed | Self::Local => None,
        }
    }
}

/// As identifiers are made from it: the address, or the word.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(ip) => ip.to_canonical().fmt(f),
            Self::Unattributed | Self::Local => f.write_str(self.as_str()),
        }
    }
}

/// What an alert groups: all accesses of one rule, asset and source in one time bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertKey {
    /// The rule's id.
    pub rule: Arc<str>,
    /// The protected host.
    pub asset: AssetId,
    /// Whose accesses.
    pub who: Who,
    /// Start of the bucket of the accesses' event time.
    pub bucket: EventTime,
    /// Start of the bucket of their arrival, for accesses that are not timely.
    pub arrival_bucket: Option<AppendTime>,
}

impl AlertKey {
    /// The alert's identifier: a function of the key alone.
    pub fn id(&self) -> AlertId {
        let mut name = self.story_name();
        name.push_str(&format!("\0{}", self.bucket.as_micros()));
        if let Some(arrival) = self.arrival_bucket {
            name.push_str(&format!("\0{}", arrival.as_millis()));
        }
        AlertId(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }

    /// The same across buckets, so that a SIEM can throttle.
    pub fn story_id(&self) -> Uuid {
        Uuid::new_v5(&NAMESPACE, self.story_name().as_bytes())
    }

    fn story_name(&self) -> String {
        format!("{}\0{}\0{}", self.rule, self.asset, self.who)
    }
}

/// How the source is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// A `share_access` names it.
    Audited,
    /// It is the only candidate, or the only strong one.
    Inferred,
    /// There are several candidates.
    Ambiguous,
    /// There is none.
    None,
}

/// How sure the alert is of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Ambiguous, no source at all, or inferred beside weaker candidates.
    Low,
    /// Audited without corroboration, or inferred as the only candidate.
    Medium,
    /// Audited and corroborated by a second kind of observation.
    High,
}

words!(Attribution: Audited = "audited", Inferred = "inferred", Ambiguous = "ambiguous", None = "none");
impl Confidence {
    /// One step less.
    pub(super) const fn lowered(self) -> Self {
        match self {
            Self::High => Self::Medium,
            Self::Medium | Self::Low => Self::Low,
        }
    }
}

words!(Confidence: Low = "low", Medium = "medium", High = "high");

/// How many observations of each kind an alert rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Tuple evidence of an audited alert, or connections of an unattributed alert's candidates.
    pub network_connection: u32,
    /// Logons of the same, with its address and port or logon id.
    #[serde(default)]
    pub logon: u32,
    /// Uses of `IPC$`, in the same way.
    #[serde(default)]
    pub share_session: u32,
    /// Accesses of their own, or explained by a `share_access` of this alert.
    pub pipe_connected: u32,
    /// Audited accesses, or accesses without a usable address.
    pub share_access: u32,
}

impl Counts {
    /// Of every kind together.
    pub const fn all(self) -> u32 {
        let Self {
            network_connection,
            logon,
            share_session,
            pipe_connected,
            share_access,
        } = self;
        network_connection + logon + share_session + pipe_connected + share_access
    }
}

/// By whose word a candidate was connected, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// By the asset's own log, near an access.
    Strong,
    /// By its own log, near an access.
    Weak,
    /// Only before the windows of the accesses: a session that it still had open may be theirs.
    Earlier,
}

words!(Strength: Strong = "strong", Weak = "weak", Earlier = "earlier");

/// A possible source of an access that names none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its address; of the asset itself, the least of those that its evidence shows.
    pub ip: IpAddr,
    /// Whether it is the asset itself.
    pub is_local: bool,
    /// The best that shows it.
    pub strength: Strength,
    /// How many of the alert's accesses it could explain.
    pub explains: u32,
    /// Its names, as far as connections give them.
    pub hosts: Vec<Arc<str>>,
    /// Users of its processes.
    pub users: Vec<Arc<str>>,
    /// Accounts of its sessions on the asset.
    pub accounts: Vec<Arc<str>>,
    /// Its processes.
    pub processes: Vec<Process>,
    /// Session evidence of it within the window of some access of the alert that it could explain.
    pub connections: u32,
    /// The smallest distance in event time between such evidence and an access, in milliseconds.
    pub nearest_ms: u64,
    /// How far its clock is ahead of the asset's, in milliseconds, where sessions show it: candidates are ranked by the
    /// times of their connections on the asset's clock.
    pub clock_offset_ms: Option<i64>,
}

/// What contradicts, or casts doubt on, what an alert says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// What kind of contradiction.
    pub kind: ConflictKind,
    /// All of it in one line.
    pub text: String,
    /// The computer that logged what is contradicted.
    pub computer: Option<Arc<str>>,
    /// Its number in that computer's log.
    pub record_id: Option<u64>,
}

/// The kinds of [`Conflict`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// Two messages bear one record id of one log and say different things.
    DecisiveValues,
    /// Another source, too, was connected or opened the pipe by the asset's own log, and which of the two it was follows from
    /// times alone.
    OtherStrongSource,
    /// A bound has dropped evidence that may have shown another source.
    DroppedEvidence,
}

words!(ConflictKind: DecisiveValues = "decisive_values", OtherStrongSource = "other_strong_source",
    DroppedEvidence = "dropped_evidence");

/// An observation that a document lists, and as what.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The observation.
    pub observation: Arc<Observation>,
    /// As what.
    pub role: EvidenceRole,
    /// Of a pair, by how many milliseconds the pipe connection comes after its share access; negative where it comes before.
    pub paired_ms: Option<i64>,
}

/// What an observation is to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceRole {
    /// An access.
    Access,
    /// The pipe connection that is the same access as a share access.
    Pair,
    /// Shows that the source, or a candidate, was connected.
    Session,
    /// An access by the asset itself, or what shows it connected to itself.
    Local,
    /// The asset connected to the source soon after an access.
    CallBack,
    /// Bears the record id of another entry and says something else.
    Conflicting,
}

words!(EvidenceRole: Access = "access", Pair = "pair", Session = "session", Local = "local",
    CallBack = "call_back", Conflicting = "conflicting");

/// How many entries the bounds of the document left out, by list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Omitted {
    /// Evidence entries.
    pub evidence: u32,
    /// Candidates, the farthest.
    pub candidates: u32,
    /// Accounts, hosts, users, processes and ports together.
    pub others: u32,
}

/// What bounds on state have dropped of an alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Session evidence near its accesses.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub evidence: u32,
    /// Accesses of which only the alert's summary is left.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub accesses: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it by reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One revision of an alert about accesses.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessAlert {
    /// Which alert.
    pub key: AlertKey,
    /// The rule that `key` names.
    pub rule: Arc<Rule>,
    /// Whether an exception covers the alert that did not cover its last revision.
    pub is_excepted_anew: bool,
    /// Whether the revision causes a [sighting](super::Sighting): campaigns read something else than of the last revision, or
    /// it is written once more after a change of policy.
    pub has_sighting: bool,
    /// What the alert is found to be.
    pub content: Content,
}

/// What is known of the accesses of one alert. A function of the set of observations that the alert rests on: lists are
/// sorted and without repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// Active, superseded or suppressed.
    pub status: Status,
    /// The alerts that explain its accesses now, sorted; empty while it has accesses.
    pub superseded_by: Vec<AlertId>,
    /// The exception that covers it, and what that does to it.
    pub exception: Option<Covering>,
    /// Its accounts that an exception expects elsewhere.
    pub unexpected: Option<Unexpected>,
    /// How the source of its best access is known.
    pub attribution: Attribution,
    /// How sure that is.
    pub confidence: Confidence,
    /// Accesses whose source a share access names.
    pub audited: u32,
    /// What contradicts it, sorted.
    pub conflicts: Vec<Conflict>,
    /// What bounds on state have dropped.
    pub dropped: Dropped,
    /// Event time of the first access.
    pub first: EventTime,
    /// Event time of the last access.
    pub last: EventTime,
    /// Accesses in this alert.
    pub accesses: u32,
    /// Success if any access is known to have been granted, else failure if all are known to have been denied.
    pub outcome: Option<Outcome>,
    /// The source, where attribution is audited or inferred. Of a local alert the address as logged.
    pub source_ip: Option<IpAddr>,
    /// Its ports, sorted.
    pub source_ports: Vec<u16>,
    /// Its names.
    pub hosts: Vec<Arc<str>>,
    /// Users of its processes.
    pub users: Vec<Arc<str>>,
    /// Its processes.
    pub processes: Vec<Process>,
    /// Addresses of the asset that the evidence shows, sorted.
    pub destination_ips: Vec<IpAddr>,
    /// The pipes that were opened, as the destination named them.
    pub pipes: Vec<Arc<str>>,
    /// What else was opened, as `share\path`.
    pub paths: Vec<Arc<str>>,
    /// `DOMAIN\name`, each once.
    pub accounts: Vec<Arc<str>>,
    /// Observations by kind.
    pub counts: Counts,
    /// Connections that the asset made to the source soon after an access, where the rule watches for them.
    pub call_backs: u32,
    /// Possible sources of accesses that no share access names the source of: by strength, by how many accesses they could
    /// explain, by distance on the asset's clock, by address.
    pub candidates: Vec<Candidate>,
    /// What the alert rests on and what contradicts that, by event time, then kind.
    pub evidence: Vec<Evidence>,
    /// What the bounds left out.
    pub omitted: Omitted,
}
