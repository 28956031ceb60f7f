//! The join of one observations partition: observations and ticks in, revisions of alerts out.
//!
//! Three kinds of observation describe one access and no two pairs share the same key, so each pair is
//! joined on its own:
//!
//! - a `share_access` is an access by the source it names;
//! - a `pipe_connected` is *explained* by the nearest `share_access` within `pair_window`, else it is an
//!   access without a named source;
//! - a `network_connection` is evidence for an audited access from the same source address and port, and
//!   makes its source a *candidate* for accesses without a named source within `attribution_window`.
//!
//! A record with stream time `s` is processed in a fixed order: deadlines up to `s` fire, by (deadline, alert
//! id); alerts close; observations expire; then the record is applied. So every decision follows from the log
//! alone, and replaying the log repeats it. What an alert says is recomputed from the observations in state
//! whenever one of them touches it; that is what makes the final alerts the same in whatever order the
//! observations came.

mod accesses;
mod admission;
mod asset;
mod connections;
mod content;
mod identities;
mod open_alert;
mod outcome;
mod rules;
mod stored;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use self::accesses::Reassigned;
use self::admission::Admission;
use self::asset::{AssetState, RuleIndex};
use self::content::current;
use self::identities::Identities;
use self::open_alert::{Due, OpenAlert};
pub use self::outcome::{Fate, StateSize, Step, Tally};
use self::rules::Rules;
use self::stored::{Slot, Stored};
use super::{AlertId, AlertKey, Content, JoinSettings, Revision, Rule, Status};
use crate::event::{AssetId, Kind, Observation};
use crate::time::AppendTime;

/// The join state of one observations partition.
#[derive(Debug)]
pub struct Join {
    settings: JoinSettings,
    rules: Rules,
    stream_time: AppendTime,
    identities: Identities,
    admission: Admission,
    assets: HashMap<AssetId, AssetState>,
    /// Assets left by the last sweep: the next one waits until their number has doubled.
    swept: usize,
    alerts: HashMap<AlertId, OpenAlert>,
    deadlines: BTreeSet<(AppendTime, AlertId)>,
    closings: BTreeSet<(AppendTime, AlertId)>,
    /// Connections in the order of their offsets: what expires, and what the partition's bound takes.
    connections: VecDeque<Expiry>,
    /// Destination-side observations in the order of their offsets.
    accesses: VecDeque<Expiry>,
}

/// When and where an observation leaves state.
#[derive(Debug)]
struct Expiry {
    arrival: AppendTime,
    asset: AssetId,
    slot: Slot,
}

impl Join {
    /// An empty state before the first record.
    pub fn new(rules: &[Rule], settings: JoinSettings) -> Self {
        Self {
            settings,
            rules: Rules::new(rules),
            stream_time: AppendTime::MIN,
            identities: Identities::default(),
            admission: Admission::default(),
            assets: HashMap::new(),
            swept: 0,
            alerts: HashMap::new(),
            deadlines: BTreeSet::new(),
            closings: BTreeSet::new(),
            connections: VecDeque::new(),
            accesses: VecDeque::new(),
        }
    }

    /// The greatest append time seen.
    pub fn stream_time(&self) -> AppendTime {
        self.stream_time
    }

    /// Takes up the stream time of a log whose older records are not replayed.
    pub fn advance_to(&mut self, stream_time: AppendTime) {
        self.stream_time = self.stream_time.max(stream_time);
    }

    /// When the next revision is due, if one is pending.
    pub fn next_deadline(&self) -> Option<AppendTime> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// How much is in state.
    pub fn state_size(&self) -> StateSize {
        StateSize {
            connections: self.connections.len(),
            accesses: self.accesses.len(),
            alerts: self.alerts.len(),
            identities: self.identities.len(),
            assets: self.assets.len(),
        }
    }

