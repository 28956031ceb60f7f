//! Which events have been seen: copies change nothing.

use std::time::Duration;

use hashlink::LinkedHashMap;
use hashlink::linked_hash_map::RawEntryMut;

use crate::event::ObservationId;
use crate::time::AppendTime;

/// Identities of events, and when each arrived last, the least recent first.
///
/// A copy renews the memory of its identity. So whether a record is a copy depends on one horizon of the
/// log before it and on nothing older, which is what lets recovery rebuild it from a bounded rewind.
#[derive(Debug, Default)]
pub(super) struct SeenEvents {
    last_arrival: LinkedHashMap<ObservationId, AppendTime>,
}

impl SeenEvents {
    pub(super) fn len(&self) -> usize {
        self.last_arrival.len()
    }

    /// Forgets what arrived a whole horizon ago or earlier.
    pub(super) fn expire(&mut self, now: AppendTime, horizon: Duration) {
        let oldest_kept = now.minus(horizon);
        while self
            .last_arrival
            .front()
            .is_some_and(|(_, &arrival)| arrival <= oldest_kept)
        {
            self.last_arrival.pop_front();
        }
    }

    /// Remembers `id` as of `now`. Whether it was known. Beyond `limit`, the least recent is forgotten.
    pub(super) fn is_copy(&mut self, id: ObservationId, now: AppendTime, limit: usize) -> bool {
        let known = match self.last_arrival.raw_entry_mut().from_key(&id) {
            RawEntryMut::Occupied(mut entry) => {
                *entry.get_mut() = now;
                entry.to_back();
                true
            }
            RawEntryMut::Vacant(entry) => {
                entry.insert(id, now);
                false
            }
        };
        if self.last_arrival.len() > limit {
            self.last_arrival.pop_front();
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HORIZON: Duration = Duration::from_millis(100);

    fn at(millis: i64) -> AppendTime {
        AppendTime::from_millis(millis)
    }

    #[test]
    fn a_copy_is_known_until_a_whole_horizon_after_the_last_arrival() {
        let mut seen_events = SeenEvents::default();
        let id = ObservationId::from_bits(7);
        assert!(!seen_events.is_copy(id, at(0), 10));
        seen_events.expire(at(99), HORIZON);
        assert!(seen_events.is_copy(id, at(99), 10));
        seen_events.expire(at(198), HORIZON);
        assert!(seen_events.is_copy(id, at(198), 10));
        seen_events.expire(at(298), HORIZON);
        assert!(!seen_events.is_copy(id, at(298), 10));
    }

    #[test]
    fn beyond_the_bound_the_least_recently_seen_identity_is_forgotten() {
        let mut seen_events = SeenEvents::default();
        let [a, b, c] = [1, 2, 3].map(ObservationId::from_bits);
        for id in [a, b, a, c] {
            seen_events.is_copy(id, at(0), 2);
        }
        assert_eq!(seen_events.len(), 2);
        assert!(seen_events.is_copy(a, at(0), 2));
        assert!(!seen_events.is_copy(b, at(0), 2));
    }
}
