//! Sweeps: one source that touches several protected assets within a time.
//!
//! An alert is about one asset, and the partition that writes it knows nothing of others. So each audited access is told a
//! second time, as a [`Sighting`], to the partition of its source. There, time is cut into halves of `within`, and every two
//! that touch are a *window*: each moment is in two windows, and what takes half of `within` is whole in one of them.
//!
//! A window *reaches* if at least `min_assets` assets were touched in it by accesses that no exception covers. Of windows
//! that overlap only one speaks: one that begins at an odd half stands only if neither window beside it reaches. So which
//! sweeps stand in the end is a function of the set of accesses, in whatever order they came; an earlier word that does not
//! hold is superseded. Later words escalate: each doubling of the number of assets is told at once.

mod touched;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use self::touched::{News, Touched};
use super::join::Fate;
use super::{
    About, AlertId, AlertKey, Attribution, Confidence, Content, Counts, Exceptions, JoinSettings, Revision,
    Status,
};
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

/// What a sweep is decided by, beside sightings.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) settings: &'a JoinSettings,
    pub(super) exceptions: &'a Exceptions,
}

/// A source and the start of a half, or of the window that begins with it.
type Place = (IpAddr, EventTime);

/// The sources of one partition.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    halves: BTreeMap<Place, BTreeMap<AssetId, Touched>>,
    /// How many assets all halves hold together.
    entries: usize,
    /// Those that have spoken.
    windows: BTreeMap<Place, Window>,
    deadlines: BTreeSet<(AppendTime, Place)>,
    /// When windows close and halves are forgotten.
    endings: BTreeSet<(AppendTime, Place)>,
}

/// A window that has spoken.
#[derive(Debug)]
struct Window {
    written: Said,
    differs_since: Option<AppendTime>,
    deadline: Option<AppendTime>,
}

/// What a window says.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    content: Content,
    sweep: SweepFinding,
}

impl JoinSettings {
    /// What `sweep.within` must not be longer than: all that a window follows from must be within one horizon.
    pub fn sweep_limit(&self) -> Duration {
        self.horizon()
            .saturating_sub(self.allowed_lateness + self.clock_skew * 2)
            / 2
    }

    /// Half of a window. Only the default may be longer than a short horizon allows.
    fn sweep_half(&self) -> Duration {
        (self.sweep.within.min(self.sweep_limit()) / 2).max(Duration::from_micros(1))
    }
}

impl Terms<'_> {
    fn half(&self) -> Duration {
        self.settings.sweep_half()
    }

    fn later(&self, (source, start): Place) -> Place {
        (source, start.plus(self.half()))
    }

    fn earlier(&self, (source, start): Place) -> Place {
        (source, start.minus(self.half()))
    }

    fn is_odd(&self, (_, start): Place) -> bool {
        let half = i64::try_from(self.half().as_micros()).unwrap_or(i64::MAX);
        start.as_micros().div_euclid(half).rem_euclid(2) == 1
    }

    /// When a window has said its last: when the later of the windows beside it can grow no more.
    fn closes(&self, (_, start): Place) -> AppendTime {
        start.deadline_after(self.half() * 3 + self.settings.allowed_lateness + self.settings.clock_skew)
    }

    /// When nothing open needs a half any more: when the window that begins after it has closed.
    fn forgotten(&self, place: Place) -> AppendTime {
        self.closes(self.later(place))
    }

    fn is_timely(&self, time: EventTime, arrival: AppendTime) -> bool {
        let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let timely = -micros(self.settings.clock_skew)..=micros(self.settings.allowed_lateness);
        timely.contains(&time.lateness_at(arrival))
    }
}

impl Sweeps {
    pub(super) fn next_due(&self) -> Option<AppendTime> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// Every sweep that stands, to be written once more by a record at `offset`.
    pub(super) fn standing(&self, offset: u64) -> Vec<Revision> {
        let standing = self.windows.iter();
        standing
            .filter(|(_, window)| window.written.content.status == Status::Active)
            .map(|(&place, window)| revision(place, &window.written, 2 * offset, false))
            .collect()
    }