    /// Every open alert that stands and has been written, as it was written last, by alert id: what a change
    /// of settings writes once more. Numbered as a deadline at `offset` would be.
    pub fn written_alerts(&self, offset: u64) -> Vec<Revision> {
        let mut revisions: Vec<Revision> = self
            .alerts
            .iter()
            .filter_map(|(&id, alert)| {
                let content = alert
                    .written
                    .as_ref()
                    .filter(|content| content.status == Status::Active)?;
                Some(Revision {
                    key: alert.key.clone(),
                    id,
                    number: 2 * offset,
                    content: content.clone(),
                })
            })
            .collect();
        revisions.sort_by_key(|revision| revision.id);
        revisions
    }

    /// Applies the record at `offset`: an observation, or a tick. Offsets must rise; append times need not.
    pub fn apply(&mut self, offset: u64, append_time: AppendTime, observation: Option<Observation>) -> Step {
        self.stream_time = self.stream_time.max(append_time);
        let mut step = Step {
            revisions: Vec::new(),
            fate: Fate::Tick,
            tally: Tally::default(),
        };
        self.fire_deadlines(offset, &mut step);
        self.close_alerts();
        self.expire_observations();
        if let Some(observation) = observation {
            let stored = Stored {
                offset,
                arrival: self.stream_time,
                observation: Arc::new(observation),
            };
            step.fate = self.take(stored, &mut step.revisions, &mut step.tally);
        }
        step
    }

    fn fire_deadlines(&mut self, offset: u64, step: &mut Step) {
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline <= self.stream_time
        {
            self.deadlines.pop_first();
            let Some(alert) = self.alerts.get_mut(&id) else {
                continue;
            };
            alert.deadline = None;
            let Some((content, _)) = content_now(alert, &self.assets, &self.rules, &self.settings) else {
                continue;
            };
            if alert.written.as_ref() != Some(&content) {
                step.revisions.push(write(alert, id, content, 2 * offset));
            }
        }
    }

    /// Forgets alerts that are past their closing. Their deadlines were never later, so that what differs has
    /// been written.
    fn close_alerts(&mut self) {
        while let Some(&(closes, id)) = self.closings.first()
            && closes <= self.stream_time
        {
            self.closings.pop_first();
            self.alerts.remove(&id);
        }
    }

    fn expire_observations(&mut self) {
        let horizon = self.settings.horizon();
        let oldest_kept = self.stream_time.minus(horizon);
        self.identities.expire(self.stream_time, horizon);
        while self
            .connections
            .front()
            .is_some_and(|expiry| expiry.arrival <= oldest_kept)
        {
            self.drop_oldest_connection();
        }
        while let Some(expiry) = self.accesses.pop_front_if(|expiry| expiry.arrival <= oldest_kept) {
            self.with_asset(&expiry.asset, |asset| asset.expire_access(expiry.slot));
        }
        if self.assets.len() > 2 * self.swept + 1024 {
            let now = self.stream_time;
            self.assets.retain(|_, asset| !asset.is_spent(now, horizon));
            self.swept = self.assets.len();
        }
    }

    /// Removes the oldest connection of the partition; says whether its asset still held it.
    fn drop_oldest_connection(&mut self) -> bool {
        let Some(expiry) = self.connections.pop_front() else {
            return false;
        };
        let mut held = false;
        self.with_asset(&expiry.asset, |asset| {
            held = asset.connections.expire(expiry.slot.1)
        });
        held
    }

    /// Works on an asset and forgets it if nothing of it is left.
    fn with_asset(&mut self, id: &AssetId, work: impl FnOnce(&mut AssetState)) {
        if let Some(asset) = self.assets.get_mut(id) {
            work(asset);
            if asset.is_spent(self.stream_time, self.settings.horizon()) {
                self.assets.remove(id);
            }
        }
    }

