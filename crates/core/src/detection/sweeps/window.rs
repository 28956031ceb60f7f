//! What sweeps are decided by beside sightings, and where windows lie.

use std::net::IpAddr;
use std::time::Duration;

use crate::detection::{Exceptions, JoinSettings};
use crate::time::{AppendTime, EventTime};

/// A source and the start of a half, or of the window that begins with it.
pub(super) type WindowKey = (IpAddr, EventTime);

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

    pub(super) fn later(&self, (source, start): WindowKey) -> WindowKey {
        (source, start.plus(self.half()))
    }

    pub(super) fn earlier(&self, (source, start): WindowKey) -> WindowKey {
        (source, start.minus(self.half()))
    }

    pub(super) fn is_odd(&self, (_, start): WindowKey) -> bool {
        let half = i64::try_from(self.half().as_micros()).unwrap_or(i64::MAX);
        start.as_micros().div_euclid(half).rem_euclid(2) == 1
    }

    /// When a window has said its last: when the later of the windows beside it can grow no more.
    pub(super) fn closes(&self, (_, start): WindowKey) -> AppendTime {
        start.deadline_after(self.half() * 3 + self.settings.allowed_lateness + self.settings.clock_skew)
    }

    /// When nothing open needs a half any more: when the window that begins after it has closed.
    pub(super) fn forgotten(&self, place: WindowKey) -> AppendTime {
        self.closes(self.later(place))
    }

    /// Whether so many assets are enough to speak of.
    pub(super) fn is_enough(&self, assets: usize) -> bool {
        assets >= self.least()
    }

    /// How often so many assets are the double of the least that is enough.
    pub(super) fn doublings(&self, assets: usize) -> u32 {
        (assets / self.least().max(1)).checked_ilog2().unwrap_or(0)
    }

    fn least(&self) -> usize {
        usize::try_from(self.settings.sweep.min_assets).unwrap_or(usize::MAX)
    }
}
