//! Where windows lie, and what beside sightings decides about them.

use std::net::IpAddr;
use std::time::Duration;

use uuid::Uuid;

use crate::detection::revision::NAMESPACE;
use crate::detection::{AlertId, Exceptions, JoinSettings, SWEEP};
use crate::time::{AppendTime, EventTime};

/// A source and the start of a half, or of the window that begins with that half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowKey {
    /// The source.
    pub source: IpAddr,
    /// Event time at which it starts.
    pub start: EventTime,
}

impl WindowKey {
    /// The identifier of the window's sweep.
    pub fn id(&self) -> AlertId {
        let name = format!("{}\0{}", self.story_name(), self.start.as_micros());
        AlertId(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }

    /// The same across windows, so that a SIEM can throttle.
    pub fn story_id(&self) -> Uuid {
        Uuid::new_v5(&NAMESPACE, self.story_name().as_bytes())
    }

    /// Rule, asset and source, as for an alert about accesses: here the source takes the asset's place, too.
    fn story_name(&self) -> String {
        format!("{SWEEP}\0{0}\0{0}", self.source)
    }
}

/// What a sweep is decided by, beside sightings.
#[derive(Clone, Copy)]
pub(in crate::detection) struct SweepContext<'a> {
    pub(in crate::detection) settings: &'a JoinSettings,
    pub(in crate::detection) exceptions: &'a Exceptions,
}

impl JoinSettings {
    /// What `sweep.within` must not be longer than: all that a window follows from must be within one horizon.
    pub fn sweep_limit(&self) -> Duration {
        self.horizon()
            .saturating_sub(self.allowed_lateness + self.clock_skew * 2)
            / 2
    }

    /// Half of a window. Only the default may be longer than a short horizon allows.
    fn sweep_half(&self) -> Duration {
        (self.sweep.within().min(self.sweep_limit()) / 2).max(Duration::from_micros(1))
    }
}

impl SweepContext<'_> {
    pub(super) fn half(&self) -> Duration {
        self.settings.sweep_half()
    }

    pub(super) fn later(&self, key: WindowKey) -> WindowKey {
        WindowKey {
            start: key.start.plus(self.half()),
            ..key
        }
    }

    pub(super) fn earlier(&self, key: WindowKey) -> WindowKey {
        WindowKey {
            start: key.start.minus(self.half()),
            ..key
        }
    }

    pub(super) fn is_odd(&self, key: WindowKey) -> bool {
        let half = i64::try_from(self.half().as_micros()).unwrap_or(i64::MAX);
        key.start.as_micros().div_euclid(half).rem_euclid(2) == 1
    }

    /// When a window changes no more: when the later of the windows beside it can grow no more.
    pub(super) fn closes(&self, key: WindowKey) -> AppendTime {
        let last_arrival = self.settings.allowed_lateness + self.settings.clock_skew;
        key.start.deadline_after(self.half() * 3 + last_arrival)
    }

    /// When nothing open needs a half any more: when the window that begins after it has closed.
    pub(super) fn forgotten(&self, key: WindowKey) -> AppendTime {
        self.closes(self.later(key))
    }

    /// Whether a source that touched so many assets is a sweep.
    pub(super) fn is_enough(&self, assets: usize) -> bool {
        assets >= self.least()
    }

    /// How often so many assets are the double of the least that is enough.
    pub(super) fn doublings(&self, assets: usize) -> u32 {
        (assets / self.least()).checked_ilog2().unwrap_or(0)
    }

    /// At least one: a sweep has an asset.
    fn least(&self) -> usize {
        let least = self.settings.sweep.min_assets.max(1);
        usize::try_from(least).expect("32 bits fit into a usize")
    }
}
