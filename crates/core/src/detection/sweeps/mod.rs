//! Sweeps: one source that touches several protected assets within a time.
//!
//! An alert is about one asset, and the partition that writes it knows nothing of others. So each audited access is told a
//! second time, as a [`Sighting`], to the partition of its source. There, time is cut into halves of `within`, and every two
//! that touch are a *window*: each moment is in two windows, and what takes half of `within` is whole in one of them.
//!
//! A window *reaches* if at least `min_assets` assets were touches in it by accesses that no exception covers. Of windows
//! that overlap only one speaks: one that begins at an odd half stands only if neither window beside it reaches. So which
//! sweeps stand in the end is a function of the set of accesses, in whatever order they came; an earlier word that does not
//! hold is superseded. Later words escalate: each doubling of the number of assets is told at once.

mod touches;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use self::touches::{Change, Touches};
pub(super) use self::window::SweepContext;
use self::window::WindowKey;
use super::outcome::Disposition;
use super::{About, AlertId, AlertKey, Attribution, Confidence, Content, Counts, Revision, Status};
use crate::event::{AssetId, Sighting};
use crate::time::{AppendTime, EventTime};

/// The rule id of every sweep.
pub const SWEEP: &str = "sweep";

/// What a sweep says beyond an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepFinding {
    /// The width of the window.
    pub within: Duration,
    /// How often the number of assets has doubled beyond the least that counts.
    pub doublings: u32,
    /// The assets, by first access, as many as a list may hold.
    pub assets: Vec<SweptAsset>,
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
    /// The alerts that tell of the accesses.
    pub alerts: Vec<AlertId>,
}

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

/// Two halves that touch.
#[derive(Debug, Default)]
struct Window {
    /// The assets that were touches by accesses that no exception covers.
    counted: BTreeSet<AssetId>,
    /// What it said last.
    last_published: Option<WindowState>,
    differs_since: Option<AppendTime>,
    deadline: Option<AppendTime>,
}

/// What a window says.
#[derive(Clone, Debug, PartialEq)]
struct WindowState {
    content: Content,
    sweep: SweepFinding,
}

impl WindowState {
    fn stands(&self) -> bool {
        self.content.status == Status::Active
    }
}

impl Sweeps {
    pub(super) fn next_due(&self) -> Option<AppendTime> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// Every sweep that stands, to be written once more by a record at `offset`.
    pub(super) fn standing(&self, offset: u64) -> Vec<Revision> {
        let published = self.windows.iter();
        let published =
            published.filter_map(|(&place, window)| Some((place, window.last_published.as_ref()?)));
        published
            .filter(|(_, said)| said.stands())
            .map(|(place, said)| revision(place, said, 2 * offset, false))
            .collect()
    }

    /// What is due at `now`, before the record at `offset` is applied.
    pub(super) fn advance(
        &mut self,
        now: AppendTime,
        offset: u64,
        context: SweepContext<'_>,
    ) -> Vec<Revision> {
        let mut revisions = Vec::new();
        while let Some(&(deadline, place)) = self.deadlines.first()
            && deadline <= now
        {
            self.deadlines.pop_first();
            revisions.extend(self.write(place, 2 * offset, context));
        }
        while let Some(&(ending, place)) = self.endings.first()
            && ending <= now
        {
            self.endings.pop_first();
            let forgotten = self.halves.remove(&place);
            self.entries -= forgotten.map_or(0, |assets| assets.len());
            self.windows.remove(&place);
        }
        revisions
    }

