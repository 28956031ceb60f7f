//! The network connections to one asset, by time and by source tuple.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::stored::{Slot, Stored, around};
use crate::time::EventTime;

/// Connections in state. They are removed in the order in which they came, by age or by a bound.
#[derive(Debug, Default)]
pub(super) struct Connections {
    by_time: BTreeMap<Slot, Stored>,
    by_tuple: BTreeSet<(IpAddr, u16, Slot)>,
    /// Oldest offset first: the order in which a bound evicts and connections expire.
    order: VecDeque<Slot>,
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.by_time.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    /// Whether the connection in this slot is still in state.
    pub(super) fn holds(&self, slot: Slot) -> bool {
        self.by_time.contains_key(&slot)
    }

    pub(super) fn insert(&mut self, stored: Stored) {
        let slot = stored.slot();
        if let Some((ip, port)) = tuple(&stored) {
            self.by_tuple.insert((ip, port, slot));
        }
        self.order.push_back(slot);
        self.by_time.insert(slot, stored);
    }

    /// The connection in this slot.
    pub(super) fn get(&self, slot: Slot) -> Option<&Stored> {
        self.by_time.get(&slot)
    }

    /// Removes the one that arrived first.
    pub(super) fn evict_oldest(&mut self) -> Option<Stored> {
        let slot = self.order.pop_front()?;
        let stored = self.by_time.remove(&slot)?;
        if let Some((ip, port)) = tuple(&stored) {
            self.by_tuple.remove(&(ip, port, slot));
        }
        Some(stored)
    }

    /// The offset of the one that arrived first.
    pub(super) fn oldest_offset(&self) -> Option<u64> {
        self.order.front().map(|slot| slot.1)
    }

    /// Whether any connection from this source address and port is in state.
    pub(super) fn knows_tuple(&self, ip: IpAddr, port: u16) -> bool {
        let all = (ip, port, (EventTime::MIN, u64::MIN))..=(ip, port, (EventTime::MAX, u64::MAX));
        self.by_tuple.range(all).next().is_some()
    }

    /// Connections between two event times, both included, in order of time.
    pub(super) fn between(&self, from: EventTime, to: EventTime) -> impl DoubleEndedIterator<Item = &Stored> {
        // A range whose start is after its end is empty here; BTreeMap would panic.
        let range = (from <= to).then(|| self.by_time.range((from, 0)..=(to, u64::MAX)));
        range.into_iter().flatten().map(|(_, stored)| stored)
    }

    /// Connections from exactly this source address and port within `window` of `time`.
    pub(super) fn of_tuple(
        &self,
        ip: IpAddr,
        port: u16,
        time: EventTime,
        window: Duration,
    ) -> impl Iterator<Item = &Stored> {
        let (from, to) = around(time, window).into_inner();
        self.by_tuple
            .range((ip, port, from)..=(ip, port, to))
            .filter_map(|key| self.by_time.get(&key.2))
    }
}

/// Source address and port, where both are known.
pub(super) fn tuple(stored: &Stored) -> Option<(IpAddr, u16)> {
    let connection = stored.connection()?;
    Some((connection.source_ip, connection.source_port?))
}
