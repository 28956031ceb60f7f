//! `pipewarden.campaign`, field by field.

use serde::{Deserialize, Serialize};

use crate::detection::{AlertId, Attribution};
use crate::time::EventTime;

/// `pipewarden.campaign.*`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CampaignFields {
    /// How far apart two neighbouring touches are at most, a touch being the first or the last access of an alert.
    pub within_seconds: u64,
    /// The rule along whose chain the source went on one host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// How much is known of it.
    pub rests_on: CampaignGrounds,
    /// The hosts, by first touch.
    pub assets: Vec<CampaignAssetFields>,
}

/// `pipewarden.campaign.rests_on.*`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignGrounds {
    /// Hosts of which a log of their own names the source.
    pub audited: u32,
    /// Hosts of which it is inferred.
    pub inferred: u32,
    /// Hosts, of either kind, that denied every access.
    pub denied: u32,
    /// Hosts, of either kind, of which exceptions downgrade every alert.
    pub downgraded: u32,
}

/// `pipewarden.campaign.assets[]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CampaignAssetFields {
    /// Its canonical name.
    pub id: String,
    /// What it is for.
    pub roles: Vec<String>,
    /// The first touch.
    pub first: EventTime,
    /// The last.
    pub last: EventTime,
    /// The rules that were met.
    pub rules: Vec<String>,
    /// The pipes.
    pub pipes: Vec<String>,
    /// What else was opened, as `share\path` in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// `DOMAIN\name`, each once.
    pub accounts: Vec<String>,
    /// The alerts about the accesses.
    pub alert_ids: Vec<AlertId>,
    /// How the source is known: `audited` where it is of any of the alerts.
    pub attribution: Attribution,
    /// Whether every access is known to have been denied.
    pub denied: bool,
    /// Whether exceptions downgrade every alert.
    pub downgraded: bool,
}
