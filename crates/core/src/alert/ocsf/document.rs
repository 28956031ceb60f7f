//! The shape of a Detection Finding: the attributes of OCSF 1.8.0 that Pipewarden writes, and no others. Names, types
//! and requirements are the published schema's; `schemas/ocsf-detection-finding.schema.json` is an excerpt of it.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Map, Value};

/// Class 2004, Detection Finding. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Finding {
    pub activity_id: u8,
    pub activity_name: &'static str,
    pub category_uid: u8,
    pub category_name: &'static str,
    pub class_uid: u16,
    pub class_name: &'static str,
    pub type_uid: u32,
    pub type_name: String,
    pub time: i64,
    pub start_time: i64,
    pub end_time: i64,
    /// Accesses.
    pub count: u32,
    pub message: String,
    pub severity_id: u8,
    pub severity: &'static str,
    pub confidence_id: u8,
    pub confidence: &'static str,
    pub confidence_score: u8,
    pub risk_score: u8,
    pub status_id: u8,
    pub status: &'static str,
    pub is_alert: bool,
    pub metadata: Metadata,
    pub finding_info: FindingInfo,
    pub device: Device,
    pub resources: Vec<Resource>,
    pub evidences: Vec<Evidence>,
    pub observables: Vec<Observable>,
    pub unmapped: Unmapped,
}

/// What OCSF has no word for, under a name of its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Unmapped {
    pub pipewarden: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Metadata {
    pub version: &'static str,
    pub product: Product,
    /// The revision of the alert.
    pub uid: String,
    /// The story.
    pub correlation_uid: String,
    /// The revision's number; absent where it outgrows 32 bits, which is what many stores give an `integer_t`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i32>,
    /// Only where the bounds of the document left something out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_truncated: Option<bool>,
    /// When the revision was written, by Kafka's clock.
    pub logged_time: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Product {
    pub name: &'static str,
    pub vendor_name: &'static str,
    pub version: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct FindingInfo {
    pub uid: String,
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
    pub created_time: i64,
    pub modified_time: i64,
    pub first_seen_time: i64,
    pub last_seen_time: i64,
    pub analytic: Analytic,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attacks: Vec<Attack>,
    pub data_sources: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related_events: Vec<RelatedEvent>,
    pub related_events_count: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Analytic {
    pub uid: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
    pub type_id: u8,
    #[serde(rename = "type")]
    pub kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Attack {
    pub version: &'static str,
    pub tactic: Named,
    pub technique: Named,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_technique: Option<Named>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Named {
    pub uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// An alert that replaces this one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct RelatedEvent {
    pub uid: String,
    pub desc: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Tag {
    pub name: &'static str,
    pub values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Device {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    pub type_id: u8,
    #[serde(rename = "type")]
    pub kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Resource {
    pub uid: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub role_id: u8,
    pub role: &'static str,
    pub labels: Vec<String>,
}

/// First the access as a whole, then every observation it rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Evidence {
    pub name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_endpoint: Option<Endpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_endpoint: Option<Endpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_info: Option<ConnectionInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// On the asset: the source's is in `actor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<File>,
    /// The observation as in the ECS document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<crate::alert::Evidence>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Endpoint {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ConnectionInfo {
    pub direction_id: u8,
    pub direction: &'static str,
    pub protocol_num: u8,
    pub protocol_name: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Actor {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct User {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The SID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Process {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Sysmon's `ProcessGuid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct File {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    pub type_id: u8,
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// `name` points to the attribute that holds `value`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Observable {
    pub name: &'static str,
    pub type_id: u8,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub value: String,
}
