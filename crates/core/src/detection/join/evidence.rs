//! The observations that a document lists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::asset::AssetState;
use super::content::count;
use super::stored::{Slot, Stored};
use crate::detection::{Evidence, EvidenceRole, JoinSettings, Limits, Omitted, Who};
use crate::event::Kind;
use crate::time::EventTime;

/// How many contradictions are looked at: under a flood of messages that bear one record id, the list is not complete.
const EXAMINED: usize = 4_096;

/// What an alert consists of, each as what it is to the alert.
pub(super) struct Exhibits<'a> {
    who: Who,
    all: Vec<Exhibit<'a>>,
}

struct Exhibit<'a> {
    stored: &'a Stored,
    role: EvidenceRole,
    paired_ms: Option<i64>,
}

impl<'a> Exhibits<'a> {
    pub(super) const fn of(who: Who) -> Self {
        Self { who, all: Vec::new() }
    }

    pub(super) fn sessions(&mut self, sessions: impl Iterator<Item = &'a Stored>) {
        sessions.for_each(|stored| self.add(stored, EvidenceRole::Session, stored.observation.is_local));
    }

    pub(super) fn accesses(&mut self, accesses: impl Iterator<Item = &'a Stored>) {
        let is_local = self.who == Who::Local;
        accesses.for_each(|stored| self.add(stored, EvidenceRole::Access, is_local));
    }

    /// Connections that the asset made to the source.
    pub(super) fn call_backs(&mut self, call_backs: impl Iterator<Item = &'a Stored>) {
        call_backs.for_each(|stored| self.add(stored, EvidenceRole::CallBack, false));
    }

    fn add(&mut self, stored: &'a Stored, role: EvidenceRole, is_local: bool) {
        self.all.push(Exhibit {
            stored,
            role: if is_local { EvidenceRole::Local } else { role },
            paired_ms: None,
        });
    }

    /// A pipe connection with the share access that is the same access.
    pub(super) fn pair(&mut self, pipe: &'a Stored, share: &Stored) {
        let micros = pipe.time().since(share.time()).as_micros();
        self.all.push(Exhibit {
            stored: pipe,
            role: EvidenceRole::Pair,
            paired_ms: i64::try_from(micros / 1_000).ok(),
        });
    }

    /// What contradicts what is there already, where it is not there itself.
    pub(super) fn contradictions(&mut self, asset: &'a AssetState, settings: &'a JoinSettings) {
        let members: BTreeSet<Slot> = self.all.iter().map(|exhibit| exhibit.stored.slot()).collect();
        let mut contradicted: Vec<&Stored> = self.all.iter().map(|exhibit| exhibit.stored).collect();
        contradicted.sort_by_key(|stored| place(stored));
        let others = contradicted
            .into_iter()
            .flat_map(|stored| asset.contradicting(stored, settings))
            .take(EXAMINED);
        let others: BTreeMap<Slot, &Stored> = others
            .filter(|other| !members.contains(&other.slot()))
            .map(|other| (other.slot(), other))
            .collect();
        for other in others.into_values() {
            self.add(other, EvidenceRole::Conflicting, false);
        }
    }

    /// All of them, in order of time. Where the bound leaves some out, each kind keeps its earliest, and so do those that
    /// contradict others: entries are taken in turn from each until the bound is reached.
    pub(super) fn listed(self, limits: &Limits, omitted: &mut Omitted) -> Vec<Evidence> {
        let total = self.all.len();
        let mut exhibits = self.all;
        exhibits.sort_by_key(|exhibit| place(exhibit.stored));
        if total > limits.evidence {
            let mut of_kind: BTreeMap<(bool, Kind), usize> = BTreeMap::new();
            let mut ranked: Vec<(usize, Exhibit<'_>)> = Vec::with_capacity(total);
            for exhibit in exhibits {
                let kind = exhibit.stored.observation.kind();
                let rank = of_kind
                    .entry((exhibit.role == EvidenceRole::Conflicting, kind))
                    .or_default();
                ranked.push((*rank, exhibit));
                *rank += 1;
            }
            // Stable: of one rank in order of time.
            ranked.sort_by_key(|(rank, _)| *rank);
            ranked.truncate(limits.evidence);
            omitted.evidence = count(total - limits.evidence);
            exhibits = ranked.into_iter().map(|(_, exhibit)| exhibit).collect();
            exhibits.sort_by_key(|exhibit| place(exhibit.stored));
        }
        let exhibits = exhibits.into_iter();
        exhibits
            .map(|exhibit| Evidence {
                observation: Arc::clone(&exhibit.stored.observation),
                role: exhibit.role,
                paired_ms: exhibit.paired_ms,
            })
            .collect()
    }
}

/// The place of an observation in the order of evidence: by its content, and never by when it arrived.
fn place(stored: &Stored) -> impl Ord + use<'_> {
    let event = &stored.observation.event;
    let order: (EventTime, Kind, &str, Option<u64>) = (
        event.time,
        stored.observation.kind(),
        &event.computer,
        event.record_id,
    );
    (order, stored.observation.id)
}
