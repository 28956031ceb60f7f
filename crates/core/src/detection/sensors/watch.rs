//! What is known of one sensor of one asset, and the judgement of it.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::{Resolution, SensorBlind};
use crate::detection::JoinSettings;
use crate::event::{AssetId, Kind};
use crate::time::AppendTime;

/// How many slots a horizon is divided into: the coarseness of counting.
const SLOTS: u32 = 32;

/// The kinds whose sensors are judged. Logons and share sessions are evidence where they are collected, and no access must bring
/// one: a session that is reused brings none for hours.
pub(super) const SENSORS: [Kind; 3] = [Kind::NetworkConnection, Kind::PipeConnected, Kind::ShareAccess];

/// The kinds that can show that a sensor is blind. A connection shows nothing: most of them open no watched pipe.
pub(super) const WITNESSES: [Kind; 2] = [Kind::PipeConnected, Kind::ShareAccess];

/// What is known of one sensor.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) last_seen: Option<AppendTime>,
    /// By witness: the accesses that it logged since the sensor was seen last. Oldest first.
    witnessed: [VecDeque<Slot>; WITNESSES.len()],
    pub(super) is_blind: bool,
    pub(super) due: Option<AppendTime>,
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
pub(super) struct Spans {
    horizon: Duration,
    slot: Duration,
    /// From the start of a slot until it counts.
    wait: Duration,
    min_span: Duration,
    min_accesses: u32,
}

impl Spans {
    pub(super) fn of(settings: &JoinSettings) -> Self {
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

    /// Accesses this far apart are not within one horizon any more when the last of them counts.
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

impl Watch {
    /// The sensor is seen, so whatever others logged before shows nothing.
    pub(super) fn see(&mut self, now: AppendTime) {
        self.last_seen = Some(now);
        self.is_blind = false;
        self.witnessed.iter_mut().for_each(VecDeque::clear);
    }

    /// Forgets slots that began a horizon ago or earlier.
    pub(super) fn forget(&mut self, now: AppendTime, spans: &Spans) {
        let oldest = now.minus(spans.horizon);
        for slots in &mut self.witnessed {
            while slots.pop_front_if(|slot| slot.start <= oldest).is_some() {}
        }
    }

    pub(super) fn count(&mut self, witness: usize, now: AppendTime, spans: &Spans) {
        let start = now.bucket(spans.slot);
        let slots = &mut self.witnessed[witness];
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

    pub(super) fn is_blind_at(&self, at: AppendTime, spans: &Spans) -> bool {
        let oldest = at.minus(spans.horizon);
        let is_seen = self.last_seen.is_some_and(|seen| seen > oldest);
        let shows_it = |slots: &VecDeque<Slot>| {
            let within = slots.iter().filter(|slot| slot.start > oldest);
            let sum = Sum::of(within.filter(|slot| slot.start.plus(spans.wait) <= at));
            let is_wide = |(first, last): (AppendTime, AppendTime)| last.distance(first) >= spans.min_span;
            sum.count >= spans.min_accesses && sum.span.is_some_and(is_wide)
        };
        !is_seen && self.witnessed.iter().any(shows_it)
    }

    /// A blind sensor may cease to be one whenever a slot is forgotten; another may become blind whenever a slot
    /// begins to count, once it has not been seen for a horizon.
    pub(super) fn next_due(&self, now: AppendTime, spans: &Spans) -> Option<AppendTime> {
        let slots = self.witnessed.iter().flatten();
        if self.is_blind {
            return slots.map(|slot| slot.start.plus(spans.horizon)).min();
        }
        let unseen = self.last_seen.map_or(now, |seen| seen.plus(spans.horizon));
        let moments: BTreeSet<AppendTime> = slots
            .map(|slot| slot.start.plus(spans.wait).max(unseen).max(now))
            .collect();
        moments.into_iter().find(|&at| self.is_blind_at(at, spans))
    }

    /// The alert about the sensor as of now.
    pub(super) fn alert(
        &self,
        asset: &AssetId,
        sensor: Kind,
        resolution: Option<Resolution>,
        now: AppendTime,
    ) -> SensorBlind {
        let [pipes, shares] = self.witnessed.each_ref().map(|slots| Sum::of(slots.iter()));
        let spans = || [pipes.span, shares.span].into_iter().flatten();
        SensorBlind {
            asset: asset.clone(),
            sensor,
            pipe_connected: pipes.count,
            share_access: shares.count,
            first: spans().map(|(first, _)| first).min().unwrap_or(now),
            last: spans().map(|(_, last)| last).max().unwrap_or(now),
            resolution,
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
