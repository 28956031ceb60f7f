//! Exceptions from experience: entries for what recurs in alerts, for people to fill in.
//!
//! Whoever decides that an access is no attack has to know it; what recurs can be counted. So a proposal is as narrow as what
//! was seen: the very sources, accounts, pipes and hosts, and the hours of the day where these are few. It suppresses only
//! where a 5145 names the source of every access that was seen, and no entry is proposed that would cover an attack whose
//! truth is known, an access of a rule's own cases, or what no routine does.

mod entry;
mod group;
mod occurrence;
mod refusal;
mod yaml;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use pipewarden_core::alert::Document;
use pipewarden_core::detection::{Action, AlertId, Status};
use pipewarden_core::inventory::Inventory;

use self::entry::Entry;
use self::group::groups;
use self::occurrence::{Campaign, Occurrence};
pub use self::refusal::Refusal;
use crate::generator::Truth;
use crate::rule_tests::Tested;

/// The most alerts that are looked at; a few hundred bytes are kept of each.
const MOST: usize = 1_000_000;

/// What counts as recurring.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// In how many different intervals of `group_by` an access is seen at least.
    pub min_count: usize,
    /// The width of the intervals that alerts group accesses by.
    pub group_by: Duration,
}

/// Takes in alerts, and proposes exceptions for those that recur.
#[derive(Debug)]
pub struct Proposer {
    options: Options,
    /// The last revision of each alert about accesses.
    occurrences: BTreeMap<AlertId, Occurrence>,
    campaigns: BTreeMap<AlertId, Campaign>,
    /// How many were not looked at.
    beyond: usize,
}

/// Entries for an exceptions file, as its text: `Display` writes it, with comments that say how often and why.
#[derive(Debug)]
pub struct Proposals {
    entries: Vec<Entry>,
    refused: Vec<(Entry, Refusal)>,
    counts: Counts,
}

/// How many alerts there were, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Active alerts about accesses.
    pub alerts: usize,
    /// Those that an exception covers already.
    pub covered: usize,
    /// Those that entries are proposed for.
    pub proposed: usize,
    /// Those that no entry is proposed for, because of what they are.
    pub refused: usize,
    /// Those that do not recur often enough.
    pub seldom: usize,
    /// Those whose source is not known, or that the document does not tell whole.
    pub unclear: usize,
    /// Alerts that were too many to look at.
    pub beyond: usize,
}

impl Proposer {
    /// Without any alert.
    pub const fn new(options: Options) -> Self {
        Self {
            options,
            occurrences: BTreeMap::new(),
            campaigns: BTreeMap::new(),
            beyond: 0,
        }
    }

    /// Takes in a revision of an alert, in any order.
    pub fn take(&mut self, document: &Document) {
        let own = &document.pipewarden;
        let (id, revision) = (own.alert_id, own.revision);
        if let Some(campaign) = Campaign::of(document) {
            let known = self.campaigns.get(&id);
            if known.is_none_or(|known| known.revision <= revision) {
                self.campaigns.insert(id, campaign);
            }
            return;
        }
        let Some(occurrence) = Occurrence::of(document) else {
            return;
        };
        match self.occurrences.get(&id) {
            Some(known) if known.revision > revision => {}
            None if self.occurrences.len() >= MOST => self.beyond += 1,
            _ => {
                self.occurrences.insert(id, occurrence);
            }
        }
    }

    /// Proposes entries for what recurs, none of which covers one of these attacks or an alert of these cases.
    pub fn propose(&self, inventory: &Inventory, truths: &[Truth], tested: &[Tested]) -> Proposals {
        let mut counts = Counts {
            beyond: self.beyond,
            ..Counts::default()
        };
        let mut clear: Vec<&Occurrence> = Vec::new();
        for occurrence in self.active() {
            counts.alerts += 1;
            if occurrence.is_covered {
                counts.covered += 1;
            } else if occurrence.source.is_none() || !occurrence.is_whole {
                counts.unclear += 1;
            } else {
                clear.push(occurrence);
            }
        }
        let (often, seldom): (Vec<_>, Vec<_>) = groups(&clear, self.options.group_by)
            .into_iter()
            .partition(|group| group.intervals() >= self.options.min_count);
        counts.seldom = seldom.iter().map(|group| group.alerts).sum();
        let campaigns = self.campaigns_by_source();
        let mut entries = entry::entries(often, inventory, &campaigns);
        let mut refused = Vec::new();
        let attacks: Vec<(u64, &Occurrence)> = self
            .active()
            .filter_map(|occurrence| Some((occurrence.attack(truths)?, occurrence)))
            .collect();
        refusal::refuse(&mut entries, &mut refused, |entry| {
            refusal::by_nature(entry).or_else(|| refusal::by_truth(entry, &attacks))
        });
        refusal::by_cases(&mut entries, &mut refused, tested);
        let alerts = |entries: &mut dyn Iterator<Item = &Entry>| entries.map(|entry| entry.alerts).sum();
        counts.proposed = alerts(&mut entries.iter());
        counts.refused = alerts(&mut refused.iter().map(|(entry, _)| entry));
        Proposals {
            entries,
            refused,
            counts,
        }
    }

    /// Alerts about accesses that are active by their last revision.
    fn active(&self) -> impl Iterator<Item = &Occurrence> {
        let all = self.occurrences.values();
        all.filter(|occurrence| occurrence.status == Status::Active)
    }

    fn campaigns_by_source(&self) -> BTreeMap<IpAddr, Vec<&Campaign>> {
        let mut by_source: BTreeMap<IpAddr, Vec<&Campaign>> = BTreeMap::new();
        let active = self.campaigns.values();
        for campaign in active.filter(|campaign| campaign.is_active) {
            by_source.entry(campaign.source).or_default().push(campaign);
        }
        by_source
    }
}

impl Proposals {
    /// How many alerts there were, and what became of them.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// What each entry does, by its id, and of how many alerts that were taken in.
    pub fn claims(&self) -> BTreeMap<&str, (Action, usize)> {
        let entries = self.entries.iter();
        entries
            .map(|entry| (&*entry.id, (entry.action, entry.alerts)))
            .collect()
    }

    /// What is not proposed although it recurs, and why.
    pub fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.refused.iter().map(|(_, refusal)| refusal)
    }
}
