//! Readiness of telemetry: which kinds of observation an asset's accesses should have brought and never do.
//!
//! One access is told by up to three sensors. Where one of them tells of access after access and another never does, the
//! other is *blind*: its log is not shipped, not switched on, or filtered away. What is judged is one horizon of the log:
//!
//! - a kind has been seen if an observation of it arrived within the horizon, whatever became of it;
//! - a sensor is blind if it has not been seen, while another told of at least `min_accesses` accesses that it should have
//!   told of too, their arrivals spread over at least `min_span`, each of them at least `allowed_lateness` ago;
//! - it is blind no longer once it is seen or, since nothing older than the horizon may be remembered, once what is left
//!   within the horizon is too little to tell.
//!
//! So whether a sensor is blind is a function of one horizon of the log, and a replay of two repeats every finding.
//! Arrivals are counted in aligned slots, which are complete before they speak and are forgotten whole.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::revision::NAMESPACE;
use super::{About, AlertId, AlertKey, Content, Counts, JoinSettings, Revision, Status};
use crate::event::{AssetId, Kind};
use crate::inventory::Inventory;
use crate::time::{AppendTime, EventTime};

/// The rule id of every finding about a sensor.
pub const SENSOR_BLIND: &str = "sensor-blind";

/// How many slots a horizon is divided into: the coarseness of counting.
const SLOTS: u32 = 32;

/// The kinds that can show that a sensor is blind. A connection shows nothing: most of them open no watched pipe.
const WITNESSES: [Kind; 2] = [Kind::PipeConnected, Kind::ShareAccess];

/// What a finding says of a sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SensorFinding {
    /// The kind that is missing.
    pub sensor: Kind,
    /// Why the finding has ended, if it has.
    pub resolution: Option<Resolution>,
}

/// Why a finding has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The sensor has been seen.
    Seen,
    /// There were too few accesses within the last horizon to tell.
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

/// The sensors of the assets that an inventory lists. Others are not judged: their number has no bound.
#[derive(Debug, Default)]
pub(super) struct Sensors {
    inventory: Option<Arc<Inventory>>,
    assets: BTreeMap<AssetId, [Watch; Kind::ALL.len()]>,
    /// When to look at a sensor again: at the first moment at which its judgement may change without a record of its own.
    due: BTreeSet<(AppendTime, AssetId, Kind)>,
}

/// What is known of one sensor.
#[derive(Debug, Default)]
struct Watch {
    last_seen: Option<AppendTime>,
    /// By witness: what it told of since the sensor was seen last. Oldest first.
    told: [VecDeque<Slot>; WITNESSES.len()],
    is_blind: bool,
    due: Option<AppendTime>,
}

/// Arrivals in one slot.
#[derive(Clone, Copy, Debug)]
struct Slot {
    start: AppendTime,
    first: AppendTime,
    last: AppendTime,
    count: u32,
}

/// Arrivals in several slots.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u32,
    span: Option<(AppendTime, AppendTime)>,
}

/// The spans of a judgement.
#[derive(Clone, Copy, Debug)]
struct Spans {
    horizon: Duration,
    slot: Duration,
    /// From the start of a slot until it may speak.
    wait: Duration,
    min_span: Duration,
    min_accesses: u32,
}

impl Spans {
    fn of(settings: &JoinSettings) -> Self {
        let slot = settings.horizon() / SLOTS;
        let mut spans = Self {
            horizon: settings.horizon(),
            slot,
            wait: slot + settings.allowed_lateness,
            min_span: settings.sensors.min_span(),
            min_accesses: settings.sensors.min_accesses,
        };
        // Only the default may be longer than a short horizon allows.
        if spans.min_span >= spans.limit() {
            spans.min_span = spans.limit() / 2;
        }
        spans
    }
}

impl Spans {
    /// Accesses this far apart are not within one horizon any more when the last of them may speak.
    fn limit(&self) -> Duration {
        self.horizon.saturating_sub(self.wait + self.slot)
    }
}

