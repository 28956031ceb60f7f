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

/// The rule for that target, with the windows of these settings.
pub fn export(target: Target, rule: &Rule, settings: &JoinSettings) -> String {
    match target {
        Target::Sigma => sigma::export(rule, settings),
        Target::Eql => eql::export(rule, settings),
        Target::Splunk => splunk::export(rule, settings),
    }
}
