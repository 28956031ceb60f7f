//! A detection rule: which pipes it watches on each side, and what its alerts are described by.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use crate::inventory::Role;

/// One rule, as in its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Stable identifier, part of every alert id: lower case letters, digits, `-`, `_`.
    #[schemars(regex(pattern = "^[a-z0-9_-]+$"))]
    pub id: Arc<str>,
    /// What an analyst reads.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Why it matters and what to do; optional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it is on where the setting `rules.enabled` is `default`. Default true.
    // What is serialised is what decisions follow from, and how a rule came to be on is no part of that.
    #[serde(default = "yes", skip_serializing)]
    pub enabled: bool,
    /// The watched pipes, by side.
    pub pipes: Pipes,
    /// Only assets with one of these roles are watched; all of them where it is empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<Role>,
    /// Ids of rules: an alert of this rule after one of these by the same source on the same asset is a campaign, which this
    /// rule names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Arc<str>>,
    /// Risk score from 0 to 100 of an alert of high confidence.
    #[schemars(range(max = 100))]
    pub risk: u8,
    /// Names in other catalogues.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// MITRE ATT&CK tactics and techniques.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attack: Vec<Attack>,
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
            roles: BTreeSet::new(),
            chain: Vec::new(),
            risk: 0,
            references: Vec::new(),
            attack: Vec::new(),
        }
    }
}

impl Rule {
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
    schemars::schema_for!(Rule)
}
