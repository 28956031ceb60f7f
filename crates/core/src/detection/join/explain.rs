//! Explains alerts: a pure read of the state, somewhat beyond the windows of the join.
//!
//! Every search is bounded by a constant, so that a flood costs detail of an explanation and no time.

mod nearest;
mod session;

use std::collections::BTreeMap;
use std::time::Duration;

use self::nearest::Nearest;

use super::Join;
use super::accesses::Accesses;
use super::asset::AssetState;
use super::standing::Standing;
use super::stored::{Origin, Slot, Stored, around};
use super::{nearby, source};
use crate::detection::explanation::Window;
use crate::detection::{
    AlertId, Attribution, ExceptedBy, ExplainedAccess, Explanation, Finding, JoinSettings, Reason, Seen,
    Strength, Who,
};
use crate::event::Kind;
use crate::time::EventTime;

/// Accesses of one alert that are explained, the earliest.
const ACCESSES: usize = 16;
/// How far a search goes, in widths of the window.
const REACH: u32 = 3;
/// Observations examined on either side of an access where no index bounds the search.
const EXAMINED: usize = 128;
/// The step of the clock of events.
const TICK: Duration = Duration::from_micros(1);

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
        let explainer = Explainer {
            asset,
            destination,
            settings: &self.state.settings,
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
            }),
            conflicts: content
                .conflicts
                .into_iter()
                .map(|conflict| conflict.text)
                .collect(),
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
            sources: 0,
            joined: Vec::new(),
            missed: Vec::new(),
        };
        if access.share().is_some() {
            self.pipes_of(access, &mut explained);
        } else {
            self.shares_near(access, &mut explained);
        }
        if is_audited {
            self.logon_of(access, &mut explained);
            self.tuple_of(access, &mut explained);
        } else {
            self.candidates_of(access, &mut explained);
        }
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
        let Some((share, ip)) = access.share().and_then(|share| Some((share, share.source_ip?))) else {
            return;
        };
        let Some(port) = share.source_port else {
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
        let silent = (joined.is_empty() && missed.is_empty() && is_silent()).then(|| {
            Finding::absent(Reason::SensorSilent {
                silent: Kind::NetworkConnection,
                from: Some(ip),
                within: self.settings.horizon(),
            })
        });
        self.report(explained, joined, missed, None);
        explained.missed.extend(silent);
    }

    /// The possible sources of an access that names none, and those that nearly are.
    fn candidates_of(&self, access: &Stored, explained: &mut ExplainedAccess) {
        let window = self.settings.attribution_window;
        let time = access.time();
        let connections = &self.asset.connections;
        let mut near = BTreeMap::new();
        let mut missed = Nearest::to(access);
        for connection in nearby::evidence(access, connections, self.settings) {
            let shows = nearby::shows(connection, self.asset, self.settings);
            match (
                nearby::strength(access, connection, shows, self.settings),
                connection.origin(),
            ) {
                (Some(_), Some(origin)) => keep_nearest(&mut near, origin, access, connection),
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
        for connection in near.values() {
            joined.add(connection, Reason::Candidate);
        }
        for connection in earlier.values() {
            joined.add(connection, Reason::EarlierCandidate);
        }
        explained.sources = near.len();
        let silent = connections.is_empty().then_some(Kind::NetworkConnection);
        missed.one_of_each_source = true;
        self.report(explained, joined, missed, silent);
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

/// Keeps the nearest connection of each origin, by content.
fn keep_nearest<'a>(
    kept: &mut BTreeMap<Origin, &'a Stored>,
    origin: Origin,
    access: &Stored,
    connection: &'a Stored,
) {
    let place = |stored: &Stored| (access.time().distance(stored.time()), seen(stored));
    let nearest = kept.entry(origin).or_insert(connection);
    if place(connection) < place(nearest) {
        *nearest = connection;
    }
}

/// Observations around `time`, from it outwards, a bounded number on either side.
fn walk<'a, V: 'a, I>(
    time: EventTime,
    reach: Duration,
    mut range: impl FnMut(std::ops::RangeInclusive<Slot>) -> I,
) -> impl Iterator<Item = (&'a Slot, &'a V)>
where
    I: DoubleEndedIterator<Item = (&'a Slot, &'a V)>,
{
    let (from, to) = around(time, reach).into_inner();
    let until = (time.minus(TICK), u64::MAX);
    // BTreeMap panics at a range whose start is after its end.
    let before = (from <= until).then(|| range(from..=until).rev().take(EXAMINED));
    before
        .into_iter()
        .flatten()
        .chain(range((time, 0)..=to).take(EXAMINED))
}

/// How far beyond `time` a search goes.
fn reach(window: Duration) -> Duration {
    window.saturating_mul(REACH)
}

fn seen(stored: &Stored) -> Seen {
    Seen::of(&stored.observation.event)
}
