//! What makes an alert worse than the risk of its rule says.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Content, Rule};
use crate::event::{Outcome, Pattern};
use crate::inventory::{Purpose, Role};

/// Circumstances that make an alert of a rule worse. Every condition that is named must hold, each by any of its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RiskBy {
    /// By how much the risk score rises, from 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub by: u8,
    /// The protected host has one of these roles.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<Role>,
    /// An account of the alert is listed in the inventory with one of these purposes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub purposes: BTreeSet<Purpose>,
    /// `success` where Windows granted an access, `failure` where it denied all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// A process on the source made the connection, by the source's own log, whose file has one of these names: `*` stands for any
    /// characters, `?` for one, and case does not matter. A name with a backslash is that of the whole path.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub processes: BTreeSet<Pattern>,
}

/// Circumstances of an alert that hold, by the first value of each condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// By how much they raise the risk score.
    pub by: u8,
    /// The role of the protected host.
    pub role: Option<Role>,
    /// The purpose of the account.
    pub purpose: Option<Purpose>,
    /// What Windows decided.
    pub outcome: Option<Outcome>,
    /// The process on the source, as it was logged.
    pub process: Option<Arc<str>>,
}

impl RiskBy {
    /// What of it holds for an alert with this content, about an asset with these roles, whose accounts have these purposes; `None`
    /// where any condition does not.
    pub fn holds(&self, content: &Content, roles: &[&str], purposes: &BTreeSet<Purpose>) -> Option<Raised> {
        let mut watched = self.roles.iter().copied();
        let role = watched.find(|role| roles.contains(&role.as_str()));
        let purpose = self.purposes.intersection(purposes).next().copied();
        let outcome = self.outcome.filter(|outcome| content.outcome == Some(*outcome));
        let images = content
            .processes
            .iter()
            .filter_map(|process| process.image.as_ref());
        let process = images.filter(|image| self.names(image)).min().cloned();
        let all_hold = (self.roles.is_empty() || role.is_some())
            && (self.purposes.is_empty() || purpose.is_some())
            && self.outcome == outcome
            && (self.processes.is_empty() || process.is_some());
        all_hold.then_some(Raised {
            by: self.by,
            role,
            purpose,
            outcome,
            process,
        })
    }

    /// Whether it names the process of this image.
    fn names(&self, image: &str) -> bool {
        let image = image.to_lowercase();
        let file = image.rsplit('\\').next().unwrap_or(&image);
        let mut names = self.processes.iter();
        names.any(|name| name.fits(if name.has('\\') { &image } else { file }))
    }

    /// What is wrong with an entry of a rule: a value that cannot be, or conditions that can never hold.
    pub(super) fn problem(&self, rule: &Rule) -> Option<String> {
        let names_nothing = self.roles.is_empty()
            && self.purposes.is_empty()
            && self.outcome.is_none()
            && self.processes.is_empty();
        if self.by == 0 || self.by > 100 {
            Some(format!("by {} of risk_by is not between 1 and 100", self.by))
        } else if names_nothing {
            Some(
                "an entry of risk_by says nothing of when it holds; name roles, purposes, outcome or processes, or write a \
                 higher risk"
                    .to_owned(),
            )
        } else if self.processes.iter().any(Pattern::is_empty) {
            Some("a process of risk_by has no name; write python.exe, or python*".to_owned())
        } else if rule.accounts.is_some() && self.outcome.is_some() {
            Some("risk_by never holds: what Windows decided is known of what is opened, and the rule watches logons".to_owned())
        } else if !rule.roles.is_empty() && !self.roles.is_empty() && self.roles.is_disjoint(&rule.roles) {
            let words: Vec<&str> = self.roles.iter().map(|role| role.as_str()).collect();
            Some(format!(
                "risk_by never holds: the rule watches no asset with the role {}",
                words.join(" or ")
            ))
        } else {
            None
        }
    }
}
