//! Which events of the Security log are read as session evidence.

use std::collections::HashSet;
use std::sync::Arc;

use super::{AccountNames, names};

/// Which events of the Security log are read as session evidence. By default all of them are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEvents {
    /// 4624.
    pub logons: ReadOf,
    /// 5140.
    pub share_sessions: ReadOf,
    /// 5156. It may be about another host than the one that logged it.
    pub permitted_connections: bool,
    /// Accounts whose 4624 is read of every computer.
    pub watched_accounts: AccountNames,
}

/// Of which computers an event is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadOf {
    /// Of none.
    Nobody,
    /// Of all but these, in lower case. Of a few that are missing here, what was read is left out later.
    AllBut(Arc<HashSet<String>>),
}

impl SessionEvents {
    /// Whether a 4624 is read of some computer.
    pub(super) fn reads_logons(&self) -> bool {
        self.logons.some() || !self.watched_accounts.is_empty()
    }
}

impl Default for SessionEvents {
    fn default() -> Self {
        Self {
            logons: ReadOf::default(),
            share_sessions: ReadOf::default(),
            permitted_connections: true,
            watched_accounts: AccountNames::default(),
        }
    }
}

impl Default for ReadOf {
    fn default() -> Self {
        Self::AllBut(Arc::default())
    }
}

impl ReadOf {
    /// Whether it is read of some computer.
    pub(super) fn some(&self) -> bool {
        *self != Self::Nobody
    }

    /// Whether it is read of this computer.
    pub(super) fn includes(&self, computer: &str) -> bool {
        match self {
            Self::Nobody => false,
            Self::AllBut(others) => others.is_empty() || !others.contains(&names::host(computer)),
        }
    }
}
