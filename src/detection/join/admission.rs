//! How many destination-side observations are taken in: the bound that turns a flood into a counter.

use std::collections::{HashMap, VecDeque};

use crate::detection::JoinSettings;
use crate::event::AssetId;
use crate::time::AppendTime;

/// How many slots a horizon is divided into: the coarseness of forgetting.
const SLOTS: u32 = 64;

/// Counts arrivals over the last horizon, by asset, refused ones and copies included.
///
/// Counting everything keeps the answer a function of one horizon of the log: were only admitted
/// observations counted, each answer would hang on all earlier ones and no bounded rewind could rebuild it.
#[derive(Debug, Default)]
pub(super) struct Admission {
    /// Oldest first.
    slots: VecDeque<(AppendTime, HashMap<AssetId, usize>)>,
    by_asset: HashMap<AssetId, usize>,
    /// The sum of what each asset may count for at most, so that a flood at one asset leaves room for others.
    partition: usize,
}

impl Admission {
    /// Counts one arrival and says whether both bounds leave room for it.
    pub(super) fn admits(&mut self, asset: &AssetId, now: AppendTime, settings: &JoinSettings) -> bool {
        let limit = settings.limits.destination_side_per_asset;
        let horizon = settings.horizon();
        self.expire(now.minus(horizon), limit);

        let slot = now.bucket(horizon / SLOTS);
        if self.slots.back().is_none_or(|(start, _)| *start != slot) {
            self.slots.push_back((slot, HashMap::new()));
        }
        if let Some((_, counts)) = self.slots.back_mut() {
            *counts.entry(asset.clone()).or_default() += 1;
        }
        let before = self.by_asset.entry(asset.clone()).or_default();
        let admitted = *before < limit && self.partition < settings.limits.destination_side_per_partition;
        self.partition += usize::from(*before < limit);
        *before += 1;
        admitted
    }

    /// Forgets slots that began at `oldest` or earlier.
    fn expire(&mut self, oldest: AppendTime, limit: usize) {
        while let Some((_, counts)) = self.slots.pop_front_if(|(start, _)| *start <= oldest) {
            for (asset, count) in counts {
                let Some(total) = self.by_asset.get_mut(&asset) else {
                    continue;
                };
                let remaining = total.saturating_sub(count);
                self.partition -= (*total).min(limit) - remaining.min(limit);
                *total = remaining;
                if remaining == 0 {
                    self.by_asset.remove(&asset);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::detection::Limits;

    fn settings(per_asset: usize, per_partition: usize) -> JoinSettings {
        let limits = Limits {
            destination_side_per_asset: per_asset,
            destination_side_per_partition: per_partition,
            ..Limits::default()
        };
        JoinSettings {
            limits,
            ..JoinSettings::default()
        }
    }

    #[test]
    fn the_bound_counts_what_came_within_the_horizon_and_opens_again_after_it() {
        let settings = settings(2, 100);
        let mut admission = Admission::default();
        let asset = AssetId::new("atlas");
        let horizon = settings.horizon();
        let just_before = AppendTime::from_millis(0)
            .plus(horizon)
            .minus(Duration::from_secs(1));
        let answers: Vec<bool> = [
            AppendTime::from_millis(0),
            AppendTime::from_millis(1),
            AppendTime::from_millis(2),
            just_before,
            AppendTime::from_millis(0).plus(horizon),
            AppendTime::from_millis(1).plus(horizon),
        ]
        .into_iter()
        .map(|now| admission.admits(&asset, now, &settings))
        .collect();
        assert_eq!(answers, [true, true, false, false, true, false]);
    }

    #[test]
    fn a_flood_at_one_asset_counts_for_no_more_than_that_assets_share_of_the_partition() {
        let settings = settings(10, 15);
        let mut admission = Admission::default();
        let now = AppendTime::from_millis(0);
        let admitted = |admission: &mut Admission, asset: &str| {
            (0..1_000)
                .filter(|_| admission.admits(&AssetId::new(asset), now, &settings))
                .count()
        };
        assert_eq!(admitted(&mut admission, "flooded"), 10);
        assert_eq!(admitted(&mut admission, "another"), 5);
        assert_eq!(admitted(&mut admission, "third"), 0);
    }
}
