//! The final sweeps, computed slowly and obviously: windows over a *set* of observations, with no order of arrival, no state,
//! no deadline and no bound. Valid where every access is timely.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use pipewarden_core::detection::{JoinSettings, Rule};
use pipewarden_core::event::{AssetId, Observation};
use pipewarden_core::time::EventTime;

use super::reference::{PASSING_ENDS, share_access};

/// The accesses of a sweep to one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    pub first: EventTime,
    pub last: EventTime,
    pub pipes: BTreeSet<Arc<str>>,
    pub accounts: BTreeSet<String>,
}

/// The sweeps that are active in the end, by source and start of the window. `is_covered` decides whether an exception covers
/// the accesses of a source to an asset, where the window closes at that moment.
pub fn final_sweeps(
    observations: &[Observation],
    rules: &[Rule],
    settings: &JoinSettings,
    is_covered: impl Fn(IpAddr, &AssetId, &Swept, i64) -> bool,
) -> BTreeMap<(IpAddr, EventTime), BTreeMap<AssetId, Swept>> {
    let half = settings.sweep.within().min(settings.sweep_limit()) / 2;
    let accesses: Vec<(IpAddr, &Observation)> = observations
        .iter()
        .filter_map(|seen| {
            let share = share_access(seen).filter(|share| share.share.is_none() && !seen.is_local)?;
            let is_watched = rules.iter().any(|rule| rule.watches(&seen.event.detail));
            Some((share.source_ip.filter(|_| is_watched)?, seen))
        })
        .collect();
    let swept_by = |source: IpAddr, start: EventTime| {
        let mut assets: BTreeMap<AssetId, Swept> = BTreeMap::new();
        for (_, seen) in accesses.iter().filter(|(from, seen)| {
            *from == source && (start..start.plus(half * 2)).contains(&seen.event.time)
        }) {
            let (time, share) = (seen.event.time, share_access(seen).unwrap());
            let swept = assets.entry(seen.asset.clone()).or_insert_with(|| Swept {
                first: time,
                last: time,
                pipes: BTreeSet::new(),
                accounts: BTreeSet::new(),
            });
            swept.first = swept.first.min(time);
            swept.last = swept.last.max(time);
            swept.pipes.insert(Arc::clone(&share.path));
            swept
                .accounts
                .extend(share.account.as_ref().map(ToString::to_string));
        }
        let closes = start.plus(half * 3 + settings.allowed_lateness + settings.clock_skew);
        assets.retain(|asset, swept| !is_covered(source, asset, swept, closes.as_micros()));
        (assets.len() >= settings.sweep.min_assets as usize).then_some(assets)
    };
    let mut sweeps = BTreeMap::new();
    for (source, seen) in &accesses {
        let own = seen.event.time.bucket(half);
        for start in [own.minus(half), own] {
            let is_odd = start
                .as_micros()
                .div_euclid(half.as_micros() as i64)
                .rem_euclid(2)
                == 1;
            let mut beside = [start.minus(half), start.plus(half)].into_iter();
            if is_odd && beside.any(|even| swept_by(*source, even).is_some()) {
                continue;
            }
            if let Some(assets) = swept_by(*source, start) {
                sweeps.insert((*source, start), assets);
            }
        }
    }
    sweeps
}

/// Whether one of the entries of `world::exceptions` covers the accesses of a source to an asset.
pub fn is_covered(source: IpAddr, asset: &AssetId, swept: &Swept, closes: i64) -> bool {
    let Swept { pipes, accounts, .. } = swept;
    let is_passing =
        |account: &String| [r"aperture\user0", r"aperture\user1"].contains(&account.to_lowercase().as_str());
    let is_scanner = source.to_string() == "10.1.0.1" && pipes.iter().all(|pipe| &**pipe == "winreg");
    is_scanner
        || closes < PASSING_ENDS
            && asset.as_str() == "asset0.aperture.local"
            && !accounts.is_empty()
            && accounts.iter().all(is_passing)
}