    fn take(&mut self, stored: Stored, revisions: &mut Vec<Revision>, tally: &mut Tally) -> Fate {
        let kind = stored.observation.kind();
        let rules = self.rules.watching(&stored.observation);
        if kind != Kind::NetworkConnection {
            if rules.is_empty() {
                return Fate::Unwatched;
            }
            if !self.admit(&stored.observation.asset) {
                return Fate::Refused;
            }
        }
        let limit = self.settings.limits.identities_per_partition;
        if self
            .identities
            .is_copy(stored.observation.id, stored.arrival, limit)
        {
            return Fate::Copy;
        }
        let expiry = Expiry {
            arrival: stored.arrival,
            asset: stored.observation.asset.clone(),
            slot: stored.slot(),
        };
        let touched = match kind {
            Kind::NetworkConnection => {
                self.connections.push_back(expiry);
                self.take_connection(stored.clone(), tally)
            }
            Kind::PipeConnected | Kind::ShareAccess => {
                self.accesses.push_back(expiry);
                if !self.is_timely(&stored) {
                    tally.untimely += 1;
                }
                rules
                    .iter()
                    .flat_map(|&rule| self.take_access(rule, &stored))
                    .collect()
            }
        };
        self.reconsider(touched, stored.offset, revisions, tally);
        Fate::Applied
    }

    /// Counts a destination-side observation against both bounds.
    fn admit(&mut self, asset: &AssetId) -> bool {
        let (now, horizon, limits) = (self.stream_time, self.settings.horizon(), &self.settings.limits);
        let partition = self
            .admission
            .admits(now, horizon, limits.destination_side_per_partition);
        let asset = self.assets.entry(asset.clone()).or_default();
        asset
            .admission
            .admits(now, horizon, limits.destination_side_per_asset)
            && partition
    }

    fn take_connection(&mut self, stored: Stored, tally: &mut Tally) -> BTreeSet<AlertId> {
        let settings = &self.settings;
        let asset = self.assets.entry(stored.observation.asset.clone()).or_default();
        let mut touched = BTreeSet::new();
        for accesses in asset.accesses.values() {
            if let Some((ip, port)) = stored
                .connection()
                .and_then(|connection| Some((connection.source_ip, connection.source_port?)))
            {
                touched.extend(
                    accesses
                        .shares_from_tuple(ip, port, stored.time(), settings.tuple_window)
                        .filter(|share| share.stored.within_span(&stored, settings.join_span()))
                        .map(|share| share.alert),
                );
            }
            touched.extend(
                accesses
                    .unresolved_around(stored.time(), settings.attribution_window)
                    .filter(|(access, _)| access.within_span(&stored, settings.join_span()))
                    .map(|(_, alert)| alert),
            );
        }
        asset.connections.insert(stored);
        if asset.connections.len() > settings.limits.connections_per_asset {
            asset.connections.evict_oldest();
            tally.evicted_connections += 1;
        }
        if self.connections.len() > self.settings.limits.connections_per_partition
            && self.drop_oldest_connection()
        {
            tally.evicted_connections += 1;
        }
        touched
    }

    fn take_access(&mut self, rule: RuleIndex, stored: &Stored) -> BTreeSet<AlertId> {
        let source = stored.share().and_then(|share| share.source_ip);
        let key = self.key(rule, stored, source);
        let id = key.id();
        let asset = self.assets.entry(stored.observation.asset.clone()).or_default();
        let accesses = asset.accesses.entry(rule).or_default();
        let slot = stored.slot();
        let mut touched = BTreeSet::new();
        if stored.share().is_some() {
            let reassigned = accesses.insert_share(stored.clone(), id, &self.settings);
            self.open(key, id).shares.insert(slot);
            touched.insert(id);
            for change in reassigned {
                self.reassign(&change, id, &mut touched);
            }
        } else {
            match accesses.insert_pipe(stored.clone(), id, &self.settings) {
                Some(explaining) => {
                    if let Some(alert) = self.alerts.get_mut(&explaining) {
                        alert.pipes.insert(slot);
                    }
                    touched.insert(explaining);
                }
                None => {
                    self.open(key, id).pipes.insert(slot);
                    touched.insert(id);
                }
            }
        }
        touched
    }

