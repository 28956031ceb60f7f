//! What is known of one sweep.

use std::sync::Arc;
use std::time::Duration;

use super::touches::Touches;
use super::window::{SweepContext, WindowKey};
use crate::detection::{AlertId, Status};
use crate::event::{AssetId, Outcome};
use crate::time::EventTime;

/// One revision of an alert about a source that touches several assets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Which window of which source.
    pub window: WindowKey,
    /// The width of the window.
    pub within: Duration,
    /// The sweeps of overlapping windows that replace it, sorted; `None` while it is active.
    pub superseded_by: Option<Vec<AlertId>>,
    /// Event time of the first access.
    pub first: EventTime,
    /// Event time of the last access.
    pub last: EventTime,
    /// Assets that were touched.
    pub touched: u32,
    /// How often the number of assets has doubled beyond the least that counts.
    pub doublings: u32,
    /// Success if any access is known to have been granted, else failure if any is known to have been denied.
    pub outcome: Option<Outcome>,
    /// The pipes, as 5145 names them.
    pub pipes: Vec<Arc<str>>,
    /// `DOMAIN\name`, each once.
    pub accounts: Vec<Arc<str>>,
    /// The assets, by first access, as many as a list may hold and at least one.
    pub assets: Vec<SweptAsset>,
    /// Entries of these lists that the bounds of the document left out.
    pub omitted: u32,
}

/// One asset of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweptAsset {
    /// The asset.
    pub asset: AssetId,
    /// Event time of the first access in the window.
    pub first: EventTime,
    /// Event time of the last.
    pub last: EventTime,
    /// The pipes, as 5145 names them.
    pub pipes: Vec<Arc<str>>,
    /// `DOMAIN\name`, each once.
    pub accounts: Vec<Arc<str>>,
    /// The alerts about the accesses.
    pub alerts: Vec<AlertId>,
}

impl Sweep {
    /// The active sweep of a window in which these assets count, of which there is at least one.
    pub(super) fn of(
        window: WindowKey,
        touched: Vec<(&AssetId, Touches)>,
        context: SweepContext<'_>,
    ) -> Self {
        let number = touched.len();
        let mut all = touched.first().expect("a sweep has an asset").1.clone();
        for (_, touches) in &touched {
            all.merge(touches);
        }
        let swept = touched.into_iter();
        let mut assets: Vec<SweptAsset> = swept
            .map(|(asset, touches)| SweptAsset::of(asset, touches))
            .collect();
        assets.sort_by(|a, b| (a.first, &a.asset).cmp(&(b.first, &b.asset)));

        let limit = context.settings.limits.list_entries.max(1);
        let lists = [assets.len(), all.pipes.len(), all.accounts.len()];
        let omitted: usize = lists.iter().map(|length| length.saturating_sub(limit)).sum();
        assets.truncate(limit);
        Self {
            window,
            within: context.half() * 2,
            superseded_by: None,
            first: all.span.first,
            last: all.span.last,
            touched: count(number),
            doublings: context.doublings(number),
            outcome: all.outcome,
            pipes: all.pipes.into_iter().take(limit).collect(),
            accounts: all.accounts.into_iter().take(limit).collect(),
            assets,
            omitted: count(omitted),
        }
    }

    /// Active, or superseded.
    pub const fn status(&self) -> Status {
        match self.superseded_by {
            None => Status::Active,
            Some(_) => Status::Superseded,
        }
    }

    /// The asset that was touched first.
    pub fn first_asset(&self) -> &AssetId {
        &self.assets.first().expect("a sweep lists an asset").asset
    }

    pub(super) const fn is_active(&self) -> bool {
        self.superseded_by.is_none()
    }
}

impl SweptAsset {
    fn of(asset: &AssetId, touches: Touches) -> Self {
        Self {
            asset: asset.clone(),
            first: touches.span.first,
            last: touches.span.last,
            pipes: touches.pipes.into_iter().collect(),
            accounts: touches.accounts.into_iter().collect(),
            alerts: touches.alerts.into_iter().collect(),
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("bounds keep numbers of assets, accounts and pipes below 32 bits")
}