    /// Takes in that a source touches an asset, as `alerts` tell: the record at `offset`, at `now`.
    pub(super) fn see(
        &mut self,
        sighting: &Sighting,
        alerts: &[AlertId],
        (now, offset): (AppendTime, u64),
        context: SweepContext<'_>,
    ) -> (Disposition, Vec<Revision>) {
        if alerts.is_empty() {
            return (Disposition::Unwatched, Vec::new());
        }
        if !context.settings.sweep.enabled || !context.settings.is_timely(sighting.time, now) {
            return (Disposition::Sighting, Vec::new());
        }
        let place = (sighting.source_ip, sighting.time.bucket(context.half()));
        let limits = &context.settings.limits;
        let assets = self.halves.get(&place);
        let is_known = assets.is_some_and(|assets| assets.contains_key(&sighting.asset));
        if !is_known && self.entries >= limits.accesses_per_partition {
            return (Disposition::Dropped, Vec::new());
        }
        self.entries += usize::from(!is_known);
        let assets = self.halves.entry(place).or_default();
        let touches = assets.entry(sighting.asset.clone()).or_default();
        let news = touches.add(sighting, alerts, limits.list_entries);
        if news == Change::None {
            return (Disposition::Sighting, Vec::new());
        }
        let before = context.earlier(place);
        for window in [before, place] {
            self.endings.insert((context.forgotten(window), window));
            if news == Change::Coverage {
                self.count(window, &sighting.asset, context);
            }
        }
        // The two windows that hold the access, and those beside them that may have to give way.
        let near = [
            (context.earlier(before), false),
            (before, true),
            (place, true),
            (context.later(place), false),
        ];
        let decided = near.into_iter();
        let revisions = decided.filter_map(|window| self.decide(window, (now, offset), context));
        (Disposition::Sighting, revisions.collect())
    }

    /// Counts an asset in a window, or ceases to.
    fn count(&mut self, place: WindowKey, asset: &AssetId, context: SweepContext<'_>) {
        let is_covered = self.touches(place, asset, context).is_none_or(|touches| {
            let (accounts, pipes, is_cut) = touches.told();
            let told = (accounts.as_slice(), pipes.as_slice(), is_cut);
            context
                .exceptions
                .covers_source((place.0, asset), told, context.closes(place))
        });
        let window = self.windows.entry(place).or_default();
        if is_covered {
            window.counted.remove(asset);
        } else {
            window.counted.insert(asset.clone());
        }
    }

    /// What a source did to an asset in both halves of a window.
    fn touches(&self, place: WindowKey, asset: &AssetId, context: SweepContext<'_>) -> Option<Touches> {
        let halves = [place, context.later(place)].into_iter();
        let touches = halves.filter_map(|half| self.halves.get(&half)?.get(asset));
        touches.cloned().reduce(|mut all, more| {
            all.merge(&more);
            all
        })
    }

    /// Decides whether a window speaks now, later or not at all. It looks at numbers only, so that a flood of accesses
    /// costs no look at all assets for each. `has_news` is whether what it would say may have changed.
    fn decide(
        &mut self,
        (place, has_news): (WindowKey, bool),
        (now, offset): (AppendTime, u64),
        context: SweepContext<'_>,
    ) -> Option<Revision> {
        let stands = self.stands(place, context);
        let window = self.windows.get_mut(&place)?;
        let is_urgent = match &window.last_published {
            None if !stands => return None,
            None => true,
            Some(published) => {
                published.stands() != stands
                    || stands && published.sweep.doublings != context.doublings(window.counted.len())
            }
        };
        let is_frozen = !stands
            && window
                .last_published
                .as_ref()
                .is_some_and(|published| !published.stands());
        let closes = context.closes(place);
        let since = match window.differs_since {
            _ if is_urgent => now,
            // Which windows it gives way to may have changed.
            None if has_news || is_frozen => *window.differs_since.insert(now),
            None => return None,
            Some(since) => since,
        };
        let deadline = since.plus(context.settings.revise_after).min(closes);
        if is_urgent || deadline <= now {
            return self.write(place, 2 * offset + 1, context);
        }
        if window.deadline.is_none() {
            window.deadline = Some(deadline);
            self.deadlines.insert((deadline, place));
        }
        None
    }

    /// Says what there is to say of a window, if that is not what it said last.
    fn write(&mut self, place: WindowKey, number: u64, context: SweepContext<'_>) -> Option<Revision> {
        let said = self.said(place, context);
        let window = self.windows.get_mut(&place)?;
        window.differs_since = None;
        if let Some(deadline) = window.deadline.take() {
            self.deadlines.remove(&(deadline, place));
        }
        let said = said.filter(|said| window.last_published.as_ref() != Some(said))?;
        let is_first = window.last_published.is_none();
        Some(revision(
            place,
            window.last_published.insert(said),
            number,
            is_first,
        ))
    }

