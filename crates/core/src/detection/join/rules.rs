//! The rules in force, by what they watch.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::asset::RuleIndex;
use crate::detection::Rule;
use crate::event::{Detail, Observation, WatchedShare};
use crate::inventory::Purpose;

/// The rules in force, by what they watch.
#[derive(Debug)]
pub(super) struct Rules {
    rules: Vec<Arc<Rule>>,
    pipe_connected: HashMap<Arc<str>, Vec<RuleIndex>>,
    share_access: HashMap<Arc<str>, Vec<RuleIndex>>,
    shares: Vec<(WatchedShare, RuleIndex)>,
    /// By the purpose of the accounts that are watched.
    accounts: Vec<(Purpose, RuleIndex)>,
    /// Those that watch whether an asset connects back.
    callbacks: Vec<RuleIndex>,
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
            shares: Vec::new(),
            accounts: Vec::new(),
            callbacks: Vec::new(),
            is_two_sided: (rules.iter())
                .map(|rule| !rule.pipes.pipe_connected.is_empty() && !rule.pipes.share_access.is_empty())
                .collect(),
            highest_risk: rules.iter().map(|rule| rule.risk).max().unwrap_or_default(),
        };
        for (number, rule) in rules.iter().enumerate() {
            index.callbacks.extend(rule.callback.iter().map(|_| number));
            let accounts = rule.accounts.iter();
            index
                .accounts
                .extend(accounts.map(|watched| (watched.purpose, number)));
            index
                .shares
                .extend(rule.shares.iter().map(|watched| (watched.clone(), number)));
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

    /// The rules that watch what an observation shows was opened; none for session evidence, which serves all of them.
    pub(super) fn watching(&self, observation: &Observation) -> Vec<RuleIndex> {
        let rules = match &observation.event.detail {
            Detail::NetworkConnection(connection) => connection.of_client.then_some(&self.callbacks),
            Detail::Logon(_) | Detail::ShareSession(_) => None,
            Detail::PipeConnected(pipe) => self.pipe_connected.get(&pipe.pipe),
            Detail::ShareAccess(access) => match &access.share {
                Some(share) => return self.watching_path(share, &access.path),
                None => self.share_access.get(&access.path),
            },
        };
        rules.cloned().unwrap_or_default()
    }

    /// Whether a rule watches accounts.
    pub(super) fn watch_accounts(&self) -> bool {
        !self.accounts.is_empty()
    }

    /// The rules that watch accounts with one of these purposes.
    pub(super) fn watching_accounts(&self, purposes: &BTreeSet<Purpose>) -> Vec<RuleIndex> {
        let watching = self
            .accounts
            .iter()
            .filter(|(purpose, _)| purposes.contains(purpose));
        watching.map(|&(_, rule)| rule).collect()
    }

    fn watching_path(&self, share: &str, path: &str) -> Vec<RuleIndex> {
        let covering = self
            .shares
            .iter()
            .filter(|(watched, _)| watched.covers(share, path));
        let mut rules: Vec<RuleIndex> = covering.map(|&(_, rule)| rule).collect();
        rules.dedup();
        rules
    }
}
