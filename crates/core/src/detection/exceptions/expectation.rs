//! Accounts that entries expect from some places only, used from elsewhere.

use std::fmt;
use std::sync::Arc;

use super::{Exception, Exceptions, Subject};
use crate::detection::accounts::OneAccount;
use crate::event::AssetId;
use crate::inventory::Place;
use crate::time::AppendTime;

/// Accounts of an alert that are used from where no entry about them expects them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unexpected {
    /// The first entry that expects them elsewhere.
    pub entry: Arc<Exception>,
    /// Those of its accounts, as documents write them, sorted.
    pub accounts: Vec<Arc<str>>,
}

impl Unexpected {
    /// By how much the risk score of the alert rises.
    pub const RISK_BY: u8 = 20;
}

/// As a sentence for people.
impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entry, accounts } = self;
        let places: Vec<String> = entry.only_from().iter().map(ToString::to_string).collect();
        write!(
            f,
            "{} expects {} only from {}",
            entry.id,
            accounts.join(", "),
            places.join(", ")
        )
    }
}

impl Exception {
    /// From where it expects its accounts; empty where it does not say.
    pub fn only_from(&self) -> &[Place] {
        self.only_from.as_deref().unwrap_or_default()
    }

    /// Whether it names an account, by name or by SID.
    fn is_about(&self, account: &OneAccount) -> bool {
        let by_name = self.accounts.as_ref();
        let by_sid = self.sids.as_ref();
        by_name.is_some_and(|names| account.names.iter().any(|name| names.contains(name)))
            || by_sid.is_some_and(|sids| account.sids.iter().any(|sid| sids.contains(sid)))
    }
}

impl Exceptions {
    /// The accounts of an alert about this asset, which closes at `closes`, that are used from elsewhere. None where its source
    /// is not known.
    pub(in crate::detection) fn unexpected(
        &self,
        id: &AssetId,
        closes: AppendTime,
        subject: &Subject,
    ) -> Option<Unexpected> {
        let [source] = subject.sources.as_slice() else {
            return None;
        };
        if !subject.is_attributed {
            return None;
        }
        let expecting = || {
            let entries = self.in_force(closes);
            entries.filter(|entry| entry.only_from.is_some() && entry.names_rule(subject))
        };
        let is_expected = |account: &OneAccount| {
            let mut places = expecting()
                .filter(|entry| entry.is_about(account))
                .flat_map(|entry| entry.only_from());
            places.any(|place| self.inventory.is_at(place, source.ip, id))
        };
        expecting().find_map(|entry| {
            let accounts = subject.accounts.iter();
            let elsewhere = accounts.filter(|account| entry.is_about(account) && !is_expected(account));
            let accounts: Vec<Arc<str>> = elsewhere.map(|account| Arc::clone(&account.shown)).collect();
            (!accounts.is_empty()).then(|| Unexpected {
                entry: Arc::clone(entry),
                accounts,
            })
        })
    }
}
