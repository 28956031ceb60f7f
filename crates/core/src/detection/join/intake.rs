//! Adds an observation to the state, and finds the alerts that it touches.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::accesses::Reassigned;
use super::asset::{AssetState, RuleIndex};
use super::open_alert::OpenAlert;
use super::stored::Stored;
use super::{Expiry, Join};
use super::{clocks, connections};
use crate::detection::{AlertId, AlertKey, JoinSettings};
use crate::detection::{Counters, Disposition};
use crate::event::Kind;

impl Join {
    /// Takes an observation into state. Also the alerts that it touches.
    pub(super) fn take(
        &mut self,
        stored: &Stored,
        counters: &mut Counters,
    ) -> (Disposition, BTreeSet<AlertId>) {
        let nothing = BTreeSet::new();
        let kind = stored.observation.kind();
        let rules = self.state.rules.watching(&stored.observation).to_vec();
        if kind != Kind::NetworkConnection {
            if rules.is_empty() {
                return (Disposition::Unwatched, nothing);
            }
            let asset = &stored.observation.asset;
            let source = stored.share().and_then(|share| share.source_ip);
            if !self
                .admission
                .admits(asset, source, self.stream_time, &self.state.settings)
            {
                return (Disposition::Dropped, nothing);
            }
        }
        let limit = self.state.settings.limits.seen_events_per_partition;
        if self
            .seen_events
            .is_copy(stored.observation.id, stored.arrival, limit)
        {
            return (Disposition::Copy, nothing);
        }
        let expiry = Expiry {
            arrival: stored.arrival,
            asset: stored.observation.asset.clone(),
            slot: stored.slot(),
        };
        let touched = match kind {
            Kind::NetworkConnection => {
                self.connections.push_back(expiry);
                self.take_connection(stored.clone(), counters)
            }
            Kind::PipeConnected | Kind::ShareAccess => {
                self.accesses.push_back(expiry);
                if !self.is_timely(stored) {
                    counters.untimely += 1;
                }
                rules
                    .iter()
                    .flat_map(|&rule| self.take_access(rule, stored))
                    .collect()
            }
        };
        (Disposition::Applied, touched)
    }

    fn take_connection(&mut self, stored: Stored, counters: &mut Counters) -> BTreeSet<AlertId> {
        let settings = &self.state.settings;
        let asset = self
            .state
            .assets
            .entry(stored.observation.asset.clone())
            .or_default();
        let mut touched = BTreeSet::new();
        let tuple = connections::tuple(&stored);
        for accesses in asset.accesses.values() {
            if let Some((ip, port)) = tuple {
                touched.extend(
                    accesses
                        .shares_of_tuple(ip, port, stored.time(), settings.tuple_window)
                        .filter(|share| share.stored.within_span(&stored, settings.join_span()))
                        .map(|share| share.alert),
                );
            }
        }
        if !touched.is_empty() && clocks::is_by_client(&stored) {
            touched.extend(ranked_by(&stored, asset, &self.alerts, settings));
        }
        for accesses in asset.accesses.values() {
            touched.extend(
                accesses
                    .unattributed_around(stored.time(), settings.attribution_window)
                    .filter(|(access, _)| access.within_span(&stored, settings.join_span()))
                    .map(|(_, alert)| alert),
            );
        }
        let id = stored.observation.asset.clone();
        asset.connections.insert(stored);
        self.live_connections += 1;
        self.bound_connections(&id, counters);
        touched
    }

    fn take_access(&mut self, rule: RuleIndex, stored: &Stored) -> BTreeSet<AlertId> {
        let source = stored.share().and_then(|share| share.source_ip);
        let key = self.key(rule, stored, source);
        let id = key.id();
        let asset = self
            .state
            .assets
            .entry(stored.observation.asset.clone())
            .or_default();
        let accesses = asset.accesses.entry(rule).or_default();
        let slot = stored.slot();
        let mut touched = BTreeSet::new();
        if stored.share().is_some() {
            let reassigned = accesses.insert_share(stored.clone(), id, &self.state.settings);
            self.open(key, id, rule).shares.insert(slot);
            touched.insert(id);
            for change in reassigned {
                self.reassign(&change, id, &mut touched);
            }
            if let Some(asset) = self.state.assets.get(&stored.observation.asset)
                && clocks::sessions(stored, asset, &self.state.settings)
                    .next()
                    .is_some()
            {
                touched.extend(ranked_by(stored, asset, &self.alerts, &self.state.settings));
            }
        } else {
            match accesses.insert_pipe(stored.clone(), id, &self.state.settings) {
                Some(with_explanations) => {
                    if let Some(alert) = self.alerts.get_mut(&with_explanations) {
                        alert.pipes.insert(slot);
                    }
                    touched.insert(with_explanations);
                }
                None => {
                    self.open(key, id, rule).pipes.insert(slot);
                    touched.insert(id);
                }
            }
        }
        touched
    }

    /// The key of the alert that an access belongs to.
    fn key(&self, rule: RuleIndex, stored: &Stored, source: Option<IpAddr>) -> AlertKey {
        AlertKey {
            rule: Arc::clone(self.state.rules.id(rule)),
            asset: stored.observation.asset.clone(),
            source,
            bucket: stored.time().bucket(self.state.settings.group_by),
            arrival_bucket: (!self.is_timely(stored))
                .then(|| stored.arrival.bucket(self.state.settings.group_by)),
        }
    }

    fn is_timely(&self, stored: &Stored) -> bool {
        self.state.settings.is_timely(stored.time(), stored.arrival)
    }

    /// The open alert with this key, opened if it is new.
    fn open(&mut self, key: AlertKey, id: AlertId, rule: RuleIndex) -> &mut OpenAlert {
        self.alerts.entry(id).or_insert_with(|| {
            let alert = OpenAlert::new(key, rule, &self.state.settings);
            self.closings.insert((alert.closes, id));
            alert
        })
    }

    /// Moves a pipe connection to the alert `to` whose share access explains it now.
    fn reassign(&mut self, change: &Reassigned, to: AlertId, touched: &mut BTreeSet<AlertId>) {
        let pipe = change.pipe;
        if let Some(alert) = self.alerts.get_mut(&to) {
            alert.pipes.insert(pipe);
        }
        if let Some(from) = change.from
            && from != to
            && let Some(alert) = self.alerts.get_mut(&from)
        {
            alert.pipes.remove(&pipe);
            touched.insert(from);
        }
        // The unattributed alert loses an access or, if it lost this one before, names another successor.
        if change.unattributed != to
            && let Some(alert) = self.alerts.get_mut(&change.unattributed)
        {
            if alert.pipes.remove(&pipe) {
                alert.departed.insert(pipe);
            }
            touched.insert(change.unattributed);
        }
    }
}

/// The open alerts whose candidates one end of a session may rank.
fn ranked_by(
    end: &Stored,
    asset: &AssetState,
    alerts: &HashMap<AlertId, OpenAlert>,
    settings: &JoinSettings,
) -> BTreeSet<AlertId> {
    asset
        .accesses
        .values()
        .flat_map(|rule| rule.unattributed_around(end.time(), settings.tuple_window))
        .filter(|(access, alert)| access.within_span(end, settings.join_span()) && alerts.contains_key(alert))
        .map(|(_, alert)| alert)
        .collect()
}
