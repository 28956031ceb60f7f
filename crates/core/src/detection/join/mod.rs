//! The join of one observations partition: observations and ticks in, revisions of alerts out.
//!
//! Three kinds of observation describe one access and no two pairs share the same key, so each pair is
//! joined on its own:
//!
//! - a `share_access`, to a pipe or to a path of a share, is an access by the source it names;
//! - a `pipe_connected` is the same access as a `share_access` to a pipe within `pair_window`, one to one (`pairs`), else it is an
//!   access without a named source;
//! - a `network_connection` is evidence for an audited access from the same source address and port, and makes its source
//!   a *candidate* for accesses without a named source near it (`nearby`, `standing`).
//!
//! An alert is all accesses of one rule, asset, *who* and time bucket. Who the source of an access is may change with every
//! observation: the access then moves to another alert (`placing`).
//!
//! A record with stream time `s` is processed in a fixed order: deadlines up to `s` fire, by (deadline, alert
//! id); alerts close; observations expire; then the record is applied. So every decision follows from the log
//! alone, and replaying the log repeats it. The content of an alert is recomputed from the observations in state
//! whenever one of them touches it; that is what makes the final alerts the same in whatever order the
//! observations came.
//!
//! How sure the source of an alert is, and what contradicts it, is decided in `source` and `conflicts`; `content` puts an
//! alert together.

mod accesses;
mod admission;
mod asset;
mod call_backs;
mod candidates;
mod clocks;
mod conflicts;
mod connections;
mod content;
mod dropped;
mod evidence;
mod explain;
mod intake;
mod links;
mod many_sources;
mod members;
mod nearby;
mod open_alert;
mod opening;
mod overflow;
mod pairs;
mod placing;
mod records;
mod retention;
mod revise;
mod rivals;
mod rules;
mod seen_events;
mod source;
mod standing;
mod state;
mod stored;
mod tallies;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use self::admission::Admission;
pub use self::clocks::ClockState;
use self::many_sources::Sources;
use self::open_alert::OpenAlert;
use self::opening::Opening;
use self::overflow::Overflows;
use self::rules::Rules;
use self::seen_events::SeenEvents;
use self::state::State;
use self::stored::{Slot, Stored};
use self::tallies::Tallies;
use super::sensors::{Arrival, SensorState, Sensors};
use super::{
    AlertId, Counters, Disposition, Exceptions, JoinOutput, JoinSettings, Revision, Rule, StateSize,
};
use crate::event::{AssetId, ObservationRecord, Outcome};
use crate::inventory::Inventory;
use crate::log::At;
use crate::time::AppendTime;

