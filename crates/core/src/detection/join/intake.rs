//! Adds an observation to the state, and finds the alerts that it touches.

use std::collections::{BTreeSet, HashMap};

use super::Join;
use super::accesses::Accesses;
use super::asset::{AssetState, RuleIndex};
use super::connections;
use super::open_alert::OpenAlert;
use super::overflow::Admitted;
use super::placing::judge;
use super::retention::expiry_of;
use super::rivals::is_left_over;
use super::source::{is_link_local, is_to_itself};
use super::standing::Standing;
use super::stored::{Slot, Stored, around};
use super::{clocks, links, nearby};
use crate::detection::{AlertId, Counters, Disposition, JoinSettings, Strength};
use crate::event::AssetId;

impl Join {
    /// Takes an observation into state. Also the alerts that it touches.
    pub(super) fn take(
        &mut self,
        stored: &Stored,
        counters: &mut Counters,
    ) -> (Disposition, BTreeSet<AlertId>) {
        let nothing = BTreeSet::new();
        let is_session = stored.session().is_some();
        let rules = self.state.watching(&stored.observation);
        if !is_session && rules.is_empty() {
            return (Disposition::Unwatched, nothing);
        }
        let limit = self.state.settings.limits.seen_events_per_partition;
        let is_ahead = self.state.settings.is_ahead(stored.time(), stored.arrival);
        let id = stored.observation.id.remembered(is_ahead);
        if self.seen_events.is_copy(id, stored.arrival, limit) {
            return (Disposition::Copy, nothing);
        }
        if let Some(to) = stored
            .call_back()
            .and_then(|connection| connection.destination_ip)
        {
            let touched = self.take_call_back(&rules, stored, to, counters);
            return (Disposition::Applied, touched);
        }
        if let Some(session) = stored.session() {
            self.connections.push_back(expiry_of(stored));
            let mut touched = self.take_session(stored.clone());
            touched.extend(self.contradicted_by(stored, counters));
            let source = Some(session.source_ip);
            let dropped = self.bound_connections(&stored.observation.asset, source);
            counters.dropped_session_evidence += dropped as u64;
            if !rules.is_empty() {
                touched.extend(self.take_accesses(&rules, stored, counters).1);
            }
            return (Disposition::Applied, touched);
        }
        let (kept, mut touched) = self.take_accesses(&rules, stored, counters);
        if !kept {
            return (Disposition::Dropped, touched);
        }
        touched.extend(self.contradicted_by(stored, counters));
        (Disposition::Applied, touched)
    }

    /// Takes an access in for each of these rules, and notes when it expires. Whether any kept it, and the alerts that it touches.
    fn take_accesses(
        &mut self,
        rules: &[RuleIndex],
        stored: &Stored,
        counters: &mut Counters,
    ) -> (bool, BTreeSet<AlertId>) {
        if stored.arrival_bucket(&self.state.settings).is_some() {
            counters.untimely += 1;
        }
        let (kept, touched) = self.take_access(rules, stored, counters);
        if kept {
            self.accesses.push_back(expiry_of(stored));
        }
        (kept, touched)
    }

    fn take_session(&mut self, stored: Stored) -> BTreeSet<AlertId> {
        let settings = &self.state.settings;
        let id = stored.observation.asset.clone();
        let asset = self.state.assets.entry(id.clone()).or_default();
        let mut touched = alerts_near(&stored, asset, settings);
        if clocks::shows_an_offset(&stored, asset, settings) {
            touched.extend(ranked_by(&stored, asset, &self.alerts, settings));
        }
        let linked = links::newly_linked(&stored, asset, settings);
        let shows = nearby::shows(&stored, asset, settings);
        let mut moved = infer(&stored, shows, asset, settings);
        moved.extend(named_by_logon(&stored, asset, settings));
        moved.extend(own_shares(&stored, asset, settings));
        asset.records.insert(&stored);
        asset.connections.insert(stored);
        self.live_connections += 1;
        for (rule, slot) in moved {
            self.place(&id, rule, slot, &mut touched);
        }
        self.strengthen(&id, &linked, &mut touched);
        touched
    }

    /// Counts logons as those of SMB, which something has shown them to be now.
    fn strengthen(&mut self, id: &AssetId, logons: &[Stored], touched: &mut BTreeSet<AlertId>) {
        for logon in logons {
            let Some(asset) = self.state.assets.get_mut(id) else {
                return;
            };
            let settings = &self.state.settings;
            touched.extend(alerts_near(logon, asset, settings));
            for (rule, slot) in infer(logon, Strength::Strong, asset, settings) {
                self.place(id, rule, slot, touched);
            }
        }
    }

