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
mod clocks;
mod connections;
mod content;
mod explain;
mod intake;
mod open_alert;
mod retention;
mod rules;
mod seen_events;
mod stored;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use self::admission::Admission;
use self::asset::AssetState;
pub use self::clocks::ClockState;
use self::content::current;
use self::open_alert::{Due, OpenAlert};
use self::rules::Rules;
use self::seen_events::SeenEvents;
use self::stored::{Slot, Stored};
use super::sensors::{SensorState, Sensors};
use super::sweeps::{SweepContext, Sweeps};
use super::{
    About, Action, AlertId, AlertKey, Content, Counters, Disposition, Exceptions, JoinOutput, JoinSettings,
    Revision, Rule, StateSize, Status,
};
use crate::event::{AssetId, Observation, Outcome, Sighting};
use crate::inventory::Inventory;
use crate::time::AppendTime;

/// The join state of one observations partition.
#[derive(Debug)]
pub struct Join {
    settings: JoinSettings,
    rules: Rules,
    exceptions: Arc<Exceptions>,
    stream_time: AppendTime,
    seen_events: SeenEvents,
    admission: Admission,
    sensors: Sensors,
    sweeps: Sweeps,
    assets: HashMap<AssetId, AssetState>,
    alerts: HashMap<AlertId, OpenAlert>,
    deadlines: BTreeSet<(AppendTime, AlertId)>,
    closings: BTreeSet<(AppendTime, AlertId)>,
    /// Connections in the order of their offsets: what expires, and what the partition's bound takes. Those that an
    /// asset's bound has taken already may still stand here.
    connections: VecDeque<Expiry>,
    /// How many connections are in state.
    live_connections: usize,
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
            exceptions: Arc::default(),
            stream_time: AppendTime::MIN,
            seen_events: SeenEvents::default(),
            admission: Admission::default(),
            sensors: Sensors::default(),
            sweeps: Sweeps::default(),
            assets: HashMap::new(),
            alerts: HashMap::new(),
            deadlines: BTreeSet::new(),
            closings: BTreeSet::new(),
            connections: VecDeque::new(),
            live_connections: 0,
            accesses: VecDeque::new(),
        }
    }

    /// The same, with exceptions in force.
    pub fn with_exceptions(self, exceptions: Arc<Exceptions>) -> Self {
        Self { exceptions, ..self }
    }

    /// The same, with_sensors the sensors of the assets that the inventory lists.
    pub fn with_sensors(self, inventory: Arc<Inventory>) -> Self {
        Self {
            sensors: Sensors::of(inventory),
            ..self
        }
    }

    /// What is known of the sensors of the inventory's assets.
    pub fn sensors(&self) -> impl Iterator<Item = SensorState> {
        self.sensors.states()
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
        let alerts = self.deadlines.first().map(|&(deadline, _)| deadline);
        let others = [self.sensors.next_due(), self.sweeps.next_due()];
        alerts.into_iter().chain(others.into_iter().flatten()).min()
    }

    /// How much is in state.
    pub fn state_size(&self) -> StateSize {
        StateSize {
            session_evidence: self.live_connections,
            accesses: self.accesses.len(),
            alerts: self.alerts.len(),
            seen_events: self.seen_events.len(),
            assets: self.assets.len(),
        }
    }

    /// Every open alert that has accesses and has been written, as it was written last, by alert id, and every finding
    /// about a sensor that stands: what a change of settings writes once more. Numbered as a deadline at `offset` would be. All count as told, since under the
    /// settings of before they may have been.
    pub fn published_alerts(&self, offset: u64) -> Vec<Revision> {
        let mut revisions: Vec<Revision> = self
            .alerts
            .iter()
            .filter_map(|(&id, alert)| {
                let content = alert
                    .last_published
                    .as_ref()
                    .filter(|content| content.status != Status::Superseded)?;
                Some(Revision {
                    key: alert.key.clone(),
                    id,
                    number: 2 * offset,
                    is_first: false,
                    is_excepted_anew: false,
                    is_published: true,
                    content: content.clone(),
                    about: About::Accesses,
                })
            })
            .collect();
        revisions.extend(self.sensors.standing(offset));
        revisions.extend(self.sweeps.standing(offset));
        revisions.sort_by_key(|revision| revision.id);
        revisions
    }

    /// Applies the record at `offset`: an observation, or a tick. Offsets must rise; append times need not.
    pub fn apply(
        &mut self,
        offset: u64,
        append_time: AppendTime,
        observation: Option<Observation>,
    ) -> JoinOutput {
        let mut output = self.advance(offset, append_time);
        if let Some(observation) = observation {
            let stored = Stored {
                offset,
                arrival: self.stream_time,
                observation: Arc::new(observation),
            };
            let (disposition, touched) = self.take(&stored, &mut output.counters);
            output.disposition = disposition;
            output.revisions.extend(self.see(&stored, disposition));
            self.reconsider(touched, offset, &mut output);
        }
        output
    }

    /// Applies the record at `offset`, which tells this partition that a source of its own touched an asset of any.
    pub fn sight(&mut self, offset: u64, append_time: AppendTime, sighting: &Sighting) -> JoinOutput {
        let mut output = self.advance(offset, append_time);
        let rules = self.rules.watching_share(&sighting.pipe).iter();
        let alerts: Vec<AlertId> = rules
            .map(|&rule| {
                let key = AlertKey {
                    rule: Arc::clone(&self.rules.ids[rule]),
                    asset: sighting.asset.clone(),
                    source: Some(sighting.source_ip),
                    bucket: sighting.time.bucket(self.settings.group_by),
                    arrival_bucket: None,
                };
                key.id()
            })
            .collect();
        let terms = SweepContext {
            settings: &self.settings,
            exceptions: &self.exceptions,
        };
        let now = (self.stream_time, offset);
        let (disposition, revisions) = self.sweeps.see(sighting, &alerts, now, terms);
        output.disposition = disposition;
        output.revisions.extend(revisions);
        output
    }

    /// Lets time pass: what is due at the record at `offset` is written, what is over is forgotten.
    fn advance(&mut self, offset: u64, append_time: AppendTime) -> JoinOutput {
        self.stream_time = self.stream_time.max(append_time);
        let mut output = JoinOutput {
            revisions: Vec::new(),
            disposition: Disposition::Tick,
            counters: Counters::default(),
        };
        self.fire_deadlines(offset, &mut output);
        output
            .revisions
            .extend(self.sensors.judge(self.stream_time, offset, &self.settings));
        let terms = SweepContext {
            settings: &self.settings,
            exceptions: &self.exceptions,
        };
        output
            .revisions
            .extend(self.sweeps.advance(self.stream_time, offset, terms));
        self.close_alerts();
        self.expire_observations();
        output
    }

    /// Tells the sensors' judge of an observation. A copy, or what a bound kept out, shows that its sensor is alive, but
    /// tells of no access. A refused access never reaches the pipe, so no `pipe_connected` is due for it.
    fn see(&mut self, stored: &Stored, disposition: Disposition) -> Option<Revision> {
        let observation = &stored.observation;
        let is_refused = stored
            .share()
            .is_some_and(|share| share.outcome == Some(Outcome::Failure));
        self.sensors.see(
            (&observation.asset, observation.kind()),
            (
                disposition == Disposition::Applied,
                !is_refused && self.rules.watch_both_sides(observation),
            ),
            (stored.arrival, stored.offset),
            &self.settings,
        )
    }

    fn fire_deadlines(&mut self, offset: u64, output: &mut JoinOutput) {
        let view = View {
            assets: &self.assets,
            rules: &self.rules,
            exceptions: &self.exceptions,
            settings: &self.settings,
        };
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline <= self.stream_time
        {
            self.deadlines.pop_first();
            let Some(alert) = self.alerts.get_mut(&id) else {
                continue;
            };
            alert.deadline = None;
            let Some((content, _)) = view.content_now(alert) else {
                continue;
            };
            if alert.last_published.as_ref() != Some(&content) {
                output.revisions.push(write(alert, id, content, 2 * offset));
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

    /// Decides for every alert that the record at `offset` touched whether it speaks now, later or not at all.
    fn reconsider(&mut self, touched: BTreeSet<AlertId>, offset: u64, output: &mut JoinOutput) {
        let view = View {
            assets: &self.assets,
            rules: &self.rules,
            exceptions: &self.exceptions,
            settings: &self.settings,
        };
        for id in touched {
            let Some(alert) = self.alerts.get_mut(&id) else {
                output.counters.after_close += 1;
                continue;
            };
            let now = self.stream_time;
            let due = match view.content_now(alert) {
                Some((content, opened)) => (alert.due(&content, opened, now, &self.settings), Some(content)),
                None => (Due::Never, None),
            };
            if let Some(deadline) = alert.deadline.take() {
                self.deadlines.remove(&(deadline, id));
            }
            match due {
                (Due::Now, Some(content)) => output.revisions.push(write(alert, id, content, 2 * offset + 1)),
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
    let is_first = content.status == Status::Active && !alert.is_published;
    alert.is_published |= is_first;
    let before = alert.last_published.replace(content.clone());
    let is_excepted_anew =
        content.exception.is_some() && before.and_then(|before| before.exception) != content.exception;
    Revision {
        key: alert.key.clone(),
        id,
        number,
        is_first,
        is_excepted_anew,
        is_published: alert.is_published,
        content,
        about: About::Accesses,
    }
}

/// What an alert's content is read from.
struct View<'a> {
    assets: &'a HashMap<AssetId, AssetState>,
    rules: &'a Rules,
    exceptions: &'a Exceptions,
    settings: &'a JoinSettings,
}

impl View<'_> {
    /// What an alert has to say, and when its first access arrived. `None` if it has no access and never said that it
    /// had one.
    fn content_now(&self, alert: &OpenAlert) -> Option<(Content, AppendTime)> {
        let asset = self.assets.get(&alert.key.asset);
        let accesses = asset.and_then(|asset| asset.accesses.get(&self.rules.index(&alert.key.rule)?));
        if let (Some(asset), Some(accesses)) = (asset, accesses)
            && let Some(current) = current(alert, asset, accesses, self.settings)
        {
            return Some((self.excepted(alert, current.content), current.opened));
        }
        let last_published = alert.last_published.clone()?;
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
                ..last_published
            },
            AppendTime::MIN,
        ))
    }

    fn excepted(&self, alert: &OpenAlert, content: Content) -> Content {
        let exception = self.exceptions.covering(&alert.key, alert.closes, &content);
        let status = match &exception {
            Some(exception) if exception.action == Action::Suppress => Status::Suppressed,
            _ => content.status,
        };
        Content {
            status,
            exception,
            ..content
        }
    }
}
