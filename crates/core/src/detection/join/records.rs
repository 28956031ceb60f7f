//! Observations by the record ids that they bear: one record of one log can say one thing only.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_64;

use super::stored::{Slot, Stored, around};
use crate::detection::JoinSettings;

/// The observations of one asset by a hash of computer, channel and record id.
#[derive(Debug, Default)]
pub(super) struct Records(BTreeSet<(u64, Slot)>);

impl Records {
    pub(super) fn insert(&mut self, stored: &Stored) {
        if let Some(record) = record_of(stored) {
            self.0.insert((record, stored.slot()));
        }
    }

    pub(super) fn remove(&mut self, stored: &Stored) {
        if let Some(record) = record_of(stored) {
            self.0.remove(&(record, stored.slot()));
        }
    }

    /// The places of the others that bear its record id within `pair_window`.
    pub(super) fn others(&self, stored: &Stored, settings: &JoinSettings) -> impl Iterator<Item = Slot> {
        let slot = stored.slot();
        let range = record_of(stored).map(|record| {
            let (from, to) = around(stored.time(), settings.pair_window).into_inner();
            self.0.range((record, from)..=(record, to))
        });
        let slots = range.into_iter().flatten().map(|&(_, slot)| slot);
        slots.filter(move |other| *other != slot)
    }
}

fn record_of(stored: &Stored) -> Option<u64> {
    let event = &stored.observation.event;
    let mut bytes = Vec::with_capacity(96);
    bytes.extend_from_slice(event.first_label().as_bytes());
    bytes.push(0xff);
    bytes.extend_from_slice(event.channel.as_bytes());
    bytes.push(0xff);
    bytes.extend_from_slice(&event.record_id?.to_le_bytes());
    Some(xxh3_64(&bytes))
}
