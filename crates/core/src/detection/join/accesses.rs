//! The destination side of one asset under one rule: share accesses, pipe connections, which of them are one access, and
//! the alert that each belongs to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::connections;
use super::dropped::DroppedEvidence;
use super::standing::Standing;
use super::stored::{Slot, Stored, around};
use crate::detection::AlertId;
use crate::time::EventTime;

/// A `share_access` in state; under a rule that watches accounts, a `logon`.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) stored: Stored,
    /// The alert that it is an access of, once it is placed.
    pub(super) alert: Option<AlertId>,
    /// Whether it may pair with a pipe connection at all.
    pub(super) pairs: bool,
    /// The pipe connection that is the same access.
    pub(super) pipe: Option<Slot>,
    /// Its candidates, where it names no source.
    pub(super) standing: Option<Standing>,
}

/// A `pipe_connected` in state.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) stored: Stored,
    /// The alert that it is an access of or, with a share access, evidence, once it is placed.
    pub(super) alert: Option<AlertId>,
    /// The share access that is the same access.
    pub(super) share: Option<Slot>,
    /// Its candidates, where it has no share access.
    pub(super) standing: Option<Standing>,
}

/// Destination-side observations of one asset under one rule.
#[derive(Debug, Default)]
pub(super) struct Accesses {
    pub(super) shares: BTreeMap<Slot, Share>,
    by_tuple: BTreeSet<(IpAddr, u16, Slot)>,
    by_source: BTreeSet<(IpAddr, Slot)>,
    by_logon: BTreeSet<(u64, Slot)>,
    /// Those that are marked as the asset's own.
    local: BTreeSet<Slot>,
    pub(super) pipes: BTreeMap<Slot, Pipe>,
    /// Accesses that have candidates. They are few, and every connection is compared with those around it.
    unattributed: BTreeSet<Slot>,
    /// Share accesses that bounds left no room for: one of them may explain a pipe connection.
    pub(super) dropped_shares: DroppedEvidence,
    /// The pipe connections that bounds left no room for.
    pub(super) dropped_pipes: DroppedEvidence,
}

impl Accesses {
    pub(super) fn is_empty(&self) -> bool {
        self.shares.is_empty() && self.pipes.is_empty()
    }

    /// Adds a share access, as yet without a pipe.
    pub(super) fn add_share(&mut self, stored: Stored) -> Slot {
        let slot = stored.slot();
        if let Some((ip, port)) = tuple(&stored) {
            self.by_tuple.insert((ip, port, slot));
        }
        if let Some(ip) = stored.named_source() {
            self.by_source.insert((ip, slot));
        }
        if let Some(id) = stored.logon_id() {
            self.by_logon.insert((id, slot));
        }
        if stored.observation.is_local {
            self.local.insert(slot);
        }
        let share = Share {
            stored,
            alert: None,
            pairs: false,
            pipe: None,
            standing: None,
        };
        self.shares.insert(slot, share);
        slot
    }

    /// Adds a pipe connection, as yet without a share access.
    pub(super) fn add_pipe(&mut self, stored: Stored) -> Slot {
        let slot = stored.slot();
        let pipe = Pipe {
            stored,
            alert: None,
            share: None,
            standing: None,
        };
        self.pipes.insert(slot, pipe);
        slot
    }

    /// Whether a pipe connection is evidence of a share access in the same alert, and not an access of its own.
    pub(super) fn is_evidence(&self, pipe: &Pipe) -> bool {
        let share = pipe.share.and_then(|slot| self.shares.get(&slot));
        share.is_some_and(|share| share.alert == pipe.alert)
    }

    /// The pipe connection that is evidence of a share access.
    pub(super) fn pair_of(&self, share: &Share) -> Option<&Pipe> {
        let pipe = self.pipes.get(&share.pipe?)?;
        self.is_evidence(pipe).then_some(pipe)
    }

    /// The observation in a slot.
    pub(super) fn stored(&self, slot: Slot) -> Option<&Stored> {
        let pipe = self.pipes.get(&slot).map(|pipe| &pipe.stored);
        pipe.or_else(|| self.shares.get(&slot).map(|share| &share.stored))
    }

    /// The alert that the observation in a slot belongs to.
    pub(super) fn alert_of(&self, slot: Slot) -> Option<AlertId> {
        match self.pipes.get(&slot) {
            Some(pipe) => pipe.alert,
            None => self.shares.get(&slot)?.alert,
        }
    }

    /// The candidates of the access in a slot, if it has any by its nature.
    pub(super) fn standing(&self, slot: Slot) -> Option<&Standing> {
        match self.pipes.get(&slot) {
            Some(pipe) => pipe.standing.as_ref(),
            None => self.shares.get(&slot)?.standing.as_ref(),
        }
    }

    pub(super) fn standing_mut(&mut self, slot: Slot) -> Option<&mut Standing> {
        match self.pipes.get_mut(&slot) {
            Some(pipe) => pipe.standing.as_mut(),
            None => self.shares.get_mut(&slot)?.standing.as_mut(),
        }
    }

