//! The sightings in state, within their bounds.
//!
//! What counts is a function of the log's end alone: a touch counts until it is older than the horizon, and where a bound is
//! reached, what was seen least recently goes first. So a state that is rebuilt from the log is the one that was lost, bounds
//! or not, which it would not be if what came first stayed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::settings::CampaignSettings;
use super::sighting::Sighting;
use crate::detection::AlertId;
use crate::time::EventTime;

/// How many sightings a partition keeps for each source that it may keep, on average.
const SIGHTINGS_PER_SOURCE: usize = 16;

/// The sightings of one partition.
#[derive(Debug, Default)]
pub(super) struct Store {
    sources: BTreeMap<Arc<str>, Sightings>,
    /// The last sighting of each alert, by offset.
    arrivals: BTreeMap<u64, Place>,
    /// The last sighting of each source, by offset.
    recent: BTreeMap<u64, Arc<str>>,
    expiries: BTreeSet<(EventTime, Place)>,
    /// Sources that were forgotten, until they are taken out.
    gone: Vec<Arc<str>>,
}

/// Where a sighting is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    source: Arc<str>,
    alert: AlertId,
}

/// The sightings of one source.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    alerts: BTreeMap<AlertId, Seen>,
    arrivals: BTreeMap<u64, AlertId>,
    /// How many touches they take.
    pub(super) touches: usize,
    /// The last touch that is too old to count.
    forgotten: Option<EventTime>,
    /// What a bound has dropped, by the time of the last touch in steps of the greatest length of a campaign.
    dropped: BTreeMap<EventTime, Dropped>,
}

/// The last sighting of an alert.
#[derive(Debug)]
struct Seen {
    sighting: Sighting,
    offset: u64,
}

/// Sightings that a bound has dropped.
#[derive(Clone, Copy, Debug)]
struct Dropped {
    until: EventTime,
    number: u32,
}

/// What became of a sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It says what its alert's last sighting says, or is older.
    Known,
    /// It counts. Bounds have dropped so many others.
    Counts { dropped: u64 },
}

impl Store {
    /// Takes a sighting in.
    pub(super) fn take(&mut self, sighting: Sighting, offset: u64, settings: &CampaignSettings) -> Taken {
        let place = Place {
            source: Arc::clone(&sighting.source),
            alert: sighting.alert_id,
        };
        let known = self.sources.get(&place.source);
        let known = known.and_then(|sightings| sightings.alerts.get(&place.alert));
        if known.is_some_and(|seen| seen.sighting.revision >= sighting.revision) {
            return Taken::Known;
        }
        self.remove(&place);
        self.arrivals.insert(offset, place.clone());
        self.expiries.insert((sighting.last, place.clone()));
        let sightings = self.sources.entry(Arc::clone(&place.source)).or_default();
        if let Some((&before, _)) = sightings.arrivals.last_key_value() {
            self.recent.remove(&before);
        }
        self.recent.insert(offset, Arc::clone(&place.source));
        sightings.touches += sighting.touches();
        sightings.arrivals.insert(offset, place.alert);
        sightings.alerts.insert(place.alert, Seen { sighting, offset });
        Taken::Counts {
            dropped: self.bound(&place.source, settings),
        }
    }

    /// Drops what is beyond the bounds. How many sightings that were.
    fn bound(&mut self, source: &Arc<str>, settings: &CampaignSettings) -> u64 {
        let mut dropped = 0;
        while let Some(oldest) = self.sources.get(source)
            && oldest.touches > settings.touches_per_source
            && oldest.alerts.len() > 1
            && let Some((_, &alert)) = oldest.arrivals.first_key_value()
        {
            let source = Arc::clone(source);
            dropped += self.drop(&Place { source, alert }, settings);
        }
        while self.sources.len() > settings.sources_per_partition
            && let Some((_, source)) = self.recent.first_key_value()
        {
            let source = Arc::clone(source);
            dropped += self.forget_source(&source);
        }
        let most = settings
            .sources_per_partition
            .saturating_mul(SIGHTINGS_PER_SOURCE);
        while self.arrivals.len() > most
            && let Some((_, place)) = self.arrivals.first_key_value()
        {
            let place = place.clone();
            dropped += self.drop(&place, settings);
        }
        dropped
    }

