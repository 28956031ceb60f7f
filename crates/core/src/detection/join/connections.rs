//! The session evidence of one asset, by time, by source tuple and by logon id.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::dropped::DroppedEvidence;
use super::stored::{Slot, Stored, around};
use crate::time::EventTime;

/// Session evidence in state. It is removed in the order in which it came, by age or by a bound.
#[derive(Debug, Default)]
pub(super) struct Connections {
    by_time: BTreeMap<Slot, Stored>,
    by_tuple: BTreeSet<(IpAddr, u16, Slot)>,
    by_logon: BTreeSet<(u64, Slot)>,
    /// The order in which bounds drop it and it expires.
    by_offset: BTreeMap<u64, Slot>,
    /// Of each source address, oldest first.
    by_source: HashMap<IpAddr, VecDeque<u64>>,
    /// What bounds have dropped of them.
    pub(super) dropped: DroppedEvidence,
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.by_time.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    /// Whether the evidence in this slot is still in state.
    pub(super) fn holds(&self, slot: Slot) -> bool {
        self.by_time.contains_key(&slot)
    }

    /// How many there are from a source address.
    pub(super) fn len_from(&self, source: IpAddr) -> usize {
        self.by_source.get(&source).map_or(0, VecDeque::len)
    }

    pub(super) fn insert(&mut self, stored: Stored) {
        let slot = stored.slot();
        if let Some((ip, port)) = tuple(&stored) {
            self.by_tuple.insert((ip, port, slot));
        }
        if let Some(id) = stored.logon_id() {
            self.by_logon.insert((id, slot));
        }
        self.by_offset.insert(stored.offset, slot);
        if let Some(source) = source(&stored) {
            self.by_source.entry(source).or_default().push_back(stored.offset);
        }
        self.by_time.insert(slot, stored);
    }

    /// The evidence in this slot.
    pub(super) fn get(&self, slot: Slot) -> Option<&Stored> {
        self.by_time.get(&slot)
    }

    /// Those from a source address, in the order in which they came.
    pub(super) fn from(&self, source: IpAddr) -> impl Iterator<Item = &Stored> {
        let offsets = self.by_source.get(&source).into_iter().flatten();
        offsets.filter_map(|offset| self.by_time.get(self.by_offset.get(offset)?))
    }

    /// Removes the one that arrived first.
    pub(super) fn remove_oldest(&mut self) -> Option<Stored> {
        let offset = *self.by_offset.first_key_value()?.0;
        self.remove(offset)
    }

    /// Removes the one from a source address that arrived first.
    pub(super) fn remove_oldest_from(&mut self, source: IpAddr) -> Option<Stored> {
        let offset = *self.by_source.get(&source)?.front()?;
        self.remove(offset)
    }

    /// Removes the one at this offset, unless a bound has dropped it already.
    pub(super) fn remove(&mut self, offset: u64) -> Option<Stored> {
        let slot = self.by_offset.remove(&offset)?;
        let stored = self.by_time.remove(&slot)?;
        if let Some((ip, port)) = tuple(&stored) {
            self.by_tuple.remove(&(ip, port, slot));
        }
        if let Some(id) = stored.logon_id() {
            self.by_logon.remove(&(id, slot));
        }
        if let Some(source) = source(&stored)
            && let Some(offsets) = self.by_source.get_mut(&source)
        {
            // Nearly always the first.
            offsets.retain(|&other| other != offset);
            if offsets.is_empty() {
                self.by_source.remove(&source);
            }
        }
        Some(stored)
    }

    /// Whether any session from this source address and port is in state.
    pub(super) fn knows_tuple(&self, ip: IpAddr, port: u16) -> bool {
        let all = (ip, port, (EventTime::MIN, u64::MIN))..=(ip, port, (EventTime::MAX, u64::MAX));
        self.by_tuple.range(all).next().is_some()
    }

    /// What lies between two event times, both included, in order of time.
    pub(super) fn between(&self, from: EventTime, to: EventTime) -> impl DoubleEndedIterator<Item = &Stored> {
        // A range whose start is after its end is empty here; BTreeMap would panic.
        let range = (from <= to).then(|| self.by_time.range((from, 0)..=(to, u64::MAX)));
        range.into_iter().flatten().map(|(_, stored)| stored)
    }

    /// What is from exactly this source address and port within `window` of `time`.
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

    /// Logons and share sessions with this logon id within `window` of `time`.
    pub(super) fn of_logon(
        &self,
        id: u64,
        time: EventTime,
        window: Duration,
    ) -> impl Iterator<Item = &Stored> {
        let (from, to) = around(time, window).into_inner();
        self.by_logon
            .range((id, from)..=(id, to))
            .filter_map(|key| self.by_time.get(&key.1))
    }
}

/// Source address and port, where both are known.
pub(super) fn tuple(stored: &Stored) -> Option<(IpAddr, u16)> {
    let session = stored.session()?;
    Some((session.source_ip, session.source_port?))
}

fn source(stored: &Stored) -> Option<IpAddr> {
    stored.session().map(|session| session.source_ip)
}
