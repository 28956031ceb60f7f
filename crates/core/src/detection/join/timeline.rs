//! The accesses of an alert in order of time, and what is near them.

use std::time::Duration;

use jiff::SignedDuration;

use super::clocks;
use super::connections::Connections;
use super::stored::Stored;
use crate::detection::JoinSettings;

/// A connection, and how far it is from the nearest access that it may belong to.
#[derive(Clone, Copy)]
pub(super) struct Near<'a> {
    pub(super) connection: &'a Stored,
    pub(super) distance: Duration,
}

/// The accesses of an alert in order of time. Distances to them take a binary search, so that a flood of accesses and
/// connections stays affordable.
pub(super) struct Timeline<'a> {
    accesses: Vec<&'a Stored>,
    pub(super) settings: &'a JoinSettings,
}

impl<'a> Timeline<'a> {
    pub(super) fn of(accesses: &[&'a Stored], settings: &'a JoinSettings) -> Self {
        let mut accesses = accesses.to_vec();
        accesses.sort_by_key(|access| access.slot());
        Self { accesses, settings }
    }

    /// Every connection within the attribution window of some access, with the distance to the nearest such access.
    pub(super) fn connections_near<'b>(&self, connections: &'b Connections) -> Vec<Near<'b>> {
        let (Some(first), Some(last)) = (self.accesses.first(), self.accesses.last()) else {
            return Vec::new();
        };
        let window = self.settings.attribution_window;
        connections
            .between(first.time().minus(window), last.time().plus(window))
            .filter_map(|connection| {
                let distance = self.nearest(connection, window, None)?;
                Some(Near { connection, distance })
            })
            .collect()
    }

    /// The distance of the nearest of these connections to an access, by the asset's clock as far as it is known.
    pub(super) fn rank(&self, near: &[Near<'_>], offset: Option<SignedDuration>) -> Duration {
        let ranks = near.iter().filter_map(|&Near { connection, distance }| {
            let offset = offset.filter(|_| clocks::is_by_client(connection));
            match offset {
                Some(_) => self.nearest(connection, self.settings.attribution_window, offset),
                None => Some(distance),
            }
        });
        ranks
            .min()
            .expect("an offset moves no connection out of its window")
    }

    /// The distance of `stored` to the nearest of the accesses that are within `window` of its own time. An offset of
    /// its clock moves it before the distance is taken, and never into another window.
    pub(super) fn nearest(
        &self,
        stored: &Stored,
        window: Duration,
        offset: Option<SignedDuration>,
    ) -> Option<Duration> {
        let (from, to) = (stored.time().minus(window), stored.time().plus(window));
        let time = stored.time().set_back(offset.unwrap_or_default());
        let start = time.clamp(from, to);
        let next = self.accesses.partition_point(|access| access.time() < start);
        let joins = |access: &&&Stored| access.within_span(stored, self.settings.join_span());
        let before = self.accesses[..next]
            .iter()
            .rev()
            .take_while(|access| access.time() >= from)
            .find(joins);
        let after = self.accesses[next..]
            .iter()
            .take_while(|access| access.time() <= to)
            .find(joins);
        let both = before.into_iter().chain(after);
        both.map(|access| access.time().distance(time)).min()
    }
}
