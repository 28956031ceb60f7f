//! What came near an access, the nearest of it.

use super::super::stored::Stored;
use super::seen;
use crate::detection::{Finding, Reason};

/// Near misses reported for each access and each kind that it lacks, and of what it was joined with.
const NEAREST: usize = 3;

/// Findings near an access.
pub(super) struct Nearest<'a, 'b> {
    pub(super) access: &'b Stored,
    found: Vec<(&'a Stored, Reason)>,
    pub(super) one_of_each_source: bool,
}

impl<'a, 'b> Nearest<'a, 'b> {
    pub(super) fn to(access: &'b Stored) -> Self {
        Self {
            access,
            found: Vec::new(),
            one_of_each_source: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn add(&mut self, other: &'a Stored, reason: Reason) {
        self.found.push((other, reason));
    }

    /// The nearest, by the content of observations and never by when they arrived.
    pub(super) fn findings(self) -> Vec<Finding> {
        let mut found: Vec<_> = self
            .found
            .into_iter()
            .map(|(other, reason)| {
                let apart = self.access.time().distance(other.time());
                (apart, seen(other), other.observation.id, reason)
            })
            .collect();
        found.sort_by(|a, b| (a.0, &a.1, a.2).cmp(&(b.0, &b.1, b.2)));
        let mut sources = std::collections::BTreeSet::new();
        if self.one_of_each_source {
            found.retain(|(_, seen, _, _)| sources.insert(seen.source_ip));
        }
        found.truncate(NEAREST);
        found
            .into_iter()
            .map(|(apart, seen, _, reason)| Finding::of(seen, apart, reason))
            .collect()
    }
}
