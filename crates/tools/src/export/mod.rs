//! A rule's logic in the query languages of other systems, for people who must run it there too.
//!
//! Every export is a set of searches, from the most to the least certain, and lists in its head what it loses:
//! no other language can resolve hosts before it joins, amend an alert, or rank candidates. The text is a function
//! of rule, settings and, for rules about accounts, inventory alone.

mod eql;
mod expected;
mod head;
mod kql;
mod plan;
mod sigma;
mod splunk;

use pipewarden_core::detection::{JoinSettings, Rule};
use pipewarden_core::inventory::Inventory;
use thiserror::Error;

use self::expected::{Expected, expected};

/// Where a rule is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Sigma rules and correlations, as one file of several documents
    Sigma,
    /// Elastic EQL, over events of Winlogbeat or Elastic Agent after Elastic's ingest pipelines
    Eql,
    /// Splunk searches (SPL), over events of Splunk's add-ons for Sysmon and Windows
    Splunk,
    /// KQL of Microsoft Sentinel, over its tables SecurityEvent and Event
    Kql,
}

/// Why a rule cannot be exported.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "rule {rule} watches {purpose} accounts where the inventory does not expect them, and this inventory has none: name one that has \
     with --inventory"
)]
pub struct NotExportable {
    rule: String,
    purpose: &'static str,
}

/// What an export is made from.
struct Exported<'a> {
    rule: &'a Rule,
    settings: &'a JoinSettings,
    /// Where the accounts are expected that the rule watches.
    expected: Expected,
}

/// The rule for that target, with the windows of these settings and the accounts of this inventory.
///
/// # Errors
/// [`NotExportable`] for a rule that watches accounts of which the inventory has none.
pub fn export(
    target: Target,
    rule: &Rule,
    settings: &JoinSettings,
    inventory: &Inventory,
) -> Result<String, NotExportable> {
    let exported = Exported {
        rule,
        settings,
        expected: expected(rule, inventory),
    };
    if let Some(watched) = rule.accounts
        && exported.expected.is_empty()
    {
        return Err(NotExportable {
            rule: rule.id.to_string(),
            purpose: watched.purpose.as_str(),
        });
    }
    Ok(match target {
        Target::Sigma => sigma::export(&exported),
        Target::Eql => eql::export(&exported),
        Target::Splunk => splunk::export(&exported),
        Target::Kql => kql::export(&exported),
    })
}
