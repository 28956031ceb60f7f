//! A rule's logic in the query languages of other systems, for people who must run it there too.
//!
//! Every export is a set of searches, from the most to the least certain, and lists in its head what it loses:
//! no other language can resolve hosts before it joins, amend an alert, or rank candidates. The text is a function
//! of rule and settings alone.

mod eql;
mod head;
mod plan;
mod sigma;
mod splunk;

use pipewarden_core::detection::{JoinSettings, Rule};
use thiserror::Error;

/// Where a rule is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Sigma rules and correlations, as one file of several documents
    Sigma,
    /// Elastic EQL, over events of Winlogbeat or Elastic Agent after Elastic's ingest pipelines
    Eql,
    /// Splunk searches (SPL), over events of Splunk's add-ons for Sysmon and Windows
    Splunk,
}

/// Why a rule cannot be exported.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "rule {0} watches accounts where the inventory does not expect them, and no other language knows the inventory: search for \
     logons of type 3 (4624) by these accounts from other addresses than theirs"
)]
pub struct NotExportable(String);

/// The rule for that target, with the windows of these settings.
///
/// # Errors
/// [`NotExportable`] for a rule that watches accounts.
pub fn export(target: Target, rule: &Rule, settings: &JoinSettings) -> Result<String, NotExportable> {
    if rule.accounts.is_some() {
        return Err(NotExportable(rule.id.to_string()));
    }
    Ok(match target {
        Target::Sigma => sigma::export(rule, settings),
        Target::Eql => eql::export(rule, settings),
        Target::Splunk => splunk::export(rule, settings),
    })
}
