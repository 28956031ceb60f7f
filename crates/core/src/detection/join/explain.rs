//! Explains alerts: a pure read of the state, somewhat beyond the windows of the join.
//!
//! Every search is bounded by a constant, so that a flood costs detail of an explanation and no time.

mod nearest;
mod search;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use self::nearest::Nearest;
use self::search::{EXAMINED, TICK, keep_nearest, reach, walk};

use super::Join;
use super::accesses::{Accesses, tuple};
use super::asset::AssetState;
use super::standing::Standing;
use super::stored::Stored;
use super::{nearby, source};
use crate::detection::explanation::Window;
use crate::detection::{
    AlertId, Attribution, ExceptedBy, ExplainedAccess, Explanation, Finding, JoinSettings, Reason, Seen,
    Strength, Who,
};
use crate::event::{Kind, Outcome};
use crate::time::EventTime;

/// Accesses of one alert that are explained, the earliest.
const ACCESSES: usize = 16;

impl Join {
    /// Explains the alert as it is now. `None` unless it is open and has accesses.
    pub fn explain(&self, id: AlertId) -> Option<Explanation> {
        let alert = self.alerts.get(&id)?;
        let asset = self.state.assets.get(&alert.key.asset)?;
        let destination = asset.accesses.get(&alert.rule)?;
        let shares = alert
            .shares
            .iter()
            .filter_map(|slot| destination.shares.get(slot));
        let pipes = alert
            .pipes
            .iter()
            .filter_map(|slot| destination.pipes.get(slot))
            .filter(|pipe| !destination.is_evidence(pipe));
        let number = shares.clone().count() + pipes.clone().count();
        let mut accesses: Vec<&Stored> = shares
            .map(|share| &share.stored)
            .take(ACCESSES)
            .chain(pipes.map(|pipe| &pipe.stored).take(ACCESSES))
            .collect();
        if accesses.is_empty() {
            return None;
        }
        accesses.sort_by_key(|stored| (stored.time(), stored.observation.kind(), stored.observation.id));
        accesses.truncate(ACCESSES);
        let (content, _) = self.state.content_now(alert)?;
        let rests_on = content.rests_on();
        let settings = &self.state.settings;
        let since = self.stream_time.minus(settings.horizon());
        let explainer = Explainer {
            asset,
            destination,
            settings,
            heard: self.sensors.seen_since(&alert.key.asset, since),
        };
        Some(Explanation {
            alert_id: id,
            rule: alert.key.rule.clone(),
            asset: alert.key.asset.clone(),
            attribution: content.attribution,
            confidence: content.confidence,
            exception: content.exception.map(|covering| ExceptedBy {
                id: covering.entry.id.clone(),
                action: covering.action,
                limit: covering.limit,
            }),
            unexpected: content.unexpected.map(|unexpected| unexpected.to_string()),
            conflicts: content
                .conflicts
                .into_iter()
                .map(|conflict| conflict.text)
                .collect(),
            rests_on,
            omitted_accesses: number - accesses.len(),
            accesses: accesses
                .into_iter()
                .map(|access| explainer.explain(access))
                .collect(),
        })
    }

    /// The open alerts that close with a record of this append time: this is the last moment at which they can be
    /// explained.
    pub fn closing_by(&self, append_time: crate::time::AppendTime) -> impl Iterator<Item = AlertId> {
        let now = self.stream_time.max(append_time);
        self.closings
            .iter()
            .take_while(move |(closes, _)| *closes <= now)
            .map(|&(_, id)| id)
    }
}

/// What accesses are compared with.
struct Explainer<'a> {
    asset: &'a AssetState,
    destination: &'a Accesses,
    settings: &'a JoinSettings,
    /// The kinds that the asset's sensors gave within the horizon, in state or not.
    heard: BTreeSet<Kind>,
}

impl<'a> Explainer<'a> {
    fn explain(&self, access: &Stored) -> ExplainedAccess {
        let standing = self.destination.standing(access.slot());
        let verdict = standing.map(Standing::verdict);
        let is_audited = verdict.is_none_or(|verdict| verdict.attribution == Attribution::Audited);
        let is_local = match verdict {
            Some(verdict) => verdict.who == Who::Local,
            None => source::is_local(access, self.asset, self.settings),
        };
        let mut explained = ExplainedAccess {
            access: seen(access),
            attribution: verdict.map_or(Attribution::Audited, |verdict| verdict.attribution),
            is_local,
            copies: 0,
            sources: 0,
            joined: Vec::new(),
            missed: Vec::new(),
        };
        match access.share() {
            Some(share) if share.outcome == Some(Outcome::Failure) => {
                explained.missed.push(Finding::absent(Reason::Denied));
            }
            Some(share) if share.pipe().is_none() => {}
            Some(_) => self.pipes_of(access, &mut explained),
            None if access.is_logon() => {}
            None => self.shares_near(access, &mut explained),
        }
        if is_audited {
            self.logon_of(access, &mut explained);
            self.tuple_of(access, &mut explained);
        } else {
            self.candidates_of(access, &mut explained);
        }
        let mut conflicting = Nearest::to(access);
        for other in self.asset.contradicting(access, self.settings).take(EXAMINED) {
            conflicting.add(other, Reason::Conflicting);
        }
        explained.missed.extend(conflicting.findings());
        explained
    }

