//! Campaigns: what one source does to several assets, or along a chain of rules on one.
//!
//! An alert about accesses has one asset, and the partition of that asset knows nothing of others. So what an alert says of its
//! source is published a second time, as a [`Sighting`], to the partition of the source. There, the first and the last access
//! of an active alert are *touches*, and a *run* is a maximal sequence of touches of one source in which no two neighbours are
//! further apart than `within`. A run that holds enough assets, or a chain, is a campaign. One that takes longer than `longest`
//! is cut at multiples of it, and each part is a campaign, whatever it holds.
//!
//! Which campaigns there are is a function of the set of sightings, in whatever order they came: of one alert the sighting with
//! the greatest revision counts. A late touch may join two runs: they become the earlier campaign, and the other is superseded.
//!
//! | module | what it knows |
//! |---|---|
//! | `sighting` | what an alert says of its source |
//! | `store` | the sightings in state, within their bounds |
//! | `parts` | runs, and where long ones are cut |
//! | `campaign` | what is known of one campaign |
//! | `publisher` | which campaigns a source has, and when they are written |

mod campaign;
mod parts;
mod publisher;
mod settings;
mod sighting;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::campaign::Context;
pub use self::campaign::{Campaign, CampaignAsset};
use self::publisher::{Publisher, Stamp};
pub use self::settings::CampaignSettings;
pub use self::sighting::{Sighting, SightingRecord};
use self::store::{Store, Taken};
use super::outcome::{Counters, Disposition, JoinOutput, StateSize};
use super::revision::{by_deadline, by_record, written_by_deadline};
use super::{JoinSettings, Revision, Rule};
use crate::log::At;
use crate::time::{AppendTime, EventTime};

/// The rule id of every campaign.
pub const CAMPAIGN: &str = "campaign";

/// The state of one sightings partition: sightings and ticks in, revisions of campaigns out.
///
/// A record with stream time `s` is processed in a fixed order: deadlines up to `s` fire, touches expire, then the record is
/// applied.
#[derive(Debug)]
pub struct Campaigns {
    settings: JoinSettings,
    rules: BTreeMap<Arc<str>, Arc<Rule>>,
    stream_time: AppendTime,
    store: Store,
    publishers: BTreeMap<Arc<str>, Publisher>,
    deadlines: BTreeSet<(AppendTime, Arc<str>)>,
}

