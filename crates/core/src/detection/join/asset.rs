//! Everything in state about one asset.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::accesses::Accesses;
use super::call_backs::CallBacks;
use super::connections::Connections;
use super::records::Records;
use super::stored::{Slot, Stored};
use crate::detection::JoinSettings;
use crate::time::AppendTime;

/// Which rule, as an index into the rules in force.
pub(super) type RuleIndex = usize;

/// The state of one asset: connections serve all rules, the destination side is kept by rule.
#[derive(Debug, Default)]
pub(super) struct AssetState {
    pub(super) connections: Connections,
    pub(super) accesses: BTreeMap<RuleIndex, Accesses>,
    pub(super) records: Records,
    pub(super) call_backs: CallBacks,
}

impl AssetState {
    /// Removes a destination-side observation from every rule that holds it.
    pub(super) fn expire_access(&mut self, slot: Slot) {
        if let Some(stored) = self.accesses.values().find_map(|accesses| accesses.stored(slot)) {
            self.records.remove(stored);
        }
        self.accesses.retain(|_, accesses| {
            accesses.expire(slot);
            !accesses.is_empty()
        });
    }

    /// Removes the connection at `offset`, which a bound may have dropped already. Whether it was still there.
    pub(super) fn expire_connection(&mut self, offset: u64) -> bool {
        let expired = self.connections.remove(offset);
        if let Some(stored) = &expired {
            self.records.remove(stored);
        }
        expired.is_some()
    }

    /// Drops a connection: the oldest from a source or, without one, the oldest of all. Whether there was
    /// one.
    pub(super) fn drop_connection(
        &mut self,
        source: Option<IpAddr>,
        now: AppendTime,
        settings: &JoinSettings,
    ) -> bool {
        let dropped = match source {
            Some(source) => self.connections.remove_oldest_from(source),
            None => self.connections.remove_oldest(),
        };
        if let Some(dropped) = &dropped {
            let mut rules = self.accesses.values();
            // A logon that is an access stays as that.
            if rules.all(|accesses| accesses.stored(dropped.slot()).is_none()) {
                self.records.remove(dropped);
            }
            self.connections.dropped.add(dropped, now, settings);
        }
        dropped.is_some()
    }

    /// Whether nothing is left in state.
    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.accesses.is_empty() && self.call_backs.is_empty()
    }

    /// What bears the record id of an observation and says something else: the same log cannot have said both.
    pub(super) fn contradicting<'a>(
        &'a self,
        stored: &'a Stored,
        settings: &'a JoinSettings,
    ) -> impl Iterator<Item = &'a Stored> {
        let others = self.records.others(stored, settings);
        others.filter_map(|slot| self.stored(slot)).filter(|other| {
            other.within_span(stored, settings.join_span())
                && !other.observation.event.says_the_same(&stored.observation.event)
        })
    }

    fn stored(&self, slot: Slot) -> Option<&Stored> {
        let access = || self.accesses.values().find_map(|accesses| accesses.stored(slot));
        self.connections.get(slot).or_else(access)
    }
}