    /// The pipe connections that a share access explains, or those that it nearly does.
    fn pipes_of(&self, share: &Stored, explained: &mut ExplainedAccess) {
        let window = self.settings.pair_window;
        let mut joined = Nearest::to(share);
        let mut missed = Nearest::to(share);
        let pipes = &self.destination.pipes;
        for (_, pipe) in walk(share.time(), reach(window), |range| pipes.range(range)) {
            match pipe.share {
                Some(slot) if slot == share.slot() => {
                    // Else it came after the alert had closed, and is an access of its own.
                    if self.destination.is_evidence(pipe) {
                        joined.add(&pipe.stored, Reason::Explains);
                    }
                }
                Some(slot) if pipe.stored.time().distance(share.time()) <= window => {
                    let nearer = self.destination.shares.get(&slot);
                    let nearer = nearer.and_then(|nearer| nearer.stored.share());
                    missed.add(
                        &pipe.stored,
                        Reason::ExplainedByNearer {
                            nearer_source_ip: nearer.and_then(|nearer| nearer.source_ip),
                            nearer_source_port: nearer.and_then(|nearer| nearer.source_port),
                        },
                    );
                }
                // What another access explains well is no near miss of this one.
                Some(_) => {}
                None => self.add_unless_near(&mut missed, &pipe.stored, window, Window::PairWindow),
            }
        }
        let is_silent = self
            .asset
            .accesses
            .values()
            .all(|accesses| accesses.pipes.is_empty());
        self.report(
            explained,
            joined,
            missed,
            is_silent.then_some(Kind::PipeConnected),
        );
    }

    /// The share accesses that nearly explain a pipe connection. None does, or it would be no access.
    fn shares_near(&self, pipe: &Stored, explained: &mut ExplainedAccess) {
        let window = self.settings.pair_window;
        let mut missed = Nearest::to(pipe);
        let shares = &self.destination.shares;
        for (_, share) in walk(pipe.time(), reach(window), |range| shares.range(range)) {
            self.add_unless_near(&mut missed, &share.stored, window, Window::PairWindow);
        }
        let is_silent = self
            .asset
            .accesses
            .values()
            .all(|accesses| accesses.shares.is_empty());
        let silent = is_silent.then_some(Kind::ShareAccess);
        self.report(explained, Nearest::to(pipe), missed, silent);
    }

    /// The connections of an audited access, or those that nearly are.
    fn tuple_of(&self, access: &Stored, explained: &mut ExplainedAccess) {
        let Some(ip) = access.named_source() else {
            return;
        };
        let Some((_, port)) = tuple(access) else {
            explained.missed.push(Finding::absent(Reason::NoPort));
            return;
        };
        let window = self.settings.tuple_window;
        let connections = &self.asset.connections;
        let mut joined = Nearest::to(access);
        let mut missed = Nearest::to(access);
        for connection in connections.of_tuple(ip, port, access.time(), reach(window)) {
            if access.time().distance(connection.time()) <= window
                && access.within_span(connection, self.settings.join_span())
            {
                joined.add(connection, Reason::SameTuple);
            } else {
                self.add_unless_near(&mut missed, connection, window, Window::TupleWindow);
            }
        }
        if joined.is_empty() {
            for connection in self.connections_around(access.time(), window) {
                let Some(other) = connection.connection().filter(|other| other.source_ip == ip) else {
                    continue;
                };
                if other.source_port != Some(port) {
                    let reason = Reason::PortDiffers {
                        access_port: port,
                        connection_port: other.source_port,
                    };
                    missed.add(connection, reason);
                }
            }
        }
        let is_silent = || {
            let mut all =
                connections.between(EventTime::from_micros(i64::MIN), EventTime::from_micros(i64::MAX));
            all.all(|stored| stored.connection().is_none_or(|other| other.source_ip != ip))
        };
        // What a host does through loopback no sensor logs as a connection.
        let is_expected = !explained.is_local && joined.is_empty() && missed.is_empty();
        let silent = (is_expected && is_silent()).then(|| self.nothing_from(ip));
        self.report(explained, joined, missed, None);
        explained.missed.extend(silent);
    }

