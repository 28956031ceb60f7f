//! From settings to what is in force: the files that they name, read and put together.

use std::sync::Arc;

use thiserror::Error;

use super::{Settings, files, policy_id};
use crate::detection::{Exceptions, RuleError, RuleSet};
use crate::diagnostics::{FileError, with_causes};
use crate::engine::Policy;
use crate::inventory::{Inventory, UnlistedHosts};

/// Which of the files is wrong, and what in it.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The rules.
    #[error(transparent)]
    Rules(#[from] RuleError),
    /// The inventory or the exceptions.
    #[error(transparent)]
    File(#[from] FileError),
    /// Several of them, a line each.
    #[error("{}", lines(.0))]
    Several(Vec<Self>),
}

fn lines(errors: &[PolicyError]) -> String {
    let lines: Vec<String> = errors.iter().map(|error| with_causes(error)).collect();
    lines.join("\n")
}

impl Settings {
    /// Every rule that the settings know, on or not.
    ///
    /// # Errors
    /// [`RuleError`], which names the file and what to change.
    pub fn known_rules(&self) -> Result<RuleSet, RuleError> {
        match &self.rules.directory {
            Some(folder) => files::rules(folder),
            None => Ok(RuleSet::builtin_rules()),
        }
    }

    /// The inventory that the settings name, or one without hosts.
    ///
    /// # Errors
    /// [`FileError`], which names the line and what to change.
    pub fn read_inventory(&self) -> Result<Inventory, FileError> {
        match &self.inventory.file {
            Some(file) => files::inventory(file),
            None => Ok(Inventory::empty()),
        }
    }

    /// Reads rules, inventory and exceptions, all of them or none.
    ///
    /// # Errors
    /// [`PolicyError`], which names each file that is wrong and what to change.
    pub fn policy(&self) -> Result<Policy, PolicyError> {
        let mut errors = Vec::new();
        let rules = self.selected_rules().map_err(|problems| errors.extend(problems));
        let inventory = self
            .read_inventory()
            .map_err(|problem| errors.push(problem.into()));
        // Without one exceptions are read all the same, for what is wrong with them alone.
        let inventory = Arc::new(inventory.unwrap_or_else(|()| Inventory::empty()));
        let exceptions = self.exceptions(&inventory);
        let exceptions = exceptions.map_err(|problem| errors.push(problem.into()));
        let (Ok(rules), Ok(exceptions), true) = (rules, exceptions, errors.is_empty()) else {
            return Err(match errors.pop() {
                Some(only) if errors.is_empty() => only,
                last => {
                    errors.extend(last);
                    PolicyError::Several(errors)
                }
            });
        };
        let unlisted = self
            .inventory
            .unlisted_hosts
            .unwrap_or(UnlistedHosts::default_for(&inventory));
        let policy_id = policy_id(&self.detection, &rules, &inventory, unlisted, &exceptions);
        let policy = Policy::new(rules, inventory, unlisted, self.detection.clone(), policy_id);
        let policy = policy.with_exceptions(exceptions).with_format(self.alerts.format);
        Ok(policy.with_max_bytes(self.alerts.max_bytes))
    }

    /// The rules that are on, or what is wrong with each file.
    fn selected_rules(&self) -> Result<RuleSet, Vec<PolicyError>> {
        let known = self.known_rules().map_err(|first| {
            let all = self.rules.directory.as_deref().map(files::rule_errors);
            let all = all.filter(|all| !all.is_empty()).unwrap_or_else(|| vec![first]);
            all.into_iter().map(PolicyError::from).collect::<Vec<_>>()
        })?;
        known
            .select(&self.rules.enabled)
            .map_err(|problem| vec![problem.into()])
    }

    fn exceptions(&self, inventory: &Arc<Inventory>) -> Result<Exceptions, FileError> {
        let exceptions = if self.exceptions.builtin {
            Exceptions::builtin(Arc::clone(inventory))
        } else {
            Exceptions::none_for(Arc::clone(inventory))
        };
        match &self.exceptions.file {
            None => Ok(exceptions),
            Some(file) => {
                let (text, origin) = files::read(file, "exceptions")?;
                exceptions.and(&text, &origin)
            }
        }
    }
}
