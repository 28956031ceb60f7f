//! What a source did to one asset in a stretch of time.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::detection::AlertId;
use crate::event::{Outcome, Sighting};
use crate::time::EventTime;

/// What an access adds to what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// Something that no exception asks for.
    Minor,
    /// Something that may change whether an exception covers the accesses.
    Coverage,
}

/// What a source did to one asset. Sets only, so that a copy adds nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Touches {
    /// First and last access.
    pub(super) span: Option<(EventTime, EventTime)>,
    pub(super) pipes: BTreeSet<Arc<str>>,
    pub(super) accounts: BTreeSet<Arc<str>>,
    /// The alerts that tell of the accesses.
    pub(super) alerts: BTreeSet<AlertId>,
    /// Success if any access is known to have been granted, else failure if any is known to have been refused.
    pub(super) outcome: Option<Outcome>,
    /// Whether a bound kept an account or an alert out.
    pub(super) is_cut: bool,
}

impl Touches {
    /// Takes one access in; no set grows beyond `limit`. Says what is new.
    pub(super) fn add(&mut self, sighting: &Sighting, alerts: &[AlertId], limit: usize) -> Change {
        let known = (self.span, self.alerts.len(), self.outcome);
        let excusing = (self.pipes.len(), self.accounts.len(), self.is_cut);
        self.widen((sighting.time, sighting.time));
        self.outcome = self.outcome.into_iter().chain(sighting.outcome).min();
        self.pipes.insert(Arc::clone(&sighting.pipe));
        if let Some(account) = &sighting.account {
            self.is_cut |= !insert(&mut self.accounts, Arc::clone(account), limit);
        }
        for &alert in alerts {
            self.is_cut |= !insert(&mut self.alerts, alert, limit);
        }
        if known.0.is_none() || excusing != (self.pipes.len(), self.accounts.len(), self.is_cut) {
            Change::Coverage
        } else if known != (self.span, self.alerts.len(), self.outcome) {
            Change::Minor
        } else {
            Change::None
        }
    }

    /// Takes in what the same source did to the same asset in another stretch.
    pub(super) fn merge(&mut self, other: &Self) {
        if let Some(span) = other.span {
            self.widen(span);
        }
        // `Success` sorts before `Failure`.
        self.outcome = self.outcome.into_iter().chain(other.outcome).min();
        self.pipes.extend(other.pipes.iter().cloned());
        self.accounts.extend(other.accounts.iter().cloned());
        self.alerts.extend(&other.alerts);
        self.is_cut |= other.is_cut;
    }

    /// What exceptions ask for.
    pub(super) fn told(&self) -> (Vec<Arc<str>>, Vec<Arc<str>>, bool) {
        let accounts = self.accounts.iter().cloned().collect();
        (accounts, self.pipes.iter().cloned().collect(), self.is_cut)
    }

    fn widen(&mut self, (first, last): (EventTime, EventTime)) {
        let (before, after) = self.span.unwrap_or((first, last));
        self.span = Some((before.min(first), after.max(last)));
    }
}

/// Whether the item is in the set now.
fn insert<T: Ord>(set: &mut BTreeSet<T>, item: T, limit: usize) -> bool {
    set.contains(&item) || (set.len() < limit && set.insert(item))
}
