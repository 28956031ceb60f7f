//! The part of the document that is Pipewarden's own, field by field.

mod campaign;

use std::net::IpAddr;

pub use campaign::{CampaignAssetFields, CampaignFields, CampaignGrounds};
use serde::{Deserialize, Serialize};

use super::grounds::{Candidate, Conflict, Evidence, Ground};
use crate::detection::{
    Action, AlertId, Attribution, Confidence, Counts, Dropped, Omitted, Reference, Status,
};
use crate::event::{Kind, Outcome};
use crate::inventory::{Purpose, Role};
use crate::time::EventTime;

/// `pipewarden.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PipewardenFields {
    /// The same for all revisions.
    pub alert_id: AlertId,
    /// Rises with every revision of the alert.
    pub revision: u64,
    /// Where the alert is in its life.
    pub status: Status,
    /// What keeps it from the alerts topic; only with the status `suppressed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed_by: Option<SuppressedBy>,
    /// Whose accesses it is about: `source`, `unattributed` or `local`; absent from alerts that are not about accesses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The alerts that replace it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub superseded_by: Vec<AlertId>,
    /// The sensor that is missing; absent from alerts about accesses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensor: Option<SensorFields>,
    /// The hosts that one source touched; absent from all but campaigns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignFields>,
    /// The accesses whose own alerts would be too many; absent from all but such alerts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overflow: Option<OverflowFields>,
    /// How many sources there are; absent from all but alerts about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub many_sources: Option<ManySourcesFields>,
    /// The exception that covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<ExceptionFields>,
    /// Its accounts that an exception expects elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexpected: Option<UnexpectedFields>,
    /// What to check next, for an analyst.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
    /// The rule's names in other catalogues, and where to read about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// The id of the policy: settings, rules, inventory and exceptions in force when it was decided.
    pub policy: String,
    /// What makes it worse than the risk of its rule says; absent where nothing does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub risk_by: Vec<RiskByFields>,
    /// How sure the source is.
    pub confidence: Confidence,
    /// How the source is known.
    pub attribution: Attribution,
    /// The same across buckets of one rule, asset and source.
    pub story_id: String,
    /// The protected host.
    pub asset: AssetFields,
    /// What connections show of the source.
    pub source: SourceFields,
    /// `DOMAIN\name`, each once.
    pub accounts: Vec<String>,
    /// The pipes, as the destination named them.
    pub pipes: Vec<String>,
    /// What else was opened in shares, as `share\path` in lower case; absent where nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Accesses in this alert.
    pub accesses: u32,
    /// How many of them happened too far from when they arrived, by the host's clock; absent where none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untimely: Option<u32>,
    /// Connections that the host made to the source soon after an access, where the rule watches for them; absent where none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_backs: Option<u32>,
    /// Observations by kind.
    pub observations: Counts,
    /// Possible sources of what names none, the likeliest first. Others are possible that no log shows.
    pub candidates: Vec<Candidate>,
    /// What bounds on state have dropped of it; absent where nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Dropped>,
    /// Which log of which computer says from where it was, by whom, when, and which pipe it was: of each the strongest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rests_on: Vec<Ground>,
    /// What contradicts the alert or casts doubt on its source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
    /// What the alert rests on and what contradicts that, in order of time.
    pub evidence: Vec<Evidence>,
    /// What the bounds of the document left out; absent where nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub omitted: Option<OmittedFields>,
}

/// `pipewarden.risk_by[]`: what raised the risk score together, and by how much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskByFields {
    /// By how much.
    pub by: u8,
    /// The role of the protected host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The purpose of an account, by the inventory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// What Windows decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// A process on the source, as the source logged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// How often the host connected back to the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_backs: Option<u32>,
}

/// `pipewarden.omitted.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OmittedFields {
    /// How many entries the bounds of the document left out, by list.
    #[serde(flatten)]
    pub entries: Omitted,
    /// How many bytes shorter the document is than it would be without `alerts.max_bytes`; absent where it needed no cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Why the broker rejected the whole document, which this one stands for; absent where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
}

impl OmittedFields {
    /// What the bounds of lists left out; `None` where that is nothing.
    pub(super) fn of(entries: Omitted) -> Option<Self> {
        (entries != Omitted::default()).then_some(Self {
            entries,
            bytes: None,
            rejected: None,
        })
    }
}

/// `pipewarden.suppressed_by`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuppressedBy {
    /// An exception covers it.
    Exception,
    /// The asset did it itself.
    Local,
}

/// `pipewarden.unexpected.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnexpectedFields {
    /// The accounts.
    pub accounts: Vec<String>,
    /// From where they are expected, as the exceptions file writes it.
    pub only_from: Vec<String>,
    /// The id of the entry that says so.
    pub exception: String,
    /// Who answers for it.
    pub owner: String,
}

/// `pipewarden.exception.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExceptionFields {
    /// The entry's id.
    pub id: String,
    /// What it does to the alert.
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
    /// Why the alert has ended: `seen` where the sensor is back, `quiet` where there are too few accesses to judge by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
}

/// `pipewarden.overflow.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverflowFields {
    /// How many accesses.
    pub accesses: u32,
    /// The first sources in order of arrival, each once.
    pub first: Vec<OverflowSource>,
    /// The last sources that differ, the latest last.
    pub last: Vec<OverflowSource>,
}

/// `pipewarden.overflow.first[]` and `.last[]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverflowSource {
    /// Its address.
    pub ip: IpAddr,
    /// When it made the access.
    pub time: EventTime,
}

/// `pipewarden.many_sources.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManySourcesFields {
    /// How many sources there are.
    pub sources: u32,
    /// The IPv6 network of 64 bits that holds so many of them that these alone are too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// `pipewarden.asset.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AssetFields {
    /// Its canonical name.
    pub id: String,
    /// What it is for.
    pub roles: Vec<String>,
}

/// `pipewarden.source.names[]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceName {
    /// The name.
    pub name: String,
    /// Who says so.
    pub from: NamedBy,
}

/// `pipewarden.source.names[].from`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedBy {
    /// The inventory lists its address.
    Inventory,
    /// It calls itself so, in its own log.
    Client,
    /// A binding gave it the address at that time.
    Binding,
}

/// `pipewarden.source.*`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceFields {
    /// What it is called and by whom, the surest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<SourceName>,
    /// Its names, as connections of either end give them.
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