    /// Takes an access in for each rule that the bounds leave room by. Whether any did, and the alerts that it touches.
    fn take_access(
        &mut self,
        rules: &[RuleIndex],
        stored: &Stored,
        counters: &mut Counters,
    ) -> (bool, BTreeSet<AlertId>) {
        let id = &stored.observation.asset;
        let mut touched = BTreeSet::new();
        let mut kept = false;
        let asset = self.state.assets.get(id);
        let linked = asset.map_or_else(Vec::new, |asset| {
            links::newly_linked(stored, asset, &self.state.settings)
        });
        for &rule in rules {
            match self.admit(rule, stored) {
                Admitted::Kept => kept = true,
                Admitted::Summarised(alert) => {
                    counters.dropped_accesses += 1;
                    touched.insert(alert);
                    touched.extend(self.drop_access(rule, stored));
                    continue;
                }
                Admitted::Overflow => {
                    counters.overflowed_accesses += 1;
                    self.overflow(rule, stored);
                    touched.extend(self.drop_access(rule, stored));
                    continue;
                }
            }
            let settings = &self.state.settings;
            let asset = self.state.assets.entry(id.clone()).or_default();
            asset.records.insert(stored);
            let accesses = asset.accesses.entry(rule).or_default();
            let (slot, moved) = if stored.is_pipe_connected() {
                let slot = accesses.add_pipe(stored.clone());
                (slot, accesses.pair_pipe(slot, settings))
            } else {
                let slot = accesses.add_share(stored.clone());
                (slot, accesses.pair_share(slot, settings))
            };
            for &slot in moved.iter().chain([&slot]) {
                judge(asset, rule, slot, settings);
            }
            if let Some(accesses) = asset.accesses.get(&rule) {
                touched.extend(alerts_left_over(moved.iter().chain([&slot]), accesses, settings));
            }
            self.place(id, rule, slot, &mut touched);
            for slot in moved {
                self.place(id, rule, slot, &mut touched);
            }
        }
        if !kept {
            return (false, touched);
        }
        self.strengthen(id, &linked, &mut touched);
        if let Some(asset) = self.state.assets.get(id) {
            touched.extend(alerts_doubting(stored, asset, &self.state.settings));
            if clocks::sessions(stored, asset, &self.state.settings)
                .next()
                .is_some()
            {
                touched.extend(ranked_by(stored, asset, &self.alerts, &self.state.settings));
            }
        }
        (true, touched)
    }

    /// The alerts that rest on what an observation contradicts.
    fn contradicted_by(&self, stored: &Stored, counters: &mut Counters) -> BTreeSet<AlertId> {
        let settings = &self.state.settings;
        let Some(asset) = self.state.assets.get(&stored.observation.asset) else {
            return BTreeSet::new();
        };
        let alerts_of = |other: &Stored| {
            let rules = asset.accesses.values();
            let mut alerts: BTreeSet<AlertId> =
                rules.filter_map(|rule| rule.alert_of(other.slot())).collect();
            if other.session().is_some() {
                alerts.extend(alerts_near(other, asset, settings));
            }
            alerts
        };
        let mut touched = BTreeSet::new();
        for other in asset.contradicting(stored, settings) {
            counters.conflicting = 1;
            touched.extend(alerts_of(other));
        }
        touched
    }
}

/// The alerts that a connection may be evidence of, as things stand.
fn alerts_near(connection: &Stored, asset: &AssetState, settings: &JoinSettings) -> BTreeSet<AlertId> {
    let mut touched = BTreeSet::new();
    let joins = |other: &Stored| other.within_span(connection, settings.join_span());
    let (from, to) = nearby::accesses_of(connection, settings);
    for accesses in asset.accesses.values() {
        if let Some((ip, port)) = connections::tuple(connection) {
            let shares = accesses.shares_of_tuple(ip, port, connection.time(), settings.tuple_window);
            touched.extend(
                shares
                    .filter(|share| joins(&share.stored))
                    .filter_map(|share| share.alert),
            );
        }
        if let Some(id) = connection.logon_id() {
            let shares = accesses.shares_of_logon(id, connection.time(), settings.tuple_window);
            touched.extend(
                shares
                    .filter(|share| joins(&share.stored))
                    .filter_map(|share| share.alert),
            );
        }
        let until = connection.time().plus(settings.tuple_window);
        for (slot, access, alert) in accesses.unattributed_between(from, until) {
            // One that came long before an access matters where nothing nearer does.
            let matters = access.time() <= to || accesses.standing(slot).is_some_and(Standing::is_empty);
            if matters && joins(access) {
                touched.insert(alert);
            }
        }
        if connection.is_by_asset() {
            let pairs = accesses.pairs_near(connection.time(), settings.attribution_window);
            let other = pairs.filter(|(pipe, share)| {
                joins(&pipe.stored) && share.stored.share_origin() != connection.origin()
            });
            touched.extend(other.filter_map(|(_, share)| share.alert));
        }
    }
    touched
}

