//! Readiness of telemetry: which kinds of observation an asset's accesses should have brought and never do.
//!
//! Up to three sensors log one access. Where one of them logs access after access and another never does, the other is
//! *blind*: its log is not shipped, not switched on, or filtered. A judgement covers one horizon of the log:
//!
//! - a sensor has been seen if an observation of its kind arrived within the horizon, whatever became of it;
//! - a sensor is blind if it has not been seen, while another, the *witness*, logged at least `min_accesses` accesses
//!   that
//!   it should have logged too, their arrivals spread over at least `min_span`, each of them at least `allowed_lateness` ago;
//! - it is blind no longer once it is seen or, since nothing older than the horizon may be remembered, once too few
//!   accesses are left within the horizon.
//!
//! So whether a sensor is blind is a function of one horizon of the log, and a replay of two repeats every alert.
//! Arrivals are counted in aligned slots, which count only when they are complete and are forgotten whole.

mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use self::watch::{SENSORS, Spans, WITNESSES, Watch};
use super::revision::{NAMESPACE, by_deadline, by_record, written_by_deadline};
use super::{AlertId, Body, JoinSettings, Revision, Status};
use crate::event::{AssetId, Kind};
use crate::inventory::Inventory;
use crate::log::At;
use crate::time::AppendTime;

/// The rule id of every alert about a sensor.
pub const SENSOR_BLIND: &str = "sensor-blind";

/// One revision of an alert about a sensor that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SensorBlind {
    /// The protected host.
    pub asset: AssetId,
    /// The kind of observation that is missing.
    pub sensor: Kind,
    /// Accesses that `pipe_connected` shows.
    pub pipe_connected: u32,
    /// Accesses that `share_access` shows.
    pub share_access: u32,
    /// When the first of them arrived.
    pub first: AppendTime,
    /// When the last of them arrived.
    pub last: AppendTime,
    /// Why the alert has ended, if it has.
    pub resolution: Option<Resolution>,
}

/// Why an alert about a sensor has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The sensor has been seen.
    Seen,
    /// There were too few accesses within the last horizon to judge by.
    Quiet,
}

impl Resolution {
    /// The word used in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Quiet => "quiet",
        }
    }
}

impl SensorBlind {
    /// One alert per asset and sensor, for ever: the next time it is blind, the same alert is active again.
    pub fn id(&self) -> AlertId {
        let name = format!("{SENSOR_BLIND}\0{}\0{}", self.asset, self.sensor);
        AlertId(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }

    /// Active, or resolved.
    pub const fn status(&self) -> Status {
        match self.resolution {
            None => Status::Active,
            Some(_) => Status::Resolved,
        }
    }

    /// Accesses that the sensor should have logged, by the witness that logged the most.
    pub fn accesses(&self) -> u32 {
        self.pipe_connected.max(self.share_access)
    }
}

/// What is known of one sensor of one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SensorState {
    /// The asset.
    pub asset: AssetId,
    /// The kind of observation that the sensor gives.
    pub sensor: Kind,
    /// When an observation of it arrived last, as far back as the log has been read.
    pub last_seen: Option<AppendTime>,
    /// Whether it is blind.
    pub is_blind: bool,
}

/// The arrival of an observation, as far as sensors are judged by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival<'a> {
    pub(super) asset: &'a AssetId,
    pub(super) kind: Kind,
    /// Whether it shows an access for the first time.
    pub(super) is_access: bool,
    /// Whether the other sensor of the destination should log the same access.
    pub(super) is_paired: bool,
    /// Whether a connection should have been logged for it.
    pub(super) is_new_session: bool,
}

/// The sensors of the assets that an inventory lists. Others are not judged: their number has no bound.
#[derive(Debug, Default)]
pub(super) struct Sensors {
    inventory: Option<Arc<Inventory>>,
    assets: BTreeMap<AssetId, [Watch; SENSORS.len()]>,
    /// When to judge a sensor again: at the first moment at which the judgement may change without a record of its own.
    due: BTreeSet<(AppendTime, AssetId, Kind)>,
}

impl Sensors {
    pub(super) fn of(inventory: Arc<Inventory>) -> Self {
        Self {
            inventory: Some(inventory),
            ..Self::default()
        }
    }

    /// Whether the inventory lists this asset.
    pub(super) fn lists(&self, asset: &AssetId) -> bool {
        let inventory = self.inventory.as_ref();
        inventory.is_some_and(|inventory| inventory.asset(asset).is_some())
    }

    /// When a judgement may change next.
    pub(super) fn next_due(&self) -> Option<AppendTime> {
        self.due.first().map(|&(due, ..)| due)
    }

    /// What is known of every sensor, by asset.
    pub(super) fn states(&self) -> impl Iterator<Item = SensorState> {
        self.watches().map(|(asset, sensor, watch)| SensorState {
            asset: asset.clone(),
            sensor,
            last_seen: watch.last_seen,
            is_blind: watch.is_blind,
        })
    }