    /// The possible sources of an access that names none, and those that nearly are.
    fn candidates_of(&self, access: &Stored, explained: &mut ExplainedAccess) {
        let window = self.settings.attribution_window;
        let time = access.time();
        let connections = &self.asset.connections;
        let (mut near, mut strengths) = (BTreeMap::new(), BTreeMap::new());
        let mut missed = Nearest::to(access);
        for connection in nearby::evidence(access, connections, self.settings) {
            let shows = nearby::shows(connection, self.asset, self.settings);
            match (
                nearby::strength(access, connection, shows, self.settings),
                connection.origin(),
            ) {
                (Some(strength), Some(origin)) => {
                    keep_nearest(&mut near, origin, access, connection);
                    let best = strengths.entry(origin).or_insert(strength);
                    *best = strength.min(*best);
                }
                _ => self.add_unless_near(&mut missed, connection, window, Window::AttributionWindow),
            }
        }
        let before = connections.between(
            time.minus(self.settings.tuple_window),
            time.minus(window).minus(TICK),
        );
        let after = connections.between(time.plus(window).plus(TICK), time.plus(reach(window)));
        let mut earlier = BTreeMap::new();
        for connection in before.rev().take(EXAMINED).chain(after.take(EXAMINED)) {
            let Some(origin) = connection.origin().filter(|origin| !near.contains_key(origin)) else {
                continue;
            };
            if near.is_empty()
                && nearby::strength(access, connection, Strength::Weak, self.settings).is_some()
            {
                keep_nearest(&mut earlier, origin, access, connection);
            } else if time.distance(connection.time()) <= reach(window) {
                self.add_unless_near(&mut missed, connection, window, Window::AttributionWindow);
            }
        }
        let mut joined = Nearest::to(access);
        for (origin, connection) in &near {
            let strength = strengths.get(origin).copied().unwrap_or(Strength::Weak);
            joined.add(connection, Reason::Candidate { strength });
        }
        for connection in earlier.values() {
            joined.add(connection, Reason::EarlierCandidate);
        }
        explained.sources = near.len();
        let silent = connections.is_empty().then_some(Kind::NetworkConnection);
        missed.one_of_each_source = true;
        self.report(explained, joined, missed, silent);
    }

    /// No connection from a source that an access names: the sensor is silent if it gave no other, either.
    fn nothing_from(&self, from: IpAddr) -> Finding {
        let within = self.settings.horizon();
        let kind = Kind::NetworkConnection;
        let is_silent = self.asset.connections.is_empty() && !self.heard.contains(&kind);
        Finding::absent(if is_silent {
            Reason::SensorSilent {
                silent: kind,
                from: Some(from),
                within,
            }
        } else {
            Reason::NotAmongOthers {
                absent: kind,
                from,
                within,
            }
        })
    }

    fn connections_around(&self, time: EventTime, window: Duration) -> impl Iterator<Item = &'a Stored> {
        let connections = &self.asset.connections;
        let before = connections.between(time.minus(window), time.minus(TICK));
        let after = connections.between(time, time.plus(window));
        before.rev().take(EXAMINED).chain(after.take(EXAMINED))
    }

    /// Adds an observation that only time has kept from being joined.
    fn add_unless_near(
        &self,
        missed: &mut Nearest<'a, '_>,
        other: &'a Stored,
        within: Duration,
        window: Window,
    ) {
        let apart = missed.access.time().distance(other.time());
        let arrivals = missed.access.arrival.distance(other.arrival);
        if apart > within {
            let by = apart - within;
            missed.add(other, Reason::OutsideWindow { window, by });
        } else if let Some(by) = arrivals.checked_sub(self.settings.join_span())
            && !by.is_zero()
        {
            missed.add(other, Reason::ArrivedApart { by });
        }
    }

    /// Adds what was found. What was missed is of interest only where nothing was joined.
    fn report(
        &self,
        explained: &mut ExplainedAccess,
        joined: Nearest<'_, '_>,
        missed: Nearest<'_, '_>,
        silent: Option<Kind>,
    ) {
        let is_incomplete = joined.is_empty() || missed.one_of_each_source;
        explained.joined.extend(joined.findings());
        if is_incomplete {
            explained.missed.extend(missed.findings());
            let silent = silent.filter(|kind| !self.heard.contains(kind));
            explained.missed.extend(silent.map(|silent| {
                Finding::absent(Reason::SensorSilent {
                    silent,
                    from: None,
                    within: self.settings.horizon(),
                })
            }));
        }
    }
}

fn seen(stored: &Stored) -> Seen {
    Seen::of(&stored.observation.event)
}
