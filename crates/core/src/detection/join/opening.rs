//! The bound on alerts: which of them accesses may open, or add to, within one bucket of arrival.

use std::collections::{HashMap, HashSet};

use crate::detection::{AlertId, JoinSettings};
use crate::event::AssetId;
use crate::time::AppendTime;

/// The first alerts that the accesses of the present bucket of arrival belong to, by asset.
///
/// Alerts count whether they were open before or not: so a decision is a function of one bucket of the log, and whoever is
/// refused finds as many alerts open.
#[derive(Debug, Default)]
pub(super) struct Opening {
    bucket: Option<AppendTime>,
    by_asset: HashMap<AssetId, HashSet<AlertId>>,
    in_partition: usize,
}

impl Opening {
    /// Counts an alert that something arriving `now` belongs to. Whether the bounds leave room for it, as they do for
    /// whatever has been counted.
    pub(super) fn admits(
        &mut self,
        asset: &AssetId,
        alert: AlertId,
        now: AppendTime,
        settings: &JoinSettings,
    ) -> bool {
        let bucket = Some(now.bucket(settings.group_by));
        if self.bucket != bucket {
            *self = Self {
                bucket,
                ..Self::default()
            };
        }
        let limits = &settings.limits;
        let alerts = match self.by_asset.get_mut(asset) {
            Some(alerts) => alerts,
            None => self.by_asset.entry(asset.clone()).or_default(),
        };
        if alerts.contains(&alert) {
            return true;
        }
        let admitted =
            alerts.len() < limits.alerts_per_asset && self.in_partition < limits.alerts_per_partition;
        if admitted {
            alerts.insert(alert);
            self.in_partition += 1;
        } else if alerts.is_empty() {
            self.by_asset.remove(asset);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::detection::Limits;

    #[test]
    fn within_a_bucket_the_first_alerts_of_an_asset_and_of_the_partition_are_admitted_again_and_again() {
        let settings = JoinSettings {
            limits: Limits {
                alerts_per_asset: 2,
                alerts_per_partition: 3,
                ..Limits::default()
            },
            ..JoinSettings::default()
        };
        let mut opening = Opening::default();
        let mut admits = |asset: &str, alert: u128, minute: i64| {
            let now = AppendTime::from_millis(minute * 60_000);
            let alert = AlertId(Uuid::from_u128(alert));
            opening.admits(&AssetId::new(asset), alert, now, &settings)
        };
        let asked = [
            ("a", 1),
            ("a", 2),
            ("a", 3),
            ("a", 1),
            ("b", 4),
            ("b", 5),
            ("c", 6),
            ("b", 4),
        ];
        let admitted = asked.map(|(asset, alert)| admits(asset, alert, 9));
        assert_eq!(admitted, [true, true, false, true, true, false, false, true]);
        assert!(admits("a", 3, 10), "another bucket");
    }
}
