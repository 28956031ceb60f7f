//! The document's shape, field by field. Names outside `pipewarden` are those of the Elastic Common Schema 8.17.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::detection::{Action, AlertId, Attribution, Confidence, Counts, Omitted, Status};
use crate::event::{Kind, Outcome};
use crate::time::EventTime;

/// One whole revision of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The first access.
    #[serde(rename = "@timestamp")]
    pub timestamp: EventTime,
    /// What an analyst reads first.
    pub message: String,
    /// The schema this document follows.
    pub ecs: Ecs,
    /// What kind of document this is, when it happened, how bad it is.
    pub event: Event,
    /// The rule that fired.
    pub rule: RuleInfo,
    /// MITRE ATT&CK, one entry per tactic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub threat: Vec<Threat>,
    /// Who connected; absent where several may have or nobody is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The protected host as the target of a connection.
    pub destination: Destination,
    /// The protected host.
    pub host: Host,
    /// The account that was used, where there is one and only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// The pipe, where there is one and only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<File>,
    /// Everything to pivot on.
    pub related: Related,
    /// The program that wrote the document.
    pub observer: Observer,
    /// What ECS has no word for.
    pub pipewarden: Own,
}

/// `ecs.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ecs {
    /// The version of the schema.
    pub version: String,
}

/// `event.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Always `alert`.
    pub kind: String,
    /// `intrusion_detection` and `network`; `host` where a sensor is missing.
    pub category: Vec<String>,
    /// Always `info`.
    #[serde(rename = "type")]
    pub types: Vec<String>,
    /// The alert's id.
    pub id: String,
    /// Always `pipewarden`.
    pub module: String,
    /// Always `pipewarden.alerts`.
    pub dataset: String,
    /// `success`, `failure` where Windows refused every access, or `unknown`.
    pub outcome: String,
    /// The first access.
    pub start: EventTime,
    /// The last access.
    pub end: EventTime,
    /// From 0 to 100: the rule's risk, lowered by doubt about the source.
    pub risk_score: u8,
}

/// `rule.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleInfo {
    /// The rule's id.
    pub id: String,
    /// The rule's name.
    pub name: String,
    /// Why it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Names in other catalogues, separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// `threat.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threat {
    /// Always `MITRE ATT&CK`.
    pub framework: String,
    /// The tactic.
    pub tactic: Tactic,
    /// Its techniques.
    pub technique: Vec<Technique>,
}

/// `threat.tactic.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tactic {
    /// As `TA0008`.
    pub id: String,
    /// As `Lateral Movement`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// `threat.technique.*` or `threat.technique.subtechnique.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Technique {
    /// As `T1021` or `T1021.002`.
    pub id: String,
    /// As `Remote Services`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The sub-techniques that the rule names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subtechnique: Vec<Technique>,
}

/// `source.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its address.
    pub ip: IpAddr,
    /// The address again, as ECS asks.
    pub address: String,
    /// Its port, where there is one and only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Its name, where there is one and only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

/// `destination.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Destination {
    /// The asset's name.
    pub address: String,
    /// The asset's name again.
    pub domain: String,
    /// Its address, where there is one and only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
}

/// `host.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// The asset's name.
    pub name: String,
    /// The asset's name again.
    pub hostname: String,
    /// Its addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip: Vec<IpAddr>,
}

/// `user.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The account's name.
    pub name: String,
    /// Its domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Its SID, where the evidence shows one and only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// `file.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// The pipe's name.
    pub name: String,
}

/// `related.*`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Related {
    /// Every address.
    pub ip: Vec<IpAddr>,
    /// Every host name.
    pub hosts: Vec<String>,
    /// Every user and account.
    pub user: Vec<String>,
}

/// `observer.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observer {
    /// Always `Pipewarden`.
    pub product: String,
    /// Its version.
    pub version: String,
}

/// `pipewarden.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Own {
    /// The same for all revisions.
    pub alert_id: AlertId,
    /// Rises with every revision of the alert.
    pub revision: u64,
    /// Whether the alert stands.
    pub status: Status,
    /// The alerts that replace it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub superseded_by: Vec<AlertId>,
    /// The sensor that is missing; absent from alerts about accesses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensor: Option<SensorFields>,
    /// The hosts that one source touched; absent from all but sweeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepFields>,
    /// The exception that covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<ExceptionFields>,
    /// The id of the policy: settings, rules, inventory and exceptions in force when it was decided.
    pub policy: String,
    /// How sure the source is.
    pub confidence: Confidence,
    /// How the source is known.
    pub attribution: Attribution,
    /// The same across buckets of one rule, asset and source.
    pub story_id: String,
    /// The protected host.
    pub asset: AssetFields,
    /// What connections tell of the source.
    pub source: SourceFields,
    /// `DOMAIN\name`, each once.
    pub accounts: Vec<String>,
    /// The pipes, as the destination named them.
    pub pipes: Vec<String>,
    /// Accesses in this alert.
    pub accesses: u32,
    /// Observations by kind.
    pub observations: Counts,
    /// Possible sources of what names none, nearest first.
    pub candidates: Vec<Candidate>,
    /// What the alert rests on, in order of time.
    pub evidence: Vec<Evidence>,
    /// What the bounds of the document left out; absent where nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub omitted: Option<Omitted>,
}

/// `pipewarden.exception.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExceptionFields {
    /// The entry's id.
    pub id: String,
    /// What became of the alert.
    pub action: Action,
    /// Why this is no attack.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
}

/// `pipewarden.sensor.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SensorFields {
    /// The kind of observation that is missing.
    pub kind: Kind,
    /// Why the finding has ended: `seen` where the sensor is back, `quiet` where there is too little to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
}

/// `pipewarden.sweep.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepFields {
    /// The width of the window.
    pub within_seconds: u64,
    /// The hosts, by first access.
    pub assets: Vec<SweptAssetFields>,
}

/// `pipewarden.sweep.assets[]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweptAssetFields {
    /// Its canonical name.
    pub id: String,
    /// The first access in the window.
    pub first: EventTime,
    /// The last.
    pub last: EventTime,
    /// The pipes, as 5145 names them.
    pub pipes: Vec<String>,
    /// `DOMAIN\name`, each once.
    pub accounts: Vec<String>,
    /// The alerts that tell of the accesses.
    pub alert_ids: Vec<AlertId>,
}

/// `pipewarden.asset.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AssetFields {
    /// Its canonical name.
    pub id: String,
    /// What it is for.
    pub roles: Vec<String>,
}

/// `pipewarden.source.*`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceFields {
    /// Its names.
    pub hosts: Vec<String>,
    /// Users of its processes.
    pub users: Vec<String>,
    /// Its processes.
    pub processes: Vec<Process>,
}

/// A process on the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// A path, `System` or `<unknown process>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// Sysmon's `ProcessGuid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_id: Option<String>,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// `pipewarden.candidates[]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its address.
    pub ip: IpAddr,
    /// Its names.
    pub hosts: Vec<String>,
    /// Users of its processes.
    pub users: Vec<String>,
    /// Its processes.
    pub processes: Vec<Process>,
    /// `network_connection`s from it near an access.
    pub connections: u32,
    /// Milliseconds between the nearest of them and an access.
    pub nearest_ms: u64,
    /// How many milliseconds its clock is ahead of the asset's, where sessions tell. Candidates are ranked by the asset's
    /// clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_ms: Option<i64>,
}

/// `pipewarden.evidence[]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Which kind of observation.
    pub kind: Kind,
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
    /// The pipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipe: Option<String>,
    /// The account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The rights asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_mask: Option<String>,
    /// Granted or refused.
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
}
