//! The document's shape, field by field. Names outside `pipewarden` are those of the Elastic Common Schema.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use super::grounds::{Candidate, Conflict, Evidence, Ground};
pub use super::pipewarden::{
    AssetFields, CampaignAssetFields, CampaignFields, CampaignGrounds, ExceptionFields, ManySourcesFields,
    NamedBy, OmittedFields, OverflowFields, OverflowSource, PipewardenFields, Process, RiskByFields,
    SensorFields, SourceFields, SourceName, SuppressedBy, UnexpectedFields,
};
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
    /// The roles of the protected host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// MITRE ATT&CK, one entry per tactic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub threat: Vec<Threat>,
    /// Who connected; absent where several may have or nobody is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The protected host as the target of a connection.
    pub destination: Destination,
    /// What the source came by; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
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
    pub pipewarden: PipewardenFields,
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
    /// `named-pipe-access`; `campaign`, `sensor-blind` of a sensor that is missing.
    pub action: String,
    /// The alert's id.
    pub id: String,
    /// Always `pipewarden`.
    pub module: String,
    /// Always `pipewarden.alerts`.
    pub dataset: String,
    /// `success`, `failure` where Windows denied every access, or `unknown`.
    pub outcome: String,
    /// The first access.
    pub start: EventTime,
    /// The last access.
    pub end: EventTime,
    /// When this revision was written, by Kafka's clock: the stream time of the record that wrote it.
    pub created: EventTime,
    /// From 0 to 100: the rule's risk, lowered by doubt about the source and raised by what makes it worse.
    pub risk_score: u8,
    /// The nearest to it of 21, 47, 73 and 99, as Elastic's own rules have them; of two the greater.
    pub severity: u8,
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
    /// The first address where to read about it.
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
    /// Where to read about it.
    pub reference: String,
}

/// `threat.technique.*` or `threat.technique.subtechnique.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Technique {
    /// As `T1021` or `T1021.002`.
    pub id: String,
    /// As `Remote Services`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where to read about it.
    pub reference: String,
    /// The sub-techniques that the rule names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subtechnique: Vec<Technique>,
}

/// `source.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its address.
    pub ip: IpAddr,
    /// The address again, as ECS requires.
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
    /// The port that connections of the source show, where it is one and only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// `network.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// Always `tcp`.
    pub transport: String,
    /// Always `smb`.
    pub protocol: String,
    /// `ipv4` or `ipv6`, as the source's address is.
    #[serde(rename = "type")]
    pub kind: String,
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
    /// The name of the pipe, or the last part of the path.
    pub name: String,
    /// The share and the path in it, where it is no pipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// `related.*`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Related {
    /// Every address.
    pub ip: Vec<IpAddr>,
    /// Every host name.
    pub hosts: Vec<String>,
    /// Every user and account: bare, with its domain where that is known, and SIDs of accounts.
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

impl User {
    /// The user whose account is written `DOMAIN\name`, or bare.
    pub(super) fn named(account: &str) -> Self {
        let (domain, name) = match account.split_once('\\') {
            Some((domain, name)) => (Some(domain.to_owned()), name),
            None => (None, account),
        };
        Self {
            name: name.to_owned(),
            domain,
            id: None,
        }
    }
}
