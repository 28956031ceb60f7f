//! The campaigns of one source: which there are by its sightings, and when they are written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::campaign::{Basis, Campaign, Context, at_full_risk, campaign_id};
use super::parts::{Part, Touch, parts, touches};
use super::store::Sightings;
use crate::detection::{AlertId, Body, JoinSettings, Revision};
use crate::time::{AppendTime, EventTime};

/// A source with more touches than this is not looked at for each sighting.
const LARGE: usize = 256;

/// What was published of one source.
#[derive(Debug, Default)]
pub(super) struct Publisher {
    campaigns: BTreeMap<AlertId, Published>,
    last_looked: Option<AppendTime>,
    /// When to look next, though no sighting comes.
    pub(super) deadline: Option<AppendTime>,
}

#[derive(Debug)]
struct Published {
    campaign: Campaign,
    at: AppendTime,
    /// Since when it differs.
    differs_since: Option<AppendTime>,
}

/// The campaigns of a source as they are now.
struct Current {
    campaigns: Vec<Campaign>,
    /// Published campaigns that begin no later than this do not change any more.
    closed: EventTime,
}

/// The number of a revision, and when it is written.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    pub(super) number: u64,
    pub(super) created: AppendTime,
}

impl Publisher {
    /// Until when the source need not be looked at, though a sighting has come.
    pub(super) fn rests_until(
        &self,
        sightings: &Sightings,
        now: AppendTime,
        settings: &JoinSettings,
    ) -> Option<AppendTime> {
        let until = self.last_looked?.plus(settings.revise_at_most_every);
        (sightings.touches > LARGE && until > now).then_some(until)
    }

    /// Writes what is due of a source's campaigns. Touches up to `closed` do not count any more.
    pub(super) fn look(
        &mut self,
        source: &Arc<str>,
        sightings: &Sightings,
        closed: EventTime,
        (stamp, now): (Stamp, AppendTime),
        context: Context<'_>,
    ) -> Vec<Revision> {
        self.last_looked = Some(now);
        self.deadline = None;
        self.campaigns
            .retain(|_, published| published.campaign.first > closed);
        let Current {
            campaigns,
            closed: settled,
        } = self.current(source, sightings, closed, context);
        let gone = self.gone(&campaigns, settled);
        let takers = self.takers(&gone);
        let mut revisions = Vec::new();
        for campaign in campaigns.into_iter().chain(gone) {
            let id = campaign.id();
            let is_first = !self.campaigns.contains_key(&id);
            let is_taker = takers.contains(&id);
            if self.is_due(&campaign, is_taker, now, context.settings) {
                revisions.push(revision(&campaign, stamp, is_first));
                let published = Published {
                    campaign,
                    at: stamp.created,
                    differs_since: None,
                };
                self.campaigns.insert(id, published);
            }
        }
        revisions
    }

    /// The last revision of every campaign that still counts, to be written once more.
    pub(super) fn published(&self, closed: EventTime, stamp: Stamp) -> impl Iterator<Item = Revision> {
        let campaigns = self.campaigns.values().map(|published| &published.campaign);
        let counting = campaigns.filter(move |campaign| campaign.first > closed);
        counting.map(move |campaign| revision(campaign, stamp, false))
    }

    /// How many campaigns were published.
    pub(super) fn len(&self) -> usize {
        self.campaigns.len()
    }

    /// The active campaigns by the sightings.
    fn current(
        &self,
        source: &Arc<str>,
        sightings: &Sightings,
        closed: EventTime,
        context: Context<'_>,
    ) -> Current {
        let settings = &context.settings.campaign;
        let touches = touches(sightings.iter(), closed);
        let dropped_until = sightings.dropped_until(closed);
        let start_of = |first: EventTime| {
            let until = dropped_until.filter(|until| until.plus(settings.within) >= first)?;
            self.continued(first, until, context)
        };
        let mut current = Current {
            campaigns: Vec::new(),
            closed,
        };
        for part in parts(&touches, sightings.forgotten(closed), start_of, settings) {
            let own = &touches[part.touches.clone()];
            let (first, last) = (own[0].time, own[own.len() - 1].time);
            if part.is_closed {
                current.closed = current.closed.max(last);
                continue;
            }
            let start = start_of(first).filter(|start| {
                let is_whole = part.touches == part.run && start.distance(last) <= settings.longest;
                is_whole || start.bucket(settings.longest) == first.bucket(settings.longest)
            });
            if let Some(basis) = self.basis(source, &part, &touches, start.unwrap_or(first), context) {
                let mut campaign = Campaign::of(source, own, start, basis, context);
                campaign.dropped = sightings.dropped_in(campaign.first, last, settings);
                current.campaigns.push(campaign);
            }
        }
        current
    }