    /// The key of the alert that an access belongs to.
    fn key(&self, rule: RuleIndex, stored: &Stored, source: Option<IpAddr>) -> AlertKey {
        AlertKey {
            rule: Arc::clone(&self.rules.ids[rule]),
            asset: stored.observation.asset.clone(),
            source,
            bucket: stored.time().bucket(self.settings.group_by),
            arrival_bucket: (!self.is_timely(stored)).then(|| stored.arrival.bucket(self.settings.group_by)),
        }
    }

    fn is_timely(&self, stored: &Stored) -> bool {
        let micros = |span: std::time::Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let lateness = stored.time().lateness_at(stored.arrival);
        (-micros(self.settings.clock_skew)..=micros(self.settings.allowed_lateness)).contains(&lateness)
    }

    /// The open alert with this key, opened if it is new.
    fn open(&mut self, key: AlertKey, id: AlertId) -> &mut OpenAlert {
        self.alerts.entry(id).or_insert_with(|| {
            let alert = OpenAlert::new(key, &self.settings);
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
        // The unresolved alert loses an access or, if it lost this one before, names another successor.
        if change.unresolved != to
            && let Some(alert) = self.alerts.get_mut(&change.unresolved)
        {
            if alert.pipes.remove(&pipe) {
                alert.departed.insert(pipe);
            }
            touched.insert(change.unresolved);
        }
    }

    /// Decides for every alert that the record at `offset` touched whether it speaks now, later or not at all.
    fn reconsider(
        &mut self,
        touched: BTreeSet<AlertId>,
        offset: u64,
        revisions: &mut Vec<Revision>,
        tally: &mut Tally,
    ) {
        for id in touched {
            let Some(alert) = self.alerts.get_mut(&id) else {
                tally.after_close += 1;
                continue;
            };
            let now = self.stream_time;
            let due = match content_now(alert, &self.assets, &self.rules, &self.settings) {
                Some((content, opened)) => (alert.due(&content, opened, now, &self.settings), Some(content)),
                None => (Due::Never, None),
            };
            if let Some(deadline) = alert.deadline.take() {
                self.deadlines.remove(&(deadline, id));
            }
            match due {
                (Due::Now, Some(content)) => revisions.push(write(alert, id, content, 2 * offset + 1)),
                (Due::At(deadline), _) => {
                    alert.deadline = Some(deadline);
                    self.deadlines.insert((deadline, id));
                }
                _ => {}
            }
        }
    }
}

/// Records that an alert says `content` from now on.
fn write(alert: &mut OpenAlert, id: AlertId, content: Content, number: u64) -> Revision {
    alert.differs_since = None;
    alert.written = Some(content.clone());
    Revision {
        key: alert.key.clone(),
        id,
        number,
        content,
    }
}

/// What an alert has to say, and when its first access arrived. `None` if it has no access and never said
/// that it had one.
fn content_now(
    alert: &OpenAlert,
    assets: &HashMap<AssetId, AssetState>,
    rules: &Rules,
    settings: &JoinSettings,
) -> Option<(Content, AppendTime)> {
    let asset = assets.get(&alert.key.asset);
    let accesses = asset.and_then(|asset| asset.accesses.get(&rules.index(&alert.key.rule)?));
    if let (Some(asset), Some(accesses)) = (asset, accesses)
        && let Some(current) = current(alert, &asset.connections, accesses, settings)
    {
        return Some((current.content, current.opened));
    }
    let written = alert.written.clone()?;
    let superseded_by: BTreeSet<AlertId> = accesses
        .into_iter()
        .flat_map(|accesses| alert.departed.iter().filter_map(|slot| accesses.pipes.get(slot)))
        .filter_map(|pipe| pipe.explained_by.map(|(_, alert)| alert))
        .collect();
    let superseded_by = superseded_by.into_iter().collect();
    Some((
        Content {
            status: Status::Superseded,
            superseded_by,
            ..written
        },
        AppendTime::MIN,
    ))
}