    /// Notes the alert that an observation belongs to from now on. Returns the one before.
    pub(super) fn assign(&mut self, slot: Slot, alert: AlertId) -> Option<AlertId> {
        match self.pipes.get_mut(&slot) {
            Some(pipe) => pipe.alert.replace(alert),
            None => self.shares.get_mut(&slot)?.alert.replace(alert),
        }
    }

    /// Notes the candidates of an access or, with `None`, that something names its source.
    pub(super) fn set_standing(&mut self, slot: Slot, standing: Option<Standing>) {
        if standing.is_some() {
            self.unattributed.insert(slot);
        } else {
            self.unattributed.remove(&slot);
        }
        if let Some(pipe) = self.pipes.get_mut(&slot) {
            pipe.standing = standing;
        } else if let Some(share) = self.shares.get_mut(&slot) {
            share.standing = standing;
        }
    }

    /// Share accesses from exactly this source address and port within `window` of `time`.
    pub(super) fn shares_of_tuple(
        &self,
        ip: IpAddr,
        port: u16,
        time: EventTime,
        window: Duration,
    ) -> impl Iterator<Item = &Share> {
        let (from, to) = around(time, window).into_inner();
        self.by_tuple
            .range((ip, port, from)..=(ip, port, to))
            .filter_map(|key| self.shares.get(&key.2))
    }

    /// Share accesses of this logon id within `window` of `time`.
    pub(super) fn shares_of_logon(
        &self,
        id: u64,
        time: EventTime,
        window: Duration,
    ) -> impl Iterator<Item = &Share> {
        let (from, to) = around(time, window).into_inner();
        let keys = self.by_logon.range((id, from)..=(id, to));
        keys.filter_map(|key| self.shares.get(&key.1))
    }

    /// Share accesses from exactly this source address and port, in order of time.
    pub(super) fn shares_with(&self, ip: IpAddr, port: u16) -> impl Iterator<Item = &Share> {
        let all = (ip, port, (EventTime::MIN, u64::MIN))..=(ip, port, (EventTime::MAX, u64::MAX));
        self.by_tuple.range(all).filter_map(|key| self.shares.get(&key.2))
    }

    /// Share accesses from this source that name their port, by port; no logons.
    pub(super) fn shares_from(&self, ip: IpAddr) -> impl Iterator<Item = &Stored> {
        let all = (ip, u16::MIN, (EventTime::MIN, u64::MIN))..=(ip, u16::MAX, (EventTime::MAX, u64::MAX));
        let keys = self.by_tuple.range(all);
        let all = keys.filter_map(|key| Some(&self.shares.get(&key.2)?.stored));
        all.filter(|stored| stored.share().is_some())
    }

    /// Share accesses from this address within `window` of `time`; no logons.
    pub(super) fn shares_from_near(
        &self,
        ip: IpAddr,
        time: EventTime,
        window: Duration,
    ) -> impl Iterator<Item = &Stored> {
        let (from, to) = around(time, window).into_inner();
        let keys = self.by_source.range((ip, from)..=(ip, to));
        let all = keys.filter_map(|key| Some(&self.shares.get(&key.1)?.stored));
        all.filter(|stored| stored.share().is_some())
    }

    /// Share accesses that are marked as the asset's own, within `window` of `time`.
    pub(super) fn local_shares_near(
        &self,
        time: EventTime,
        window: Duration,
    ) -> impl Iterator<Item = &Stored> {
        let slots = self.local.range(around(time, window));
        slots.filter_map(|slot| Some(&self.shares.get(slot)?.stored))
    }

    /// Accesses that have candidates, between two event times.
    pub(super) fn unattributed_between(
        &self,
        from: EventTime,
        to: EventTime,
    ) -> impl Iterator<Item = (Slot, &Stored, AlertId)> {
        let range = (from <= to).then(|| self.unattributed.range((from, 0)..=(to, u64::MAX)));
        let slots = range.into_iter().flatten();
        slots.filter_map(|&slot| Some((slot, self.stored(slot)?, self.alert_of(slot)?)))
    }

    /// Pipe connections within `window` of `time` that have a share access, with that.
    pub(super) fn pairs_near(
        &self,
        time: EventTime,
        window: Duration,
    ) -> impl Iterator<Item = (&Pipe, &Share)> {
        let pipes = self.pipes.range(around(time, window));
        pipes.filter_map(|(_, pipe)| Some((pipe, self.shares.get(&pipe.share?)?)))
    }

    /// Removes the observation in `slot`. What it was paired with keeps to it: its alert has closed long ago.
    pub(super) fn expire(&mut self, slot: Slot) {
        self.pipes.remove(&slot);
        self.unattributed.remove(&slot);
        self.local.remove(&slot);
        if let Some(share) = self.shares.remove(&slot) {
            if let Some((ip, port)) = tuple(&share.stored) {
                self.by_tuple.remove(&(ip, port, slot));
            }
            if let Some(ip) = share.stored.named_source() {
                self.by_source.remove(&(ip, slot));
            }
            if let Some(id) = share.stored.logon_id() {
                self.by_logon.remove(&(id, slot));
            }
        }
    }
}

/// Source address and port, where both are named.
pub(super) fn tuple(stored: &Stored) -> Option<(IpAddr, u16)> {
    match stored.share() {
        Some(share) => Some((share.source_ip?, share.source_port?)),
        None => connections::tuple(stored),
    }
}