    /// What a window has to say; `None` if it does not stand and never did.
    fn said(&self, place: WindowKey, context: SweepContext<'_>) -> Option<WindowState> {
        let window = self.windows.get(&place)?;
        if self.stands(place, context) {
            let counted = window.counted.iter();
            let assets = counted.filter_map(|asset| Some((asset, self.touches(place, asset, context)?)));
            return Some(say(place, assets.collect(), context));
        }
        let mut said = window.last_published.clone()?;
        said.content.status = Status::Superseded;
        said.content.superseded_by = self.ahead(place, context).map(|other| key(other).id()).collect();
        said.content.superseded_by.sort_unstable();
        Some(said)
    }

    fn stands(&self, place: WindowKey, context: SweepContext<'_>) -> bool {
        self.reaches(place, context) && self.ahead(place, context).next().is_none()
    }

    fn reaches(&self, place: WindowKey, context: SweepContext<'_>) -> bool {
        let window = self.windows.get(&place);
        window.is_some_and(|window| context.is_enough(window.counted.len()))
    }

    /// The windows that overlap with one and go before it.
    fn ahead<'a>(
        &'a self,
        place: WindowKey,
        context: SweepContext<'a>,
    ) -> impl Iterator<Item = WindowKey> + 'a {
        let beside = [context.earlier(place), context.later(place)].into_iter();
        beside.filter(move |&even| context.is_odd(place) && self.reaches(even, context))
    }
}

/// The sweep's own key. It is about no single asset: the source's address stands in its place.
fn key((source, start): WindowKey) -> AlertKey {
    AlertKey {
        rule: SWEEP.into(),
        asset: AssetId::new(&source.to_string()),
        source: Some(source),
        bucket: start,
        arrival_bucket: None,
    }
}

fn revision(place: WindowKey, said: &WindowState, number: u64, is_first: bool) -> Revision {
    let key = key(place);
    Revision {
        id: key.id(),
        key,
        number,
        is_first,
        is_excepted_anew: false,
        is_published: true,
        content: said.content.clone(),
        about: About::Sweep(said.sweep.clone()),
    }
}

fn say((source, _): WindowKey, assets: Vec<(&AssetId, Touches)>, context: SweepContext<'_>) -> WindowState {
    let limit = context.settings.limits.list_entries;
    let number = u32::try_from(assets.len()).unwrap_or(u32::MAX);
    let doublings = context.doublings(assets.len());
    let mut all = Touches::default();
    assets.iter().for_each(|(_, touches)| all.merge(touches));
    let (first, last) = all.span.unwrap_or_default();
    let mut content = Content {
        attribution: Attribution::Audited,
        confidence: Confidence::High,
        accesses: number,
        outcome: all.outcome,
        source_ip: Some(source),
        counts: Counts {
            share_access: number,
            ..Counts::default()
        },
        ..Content::nothing(Status::Active, first, last)
    };
    let mut swept: Vec<SweptAsset> = assets
        .into_iter()
        .map(|(asset, touches)| {
            let (first, last) = touches.span.unwrap_or_default();
            SweptAsset {
                asset: asset.clone(),
                first,
                last,
                pipes: touches.pipes.into_iter().collect(),
                accounts: touches.accounts.into_iter().collect(),
                alerts: touches.alerts.into_iter().collect(),
            }
        })
        .collect();
    swept.sort_by(|a, b| (a.first, &a.asset).cmp(&(b.first, &b.asset)));
    let lists = [swept.len(), all.pipes.len(), all.accounts.len()];
    let left_out: usize = lists.iter().map(|length| length.saturating_sub(limit)).sum();
    content.omitted.others = u32::try_from(left_out).unwrap_or(u32::MAX);
    content.pipes = all.pipes.into_iter().take(limit).collect();
    content.accounts = all.accounts.into_iter().take(limit).collect();
    swept.truncate(limit);
    WindowState {
        content,
        sweep: SweepFinding {
            within: context.half() * 2,
            doublings,
            assets: swept,
        },
    }
}
