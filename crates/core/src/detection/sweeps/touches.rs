//! What a source did to one asset in a span of time.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::detection::AlertId;
use crate::event::{Outcome, Sighting};
use crate::time::EventTime;

/// What an access changes of the touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// Something that no exception depends on.
    Minor,
    /// Something that may change whether an exception covers the accesses.
    Coverage,
}

/// First and last access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: EventTime,
    pub(super) last: EventTime,
}

/// What a source did to one asset. Sets only, so that a copy adds nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Touches {
    pub(super) span: Span,
    pub(super) pipes: BTreeSet<Arc<str>>,
    pub(super) accounts: BTreeSet<Arc<str>>,
    /// The alerts about the accesses.
    pub(super) alerts: BTreeSet<AlertId>,
    /// Success if any access is known to have been granted, else failure if any is known to have been denied.
    pub(super) outcome: Option<Outcome>,
    /// Whether a bound kept an account or an alert out.
    pub(super) is_truncated: bool,
}

impl Touches {
    /// Before the first access, which happened at `time`.
    pub(super) fn before_access_at(time: EventTime) -> Self {
        Self {
            span: Span {
                first: time,
                last: time,
            },
            pipes: BTreeSet::new(),
            accounts: BTreeSet::new(),
            alerts: BTreeSet::new(),
            outcome: None,
            is_truncated: false,
        }
    }

    /// Takes one access in; no set grows beyond `limit`.
    pub(super) fn add(&mut self, sighting: &Sighting, alerts: &[AlertId], limit: usize) -> Change {
        let minor = (self.span, self.alerts.len(), self.outcome);
        let coverage = (self.pipes.len(), self.accounts.len(), self.is_truncated);
        self.span.widen(Span {
            first: sighting.time,
            last: sighting.time,
        });
        self.outcome = either_outcome(self.outcome, sighting.outcome);
        self.pipes.insert(Arc::clone(&sighting.pipe));
        if let Some(account) = &sighting.account {
            self.is_truncated |= !insert(&mut self.accounts, Arc::clone(account), limit);
        }
        for &alert in alerts {
            self.is_truncated |= !insert(&mut self.alerts, alert, limit);
        }
        // The first access adds its pipe, so it changes the coverage.
        if coverage != (self.pipes.len(), self.accounts.len(), self.is_truncated) {
            Change::Coverage
        } else if minor != (self.span, self.alerts.len(), self.outcome) {
            Change::Minor
        } else {
            Change::None
        }
    }

    /// Takes in what the same source did in another span, or to another asset.
    pub(super) fn merge(&mut self, other: &Self) {
        self.span.widen(other.span);
        self.outcome = either_outcome(self.outcome, other.outcome);
        self.pipes.extend(other.pipes.iter().cloned());
        self.accounts.extend(other.accounts.iter().cloned());
        self.alerts.extend(&other.alerts);
        self.is_truncated |= other.is_truncated;
    }
}

impl Span {
    fn widen(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// Success if either is, else failure if either is: `Success` sorts before `Failure`.
fn either_outcome(one: Option<Outcome>, other: Option<Outcome>) -> Option<Outcome> {
    one.into_iter().chain(other).min()
}

/// Adds the item unless the set is full. Whether the item is in the set now.
fn insert<T: Ord>(set: &mut BTreeSet<T>, item: T, limit: usize) -> bool {
    set.contains(&item) || (set.len() < limit && set.insert(item))
}