impl JoinSettings {
    /// What `sensors.min_span` must be shorter than: accesses that far apart could not be judged within one horizon.
    pub fn sensor_span_limit(&self) -> Duration {
        Spans::of(self).limit()
    }
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
        self.assets.iter().flat_map(|(asset, watches)| {
            Kind::ALL
                .into_iter()
                .zip(watches)
                .map(|(sensor, watch)| SensorState {
                    asset: asset.clone(),
                    sensor,
                    last_seen: watch.last_seen,
                    is_blind: watch.is_blind,
                })
        })
    }

    /// The findings that stand, to be written once more by a record at `offset`.
    pub(super) fn standing(&self, offset: u64) -> Vec<Revision> {
        let standing = self.states().filter(|state| state.is_blind);
        standing
            .filter_map(|state| {
                let watch = self.assets.get(&state.asset)?.get(index(state.sensor))?;
                let again = watch.revision(&state.asset, state.sensor, None, AppendTime::MIN, 2 * offset);
                Some(Revision {
                    is_first: false,
                    ..again
                })
            })
            .collect()
    }

    /// Judges what is due at `now`, before the record at `offset` is applied.
    pub(super) fn judge(&mut self, now: AppendTime, offset: u64, settings: &JoinSettings) -> Vec<Revision> {
        let mut due = BTreeMap::new();
        while self.next_due().is_some_and(|at| at <= now)
            && let Some((at, asset, sensor)) = self.due.pop_first()
        {
            due.insert((asset, sensor), at);
        }
        let spans = Spans::of(settings);
        let mut revisions = Vec::new();
        for ((asset, sensor), at) in due {
            let Some(watch) = self.watch(&asset, sensor) else {
                continue;
            };
            watch.due = None;
            // At the end of input every judgement is made at its own time, and none is taken back.
            let is_end = now == AppendTime::MAX;
            if is_end && watch.is_blind {
                continue;
            }
            let now = if is_end { at } else { now };
            watch.forget(now, &spans);
            let is_blind = watch.is_blind_at(now, &spans);
            let was_blind = std::mem::replace(&mut watch.is_blind, is_blind);
            if was_blind != is_blind {
                let resolution = was_blind.then_some(Resolution::Quiet);
                revisions.push(watch.revision(&asset, sensor, resolution, now, 2 * offset));
            }
            self.arm(&asset, sensor, now, &spans);
        }
        revisions
    }

    /// Takes note of the arrival of an observation at `offset`. `is_access` is whether it tells of an access for the first
    /// time; `is_paired` whether the other destination-side sensor should have told of it too.
    pub(super) fn see(
        &mut self,
        (asset, seen): (&AssetId, Kind),
        (is_access, is_paired): (bool, bool),
        (now, offset): (AppendTime, u64),
        settings: &JoinSettings,
    ) -> Option<Revision> {
        if !settings.sensors.enabled || !self.lists(asset) {
            return None;
        }
        let spans = Spans::of(settings);
        let watches = self.assets.entry(asset.clone()).or_default();

        let own = &mut watches[index(seen)];
        let resolved = own.is_blind.then(|| {
            own.forget(now, &spans);
            own.revision(asset, seen, Some(Resolution::Seen), now, 2 * offset + 1)
        });
        own.last_seen = Some(now);
        own.is_blind = false;
        own.told.iter_mut().for_each(VecDeque::clear);
        self.arm(asset, seen, now, &spans);

        let witness = WITNESSES.iter().position(|witness| *witness == seen);
        for sensor in Kind::ALL.into_iter().filter(|sensor| *sensor != seen) {
            let should_tell = is_access && (is_paired || sensor == Kind::NetworkConnection);
            let Some(witness) = witness.filter(|_| should_tell) else {
                continue;
            };
            if let Some(watch) = self.watch(asset, sensor) {
                watch.forget(now, &spans);
                watch.count(witness, now, &spans);
            }
            self.arm(asset, sensor, now, &spans);
        }
        resolved
    }

    fn watch(&mut self, asset: &AssetId, sensor: Kind) -> Option<&mut Watch> {
        self.assets.get_mut(asset)?.get_mut(index(sensor))
    }

    /// Notes when the sensor must be looked at next.
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

impl Watch {
    /// Forgets slots that began a horizon ago or earlier.
    fn forget(&mut self, now: AppendTime, spans: &Spans) {
        let oldest = now.minus(spans.horizon);
        for slots in &mut self.told {
            while slots.pop_front_if(|slot| slot.start <= oldest).is_some() {}
        }
    }