/// The alerts whose pipe connections are in doubt while another source has no share access near them: an access by that one
/// settles it.
fn alerts_doubting(access: &Stored, asset: &AssetState, settings: &JoinSettings) -> BTreeSet<AlertId> {
    if access.share().is_none() {
        return BTreeSet::new();
    }
    let origin = access.share_origin();
    let pairs = asset
        .accesses
        .values()
        .flat_map(|accesses| accesses.pairs_near(access.time(), settings.attribution_window));
    let (from, to) = (
        access.time().minus(settings.pair_window),
        access.time().plus(settings.pair_window),
    );
    // What no share access explains may be this one, too.
    let alone = asset
        .accesses
        .values()
        .flat_map(|accesses| accesses.unattributed_between(from, to));
    pairs
        .filter(|(_, share)| share.stored.share_origin() != origin)
        .filter_map(|(_, share)| share.alert)
        .chain(alone.map(|(_, _, alert)| alert))
        .collect()
}

/// The alerts of share accesses without a pipe connection near some that have changed: these may be theirs.
fn alerts_left_over<'a>(
    pipes: impl Iterator<Item = &'a Slot>,
    accesses: &Accesses,
    settings: &JoinSettings,
) -> Vec<AlertId> {
    let pipes = pipes.filter(|slot| accesses.pipes.contains_key(slot));
    let near = pipes.flat_map(|(time, _)| accesses.shares.range(around(*time, settings.pair_window)));
    near.filter(|(_, share)| is_left_over(share))
        .filter_map(|(_, share)| share.alert)
        .collect()
}

/// Takes a connection in among the candidates of accesses. Returns the accesses whose source is another by that.
fn infer(
    connection: &Stored,
    shows: Strength,
    asset: &mut AssetState,
    settings: &JoinSettings,
) -> Vec<(RuleIndex, Slot)> {
    let (from, to) = nearby::accesses_of(connection, settings);
    let mut moved = Vec::new();
    for (&rule, accesses) in &mut asset.accesses {
        let near: Vec<(Slot, Stored)> = accesses
            .unattributed_between(from, to)
            .map(|(slot, access, _)| (slot, access.clone()))
            .collect();
        for (slot, access) in near {
            let Some(standing) = accesses.standing_mut(slot) else {
                continue;
            };
            let before = standing.verdict();
            standing.add(&access, connection, shows, settings);
            if standing.verdict().who != before.who {
                moved.push((rule, slot));
            }
        }
    }
    moved
}

/// The share accesses without an address whose source the logon id of session evidence names anew.
fn named_by_logon(
    evidence: &Stored,
    asset: &mut AssetState,
    settings: &JoinSettings,
) -> Vec<(RuleIndex, Slot)> {
    let Some(id) = evidence.logon_id() else {
        return Vec::new();
    };
    let mut moved = Vec::new();
    for (&rule, accesses) in &mut asset.accesses {
        let shares = accesses.shares_of_logon(id, evidence.time(), settings.tuple_window);
        let slots: Vec<Slot> = shares
            .filter(|share| {
                share.standing.is_some() && share.stored.within_span(evidence, settings.join_span())
            })
            .map(|share| share.stored.slot())
            .collect();
        for slot in slots {
            let Some(standing) = accesses.standing_mut(slot) else {
                continue;
            };
            let before = standing.verdict();
            standing.name(evidence);
            if standing.verdict().who != before.who {
                moved.push((rule, slot));
            }
        }
    }
    moved
}

/// The share accesses that a connection of the asset to itself shows to be its own.
fn own_shares(connection: &Stored, asset: &AssetState, settings: &JoinSettings) -> Vec<(RuleIndex, Slot)> {
    let tuple =
        connections::tuple(connection).filter(|&(ip, _)| is_link_local(ip) && is_to_itself(connection));
    let Some((ip, port)) = tuple else {
        return Vec::new();
    };
    let mut own = Vec::new();
    for (&rule, accesses) in &asset.accesses {
        for share in accesses.shares_of_tuple(ip, port, connection.time(), settings.tuple_window) {
            own.push((rule, share.stored.slot()));
        }
    }
    own
}

/// The open alerts whose candidates one end of a session may rank.
fn ranked_by(
    end: &Stored,
    asset: &AssetState,
    alerts: &HashMap<AlertId, OpenAlert>,
    settings: &JoinSettings,
) -> BTreeSet<AlertId> {
    let (from, to) = (
        end.time().minus(settings.tuple_window),
        end.time().plus(settings.tuple_window),
    );
    asset
        .accesses
        .values()
        .flat_map(|rule| rule.unattributed_between(from, to))
        .filter(|(_, access, alert)| {
            access.within_span(end, settings.join_span()) && alerts.contains_key(alert)
        })
        .map(|(_, _, alert)| alert)
        .collect()
}
