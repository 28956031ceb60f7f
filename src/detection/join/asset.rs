//! Everything in state about one asset.

use std::collections::BTreeMap;
use std::time::Duration;

use super::accesses::Accesses;
use super::admission::Admission;
use super::connections::Connections;
use super::stored::Slot;
use crate::time::AppendTime;

/// Which rule, as an index into the rules in force.
pub(super) type RuleIndex = usize;

/// The state of one asset: connections serve all rules, the destination side is kept by rule.
#[derive(Debug, Default)]
pub(super) struct AssetState {
    pub(super) connections: Connections,
    pub(super) accesses: BTreeMap<RuleIndex, Accesses>,
    pub(super) admission: Admission,
}

impl AssetState {
    /// Removes a destination-side observation from every rule that holds it.
    pub(super) fn expire_access(&mut self, slot: Slot) {
        self.accesses.retain(|_, accesses| {
            accesses.expire(slot);
            !accesses.is_empty()
        });
    }

    /// Whether nothing is left that could matter to a later observation.
    pub(super) fn is_spent(&mut self, now: AppendTime, horizon: Duration) -> bool {
        self.admission.expire(now, horizon);
        self.connections.is_empty() && self.accesses.is_empty() && self.admission.is_empty()
    }
}
