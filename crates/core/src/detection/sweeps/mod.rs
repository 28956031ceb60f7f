//! Sweeps: one source that touches several protected assets within a time.
//!
//! An alert about accesses has one asset, and the partition of that asset knows nothing of others. So each audited
//! access is published a second time, as a [`Sighting`], to the partition of its source. There, time is divided into
//! halves of `within`, and every two adjacent halves are a *window*: each moment is in two windows, and what takes
//! half of `within` lies whole in one of them.
//!
//! A window *qualifies* if at least `min_assets` assets were touched in it by accesses that no exception covers. Of
//! windows that overlap only one is an active sweep: one that begins at an odd half is active only if neither window
//! beside it qualifies. So which sweeps are active in the end is a function of the set of accesses, in whatever order
//! they came; a published sweep that is active no longer is superseded. Each doubling of the number of assets is
//! published at once.

mod sweep;
mod touches;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use self::sweep::{Sweep, SweptAsset};
use self::touches::{Change, Touches};
pub(super) use self::window::SweepContext;
pub use self::window::WindowKey;
use super::exceptions::SourceTouch;
use super::outcome::Disposition;
use super::revision::{by_deadline, by_record, written_by_deadline};
use super::{AlertId, Body, Revision};
use crate::event::{AssetId, Sighting};
use crate::log::At;
use crate::time::AppendTime;

/// The rule id of every sweep.
pub const SWEEP: &str = "sweep";

/// The sources of one partition.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    halves: BTreeMap<WindowKey, BTreeMap<AssetId, Touches>>,
    /// How many assets all halves hold together.
    entries: usize,
    windows: BTreeMap<WindowKey, Window>,
    deadlines: BTreeSet<(AppendTime, WindowKey)>,
    /// When halves, and the windows that begin with them, are forgotten.
    endings: BTreeSet<(AppendTime, WindowKey)>,
}

/// Two adjacent halves.
#[derive(Debug, Default)]
struct Window {
    /// The assets that were touched by accesses that no exception covers.
    counted: BTreeSet<AssetId>,
    /// Its sweep as of the last revision.
    last_published: Option<Sweep>,
    differs_since: Option<AppendTime>,
    deadline: Option<AppendTime>,
}

impl Sweeps {
    pub(super) fn next_due(&self) -> Option<AppendTime> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// Every active sweep, to be written once more by a record.
    pub(super) fn active(&self, at: At) -> Vec<Revision> {
        let published = self
            .windows
            .values()
            .filter_map(|window| window.last_published.as_ref());
        published
            .filter(|sweep| sweep.is_active())
            .map(|sweep| revision(sweep, (by_deadline(at.offset), at.now), false))
            .collect()
    }

    /// Writes what is due, before the record is applied, and forgets what has ended.
    pub(super) fn advance(&mut self, at: At, context: SweepContext<'_>) -> Vec<Revision> {
        let mut revisions = Vec::new();
        while let Some(&(deadline, key)) = self.deadlines.first()
            && deadline <= at.now
        {
            self.deadlines.pop_first();
            let stamp = (by_deadline(at.offset), written_by_deadline(at, deadline));
            revisions.extend(self.write(key, stamp, context));
        }
        while let Some(&(ending, key)) = self.endings.first()
            && ending <= at.now
        {
            self.endings.pop_first();
            let forgotten = self.halves.remove(&key);
            self.entries -= forgotten.map_or(0, |assets| assets.len());
            self.windows.remove(&key);
        }
        revisions
    }

    /// Takes in that a source touched an asset; `alerts` are those about the access.
    pub(super) fn see(
        &mut self,
        sighting: &Sighting,
        alerts: &[AlertId],
        at: At,
        context: SweepContext<'_>,
    ) -> (Disposition, Vec<Revision>) {
        if alerts.is_empty() {
            return (Disposition::Unwatched, Vec::new());
        }
        if !context.settings.sweep.enabled || !context.settings.is_timely(sighting.time, at.now) {
            return (Disposition::Sighting, Vec::new());
        }
        let key = WindowKey {
            source: sighting.source_ip,
            start: sighting.time.bucket(context.half()),
        };
        let limits = &context.settings.limits;
        let assets = self.halves.get(&key);
        let is_known = assets.is_some_and(|assets| assets.contains_key(&sighting.asset));
        if !is_known && self.entries >= limits.accesses_per_partition {
            return (Disposition::Dropped, Vec::new());
        }
        self.entries += usize::from(!is_known);
        let assets = self.halves.entry(key).or_default();
        let touches = assets
            .entry(sighting.asset.clone())
            .or_insert_with(|| Touches::before_access_at(sighting.time));
        let change = touches.add(sighting, alerts, limits.list_entries);
        if change == Change::None {
            return (Disposition::Sighting, Vec::new());
        }
        let before = context.earlier(key);
        for window in [before, key] {
            self.endings.insert((context.forgotten(window), window));
            if change == Change::Coverage {
                self.count(window, &sighting.asset, context);
            }
        }
        // The two windows that hold the access, and those beside them that they may supersede.
        let near = [
            (context.earlier(before), false),
            (before, true),
            (key, true),
            (context.later(key), false),
        ];
        let decided = near.into_iter();
        let revisions =
            decided.filter_map(|(window, has_changed)| self.decide(window, has_changed, at, context));
        (Disposition::Sighting, revisions.collect())
    }