/// The join state of one observations partition.
#[derive(Debug)]
pub struct Join {
    state: State,
    stream_time: AppendTime,
    seen_events: SeenEvents,
    admission: Admission,
    opening: Opening,
    overflows: Overflows,
    sources: Sources,
    tallies: Tallies,
    sensors: Sensors,
    alerts: HashMap<AlertId, OpenAlert>,
    deadlines: BTreeSet<(AppendTime, AlertId)>,
    closings: BTreeSet<(AppendTime, AlertId)>,
    /// Connections in the order of their offsets, in which they expire and the partition's bound evicts them. It may
    /// still hold those that an asset's bound has dropped.
    connections: VecDeque<Expiry>,
    /// How many connections are in state.
    live_connections: usize,
    /// Destination-side observations in the order of their offsets.
    accesses: VecDeque<Expiry>,
    /// Connections that assets made, in the order of their offsets, each with the address that it is to.
    call_backs: VecDeque<(IpAddr, Expiry)>,
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
            state: State {
                horizon: settings.horizon(),
                settings,
                rules: Rules::new(rules),
                exceptions: Arc::default(),
                inventory: None,
                assets: HashMap::default(),
            },
            stream_time: AppendTime::MIN,
            seen_events: SeenEvents::default(),
            admission: Admission::default(),
            opening: Opening::default(),
            overflows: Overflows::default(),
            sources: Sources::default(),
            tallies: Tallies::default(),
            sensors: Sensors::default(),
            alerts: HashMap::new(),
            deadlines: BTreeSet::new(),
            closings: BTreeSet::new(),
            connections: VecDeque::new(),
            live_connections: 0,
            accesses: VecDeque::new(),
            call_backs: VecDeque::new(),
        }
    }

    /// The same, with exceptions in force.
    #[must_use]
    pub fn with_exceptions(mut self, exceptions: Arc<Exceptions>) -> Self {
        self.state.exceptions = exceptions;
        self
    }

    /// The same, which judges the sensors of the assets that the inventory lists, and knows by their roles whose logons are
    /// kept.
    #[must_use]
    pub fn with_inventory(mut self, inventory: Arc<Inventory>) -> Self {
        self.state.inventory = Some(Arc::clone(&inventory));
        self.sensors = Sensors::of(inventory);
        self
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
        let alerts = self.next_deadline_of_accesses();
        alerts.into_iter().chain(self.sensors.next_due()).min()
    }

    /// The same, alerts about sensors aside.
    pub fn next_deadline_of_accesses(&self) -> Option<AppendTime> {
        let alerts = self.deadlines.first().map(|&(deadline, _)| deadline);
        alerts.into_iter().chain(self.tallies.next_due()).min()
    }

    /// How much is in state.
    pub fn state_size(&self) -> StateSize {
        StateSize {
            session_evidence: self.live_connections + self.call_backs.len(),
            accesses: self.accesses.len(),
            alerts: self.alerts.len() + self.tallies.len(),
            seen_events: self.seen_events.len(),
            assets: self.state.assets.len(),
            ..StateSize::default()
        }
    }

    /// Applies a record, which was appended `now`. Offsets must rise; append times need not.
    pub fn apply(&mut self, At { now, offset }: At, record: ObservationRecord) -> JoinOutput {
        self.stream_time = self.stream_time.max(now);
        let at = At {
            now: self.stream_time,
            offset,
        };
        let mut output = self.advance(at);
        match record {
            ObservationRecord::Observation(observation) => {
                let stored = Stored {
                    offset: offset.get(),
                    arrival: at.now,
                    observation: Arc::new(observation),
                };
                let is_new_session = self.is_new_session(&stored);
                let (disposition, touched) = self.take(&stored, &mut output.counters);
                output.disposition = disposition;
                output
                    .revisions
                    .extend(self.judge_sensors(&stored, disposition, is_new_session, at));
                self.reconsider(touched, at, &mut output);
                let counted = self.tallies.settle(at, &self.state.settings);
                output.revisions.extend(counted);
            }
            ObservationRecord::Tick {} => {}
        }
        output
    }

    /// Writes what is due at a record, and forgets what is over.
    fn advance(&mut self, at: At) -> JoinOutput {
        let mut output = JoinOutput {
            revisions: Vec::new(),
            disposition: Disposition::Tick,
            counters: Counters::default(),
        };
        self.fire_deadlines(at, &mut output);
        output
            .revisions
            .extend(self.sensors.judge(at, &self.state.settings));
        output.revisions.extend(self.tallies.advance(at));
        self.close_alerts();
        self.expire_observations();
        output
    }

    /// Judges the sensors of an observation's asset. A copy, what a bound dropped, or what the asset did itself shows that
    /// its own sensor is alive, but no access. A denied access, or one to a path, reaches no pipe, so no `pipe_connected` is due
    /// for it; an access over a session that is known already asks for no new `network_connection`.
    fn judge_sensors(
        &mut self,
        stored: &Stored,
        disposition: Disposition,
        is_new_session: bool,
        at: At,
    ) -> Option<Revision> {
        let observation = &stored.observation;
        if stored.call_back().is_some() {
            // What an asset does itself shows nothing of what is logged of others.
            return None;
        }
        let opens_a_pipe = stored
            .share()
            .is_none_or(|share| share.pipe().is_some() && share.outcome != Some(Outcome::Failure));
        let mut rules = self.state.watching(observation).into_iter();
        let arrival = Arrival {
            asset: &observation.asset,
            kind: observation.kind(),
            is_access: disposition == Disposition::Applied && !observation.is_local,
            is_paired: opens_a_pipe && rules.any(|rule| self.state.rules.is_two_sided(rule)),
            is_new_session,
        };
        self.sensors.see(arrival, at, &self.state.settings)
    }

    /// Whether a share access is the first that is known of its source address and port. What names no port is taken for
    /// one; a pipe connection never is, since it may belong to any session.
    fn is_new_session(&self, stored: &Stored) -> bool {
        if stored.share().is_none() {
            return false;
        }
        let Some((ip, port)) = accesses::tuple(stored) else {
            return true;
        };
        self.state
            .assets
            .get(&stored.observation.asset)
            .is_none_or(|asset| {
                let is_known =
                    |accesses: &accesses::Accesses| accesses.shares_with(ip, port).next().is_some();
                !asset.connections.knows_tuple(ip, port) && !asset.accesses.values().any(is_known)
            })
    }
}