    /// The sensors of an asset that were seen after a moment: each message counts, whatever became of it.
    pub(super) fn seen_since(&self, asset: &AssetId, since: AppendTime) -> BTreeSet<Kind> {
        let Some(watches) = self.assets.get(asset) else {
            return BTreeSet::new();
        };
        let last_seen = |kind| watches[index(kind)?].last_seen;
        let is_seen = |kind: &Kind| last_seen(*kind).is_some_and(|seen| seen > since);
        Kind::ALL.into_iter().filter(is_seen).collect()
    }

    /// The active alerts, to be written once more by a record.
    pub(super) fn active(&self, at: At) -> Vec<Revision> {
        let blind = self.watches().filter(|(_, _, watch)| watch.is_blind);
        let again = blind.map(|(asset, sensor, watch)| {
            let alert = watch.alert(asset, sensor, None, AppendTime::MIN);
            Revision {
                is_first: false,
                ..revision(alert, by_deadline(at.offset), at.now)
            }
        });
        again.collect()
    }

    /// Judges what is due, before the record is applied.
    pub(super) fn judge(&mut self, at: At, settings: &JoinSettings) -> Vec<Revision> {
        let mut due = BTreeMap::new();
        while self.next_due().is_some_and(|due| due <= at.now)
            && let Some((due_at, asset, sensor)) = self.due.pop_first()
        {
            due.insert((asset, sensor), due_at);
        }
        if due.is_empty() {
            return Vec::new();
        }
        let spans = Spans::of(settings);
        let mut revisions = Vec::new();
        for ((asset, sensor), due_at) in due {
            let Some(watch) = self.watch(&asset, sensor) else {
                continue;
            };
            watch.due = None;
            // At the end of input every judgement is made at its own time, and none is taken back.
            let is_end = at.now == AppendTime::MAX;
            if is_end && watch.is_blind {
                continue;
            }
            let now = if is_end { due_at } else { at.now };
            watch.forget(now, &spans);
            let is_blind = watch.is_blind_at(now, &spans);
            let was_blind = std::mem::replace(&mut watch.is_blind, is_blind);
            if was_blind != is_blind {
                let resolution = was_blind.then_some(Resolution::Quiet);
                let alert = watch.alert(&asset, sensor, resolution, now);
                let created = written_by_deadline(at, due_at);
                revisions.push(revision(alert, by_deadline(at.offset), created));
            }
            self.arm(&asset, sensor, now, &spans);
        }
        revisions
    }

    /// Takes in the arrival of an observation.
    pub(super) fn see(&mut self, arrival: Arrival<'_>, at: At, settings: &JoinSettings) -> Option<Revision> {
        let Arrival {
            asset,
            kind,
            is_access,
            is_paired,
            is_new_session,
        } = arrival;
        if !settings.sensors.enabled || !self.lists(asset) {
            return None;
        }
        let spans = Spans::of(settings);
        let own = &mut self.assets.entry(asset.clone()).or_default()[index(kind)?];
        let resolved = own.is_blind.then(|| {
            own.forget(at.now, &spans);
            let alert = own.alert(asset, kind, Some(Resolution::Seen), at.now);
            revision(alert, by_record(at.offset), at.now)
        });
        own.see(at.now);
        self.arm(asset, kind, at.now, &spans);

        let witness = WITNESSES.iter().position(|witness| *witness == kind);
        let Some(witness) = witness.filter(|_| is_access) else {
            return resolved;
        };
        for sensor in SENSORS.into_iter().filter(|sensor| *sensor != kind) {
            let is_due = if sensor == Kind::NetworkConnection {
                is_new_session
            } else {
                is_paired
            };
            if !is_due {
                continue;
            }
            if let Some(watch) = self.watch(asset, sensor) {
                watch.forget(at.now, &spans);
                watch.count(witness, at.now, &spans);
            }
            self.arm(asset, sensor, at.now, &spans);
        }
        resolved
    }

    fn watches(&self) -> impl Iterator<Item = (&AssetId, Kind, &Watch)> {
        let assets = self.assets.iter();
        assets.flat_map(|(asset, watches)| {
            let by_kind = SENSORS.into_iter().zip(watches);
            by_kind.map(move |(sensor, watch)| (asset, sensor, watch))
        })
    }

    fn watch(&mut self, asset: &AssetId, sensor: Kind) -> Option<&mut Watch> {
        self.assets.get_mut(asset)?.get_mut(index(sensor)?)
    }

    /// Schedules the next judgement of a sensor.
    fn arm(&mut self, asset: &AssetId, sensor: Kind, now: AppendTime, spans: &Spans) {
        let Some(watch) = self.watch(asset, sensor) else {
            return;
        };
        let next = watch.next_due(now, spans);
        let before = std::mem::replace(&mut watch.due, next);
        if before == next {
            return;
        }
        if let Some(before) = before {
            self.due.remove(&(before, asset.clone(), sensor));
        }
        if let Some(next) = next {
            self.due.insert((next, asset.clone(), sensor));
        }
    }
}

fn revision(alert: SensorBlind, number: u64, created: AppendTime) -> Revision {
    Revision {
        id: alert.id(),
        number,
        is_first: alert.resolution.is_none(),
        is_published: true,
        created,
        body: Body::SensorBlind(alert),
    }
}

/// `None` of a kind that no sensor is judged by.
fn index(kind: Kind) -> Option<usize> {
    SENSORS.iter().position(|sensor| *sensor == kind)
}
