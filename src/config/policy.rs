//! From settings to what is in force: the files that they name, read and put together.

use std::sync::Arc;

use thiserror::Error;

use super::{Settings, files, policy_id};
use crate::detection::{Exceptions, RuleError, RuleSet};
use crate::diagnostics::FileError;
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

    /// Reads rules, inventory and exceptions, all of them or none.
    ///
    /// # Errors
    /// [`PolicyError`], which names the file and what to change.
    pub fn policy(&self) -> Result<Policy, PolicyError> {
        let rules = self.known_rules()?.select(&self.rules.enabled)?;
        let inventory = Arc::new(match &self.inventory.file {
            Some(file) => files::inventory(file)?,
            None => Inventory::empty(),
        });
        let unlisted = self
            .inventory
            .unlisted_hosts
            .unwrap_or(UnlistedHosts::default_for(&inventory));
        let mut exceptions = if self.exceptions.builtin {
            Exceptions::builtin(Arc::clone(&inventory))
        } else {
            Exceptions::none_for(Arc::clone(&inventory))
        };
        if let Some(file) = &self.exceptions.file {
            let (text, origin) = files::read(file, "exceptions")?;
            exceptions = exceptions.and(&text, &origin)?;
        }
        let policy_id = policy_id(&self.detection, &rules, &inventory, unlisted, &exceptions);
        let policy = Policy::new(rules, inventory, unlisted, self.detection.clone(), policy_id);
        let policy = policy.with_exceptions(exceptions).with_format(self.alerts.format);
        Ok(policy.with_max_bytes(self.alerts.max_bytes))
    }
}