    /// What a part is a campaign by, if it is one: its run is enough by what is in state or, where touches of the run are
    /// forgotten or dropped, it was by those. A part with downgraded alerts alone is not more than they are.
    fn basis(
        &self,
        source: &str,
        part: &Part,
        touches: &[Touch<'_>],
        start: EventTime,
        context: Context<'_>,
    ) -> Option<Basis> {
        let is_incomplete = part.is_cut_off || start < touches[part.touches.start].time;
        let published = self.campaigns.get(&campaign_id(source, start));
        let before = published
            .map(|published| &published.campaign)
            .filter(|campaign| is_incomplete && campaign.is_active());
        let run = &touches[part.run.clone()];
        let is_at_full_risk =
            context.is_enough(&at_full_risk(run)) || before.is_some_and(|campaign| !campaign.is_downgraded);
        let mut own = touches[part.touches.clone()].iter();
        if is_at_full_risk && own.any(|touch| !touch.sighting.downgraded) {
            return Some(Basis::FullRisk);
        }
        (is_at_full_risk || before.is_some() || context.is_enough(run)).then_some(Basis::All)
    }

    /// The first touch of the campaign that a run continues which begins with `first`, where touches up to `until` were dropped.
    fn continued(&self, first: EventTime, until: EventTime, context: Context<'_>) -> Option<EventTime> {
        let published = self.campaigns.values().map(|published| &published.campaign);
        let before = published.filter(|campaign| {
            campaign.is_active()
                && campaign.first < first
                && campaign.first <= until
                && campaign.last.plus(context.settings.campaign.within) >= first
        });
        before.map(|campaign| campaign.first).max()
    }

    /// Published campaigns that are none any more, with what their touches belong to instead.
    fn gone(&self, current: &[Campaign], settled: EventTime) -> Vec<Campaign> {
        let published = self.campaigns.values().map(|published| &published.campaign);
        let gone = published.filter(|published| {
            published.first > settled && !current.iter().any(|campaign| campaign.first == published.first)
        });
        gone.map(|published| {
            let others = current.iter().filter(|campaign| campaign.overlaps(published));
            let mut superseded_by: Vec<AlertId> = others.map(Campaign::id).collect();
            superseded_by.sort_unstable();
            Campaign {
                superseded_by: Some(superseded_by),
                ..published.clone()
            }
        })
        .collect()
    }

    /// The campaigns that take over from those that are about to be superseded.
    fn takers(&self, gone: &[Campaign]) -> BTreeSet<AlertId> {
        let is_active = |campaign: &&Campaign| {
            let published = self.campaigns.get(&campaign.id());
            published.is_some_and(|published| published.campaign.is_active())
        };
        let takers = gone.iter().filter(is_active);
        takers
            .filter_map(|campaign| campaign.superseded_by.as_ref())
            .flatten()
            .copied()
            .collect()
    }

    /// Whether a campaign is to be written as it is now. If it is later, notes when.
    fn is_due(
        &mut self,
        campaign: &Campaign,
        is_taker: bool,
        now: AppendTime,
        settings: &JoinSettings,
    ) -> bool {
        let Some(published) = self.campaigns.get_mut(&campaign.id()) else {
            return true;
        };
        let before = &published.campaign;
        if before == campaign {
            published.differs_since = None;
            return false;
        }
        let is_urgent = is_taker
            || before.is_active() != campaign.is_active()
            || before.doublings != campaign.doublings
            || before.chain != campaign.chain
            || before.is_downgraded != campaign.is_downgraded
            || before.confidence != campaign.confidence;
        let since = *published.differs_since.get_or_insert(now);
        let soonest = published.at.plus(settings.revise_at_most_every);
        let due = if is_urgent {
            soonest
        } else {
            since.plus(settings.revise_after).max(soonest)
        };
        if due > now {
            let deadline = self.deadline.map_or(due, |deadline| deadline.min(due));
            self.deadline = Some(deadline);
        }
        due <= now
    }
}

fn revision(campaign: &Campaign, Stamp { number, created }: Stamp, is_first: bool) -> Revision {
    Revision {
        id: campaign.id(),
        number,
        is_first,
        is_published: true,
        created,
        body: Body::Campaign(campaign.clone()),
    }
}
