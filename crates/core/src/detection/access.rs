//! An alert about accesses to one asset.

use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::revision::{NAMESPACE, words};
use super::{AlertId, Exception, Rule, Status};
use crate::event::{AssetId, Observation, Outcome, Process};
use crate::time::{AppendTime, EventTime};

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
            // The word of the first release; another one would give every such alert another id.
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

words!(Attribution: Audited = "audited", Inferred = "inferred", Ambiguous = "ambiguous", None = "none");
words!(Confidence: Low = "low", Medium = "medium", High = "high");

/// How many observations of each kind an alert rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Tuple evidence of an audited alert, or connections of an unattributed alert's candidates.
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
    /// Its names, as far as connections give them.
    pub hosts: Vec<Arc<str>>,
    /// Users of its processes.
    pub users: Vec<Arc<str>>,
    /// Its processes.
    pub processes: Vec<Process>,
    /// `network_connection`s from it within the attribution window of some access of the alert.
    pub connections: u32,
    /// The smallest distance in event time between such a connection and an access, in milliseconds.
    pub nearest_ms: u64,
    /// How far its clock is ahead of the asset's, in milliseconds, where sessions show it: candidates are ranked by the
    /// times of their connections on the asset's clock.
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

/// One revision of an alert about accesses.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessAlert {
    /// Which alert.
    pub key: AlertKey,
    /// The rule that `key` names.
    pub rule: Arc<Rule>,
    /// Whether an exception covers the alert that did not cover its last revision.
    pub is_excepted_anew: bool,
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
    /// Success if any access is known to have been granted, else failure if any was denied.
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