    /// Counts an asset in a window, or no longer.
    fn count(&mut self, key: WindowKey, asset: &AssetId, context: SweepContext<'_>) {
        let is_covered = self.touches(key, asset, context).is_none_or(|touches| {
            let accounts: Vec<Arc<str>> = touches.accounts.into_iter().collect();
            let pipes: Vec<Arc<str>> = touches.pipes.into_iter().collect();
            let touch = SourceTouch {
                source: key.source,
                asset,
                accounts: &accounts,
                pipes: &pipes,
                is_truncated: touches.is_truncated,
            };
            context.exceptions.cover_source(&touch, context.closes(key))
        });
        let window = self.windows.entry(key).or_default();
        if is_covered {
            window.counted.remove(asset);
        } else {
            window.counted.insert(asset.clone());
        }
    }

    /// What a source did to an asset in both halves of a window.
    fn touches(&self, key: WindowKey, asset: &AssetId, context: SweepContext<'_>) -> Option<Touches> {
        let halves = [key, context.later(key)].into_iter();
        let touches = halves.filter_map(|half| self.halves.get(&half)?.get(asset));
        touches.cloned().reduce(|mut all, more| {
            all.merge(&more);
            all
        })
    }

    /// Decides whether a window writes a revision now, later or not at all. It compares numbers only, so that a flood
    /// of accesses does not cost a pass over all assets for each. `has_changed` is whether the sweep's content may
    /// differ.
    fn decide(
        &mut self,
        key: WindowKey,
        has_changed: bool,
        at: At,
        context: SweepContext<'_>,
    ) -> Option<Revision> {
        let is_active = self.is_active(key, context);
        let window = self.windows.get_mut(&key)?;
        let is_urgent = match &window.last_published {
            None if !is_active => return None,
            None => true,
            Some(published) => {
                published.is_active() != is_active
                    || is_active && published.doublings != context.doublings(window.counted.len())
            }
        };
        let stays_superseded = !is_active
            && window
                .last_published
                .as_ref()
                .is_some_and(|published| !published.is_active());
        let since = match window.differs_since {
            _ if is_urgent => at.now,
            // Which sweeps supersede it may have changed.
            None if has_changed || stays_superseded => *window.differs_since.insert(at.now),
            None => return None,
            Some(since) => since,
        };
        let deadline = since.plus(context.settings.revise_after).min(context.closes(key));
        if is_urgent || deadline <= at.now {
            return self.write(key, (by_record(at.offset), at.now), context);
        }
        if window.deadline.is_none() {
            window.deadline = Some(deadline);
            self.deadlines.insert((deadline, key));
        }
        None
    }

    /// Writes the sweep of a window, if it differs from what was published last.
    fn write(
        &mut self,
        key: WindowKey,
        stamp: (u64, AppendTime),
        context: SweepContext<'_>,
    ) -> Option<Revision> {
        let sweep = self.sweep(key, context);
        let window = self.windows.get_mut(&key)?;
        window.differs_since = None;
        if let Some(deadline) = window.deadline.take() {
            self.deadlines.remove(&(deadline, key));
        }
        let sweep = sweep.filter(|sweep| window.last_published.as_ref() != Some(sweep))?;
        let is_first = window.last_published.is_none();
        Some(revision(window.last_published.insert(sweep), stamp, is_first))
    }

    /// The sweep of a window as of now; `None` if it is not active and never was.
    fn sweep(&self, key: WindowKey, context: SweepContext<'_>) -> Option<Sweep> {
        let window = self.windows.get(&key)?;
        if self.is_active(key, context) {
            let mut assets = Vec::with_capacity(window.counted.len());
            for asset in &window.counted {
                let touches = self.touches(key, asset, context);
                assets.push((asset, touches.expect("a counted asset was touched")));
            }
            return Some(Sweep::of(key, assets, context));
        }
        let mut sweep = window.last_published.clone()?;
        let mut superseded_by: Vec<AlertId> = self.before(key, context).map(|other| other.id()).collect();
        superseded_by.sort_unstable();
        sweep.superseded_by = Some(superseded_by);
        Some(sweep)
    }

    fn is_active(&self, key: WindowKey, context: SweepContext<'_>) -> bool {
        self.qualifies(key, context) && self.before(key, context).next().is_none()
    }

    fn qualifies(&self, key: WindowKey, context: SweepContext<'_>) -> bool {
        let window = self.windows.get(&key);
        window.is_some_and(|window| context.is_enough(window.counted.len()))
    }

    /// The windows that overlap with one and take precedence.
    fn before<'a>(
        &'a self,
        key: WindowKey,
        context: SweepContext<'a>,
    ) -> impl Iterator<Item = WindowKey> + 'a {
        let beside = [context.earlier(key), context.later(key)].into_iter();
        beside.filter(move |&even| context.is_odd(key) && self.qualifies(even, context))
    }
}

fn revision(sweep: &Sweep, (number, created): (u64, AppendTime), is_first: bool) -> Revision {
    Revision {
        id: sweep.window.id(),
        number,
        is_first,
        is_published: true,
        created,
        body: Body::Sweep(sweep.clone()),
    }
}