    /// Drops a sighting, and remembers until when campaigns may lack touches.
    fn drop(&mut self, place: &Place, settings: &CampaignSettings) -> u64 {
        let Some(sighting) = self.remove(place) else {
            return 0;
        };
        if let Some(sightings) = self.sources.get_mut(&place.source) {
            let bucket = sighting.last.bucket(settings.longest);
            let dropped = sightings.dropped.entry(bucket).or_insert(Dropped {
                until: sighting.last,
                number: 0,
            });
            dropped.until = dropped.until.max(sighting.last);
            dropped.number = dropped.number.saturating_add(1);
        }
        self.clear_out(&place.source);
        1
    }

    fn forget_source(&mut self, source: &Arc<str>) -> u64 {
        let Some(sightings) = self.sources.get(source) else {
            return 0;
        };
        let alerts: Vec<AlertId> = sightings.alerts.keys().copied().collect();
        for &alert in &alerts {
            let source = Arc::clone(source);
            self.remove(&Place { source, alert });
        }
        self.clear_out(source);
        alerts.len() as u64
    }

    /// Forgets touches up to this time.
    pub(super) fn expire(&mut self, until: EventTime) {
        while let Some((last, place)) = self.expiries.first()
            && *last <= until
        {
            let place = place.clone();
            let Some(sighting) = self.remove(&place) else {
                continue;
            };
            if let Some(sightings) = self.sources.get_mut(&place.source) {
                if sighting.counts() {
                    sightings.forgotten = sightings.forgotten.max(Some(sighting.last));
                }
                sightings.dropped.retain(|_, dropped| dropped.until > until);
            }
            self.clear_out(&place.source);
        }
    }

    /// Removes a source without sightings.
    fn clear_out(&mut self, source: &Arc<str>) {
        let sightings = self.sources.get(source);
        if sightings.is_some_and(|sightings| sightings.alerts.is_empty()) {
            self.sources.remove(source);
            self.gone.push(Arc::clone(source));
        }
    }

    /// The sources that were forgotten since the last call.
    pub(super) fn take_gone(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.gone)
    }

    fn remove(&mut self, place: &Place) -> Option<Sighting> {
        let sightings = self.sources.get_mut(&place.source)?;
        let Seen { sighting, offset } = sightings.alerts.remove(&place.alert)?;
        if self.recent.remove(&offset).is_some() {
            let latest = sightings.arrivals.range(..offset).next_back();
            self.recent
                .extend(latest.map(|(&latest, _)| (latest, Arc::clone(&place.source))));
        }
        sightings.arrivals.remove(&offset);
        sightings.touches -= sighting.touches();
        self.arrivals.remove(&offset);
        self.expiries.remove(&(sighting.last, place.clone()));
        Some(sighting)
    }

    pub(super) fn get(&self, source: &str) -> Option<&Sightings> {
        self.sources.get(source)
    }

    /// How many sightings it holds.
    pub(super) fn len(&self) -> usize {
        self.arrivals.len()
    }

    /// How many sources it holds.
    pub(super) fn sources(&self) -> usize {
        self.sources.len()
    }
}

impl Sightings {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Sighting> {
        self.alerts.values().map(|seen| &seen.sighting)
    }

    /// The last touch that is too old to count where touches up to `closed` are.
    pub(super) fn forgotten(&self, closed: EventTime) -> Option<EventTime> {
        let counting = self.iter().filter(|sighting| sighting.counts());
        let first = counting.map(|sighting| sighting.first);
        let first = first.filter(|first| *first <= closed).max();
        self.forgotten.max(first)
    }

    /// The last touch after `closed` that a bound has dropped.
    pub(super) fn dropped_until(&self, closed: EventTime) -> Option<EventTime> {
        let until = self.dropped.values().map(|dropped| dropped.until);
        until.filter(|until| *until > closed).max()
    }

    /// How many alerts a bound has dropped in this time and what surrounds it by less than the greatest length of a campaign.
    pub(super) fn dropped_in(&self, first: EventTime, last: EventTime, settings: &CampaignSettings) -> u32 {
        let buckets = first.bucket(settings.longest)..=last.bucket(settings.longest);
        let dropped = self.dropped.range(buckets);
        dropped.fold(0, |sum, (_, dropped)| dropped.number.saturating_add(sum))
    }
}