    fn count(&mut self, witness: usize, now: AppendTime, spans: &Spans) {
        let start = now.bucket(spans.slot);
        let slots = &mut self.told[witness];
        match slots.back_mut() {
            Some(slot) if slot.start == start => {
                slot.last = now;
                slot.count = slot.count.saturating_add(1);
            }
            _ => slots.push_back(Slot {
                start,
                first: now,
                last: now,
                count: 1,
            }),
        }
    }

    fn is_blind_at(&self, at: AppendTime, spans: &Spans) -> bool {
        let oldest = at.minus(spans.horizon);
        let is_seen = self.last_seen.is_some_and(|seen| seen > oldest);
        let tells = |slots: &VecDeque<Slot>| {
            let within = slots.iter().filter(|slot| slot.start > oldest);
            let sum = Sum::of(within.filter(|slot| slot.start.plus(spans.wait) <= at));
            let is_wide = |(first, last): (AppendTime, AppendTime)| last.distance(first) >= spans.min_span;
            sum.count >= spans.min_accesses && sum.span.is_some_and(is_wide)
        };
        !is_seen && self.told.iter().any(tells)
    }

    /// A blind sensor may cease to be one whenever a slot is forgotten; another may become blind whenever a slot may speak,
    /// once it has not been seen for a horizon.
    fn next_due(&self, now: AppendTime, spans: &Spans) -> Option<AppendTime> {
        let slots = self.told.iter().flatten();
        if self.is_blind {
            return slots.map(|slot| slot.start.plus(spans.horizon)).min();
        }
        let unseen = self.last_seen.map_or(now, |seen| seen.plus(spans.horizon));
        let moments: BTreeSet<AppendTime> = slots
            .map(|slot| slot.start.plus(spans.wait).max(unseen).max(now))
            .collect();
        moments.into_iter().find(|&at| self.is_blind_at(at, spans))
    }

    fn revision(
        &self,
        asset: &AssetId,
        sensor: Kind,
        resolution: Option<Resolution>,
        now: AppendTime,
        number: u64,
    ) -> Revision {
        let [pipes, shares] = self.told.each_ref().map(|slots| Sum::of(slots.iter()));
        let spans = || [pipes.span, shares.span].into_iter().flatten();
        let first = spans().map(|(first, _)| first).min().unwrap_or(now);
        let last = spans().map(|(_, last)| last).max().unwrap_or(now);
        let status = match resolution {
            Some(_) => Status::Resolved,
            None => Status::Active,
        };
        let content = Content {
            accesses: pipes.count.max(shares.count),
            counts: Counts {
                network_connection: 0,
                pipe_connected: pipes.count,
                share_access: shares.count,
            },
            ..Content::nothing(status, on_log(first), on_log(last))
        };
        Revision {
            key: AlertKey {
                rule: SENSOR_BLIND.into(),
                asset: asset.clone(),
                source: None,
                bucket: EventTime::default(),
                arrival_bucket: None,
            },
            id: finding_id(asset, sensor),
            number,
            is_first: resolution.is_none(),
            is_excepted_anew: false,
            is_published: true,
            content,
            about: About::Sensor(SensorFinding { sensor, resolution }),
        }
    }
}

impl Sum {
    fn of<'a>(slots: impl Iterator<Item = &'a Slot>) -> Self {
        slots.fold(Self::default(), |sum, slot| Self {
            count: sum.count.saturating_add(slot.count),
            span: Some((sum.span.map_or(slot.first, |(first, _)| first), slot.last)),
        })
    }
}

/// One finding per asset and sensor, for ever: what is found again is the same finding again.
fn finding_id(asset: &AssetId, sensor: Kind) -> AlertId {
    let name = format!("{SENSOR_BLIND}\0{asset}\0{sensor}");
    AlertId(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
}

/// A finding speaks of arrivals, and so of the log's clock.
fn on_log(time: AppendTime) -> EventTime {
    EventTime::from_micros(time.as_millis().saturating_mul(1000))
}

const fn index(kind: Kind) -> usize {
    match kind {
        Kind::NetworkConnection => 0,
        Kind::PipeConnected => 1,
        Kind::ShareAccess => 2,
    }
}
