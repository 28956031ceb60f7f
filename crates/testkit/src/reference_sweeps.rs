//! Which sweeps stand in the end, said slowly and obviously: windows over a *set* of observations, with no order of arrival, no
//! state, no deadline and no bound. Valid where every access is timely.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use pipewarden_core::detection::{JoinSettings, Rule};
use pipewarden_core::event::{AssetId, Observation};
use pipewarden_core::time::EventTime;

use super::reference::{PASSING_ENDS, shared};

/// One asset of a sweep: first and last access, pipes, accounts.
pub type Swept = (EventTime, EventTime, BTreeSet<Arc<str>>, BTreeSet<String>);

/// The sweeps that stand in the end, by source and start of the window: what was touched of each asset.
/// `is_excused` says whether an exception covers what a source did to an asset, where the window closes at that moment.
pub fn final_sweeps(
    observations: &[Observation],
    rules: &[Rule],
    settings: &JoinSettings,
    is_excused: impl Fn(IpAddr, &AssetId, &Swept, i64) -> bool,
) -> BTreeMap<(IpAddr, EventTime), BTreeMap<AssetId, Swept>> {
    let half = settings.sweep.within().min(settings.sweep_limit()) / 2;
    let accesses: Vec<(IpAddr, &Observation)> = observations
        .iter()
        .filter_map(|seen| {
            let share = shared(seen)?;
            let is_watched = rules
                .iter()
                .any(|rule| rule.pipes.share_access.contains(&share.pipe));
            Some((share.source_ip.filter(|_| is_watched)?, seen))
        })
        .collect();
    let touched = |source: IpAddr, start: EventTime| {
        let mut assets: BTreeMap<AssetId, Swept> = BTreeMap::new();
        for (_, seen) in accesses.iter().filter(|(from, seen)| {
            *from == source && (start..start.plus(half * 2)).contains(&seen.event.time)
        }) {
            let (time, share) = (seen.event.time, shared(seen).unwrap());
            let new = || (time, time, BTreeSet::new(), BTreeSet::new());
            let swept = assets.entry(seen.asset.clone()).or_insert_with(new);
            (swept.0, swept.1) = (swept.0.min(time), swept.1.max(time));
            swept.2.insert(Arc::clone(&share.pipe));
            swept.3.extend(share.account.as_ref().map(ToString::to_string));
        }
        let closes = start.plus(half * 3 + settings.allowed_lateness + settings.clock_skew);
        assets.retain(|asset, swept| !is_excused(source, asset, swept, closes.as_micros()));
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
            if is_odd && beside.any(|even| touched(*source, even).is_some()) {
                continue;
            }
            if let Some(assets) = touched(*source, start) {
                sweeps.insert((*source, start), assets);
            }
        }
    }
    sweeps
}

/// Whether one of the entries of `world::exceptions` covers what a source did to an asset.
pub fn is_excused(source: IpAddr, asset: &AssetId, swept: &Swept, closes: i64) -> bool {
    let (_, _, pipes, accounts) = swept;
    let is_passing =
        |account: &String| [r"aperture\user0", r"aperture\user1"].contains(&account.to_lowercase().as_str());
    let is_scanner = source.to_string() == "10.1.0.1" && pipes.iter().all(|pipe| &**pipe == "winreg");
    is_scanner
        || closes < PASSING_ENDS
            && asset.as_str() == "asset0.aperture.local"
            && !accounts.is_empty()
            && accounts.iter().all(is_passing)
}
