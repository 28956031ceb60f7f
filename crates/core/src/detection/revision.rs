//! What the join says: a [`Revision`] is the whole content of one alert at one moment.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Exception, SensorFinding, SweepFinding};
use crate::event::{AssetId, Observation, Outcome, Process};
use crate::time::{AppendTime, EventTime};

/// The namespace of every identifier that Pipewarden derives.
pub(super) const NAMESPACE: Uuid = Uuid::from_u128(0x7a0e_6a54_4d0c_5d0b_9a35_3f1f_d8c6_51e8);

/// UUIDv5 of an alert's group key: the Kafka key of all its revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertId(pub Uuid);

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an alert groups: all accesses of one rule, asset and source in one time bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertKey {
    /// The rule's id.
    pub rule: Arc<str>,
    /// The protected host.
    pub asset: AssetId,
    /// The audited source; none for accesses without a named source.
    pub source: Option<IpAddr>,
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
        match self.source {
            Some(source) => format!("{}\0{}\0{source}", self.rule, self.asset),
            None => format!("{}\0{}\0unresolved", self.rule, self.asset),
        }
    }
}

/// How the source is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// A `share_access` names it.
    Audited,
    /// Exactly one source connected within the attribution window.
    Inferred,
    /// Several did.
    Ambiguous,
    /// None did.
    None,
}

/// How sure the alert is of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Ambiguous, or no source at all.
    Low,
    /// Audited without corroboration, or inferred.
    Medium,
    /// Audited and corroborated by a second kind of observation.
    High,
}

/// Whether the alert still stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It stands.
    Active,
    /// Better evidence moved all its accesses to other alerts.
    Superseded,
    /// An exception covers it.
    Suppressed,
    /// A sensor is no longer blind.
    Resolved,
}

macro_rules! words {
    ($type:ident: $($variant:ident = $word:literal),+) => {
        impl $type {
            /// The word used in documents, metrics and docs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
words!(Attribution: Audited = "audited", Inferred = "inferred", Ambiguous = "ambiguous", None = "none");
words!(Confidence: Low = "low", Medium = "medium", High = "high");
words!(Status: Active = "active", Superseded = "superseded", Suppressed = "suppressed", Resolved = "resolved");

/// How many observations of each kind an alert rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Tuple evidence of an audited alert, or connections of an unresolved alert's candidates.
    pub network_connection: u32,
    /// Accesses of their own, or explained by a `share_access` of this alert.
    pub pipe_connected: u32,
    /// Audited accesses, or accesses without a usable address.
    pub share_access: u32,
}

/// A possible source of an access that names none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its address.
    pub ip: IpAddr,
    /// Its names, as far as connections tell them.
    pub hosts: Vec<Arc<str>>,
    /// Users of its processes.
    pub users: Vec<Arc<str>>,
    /// Its processes.
    pub processes: Vec<Process>,
    /// `network_connection`s from it within the attribution window of some access of the alert.
    pub connections: u32,
    /// The smallest distance in event time between such a connection and an access, in milliseconds.
    pub nearest_ms: u64,
    /// How far its clock is ahead of the asset's, in milliseconds, where sessions tell: candidates are ranked by the times
    /// that its connections would bear with the asset's clock.
    pub clock_offset_ms: Option<i64>,
}

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

/// Everything an alert says, apart from which alert it is and which revision. A function of the set of
/// observations the alert rests on: lists are sorted and without repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// Whether the alert stands.
    pub status: Status,
    /// The alerts that explain its accesses now, sorted; empty while it has accesses.
    pub superseded_by: Vec<AlertId>,
    /// The exception that covers it.
    pub exception: Option<Arc<Exception>>,
    /// How the source is known.
    pub attribution: Attribution,
    /// How sure that is.
    pub confidence: Confidence,
    /// Event time of the first access.
    pub first: EventTime,
    /// Event time of the last access.
    pub last: EventTime,
    /// Accesses in this alert.
    pub accesses: u32,
    /// Success if any access is known to have been granted, else failure if any was refused.
    pub outcome: Option<Outcome>,
    /// The source, where attribution is audited or inferred.
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
    /// `DOMAIN\name`, each once.
    pub accounts: Vec<Arc<str>>,
    /// Observations by kind.
    pub counts: Counts,
    /// Possible sources, nearest first by the asset's clock, then by address; only while attribution is not audited.
    pub candidates: Vec<Candidate>,
    /// What the alert rests on, by event time, then kind.
    pub evidence: Vec<Arc<Observation>>,
    /// What the bounds left out.
    pub omitted: Omitted,
}

impl Content {
    /// What can be said of an alert that rests on no observation of its own.
    pub(super) fn nothing(status: Status, first: EventTime, last: EventTime) -> Self {
        Self {
            status,
            superseded_by: Vec::new(),
            exception: None,
            attribution: Attribution::None,
            confidence: Confidence::High,
            first,
            last,
            accesses: 0,
            outcome: None,
            source_ip: None,
            source_ports: Vec::new(),
            hosts: Vec::new(),
            users: Vec::new(),
            processes: Vec::new(),
            destination_ips: Vec::new(),
            pipes: Vec::new(),
            accounts: Vec::new(),
            counts: Counts::default(),
            candidates: Vec::new(),
            evidence: Vec::new(),
            omitted: Omitted::default(),
        }
    }
}

/// One whole revision of one alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Which alert.
    pub key: AlertKey,
    /// Derived from `key`.
    pub id: AlertId,
    /// 2 x offset when a deadline wrote it, 2 x offset + 1 when the record at that offset did.
    pub number: u64,
    /// Whether this is the first revision in which the alert stands.
    pub is_first: bool,
    /// Whether an exception covers the alert that did not cover its last revision.
    pub is_excepted_anew: bool,
    /// Whether the alert stands or ever stood: one that was suppressed from its start has never been told as an alert.
    pub is_published: bool,
    /// What it says.
    pub content: Content,
    /// What it is about.
    pub about: About,
}

/// What a revision is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// Accesses to one asset: an alert.
    Accesses,
    /// A sensor that is missing.
    Sensor(SensorFinding),
    /// A source that touches several assets.
    Sweep(SweepFinding),
}
