//! The bound on destination-side observations: beyond it they are counted and dropped.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use xxhash_rust::xxh3::xxh3_64;

use crate::detection::JoinSettings;
use crate::event::AssetId;
use crate::time::AppendTime;

/// How many slots a horizon is divided into: the coarseness of forgetting.
const SLOTS: u32 = 64;

/// How many lanes the sources of one asset are hashed to. A source shares its lane with few others, and the counters
/// of an asset stay small however many addresses an attacker has.
const LANES: u64 = 32;

/// The lane of observations that name no source.
const NAMELESS: u8 = u8::MAX;

/// The sources of one asset that are counted together.
type Lane = (AssetId, u8);

/// Counts arrivals over the last horizon, by asset and lane, dropped ones included and copies not: nobody silences a
/// source by repeating what it did.
///
/// Since what is dropped counts, too, a decision is a function of one horizon of the log, and of the one before that by
/// which copies are known. If only admitted observations counted, each decision would depend on all earlier ones, and no
/// bounded rewind could rebuild it.
#[derive(Debug, Default)]
pub(super) struct Admission {
    /// Oldest first.
    slots: VecDeque<(AppendTime, HashMap<Lane, usize>)>,
    by_lane: HashMap<Lane, usize>,
    /// For each asset, the sum of what each of its lanes may count for at most: a flood by one source leaves room for
    /// the others.
    by_asset: HashMap<AssetId, usize>,
    /// The sum of what each asset may count for at most: a flood at one asset leaves room for the others.
    partition: usize,
}

/// The bounds of one arrival.
struct Bounds {
    lane: usize,
    asset: usize,
    partition: usize,
}

impl Bounds {
    /// One source may take a quarter of an asset's share, all that name none together a half.
    fn of(lane: u8, settings: &JoinSettings) -> Self {
        let asset = settings.limits.accesses_per_asset;
        Self {
            lane: asset.div_ceil(if lane == NAMELESS { 2 } else { 4 }),
            asset,
            partition: settings.limits.accesses_per_partition,
        }
    }
}

impl Admission {
    /// Counts one arrival. Whether all bounds leave room for it.
    pub(super) fn admits(
        &mut self,
        asset: &AssetId,
        source: Option<IpAddr>,
        now: AppendTime,
        settings: &JoinSettings,
    ) -> bool {
        let horizon = settings.horizon();
        self.expire(now.minus(horizon), settings);

        let lane = (asset.clone(), lane_of(source));
        let bounds = Bounds::of(lane.1, settings);
        let slot = now.bucket(horizon / SLOTS);
        if self.slots.back().is_none_or(|(start, _)| *start != slot) {
            self.slots.push_back((slot, HashMap::new()));
        }
        if let Some((_, counts)) = self.slots.back_mut() {
            *counts.entry(lane.clone()).or_default() += 1;
        }
        let in_lane = self.by_lane.entry(lane).or_default();
        let at_asset = self.by_asset.entry(asset.clone()).or_default();
        let counts_at_asset = *in_lane < bounds.lane;
        let counts_in_partition = counts_at_asset && *at_asset < bounds.asset;
        let admitted = counts_in_partition && self.partition < bounds.partition;
        *in_lane += 1;
        *at_asset += usize::from(counts_at_asset);
        self.partition += usize::from(counts_in_partition);
        admitted
    }

    /// Forgets slots that began at `oldest` or earlier.
    fn expire(&mut self, oldest: AppendTime, settings: &JoinSettings) {
        while let Some((_, counts)) = self.slots.pop_front_if(|(start, _)| *start <= oldest) {
            for (lane, count) in counts {
                self.forget(lane, count, settings);
            }
        }
    }

