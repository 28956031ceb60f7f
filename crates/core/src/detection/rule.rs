//! A detection rule: what it watches, and what its alerts are described by.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as friendly;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::RiskBy;
use crate::event::{Detail, WatchedShare};
use crate::inventory::{Purpose, Role};

/// One rule, ready to be applied. Its file is read as a `File`, which names all that it watches under `watch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "File")]
pub struct Rule {
    /// Stable identifier, part of every alert id: lower case letters, digits, `-`, `_`.
    pub id: Arc<str>,
    /// What an analyst reads.
    pub name: String,
    /// Why it matters and what to do; optional.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it is on where the setting `rules.enabled` is `default`.
    // What is serialised is what decisions follow from, and how a rule came to be on is no part of that.
    #[serde(skip_serializing)]
    pub enabled: bool,
    /// The watched pipes, by side.
    pub pipes: Pipes,
    /// The watched paths of other shares.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub shares: BTreeSet<WatchedShare>,
    /// Accounts whose use is watched. A rule that has some watches nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts: Option<WatchedAccounts>,
    /// Connections of the asset to the source that make an alert worse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<WatchedCallBack>,
    /// Only assets with one of these roles are watched; all of them where it is empty.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<Role>,
    /// Ids of rules: an alert of this rule after one of these by the same source on the same asset is a campaign, which this
    /// rule names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Arc<str>>,
    /// Risk score from 0 to 100 of an alert of high confidence.
    pub risk: u8,
    /// What makes an alert worse; all that holds is added up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub risk_by: Vec<RiskBy>,
    /// What to check next, for whoever reads an alert.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
    /// Names in other catalogues, and where to read about the rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// MITRE ATT&CK tactics and techniques.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attack: Vec<Attack>,
}

/// One rule, as in its file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Rule")]
struct File {
    /// Stable identifier, part of every alert id: lower case letters, digits, `-`, `_`.
    #[schemars(regex(pattern = "^[a-z0-9_-]+$"))]
    id: Arc<str>,
    /// What an analyst reads.
    #[schemars(length(min = 1))]
    name: String,
    /// Why it matters and what to do; optional.
    #[serde(default)]
    description: Option<String>,
    /// Whether it is on where the setting `rules.enabled` is `default`. Default true.
    #[serde(default = "yes")]
    enabled: bool,
    /// Short for `watch.pipes`.
    #[serde(default)]
    pipes: Pipes,
    /// What is an access. At least one of its lists, or of `pipes`, has an entry.
    #[serde(default)]
    watch: Watch,
    /// Only assets with one of these roles are watched; all of them where it is empty.
    #[serde(default)]
    roles: BTreeSet<Role>,
    /// Ids of rules: an alert of this rule after one of these by the same source on the same asset is a campaign, which this
    /// rule names.
    #[serde(default)]
    chain: Vec<Arc<str>>,
    /// Risk score from 0 to 100 of an alert of high confidence.
    #[schemars(range(max = 100))]
    risk: u8,
    /// What makes an alert worse; all that holds is added up.
    #[serde(default)]
    risk_by: Vec<RiskBy>,
    /// What to check next, for whoever reads an alert; a sentence each.
    #[serde(default)]
    next: Vec<String>,
    /// Names in other catalogues, and where to read about the rule.
    #[serde(default)]
    references: Vec<ReferenceEntry>,
    /// MITRE ATT&CK tactics and techniques.
    #[serde(default)]
    attack: Vec<Attack>,
}

/// What a rule watches.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Watch {
    /// Pipes, by side.
    pipes: Pipes,
    /// Files and folders of shares, in Security 5145.
    shares: BTreeSet<WatchedShare>,
    /// Accounts of the inventory, in Security 4624 of any host. A rule that watches accounts watches nothing else.
    accounts: Option<WatchedAccounts>,
    /// Connections of the asset to the source of an access, soon after it: they make the alert worse, and are none by themselves.
    callback: Option<WatchedCallBack>,
}

/// Connections of an asset to the source of an access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchedCallBack {
    /// To which ports.
    #[schemars(length(min = 1))]
    pub ports: BTreeSet<u16>,
    /// How long after the access, as `60s`; at most 10 minutes.
    #[serde(with = "friendly")]
    #[schemars(with = "String")]
    pub within: Duration,
    /// By how much the risk score rises. Default 20.
    #[serde(default = "risk_by")]
    #[schemars(range(max = 100))]
    pub risk_by: u8,
}

