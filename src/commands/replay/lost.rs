//! What was delivered and is in no state: copies, and what a bound dropped.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::detection::{Disposition, Explanation, Finding, Reason, Seen};
use crate::event::{AssetId, Kind};

/// How many are remembered, to be held against accesses.
const REMEMBERED: usize = 65_536;
/// How many of those that were dropped are printed for each access, the nearest.
const NEAREST: usize = 3;

/// Remembers them as far as explanations need them.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// By kind, first label of the computer and record id, which copies share however they are spelled.
    copies: BTreeMap<(Kind, String, u64), u32>,
    dropped: BTreeMap<AssetId, Vec<Seen>>,
    held: usize,
}

impl Lost {
    /// Notes what became of an observation, as long as there is room.
    pub(super) fn note(&mut self, asset: AssetId, seen: Seen, disposition: Option<Disposition>) {
        if self.held >= REMEMBERED {
            return;
        }
        match disposition {
            Some(Disposition::Copy) => {
                if let Some(identity) = identity(&seen) {
                    self.held += 1;
                    *self.copies.entry(identity).or_default() += 1;
                }
            }
            Some(Disposition::Dropped) => {
                self.held += 1;
                self.dropped.entry(asset).or_default().push(seen);
            }
            _ => {}
        }
    }

    /// Adds to accesses how many copies of them came, and what was dropped near them.
    pub(super) fn complete(&self, explanation: &mut Explanation, window: Duration) {
        let dropped = self.dropped.get(&explanation.asset);
        for access in &mut explanation.accesses {
            let copies = identity(&access.access).and_then(|identity| self.copies.get(&identity));
            access.copies = copies.copied().unwrap_or(0);
            let near = dropped
                .into_iter()
                .flatten()
                .map(|seen| (access.access.time.distance(seen.time), seen));
            let mut near: Vec<_> = near.filter(|(apart, _)| *apart <= window).collect();
            near.sort();
            let nearest = near.into_iter().take(NEAREST);
            let findings = nearest.map(|(apart, seen)| Finding::of(seen.clone(), apart, Reason::Dropped));
            access.missed.extend(findings);
        }
    }
}

fn identity(seen: &Seen) -> Option<(Kind, String, u64)> {
    let label = seen.computer.split('.').next().unwrap_or_default();
    Some((seen.kind, label.to_owned(), seen.record_id?))
}