    /// What is due at `now`, before the record at `offset` is applied.
    pub(super) fn advance(&mut self, now: AppendTime, offset: u64, terms: Terms<'_>) -> Vec<Revision> {
        let mut revisions = Vec::new();
        while let Some(&(deadline, place)) = self.deadlines.first()
            && deadline <= now
        {
            self.deadlines.pop_first();
            let said = self.said(place, terms);
            let Some(window) = self.windows.get_mut(&place) else {
                continue;
            };
            window.deadline = None;
            window.differs_since = None;
            if let Some(said) = said.filter(|said| *said != window.written) {
                revisions.push(window.write(place, said, 2 * offset));
            }
        }
        while let Some(&(ending, place)) = self.endings.first()
            && ending <= now
        {
            self.endings.pop_first();
            let forgotten = self.halves.remove(&place);
            self.entries -= forgotten.map_or(0, |assets| assets.len());
            // The window that began with this half closed before the half was needed no more.
            self.windows.remove(&place);
        }
        revisions
    }

    /// Takes in that a source touched an asset, as `alerts` tell: the record at `offset`, at `now`.
    pub(super) fn see(
        &mut self,
        sighting: &Sighting,
        alerts: &[AlertId],
        (now, offset): (AppendTime, u64),
        terms: Terms<'_>,
    ) -> (Fate, Vec<Revision>) {
        if alerts.is_empty() {
            return (Fate::Unwatched, Vec::new());
        }
        if !terms.settings.sweep.enabled || !terms.is_timely(sighting.time, now) {
            return (Fate::Sighting, Vec::new());
        }
        let place = (sighting.source_ip, sighting.time.bucket(terms.half()));
        let limits = &terms.settings.limits;
        let is_known = self
            .halves
            .get(&place)
            .is_some_and(|assets| assets.contains_key(&sighting.asset));
        if !is_known && self.entries >= limits.destination_side_per_partition {
            return (Fate::Refused, Vec::new());
        }
        self.entries += usize::from(!is_known);
        self.endings.insert((terms.forgotten(place), place));
        let assets = self.halves.entry(place).or_default();
        let touched = assets.entry(sighting.asset.clone()).or_default();
        let news = touched.add(sighting, alerts, limits.list_entries);

        // The two windows that hold the access, and those beside them that may have to give way.
        let before = terms.earlier(place);
        let near = [terms.earlier(before), before, place, terms.later(place)];
        let mut revisions = Vec::new();
        match news {
            News::None => {}
            // Which assets count is what it was: so a flood of accesses costs no look at all assets for each.
            News::Lesser => near[1..3]
                .iter()
                .for_each(|&window| self.delay(window, now, terms)),
            News::Excusing => {
                let said = near
                    .into_iter()
                    .filter_map(|window| self.reconsider(window, (now, offset), terms));
                revisions.extend(said);
            }
        }
        (Fate::Sighting, revisions)
    }

    /// A window that stands has something lesser to say.
    fn delay(&mut self, place: Place, now: AppendTime, terms: Terms<'_>) {
        if let Some(window) = self.windows.get_mut(&place)
            && window.written.content.status == Status::Active
            && window.deadline.is_none()
        {
            let since = *window.differs_since.get_or_insert(now);
            let deadline = since.plus(terms.settings.revise_after).min(terms.closes(place));
            window.deadline = Some(deadline);
            self.deadlines.insert((deadline, place));
        }
    }

    /// Decides whether a window speaks now, later or not at all.
    fn reconsider(
        &mut self,
        place: Place,
        (now, offset): (AppendTime, u64),
        terms: Terms<'_>,
    ) -> Option<Revision> {
        let said = self.said(place, terms)?;
        let number = 2 * offset + 1;
        let Some(window) = self.windows.get_mut(&place) else {
            let is_new = said.content.status == Status::Active;
            return is_new.then(|| {
                let first = revision(place, &said, number, true);
                self.windows.insert(place, Window::new(said));
                self.endings.insert((terms.forgotten(place), place));
                first
            });
        };
        if let Some(deadline) = window.deadline.take() {
            self.deadlines.remove(&(deadline, place));
        }
        if said == window.written {
            window.differs_since = None;
            return None;
        }
        let written = &window.written;
        let is_urgent =
            said.content.status != written.content.status || said.sweep.doublings != written.sweep.doublings;
        let since = *window.differs_since.get_or_insert(now);
        let deadline = since.plus(terms.settings.revise_after).min(terms.closes(place));
        if is_urgent || deadline <= now {
            return Some(window.write(place, said, number));
        }
        window.deadline = Some(deadline);
        self.deadlines.insert((deadline, place));
        None
    }

