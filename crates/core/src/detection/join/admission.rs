//! The bound on accesses that are kept whole: of those beyond it their alert keeps a summary.

use std::collections::{HashMap, VecDeque};

use super::asset::RuleIndex;
use crate::detection::{JoinSettings, Who};
use crate::event::AssetId;
use crate::time::AppendTime;

/// Whose accesses are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Share {
    pub(super) asset: AssetId,
    pub(super) rule: RuleIndex,
    /// Whether no rule in force has a higher risk than `rule`.
    pub(super) is_of_highest_risk: bool,
    /// Who is known when the access arrives: a source that a share access names, nobody, or the asset itself.
    pub(super) who: Who,
}

/// Counts arrivals over the last horizon and up to a slot before it, dropped ones included and copies not: nobody silences a source
/// by repeating what it did.
///
/// Since what is dropped counts, too, a decision is a function of one horizon of the log and a slot, and of the one before that by
/// which copies are known. If only admitted observations counted, each decision would depend on all earlier ones, and no
/// bounded rewind could rebuild it.
///
/// At each level everybody counts for no more than its own bound at the level below: a flood by one source leaves room for
/// others, a flood at one asset for other assets, and rules of lower risk leave half to those of the highest.
#[derive(Debug, Default)]
pub(super) struct Admission {
    /// Oldest first.
    slots: VecDeque<(AppendTime, HashMap<Share, usize>)>,
    shares: HashMap<Share, usize>,
    assets: HashMap<AssetId, ByRisk>,
    partition: ByRisk,
}

/// Counts by the risk of the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ByRisk {
    lower: usize,
    highest: usize,
}

impl ByRisk {
    /// What it counts for: by rules of lower risk up to half the bound, by those of the highest what is left of it.
    fn within(self, bound: usize) -> Self {
        let lower = self.lower.min(bound.div_ceil(2));
        Self {
            lower,
            highest: self.highest.min(bound - lower),
        }
    }

    /// Whether one more is within the bound.
    fn has_room(self, is_of_highest_risk: bool, bound: usize) -> bool {
        let counted = self.within(bound);
        let is_free = is_of_highest_risk || self.lower < bound.div_ceil(2);
        is_free && counted.lower + counted.highest < bound
    }

    fn changed(self, is_of_highest_risk: bool, by: Change) -> Self {
        if is_of_highest_risk {
            Self {
                highest: by.of(self.highest),
                ..self
            }
        } else {
            Self {
                lower: by.of(self.lower),
                ..self
            }
        }
    }
}

/// A change of a count.
#[derive(Clone, Copy)]
enum Change {
    More(usize),
    Less(usize),
}

impl Change {
    fn of(self, before: usize) -> usize {
        match self {
            Self::More(by) => before + by,
            Self::Less(by) => before - by,
        }
    }

    fn between(before: usize, after: usize) -> Self {
        if after >= before {
            Self::More(after - before)
        } else {
            Self::Less(before - after)
        }
    }
}

