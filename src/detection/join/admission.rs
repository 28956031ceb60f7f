//! How many destination-side observations are taken in: the bound that turns a flood into a counter.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::AppendTime;

/// How many slots a horizon is divided into: the coarseness of forgetting, and the memory of one counter.
const SLOTS: u32 = 64;

/// Counts arrivals over the last horizon, refused ones and copies included.
///
/// Counting everything keeps the answer a function of one horizon of the log: were only admitted
/// observations counted, each answer would hang on all earlier ones and no bounded rewind could rebuild it.
#[derive(Debug, Default)]
pub(super) struct Admission {
    slots: VecDeque<(AppendTime, usize)>,
    total: usize,
}

impl Admission {
    /// Counts one arrival and says whether fewer than `limit` came before it within the horizon.
    pub(super) fn admits(&mut self, now: AppendTime, horizon: Duration, limit: usize) -> bool {
        self.expire(now, horizon);
        let admitted = self.total < limit;
        let slot = now.bucket(horizon / SLOTS);
        match self.slots.back_mut() {
            Some((start, count)) if *start == slot => *count += 1,
            _ => self.slots.push_back((slot, 1)),
        }
        self.total += 1;
        admitted
    }

    /// Forgets slots that began a horizon ago or earlier.
    pub(super) fn expire(&mut self, now: AppendTime, horizon: Duration) {
        let oldest_kept = now.minus(horizon);
        while let Some(&(start, count)) = self.slots.front()
            && start <= oldest_kept
        {
            self.slots.pop_front();
            self.total -= count;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HORIZON: Duration = Duration::from_millis(6400);

    #[test]
    fn the_bound_counts_what_came_within_the_horizon_and_opens_again_after_it() {
        let mut admission = Admission::default();
        let answers: Vec<bool> = [0, 1, 2, 6300, 6400, 6401]
            .into_iter()
            .map(|millis| admission.admits(AppendTime::from_millis(millis), HORIZON, 2))
            .collect();
        assert_eq!(answers, [true, true, false, false, true, false]);
    }
}
