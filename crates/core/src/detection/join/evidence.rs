//! The observations that a document lists.

use std::sync::Arc;

use super::content::count;
use super::stored::Stored;
use crate::detection::{Limits, Omitted};
use crate::event::{Kind, Observation};
use crate::time::EventTime;

/// The evidence of all kinds, in order of time. Where the bound leaves some out, each kind keeps its earliest:
/// entries are taken in turn from each kind until the bound is reached.
pub(super) fn evidence(
    kinds: [Vec<&Stored>; 3],
    limits: &Limits,
    omitted: &mut Omitted,
) -> Vec<Arc<Observation>> {
    let total: usize = kinds.iter().map(Vec::len).sum();
    let mut ranked: Vec<_> = kinds
        .into_iter()
        .flat_map(|mut kind| {
            kind.sort_by_key(|stored| (order(stored), stored.observation.id));
            kind.into_iter()
                .enumerate()
                .map(|(index, stored)| (index, order(stored), stored))
        })
        .collect();
    if total > limits.evidence {
        ranked.sort_by_key(|&(index, order, stored)| (index, order, stored.observation.id));
        ranked.truncate(limits.evidence);
        omitted.evidence = count(total - limits.evidence);
    }
    ranked.sort_by_key(|&(_, order, stored)| (order, stored.observation.id));
    ranked
        .into_iter()
        .map(|(_, _, stored)| Arc::clone(&stored.observation))
        .collect()
}

/// The place of an observation in the order of evidence; equal only for events that nothing but their content
/// separates.
fn order(stored: &Stored) -> (EventTime, Kind, &str, Option<u64>) {
    let event = &stored.observation.event;
    (
        event.time,
        stored.observation.kind(),
        &event.computer,
        event.record_id,
    )
}
