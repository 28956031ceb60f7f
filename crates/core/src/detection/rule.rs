//! A detection rule: which pipes it watches on each side, and what its alerts are described by.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

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