const fn risk_by() -> u8 {
    20
}

/// Which use of accounts a rule watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchedAccounts {
    /// What the accounts are for, by the inventory.
    pub purpose: Purpose,
    /// From where.
    pub from: UsedFrom,
}

/// From where an account is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsedFrom {
    /// From where the inventory does not expect it.
    Elsewhere,
}

impl From<File> for Rule {
    fn from(file: File) -> Self {
        let Watch {
            pipes,
            shares,
            accounts,
            callback,
        } = file.watch;
        let both = |short: BTreeSet<Arc<str>>, watched: BTreeSet<Arc<str>>| {
            short.into_iter().chain(watched).collect()
        };
        Self {
            id: file.id,
            name: file.name,
            description: file.description,
            enabled: file.enabled,
            pipes: Pipes {
                pipe_connected: both(file.pipes.pipe_connected, pipes.pipe_connected),
                share_access: both(file.pipes.share_access, pipes.share_access),
            },
            shares,
            accounts,
            callback,
            roles: file.roles,
            chain: file.chain,
            risk: file.risk,
            risk_by: file.risk_by,
            next: file.next,
            references: file.references.into_iter().map(Into::into).collect(),
            attack: file.attack,
        }
    }
}

/// A rule without a name that watches nothing, to build others from.
impl Default for Rule {
    fn default() -> Self {
        Self {
            id: Arc::from(""),
            name: String::new(),
            description: None,
            enabled: true,
            pipes: Pipes::default(),
            shares: BTreeSet::new(),
            accounts: None,
            callback: None,
            roles: BTreeSet::new(),
            chain: Vec::new(),
            risk: 0,
            risk_by: Vec::new(),
            next: Vec::new(),
            references: Vec::new(),
            attack: Vec::new(),
        }
    }
}

impl Rule {
    /// Whether it watches what an event shows was opened, on an asset that it watches. Session evidence opens nothing.
    pub fn watches(&self, detail: &Detail) -> bool {
        match detail {
            Detail::PipeConnected(connected) => self.pipes.pipe_connected.contains(&connected.pipe),
            Detail::ShareAccess(access) => match &access.share {
                None => self.pipes.share_access.contains(&access.path),
                Some(share) => self
                    .shares
                    .iter()
                    .any(|watched| watched.covers(share, &access.path)),
            },
            Detail::NetworkConnection(_) | Detail::Logon(_) | Detail::ShareSession(_) => false,
        }
    }

    /// Whether it watches an asset with these roles.
    pub fn watches_roles(&self, roles: &[Role]) -> bool {
        self.roles.is_empty() || roles.iter().any(|role| self.roles.contains(role))
    }
}

/// Pipe names by side, since Windows names one pipe differently in the two logs: `samr` of 5145 is
/// `lsass` of Sysmon 18. In lower case, without leading backslashes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pipes {
    /// As Sysmon 18 names them.
    #[serde(default)]
    pub pipe_connected: BTreeSet<Arc<str>>,
    /// As Security 5145 names them.
    #[serde(default)]
    pub share_access: BTreeSet<Arc<str>>,
}

/// A name in another catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The name there, as `CRED-1`.
    #[schemars(with = "String", length(min = 1))]
    pub id: Arc<str>,
    /// Its address: `http://` or `https://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^https?://[^\\s]+$"))]
    pub url: Option<String>,
}

/// A reference as files write it: in short its name alone.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum ReferenceEntry {
    Id(Arc<str>),
    Whole(Reference),
}

impl From<ReferenceEntry> for Reference {
    fn from(entry: ReferenceEntry) -> Self {
        match entry {
            ReferenceEntry::Id(id) => Self { id, url: None },
            ReferenceEntry::Whole(reference) => reference,
        }
    }
}

/// One pair of the MITRE ATT&CK matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    /// `TA` and four digits.
    #[schemars(regex(pattern = "^TA[0-9]{4}$"))]
    pub tactic: String,
    /// `T` and four digits, with `.` and three digits for a sub-technique.
    #[schemars(regex(pattern = "^T[0-9]{4}([.][0-9]{3})?$"))]
    pub technique: String,
}

fn yes() -> bool {
    true
}

/// The JSON Schema of a rule file.
pub fn json_schema() -> Schema {
    schemars::schema_for!(File)
}
