//! Searches around an access, each of a bounded number of steps.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::stored::{Origin, Slot, Stored, around};
use super::seen;
use crate::time::EventTime;

/// How far a search goes, in widths of the window.
const REACH: u32 = 3;
/// Observations examined on either side of an access where no index bounds the search.
pub(super) const EXAMINED: usize = 128;
/// The step of the clock of events.
pub(super) const TICK: Duration = Duration::from_micros(1);

/// Keeps the nearest connection of each origin, by content.
pub(super) fn keep_nearest<'a>(
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
pub(super) fn walk<'a, V: 'a, I>(
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
pub(super) fn reach(window: Duration) -> Duration {
    window.saturating_mul(REACH)
}