    /// What a window has to say; `None` if it does not stand and never did.
    fn said(&self, place: Place, terms: Terms<'_>) -> Option<Said> {
        let mut beside: Vec<AlertId> = Vec::new();
        if terms.is_odd(place) {
            let evens = [terms.earlier(place), terms.later(place)].into_iter();
            beside.extend(
                evens
                    .filter(|&even| self.reaches(even, terms))
                    .map(|even| key(even).id()),
            );
            beside.sort_unstable();
        }
        if beside.is_empty() && self.reaches(place, terms) {
            return Some(say(place, self.swept(place, terms).collect(), terms));
        }
        let mut said = self.windows.get(&place)?.written.clone();
        said.content.status = Status::Superseded;
        said.content.superseded_by = beside;
        Some(said)
    }

    fn reaches(&self, place: Place, terms: Terms<'_>) -> bool {
        let least = usize::try_from(terms.settings.sweep.min_assets).unwrap_or(usize::MAX);
        self.swept(place, terms).nth(least.saturating_sub(1)).is_some()
    }

    /// What was touched in a window by accesses that no exception covers.
    fn swept<'a>(
        &'a self,
        place: Place,
        terms: Terms<'a>,
    ) -> impl Iterator<Item = (&'a AssetId, Cow<'a, Touched>)> {
        let [early, late] = [place, terms.later(place)].map(|half| self.halves.get(&half));
        let both = early.into_iter().flatten().map(move |(asset, touched)| {
            match late.and_then(|late| late.get(asset)) {
                Some(more) => (asset, Cow::Owned(touched.clone().merged(more))),
                None => (asset, Cow::Borrowed(touched)),
            }
        });
        let rest = late.into_iter().flatten();
        let rest = rest.filter(move |(asset, _)| early.is_none_or(|early| !early.contains_key(*asset)));
        let all = both.chain(rest.map(|(asset, touched)| (asset, Cow::Borrowed(touched))));
        let closes = terms.closes(place);
        all.filter(move |(asset, touched)| {
            let (accounts, pipes, is_cut) = touched.told();
            !terms
                .exceptions
                .excuse((place.0, asset), (&accounts, &pipes, is_cut), closes)
        })
    }
}

impl Window {
    fn new(written: Said) -> Self {
        Self {
            written,
            differs_since: None,
            deadline: None,
        }
    }

    fn write(&mut self, place: Place, said: Said, number: u64) -> Revision {
        self.differs_since = None;
        self.written = said;
        revision(place, &self.written, number, false)
    }
}

/// The sweep's own key. It is about no single asset: the source's address stands in its place.
fn key((source, start): Place) -> AlertKey {
    AlertKey {
        rule: SWEEP.into(),
        asset: AssetId::new(&source.to_string()),
        source: Some(source),
        bucket: start,
        arrival_bucket: None,
    }
}

fn revision(place: Place, said: &Said, number: u64, is_first: bool) -> Revision {
    let key = key(place);
    Revision {
        id: key.id(),
        key,
        number,
        is_first,
        is_excepted_anew: false,
        is_told: true,
        content: said.content.clone(),
        about: About::Sweep(said.sweep.clone()),
    }
}

fn say((source, _): Place, assets: Vec<(&AssetId, Cow<'_, Touched>)>, terms: Terms<'_>) -> Said {
    let limit = terms.settings.limits.list_entries;
    let number = u32::try_from(assets.len()).unwrap_or(u32::MAX);
    let mut all = Touched::default();
    assets.iter().for_each(|(_, touched)| all.merge(touched));
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
        .map(|(asset, touched)| {
            let touched = touched.into_owned();
            let (first, last) = touched.span.unwrap_or_default();
            SweptAsset {
                asset: asset.clone(),
                first,
                last,
                pipes: touched.pipes.into_iter().collect(),
                accounts: touched.accounts.into_iter().collect(),
                alerts: touched.alerts.into_iter().collect(),
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
    Said {
        content,
        sweep: SweepFinding {
            within: terms.half() * 2,
            doublings: (number / terms.settings.sweep.min_assets.max(1))
                .checked_ilog2()
                .unwrap_or(0),
            assets: swept,
        },
    }
}