impl Admission {
    /// Counts one arrival. Whether all bounds leave room for it.
    pub(super) fn admits(&mut self, share: &Share, now: AppendTime, settings: &JoinSettings) -> bool {
        let (horizon, slot) = (settings.horizon(), settings.admission_slot());
        // A slot counts until the last that may be in it has left state, or there would be more in state than the bound.
        self.expire(now.minus(horizon + slot), settings);
        let slot = now.bucket(slot);
        if self.slots.back().is_none_or(|(start, _)| *start != slot) {
            self.slots.push_back((slot, HashMap::new()));
        }
        if let Some((_, counts)) = self.slots.back_mut() {
            match counts.get_mut(share) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(share.clone(), 1);
                }
            }
        }
        self.change(share, Change::More(1), settings)
    }

    /// Changes the count of one share and what follows from it. Whether each was below its bound.
    fn change(&mut self, share: &Share, by: Change, settings: &JoinSettings) -> bool {
        let limits = &settings.limits;
        let (per_asset, per_partition) = (limits.accesses_per_asset, limits.accesses_per_partition);
        let bound = per_asset.div_ceil(match share.who {
            Who::Unattributed => 2,
            Who::Source(_) | Who::Local => 4,
        });
        let (had_room, passes) = self.change_own(share, by, bound);
        let before = self.assets.get(&share.asset).copied().unwrap_or_default();
        let after = before.changed(share.is_of_highest_risk, passes);
        if after == ByRisk::default() {
            self.assets.remove(&share.asset);
        } else {
            self.assets.insert(share.asset.clone(), after);
        }
        let partition = self.partition;
        let (counted, counts) = (before.within(per_asset), after.within(per_asset));
        self.partition = ByRisk {
            lower: partition.lower + counts.lower - counted.lower,
            highest: partition.highest + counts.highest - counted.highest,
        };
        had_room
            && before.has_room(share.is_of_highest_risk, per_asset)
            && partition.has_room(share.is_of_highest_risk, per_partition)
    }

    /// Changes the count of one share. Whether it was below its bound, and how what it counts for changes.
    fn change_own(&mut self, share: &Share, by: Change, bound: usize) -> (bool, Change) {
        let before = self.shares.get(share).copied().unwrap_or_default();
        let after = by.of(before);
        if after == 0 {
            self.shares.remove(share);
        } else {
            self.shares.insert(share.clone(), after);
        }
        (
            before < bound,
            Change::between(before.min(bound), after.min(bound)),
        )
    }

    /// Forgets slots that began at `oldest` or earlier.
    fn expire(&mut self, oldest: AppendTime, settings: &JoinSettings) {
        while let Some((_, counts)) = self.slots.pop_front_if(|(start, _)| *start <= oldest) {
            for (share, count) in counts {
                self.change(&share, Change::Less(count), settings);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::detection::Limits;

    fn source(number: u32) -> Who {
        Who::Source(IpAddr::from(number.to_be_bytes()))
    }

    fn share(asset: &str, who: Who) -> Share {
        Share {
            asset: AssetId::new(asset),
            rule: 0,
            is_of_highest_risk: true,
            who,
        }
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

    /// How many of these are admitted, all at once.
    fn admitted(
        admission: &mut Admission,
        settings: &JoinSettings,
        shares: impl Iterator<Item = Share>,
    ) -> usize {
        let now = AppendTime::from_millis(0);
        shares
            .filter(|share| admission.admits(share, now, settings))
            .count()
    }

    #[test]
    fn the_bound_counts_what_came_within_the_horizon_and_opens_again_after_it() {
        let settings = settings(8, 100);
        let mut admission = Admission::default();
        let horizon = settings.horizon();
        let start = AppendTime::from_millis;
        let slot = settings.admission_slot();
        let times = [
            start(0),
            start(1),
            start(2),
            start(0).plus(horizon),
            start(0).plus(horizon + slot),
            start(1).plus(horizon + slot),
        ];
        let admitted = times.map(|now| admission.admits(&share("atlas", source(1)), now, &settings));
        assert_eq!(admitted, [true, true, false, false, true, false]);
    }

    #[test]
    fn a_flood_at_one_asset_counts_for_no_more_than_that_assets_share_of_the_partition() {
        let settings = settings(16, 24);
        let mut admission = Admission::default();
        let mut flood = |asset: &str| {
            let shares = (0..1_000).map(|number| share(asset, source(number)));
            admitted(&mut admission, &settings, shares)
        };
        assert_eq!([flood("flooded"), flood("another"), flood("third")], [16, 8, 0]);
    }

    #[test]
    fn floods_by_one_source_and_by_none_leave_room_for_another_source() {
        let settings = settings(16, 100);
        let mut admission = Admission::default();
        let mut flood = |who| {
            let shares = (0..1_000).map(|_| share("flooded", who));
            admitted(&mut admission, &settings, shares)
        };
        assert_eq!(
            [flood(source(1)), flood(Who::Unattributed), flood(source(2))],
            [4, 8, 4]
        );
    }

    #[test]
    fn a_flood_by_rules_of_lower_risk_leaves_half_to_those_of_the_highest() {
        let settings = settings(16, 24);
        let mut admission = Admission::default();
        let mut flood = |asset: &str, is_of_highest_risk| {
            let shares = (0..1_000).map(|number| Share {
                rule: number as RuleIndex % 7,
                is_of_highest_risk,
                ..share(asset, source(number))
            });
            admitted(&mut admission, &settings, shares)
        };
        assert_eq!(
            [flood("a", false), flood("b", false), flood("c", false)],
            [8, 4, 0]
        );
        assert_eq!([flood("a", true), flood("c", true)], [8, 4]);
    }

    #[test]
    fn after_a_horizon_without_arrivals_nothing_is_counted() {
        let settings = settings(16, 24);
        let mut admission = Admission::default();
        for number in 0..2_000 {
            let now = AppendTime::from_millis(i64::from(number) * 10_000);
            let share = Share {
                is_of_highest_risk: number % 5 == 0,
                ..share(["a", "b", "c"][number as usize % 3], source(number % 50))
            };
            admission.admits(&share, now, &settings);
        }
        admission.expire(AppendTime::MAX, &settings);
        assert!(admission.shares.is_empty() && admission.assets.is_empty());
        assert_eq!(admission.partition, ByRisk::default());
    }
}
