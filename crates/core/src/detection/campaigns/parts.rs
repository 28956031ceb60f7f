//! Runs of touches, and the parts that long ones are cut into.

use std::ops::Range;

use super::settings::CampaignSettings;
use super::sighting::Sighting;
use crate::time::EventTime;

/// The first or the last access of an alert.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch<'a> {
    pub(super) time: EventTime,
    pub(super) sighting: &'a Sighting,
}

/// A part of a run, as indices of touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) touches: Range<usize>,
    /// The whole run.
    pub(super) run: Range<usize>,
    /// Whether touches before the run belong to it and are forgotten.
    pub(super) is_cut_off: bool,
    /// Whether touches of the part itself are forgotten, so that nothing more is said of it.
    pub(super) is_closed: bool,
}

/// The touches of these sightings that are later than `closed`, in order.
pub(super) fn touches<'a>(
    sightings: impl Iterator<Item = &'a Sighting>,
    closed: EventTime,
) -> Vec<Touch<'a>> {
    let mut touches = Vec::new();
    for sighting in sightings.filter(|sighting| sighting.counts()) {
        let mut add = |time| touches.push(Touch { time, sighting });
        add(sighting.first);
        if sighting.last != sighting.first {
            add(sighting.last);
        }
    }
    touches.retain(|touch| touch.time > closed);
    touches.sort_unstable_by_key(|touch| (touch.time, touch.sighting.alert_id));
    touches
}

/// Cuts touches into maximal runs, and those into parts. `forgotten` is the last touch before these; `start_of` gives the first
/// touch of the campaign that a run with this first touch continues, where earlier touches were dropped.
pub(super) fn parts(
    touches: &[Touch<'_>],
    forgotten: Option<EventTime>,
    start_of: impl Fn(EventTime) -> Option<EventTime>,
    settings: &CampaignSettings,
) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut start = 0;
    while start < touches.len() {
        let mut end = start + 1;
        while end < touches.len() && touches[end].time.distance(touches[end - 1].time) <= settings.within {
            end += 1;
        }
        let first = touches[start].time;
        let cut_off_at = forgotten.filter(|forgotten| first.distance(*forgotten) <= settings.within);
        let first = start_of(first).unwrap_or(first);
        let is_long = first.distance(touches[end - 1].time) > settings.longest;
        let ends = ends(touches, start..end, is_long, settings);
        let mut part_start = start;
        for part_end in ends {
            let bucket = |time: EventTime| time.bucket(settings.longest);
            let is_closed = cut_off_at
                .is_some_and(|forgotten| !is_long || bucket(forgotten) == bucket(touches[part_start].time));
            parts.push(Part {
                touches: part_start..part_end,
                run: start..end,
                is_cut_off: cut_off_at.is_some(),
                is_closed,
            });
            part_start = part_end;
        }
        start = end;
    }
    parts
}

/// Where the parts of a run end.
fn ends(touches: &[Touch<'_>], run: Range<usize>, is_long: bool, settings: &CampaignSettings) -> Vec<usize> {
    let bucket = |index: usize| touches[index].time.bucket(settings.longest);
    let inner = (run.start + 1..run.end).filter(|&index| is_long && bucket(index) != bucket(index - 1));
    inner.chain([run.end]).collect()
}
