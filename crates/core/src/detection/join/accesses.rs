//! The destination side of one asset under one rule: share accesses, pipe connections, and which of the
//! first explains which of the second.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::stored::{Slot, Stored, around};
use crate::detection::{AlertId, JoinSettings};
use crate::event::ObservationId;
use crate::time::EventTime;

/// A `share_access` in state.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) stored: Stored,
    /// The alert it belongs to, for good: audited by its source, or unattributed where it names none.
    pub(super) alert: AlertId,
}

/// A `pipe_connected` in state.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) stored: Stored,
    /// The unattributed alert it belongs to while nothing explains it.
    pub(super) unattributed: AlertId,
    /// The share access that explains it, and that one's alert.
    pub(super) explained_by: Option<(Slot, AlertId)>,
}

/// How well a share access explains a pipe connection; the smallest wins. It is a function of the two
/// observations alone, so that the order of arrival cannot show.
type Rank = (Duration, EventTime, Option<IpAddr>, Option<u16>, ObservationId);

/// Destination-side observations of one asset under one rule.
#[derive(Debug, Default)]
pub(super) struct Accesses {
    pub(super) shares: BTreeMap<Slot, Share>,
    shares_by_tuple: BTreeSet<(IpAddr, u16, Slot)>,
    pub(super) pipes: BTreeMap<Slot, Pipe>,
    /// Accesses without a named source. They are few, and every connection is compared with those around it.
    unattributed: BTreeSet<Slot>,
}

/// A pipe connection that moved because a nearer share access explains it.
#[derive(Debug)]
pub(super) struct Reassigned {
    pub(super) pipe: Slot,
    /// The unattributed alert it had, or would have had.
    pub(super) unattributed: AlertId,
    /// The alert of the explanation it had before, if any.
    pub(super) from: Option<AlertId>,
}

impl Accesses {
    pub(super) fn is_empty(&self) -> bool {
        self.shares.is_empty() && self.pipes.is_empty()
    }

    /// Adds a share access, which takes the pipe connections that it explains better than what explained them so far.
    pub(super) fn insert_share(
        &mut self,
        stored: Stored,
        alert: AlertId,
        settings: &JoinSettings,
    ) -> Vec<Reassigned> {
        let slot = stored.slot();
        let mut reassigned = Vec::new();
        for (&pipe_slot, pipe) in self.pipes.range_mut(around(stored.time(), settings.pair_window)) {
            if !pipe.stored.within_span(&stored, settings.join_span()) {
                continue;
            }
            let current = pipe.explained_by.and_then(|(slot, _)| self.shares.get(&slot));
            if current.is_none_or(|current| rank(&stored, &pipe.stored) < rank(&current.stored, &pipe.stored))
            {
                let from = pipe.explained_by.replace((slot, alert)).map(|(_, alert)| alert);
                self.unattributed.remove(&pipe_slot);
                reassigned.push(Reassigned {
                    pipe: pipe_slot,
                    unattributed: pipe.unattributed,
                    from,
                });
            }
        }
        if let Some((ip, port)) = tuple(&stored) {
            self.shares_by_tuple.insert((ip, port, slot));
        }
        if names_no_source(&stored) {
            self.unattributed.insert(slot);
        }
        self.shares.insert(slot, Share { stored, alert });
        reassigned
    }

    /// Adds a pipe connection. The alert of the share access that explains it, if one does.
    pub(super) fn insert_pipe(
        &mut self,
        stored: Stored,
        unattributed: AlertId,
        settings: &JoinSettings,
    ) -> Option<AlertId> {
        let explained_by = self
            .shares
            .range(around(stored.time(), settings.pair_window))
            .filter(|(_, share)| share.stored.within_span(&stored, settings.join_span()))
            .min_by_key(|(_, share)| rank(&share.stored, &stored))
            .map(|(&slot, share)| (slot, share.alert));
        let slot = stored.slot();
        if explained_by.is_none() {
            self.unattributed.insert(slot);
        }
        self.pipes.insert(
            slot,
            Pipe {
                stored,
                unattributed,
                explained_by,
            },
        );
        explained_by.map(|(_, alert)| alert)
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
        self.shares_by_tuple
            .range((ip, port, from)..=(ip, port, to))
            .filter_map(|key| self.shares.get(&key.2))
    }

    /// Share accesses from this source that name their port, by port.
    pub(super) fn shares_from(&self, ip: IpAddr) -> impl Iterator<Item = &Stored> {
        let all = (ip, u16::MIN, (EventTime::MIN, u64::MIN))..=(ip, u16::MAX, (EventTime::MAX, u64::MAX));
        let keys = self.shares_by_tuple.range(all);
        keys.filter_map(|key| Some(&self.shares.get(&key.2)?.stored))
    }

    /// Accesses without a named source within `window` of `time`, and their alerts.
    pub(super) fn unattributed_around(
        &self,
        time: EventTime,
        window: Duration,
    ) -> impl Iterator<Item = (&Stored, AlertId)> {
        self.unattributed.range(around(time, window)).filter_map(|slot| {
            let pipe = self.pipes.get(slot).map(|pipe| (&pipe.stored, pipe.unattributed));
            pipe.or_else(|| self.shares.get(slot).map(|share| (&share.stored, share.alert)))
        })
    }

    /// Removes the observation in `slot`.
    pub(super) fn expire(&mut self, slot: Slot) {
        self.pipes.remove(&slot);
        self.unattributed.remove(&slot);
        if let Some(share) = self.shares.remove(&slot)
            && let Some((ip, port)) = tuple(&share.stored)
        {
            self.shares_by_tuple.remove(&(ip, port, slot));
        }
    }
}

/// Nearest first; then earlier, lower address, lower port. The identity comes last and only separates
/// accesses that belong to one alert anyway.
fn rank(share: &Stored, pipe: &Stored) -> Rank {
    let access = share.share();
    (
        share.time().distance(pipe.time()),
        share.time(),
        access.and_then(|access| access.source_ip),
        access.and_then(|access| access.source_port),
        share.observation.id,
    )
}

fn names_no_source(stored: &Stored) -> bool {
    stored.share().is_some_and(|share| share.source_ip.is_none())
}

/// Source address and port, where both are named.
pub(super) fn tuple(stored: &Stored) -> Option<(IpAddr, u16)> {
    let share = stored.share()?;
    Some((share.source_ip?, share.source_port?))
}
