//! The rules in force, by what they watch.

use std::collections::HashMap;
use std::sync::Arc;

use super::asset::RuleIndex;
use crate::detection::Rule;
use crate::event::{Detail, Observation};

/// The rules in force, by what they watch.
#[derive(Debug)]
pub(super) struct Rules {
    rules: Vec<Arc<Rule>>,
    pipe_connected: HashMap<Arc<str>, Vec<RuleIndex>>,
    share_access: HashMap<Arc<str>, Vec<RuleIndex>>,
    /// Whether a rule watches pipes on both sides.
    is_two_sided: Vec<bool>,
    highest_risk: u8,
}

impl Rules {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut index = Self {
            rules: rules.iter().cloned().map(Arc::new).collect(),
            pipe_connected: HashMap::new(),
            share_access: HashMap::new(),
            is_two_sided: (rules.iter())
                .map(|rule| !rule.pipes.pipe_connected.is_empty() && !rule.pipes.share_access.is_empty())
                .collect(),
            highest_risk: rules.iter().map(|rule| rule.risk).max().unwrap_or_default(),
        };
        for (number, rule) in rules.iter().enumerate() {
            for pipe in &rule.pipes.pipe_connected {
                index
                    .pipe_connected
                    .entry(Arc::clone(pipe))
                    .or_default()
                    .push(number);
            }
            for pipe in &rule.pipes.share_access {
                index
                    .share_access
                    .entry(Arc::clone(pipe))
                    .or_default()
                    .push(number);
            }
        }
        index
    }

    pub(super) fn rule(&self, index: RuleIndex) -> &Arc<Rule> {
        &self.rules[index]
    }

    pub(super) fn id(&self, index: RuleIndex) -> &Arc<str> {
        &self.rules[index].id
    }

    /// Whether no rule in force has a higher risk.
    pub(super) fn is_of_highest_risk(&self, index: RuleIndex) -> bool {
        self.rules[index].risk >= self.highest_risk
    }

    /// Whether a rule watches pipes on both sides.
    pub(super) fn is_two_sided(&self, index: RuleIndex) -> bool {
        self.is_two_sided[index]
    }

    /// The rules that watch the pipe of an observation; none for a connection, which serves all of them.
    pub(super) fn watching(&self, observation: &Observation) -> &[RuleIndex] {
        let rules = match &observation.event.detail {
            Detail::NetworkConnection(_) | Detail::Logon(_) | Detail::ShareSession(_) => None,
            Detail::PipeConnected(pipe) => self.pipe_connected.get(&pipe.pipe),
            Detail::ShareAccess(share) => self.share_access.get(&share.pipe),
        };
        rules.map_or(&[], Vec::as_slice)
    }
}
