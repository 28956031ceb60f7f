//! Connections that an asset made to somebody: one to the source of an access soon after it says that the access made the asset
//! connect back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::asset::{AssetState, RuleIndex};
use super::members::Members;
use super::retention::expiry_of;
use super::stored::{Slot, Stored};
use super::{Join, JoinSettings};
use crate::detection::{AlertId, AlertKey, Counters, WatchedCallBack, Who};
use crate::time::EventTime;

/// How much earlier than the access that caused it a connection may be logged: both have the asset's clock, and Sysmon writes
/// connections late and never early.
const EARLY: Duration = Duration::from_secs(2);

/// The connections of one asset to others, by address.
#[derive(Debug, Default)]
pub(super) struct CallBacks(BTreeMap<(IpAddr, Slot), Stored>);

impl CallBacks {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn insert(&mut self, to: IpAddr, stored: Stored) {
        self.0.insert((to, stored.slot()), stored);
    }

    fn remove(&mut self, to: IpAddr, slot: Slot) {
        self.0.remove(&(to, slot));
    }

    /// Those to an address that came soon after one of these accesses, by event time.
    fn of<'a>(
        &'a self,
        to: IpAddr,
        mut accesses: Vec<&Stored>,
        watched: &WatchedCallBack,
        settings: &JoinSettings,
    ) -> Vec<&'a Stored> {
        accesses.sort_by_key(|access| access.time());
        let (Some(first), Some(last)) = (accesses.first(), accesses.last()) else {
            return Vec::new();
        };
        let from = (to, (first.time().minus(EARLY), 0));
        let until = (to, (last.time().plus(watched.within), u64::MAX));
        let near = self.0.range(from..=until).map(|(_, stored)| stored);
        let near = near.filter(|stored| {
            let is_watched = stored
                .call_back()
                .is_some_and(|connection| watched.ports.contains(&connection.destination_port));
            let (from, until) = causes_of(stored, watched);
            let start = accesses.partition_point(|access| access.time() < from);
            let mut causes = accesses[start..]
                .iter()
                .take_while(|access| access.time() <= until);
            is_watched && causes.any(|access| access.within_span(stored, settings.join_span()))
        });
        near.collect()
    }
}

/// The connections that an asset made to the source of an alert soon after one of its accesses.
pub(super) fn of_alert<'a>(
    who: Who,
    members: &Members<'_>,
    asset: &'a AssetState,
    watched: Option<&WatchedCallBack>,
    settings: &JoinSettings,
) -> Vec<&'a Stored> {
    let (Who::Source(source), Some(watched)) = (who, watched) else {
        return Vec::new();
    };
    let accesses: Vec<&Stored> = members.accesses().map(|(access, _)| access).collect();
    asset.call_backs.of(source, accesses, watched, settings)
}

/// Between which event times an access lies that may have caused a connection.
fn causes_of(call_back: &Stored, watched: &WatchedCallBack) -> (EventTime, EventTime) {
    let time = call_back.time();
    (time.minus(watched.within), time.plus(EARLY))
}

impl Join {
    /// Takes in a connection that an asset made, and drops the oldest of the partition where there are too many. The alerts that it
    /// may belong to.
    pub(super) fn take_call_back(
        &mut self,
        rules: &[RuleIndex],
        stored: &Stored,
        to: IpAddr,
        counters: &mut Counters,
    ) -> BTreeSet<AlertId> {
        let id = &stored.observation.asset;
        let asset = self.state.assets.entry(id.clone()).or_default();
        asset.call_backs.insert(to, stored.clone());
        self.call_backs.push_back((to, expiry_of(stored)));
        while self.call_backs.len() > self.state.settings.limits.session_evidence_per_partition {
            self.forget_call_back();
            counters.dropped_session_evidence += 1;
        }
        let mut touched = BTreeSet::new();
        for &rule in rules {
            let Some(watched) = &self.state.rules.rule(rule).callback else {
                continue;
            };
            let group_by = self.state.settings.group_by;
            let (from, until) = causes_of(stored, watched);
            let mut bucket = from.bucket(group_by);
            while bucket <= until {
                let key = AlertKey {
                    rule: self.state.rules.id(rule).clone(),
                    asset: id.clone(),
                    who: Who::Source(to),
                    bucket,
                    arrival_bucket: None,
                };
                touched.extend(Some(key.id()).filter(|alert| self.alerts.contains_key(alert)));
                bucket = bucket.plus(group_by);
            }
        }
        touched
    }

    /// Removes the connection that came first.
    pub(super) fn forget_call_back(&mut self) {
        if let Some((to, expiry)) = self.call_backs.pop_front() {
            self.with_asset(&expiry.asset, |asset| asset.call_backs.remove(to, expiry.slot));
        }
    }
}
