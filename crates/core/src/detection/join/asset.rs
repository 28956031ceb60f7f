//! Everything in state about one asset.

use std::collections::BTreeMap;

use super::accesses::Accesses;
use super::connections::Connections;
use super::stored::Slot;

/// Which rule, as an index into the rules in force.
pub(super) type RuleIndex = usize;

/// The state of one asset: connections serve all rules, the destination side is kept by rule.
#[derive(Debug, Default)]
pub(super) struct AssetState {
    pub(super) connections: Connections,
    pub(super) accesses: BTreeMap<RuleIndex, Accesses>,
}

impl AssetState {
    /// Removes a destination-side observation from every rule that holds it.
    pub(super) fn expire_access(&mut self, slot: Slot) {
        self.accesses.retain(|_, accesses| {
            accesses.expire(slot);
            !accesses.is_empty()
        });
    }

    /// Whether nothing is left in state.
    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.accesses.is_empty()
    }
}