    fn forget(&mut self, lane: Lane, count: usize, settings: &JoinSettings) {
        let bounds = Bounds::of(lane.1, settings);
        let asset = lane.0.clone();
        let in_lane = self.by_lane.remove(&lane).expect("its arrivals were counted");
        let left_in_lane = in_lane - count;
        if left_in_lane > 0 {
            self.by_lane.insert(lane, left_in_lane);
        }
        // Nothing is left of an asset whose bound is zero.
        let at_asset = self.by_asset.remove(&asset).unwrap_or_default();
        let left_at_asset = at_asset - (in_lane.min(bounds.lane) - left_in_lane.min(bounds.lane));
        if left_at_asset > 0 {
            self.by_asset.insert(asset, left_at_asset);
        }
        self.partition -= at_asset.min(bounds.asset) - left_at_asset.min(bounds.asset);
    }
}

fn lane_of(source: Option<IpAddr>) -> u8 {
    let hash = |octets: &[u8]| u8::try_from(xxh3_64(octets) % LANES).expect("there are few lanes");
    match source {
        Some(IpAddr::V4(address)) => hash(&address.octets()),
        Some(IpAddr::V6(address)) => hash(&address.octets()),
        None => NAMELESS,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::detection::Limits;

    fn source(number: u32) -> Option<IpAddr> {
        Some(IpAddr::from(number.to_be_bytes()))
    }

    fn settings(per_asset: usize, per_partition: usize) -> JoinSettings {
        let limits = Limits {
            accesses_per_asset: per_asset,
            accesses_per_partition: per_partition,
            ..Limits::default()
        };
        JoinSettings {
            limits,
            ..JoinSettings::default()
        }
    }

    #[test]
    fn the_bound_counts_what_came_within_the_horizon_and_opens_again_after_it() {
        let settings = settings(8, 100);
        let mut admission = Admission::default();
        let asset = AssetId::new("atlas");
        let horizon = settings.horizon();
        let just_before = AppendTime::from_millis(0)
            .plus(horizon)
            .minus(Duration::from_secs(1));
        let admitted: Vec<bool> = [
            AppendTime::from_millis(0),
            AppendTime::from_millis(1),
            AppendTime::from_millis(2),
            just_before,
            AppendTime::from_millis(0).plus(horizon),
            AppendTime::from_millis(1).plus(horizon),
        ]
        .into_iter()
        .map(|now| admission.admits(&asset, source(1), now, &settings))
        .collect();
        assert_eq!(admitted, [true, true, false, false, true, false]);
    }

    #[test]
    fn a_flood_at_one_asset_counts_for_no_more_than_that_assets_share_of_the_partition() {
        let settings = settings(16, 24);
        let mut admission = Admission::default();
        let now = AppendTime::from_millis(0);
        let admitted = |admission: &mut Admission, asset: &str| {
            let asset = AssetId::new(asset);
            (0..1_000)
                .filter(|&number| admission.admits(&asset, source(number), now, &settings))
                .count()
        };
        assert_eq!(admitted(&mut admission, "flooded"), 16);
        assert_eq!(admitted(&mut admission, "another"), 8);
        assert_eq!(admitted(&mut admission, "third"), 0);
    }

    #[test]
    fn floods_by_one_source_and_by_none_leave_room_for_another_source() {
        let settings = settings(16, 100);
        let mut admission = Admission::default();
        let (asset, now) = (AssetId::new("flooded"), AppendTime::from_millis(0));
        let mut admitted = |source| {
            (0..1_000)
                .filter(|_| admission.admits(&asset, source, now, &settings))
                .count()
        };
        assert_eq!(admitted(source(1)), 4);
        assert_eq!(admitted(None), 8);
        assert_eq!(admitted(source(2)), 4);
    }

    #[test]
    fn after_a_horizon_without_arrivals_nothing_is_counted() {
        let settings = settings(16, 24);
        let mut admission = Admission::default();
        for number in 0..2_000 {
            let now = AppendTime::from_millis(i64::from(number) * 10_000);
            let asset = AssetId::new(["a", "b", "c"][number as usize % 3]);
            admission.admits(&asset, source(number % 50), now, &settings);
        }
        admission.expire(AppendTime::MAX, &settings);
        assert!(admission.by_lane.is_empty() && admission.by_asset.is_empty());
        assert_eq!(admission.partition, 0);
    }
}