impl Campaigns {
    /// An empty state before the first record.
    pub fn new(rules: &[Rule], settings: JoinSettings) -> Self {
        let rules = rules
            .iter()
            .map(|rule| (Arc::clone(&rule.id), Arc::new(rule.clone())));
        Self {
            settings,
            rules: rules.collect(),
            stream_time: AppendTime::MIN,
            store: Store::default(),
            publishers: BTreeMap::new(),
            deadlines: BTreeSet::new(),
        }
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
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// How much is in state.
    pub fn state_size(&self) -> StateSize {
        StateSize {
            alerts: self.publishers.values().map(Publisher::len).sum(),
            sightings: self.store.len(),
            sources: self.store.sources(),
            ..StateSize::default()
        }
    }

    /// Applies a record. Offsets must rise; append times need not.
    pub fn apply(&mut self, at: At, record: SightingRecord) -> JoinOutput {
        self.stream_time = self.stream_time.max(at.now);
        let at = At {
            now: self.stream_time,
            ..at
        };
        let mut output = JoinOutput {
            revisions: self.fire_deadlines(at),
            disposition: Disposition::Tick,
            counters: Counters::default(),
        };
        self.store.expire(self.closed());
        self.forget_gone();
        if let SightingRecord::Sighting(sighting) = record {
            self.take(sighting, at, &mut output);
        }
        output
    }

    /// The last revision of every campaign that still counts, superseded ones included. A change of policy writes them once more,
    /// numbered as a deadline at this record would.
    pub fn publish_open(&self, at: At) -> Vec<Revision> {
        let stamp = Stamp {
            number: by_deadline(at.offset),
            created: self.stream_time.max(at.now),
        };
        let closed = self.closed();
        let published = self.publishers.values();
        let mut revisions: Vec<Revision> = published
            .flat_map(|publisher| publisher.published(closed, stamp))
            .collect();
        revisions.sort_by_key(|revision| revision.id);
        revisions
    }

    fn take(&mut self, sighting: Sighting, at: At, output: &mut JoinOutput) {
        // What was in time for its alert is older than this only if its way here took very long, and ahead of it never.
        let ahead = EventTime::on_log(at.now.plus(self.settings.clock_skew * 2));
        let is_in_order = sighting.first <= sighting.last && sighting.last <= ahead;
        let is_late = sighting.last <= self.closed() || !is_in_order;
        if is_late || !self.rules.contains_key(&sighting.rule) {
            output.disposition = if is_late {
                output.counters.late_sightings += 1;
                Disposition::Dropped
            } else {
                Disposition::Unwatched
            };
            return;
        }
        let source = Arc::clone(&sighting.source);
        let taken = self
            .store
            .take(sighting, at.offset.get(), &self.settings.campaign);
        let Taken::Counts { dropped } = taken else {
            output.disposition = Disposition::Copy;
            return;
        };
        output.disposition = Disposition::Sighting;
        output.counters.dropped_sightings += dropped;
        self.forget_gone();
        self.consider(&source, at, output);
    }

    /// Looks at a source of which a sighting has come, or notes when to.
    fn consider(&mut self, source: &Arc<str>, at: At, output: &mut JoinOutput) {
        let Some(sightings) = self.store.get(source) else {
            return;
        };
        let publisher = self.publishers.entry(Arc::clone(source)).or_default();
        match publisher.rests_until(sightings, at.now, &self.settings) {
            Some(until) => {
                let before = publisher.deadline;
                let deadline = before.map_or(until, |before| before.min(until));
                publisher.deadline = Some(deadline);
                self.move_deadline(source, before, Some(deadline));
            }
            None => {
                let stamp = Stamp {
                    number: by_record(at.offset),
                    created: at.now,
                };
                let revisions = self.look(source, (stamp, at.now), self.closed());
                output.revisions.extend(revisions);
            }
        }
    }

    fn look(
        &mut self,
        source: &Arc<str>,
        (stamp, now): (Stamp, AppendTime),
        closed: EventTime,
    ) -> Vec<Revision> {
        let context = Context {
            settings: &self.settings,
            rules: &self.rules,
        };
        let publisher = self.publishers.get_mut(source);
        let Some((publisher, sightings)) = publisher.zip(self.store.get(source)) else {
            return Vec::new();
        };
        let before = publisher.deadline;
        let revisions = publisher.look(source, sightings, closed, (stamp, now), context);
        let after = publisher.deadline;
        self.move_deadline(source, before, after);
        revisions
    }

    fn fire_deadlines(&mut self, at: At) -> Vec<Revision> {
        let mut revisions = Vec::new();
        while let Some((deadline, source)) = self.deadlines.first()
            && *deadline <= at.now
        {
            let (deadline, source) = (*deadline, Arc::clone(source));
            let stamp = Stamp {
                number: by_deadline(at.offset),
                created: written_by_deadline(at, deadline),
            };
            self.deadlines.pop_first();
            // What was in state at the deadline: between that and this record nothing has expired.
            revisions.extend(self.look(&source, (stamp, at.now), self.closed_at(deadline)));
        }
        revisions
    }

    fn move_deadline(&mut self, source: &Arc<str>, before: Option<AppendTime>, after: Option<AppendTime>) {
        if let Some(before) = before {
            self.deadlines.remove(&(before, Arc::clone(source)));
        }
        if let Some(after) = after {
            self.deadlines.insert((after, Arc::clone(source)));
        }
    }

    /// Forgets what was published of sources of which nothing is in state any more.
    fn forget_gone(&mut self) {
        for source in self.store.take_gone() {
            if self.store.get(&source).is_none()
                && let Some(publisher) = self.publishers.remove(&source)
            {
                self.move_deadline(&source, publisher.deadline, None);
            }
        }
    }

    /// Touches up to this time do not count any more.
    fn closed(&self) -> EventTime {
        self.closed_at(self.stream_time)
    }

    fn closed_at(&self, now: AppendTime) -> EventTime {
        EventTime::on_log(now.minus(self.settings.campaign_horizon()))
    }
}
