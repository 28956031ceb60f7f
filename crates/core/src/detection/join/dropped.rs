//! What bounds have dropped: of accesses a summary, of session evidence when it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::stored::{Opened, Stored};
use crate::detection::JoinSettings;
use crate::event::Outcome;
use crate::time::{AppendTime, EventTime};

/// How many accounts, and how many pipes and paths, a summary names.
const NAMES: usize = 4;
/// The longest account, pipe or path that it names, in bytes. So a summary takes less than 1 KiB.
const NAME_BYTES: usize = 96;

/// The accesses of an alert that no bound left room for.
#[derive(Debug)]
pub(super) struct DroppedAccesses {
    pub(super) number: u32,
    pub(super) untimely: u32,
    /// Event time of the first and of the last.
    pub(super) times: (EventTime, EventTime),
    /// When the first arrived.
    pub(super) opened: AppendTime,
    pub(super) accounts: BTreeSet<Arc<str>>,
    pub(super) opened_names: BTreeSet<Opened>,
    /// Whether there were more accounts than it names.
    pub(super) has_more_accounts: bool,
    /// Success if any is known to have been granted, else failure if all are known to have been denied.
    pub(super) outcome: Option<Outcome>,
}

impl DroppedAccesses {
    /// The summary of one.
    pub(super) fn of(access: &Stored, settings: &JoinSettings) -> Self {
        let mut dropped = Self {
            number: 1,
            untimely: u32::from(access.arrival_bucket(settings).is_some()),
            times: (access.time(), access.time()),
            opened: access.arrival,
            accounts: BTreeSet::new(),
            opened_names: BTreeSet::new(),
            has_more_accounts: false,
            outcome: access.outcome(),
        };
        if let Some(account) = access.named_account() {
            dropped.add_account(account.to_string().into());
        }
        if let Some(opened) = access.opened() {
            dropped.add_opened(opened);
        }
        dropped
    }

    /// Takes in later ones.
    pub(super) fn merge(&mut self, later: Self) {
        self.number = self.number.saturating_add(later.number);
        self.untimely = self.untimely.saturating_add(later.untimely);
        let (first, last) = self.times;
        self.times = (first.min(later.times.0), last.max(later.times.1));
        self.outcome = Outcome::together(self.outcome, later.outcome);
        self.has_more_accounts |= later.has_more_accounts;
        for account in later.accounts {
            self.add_account(account);
        }
        for opened in later.opened_names {
            self.add_opened(opened);
        }
    }

    fn add_account(&mut self, account: Arc<str>) {
        let bytes = account.len();
        let is_named = add_name(&mut self.accounts, account, bytes);
        self.has_more_accounts |= !is_named;
    }

    fn add_opened(&mut self, opened: Opened) {
        let bytes = opened.name().len();
        add_name(&mut self.opened_names, opened, bytes);
    }
}

/// Adds a name of so many bytes, unless there are too many or it is too long. Whether it is among them.
fn add_name<T: Ord>(names: &mut BTreeSet<T>, name: T, bytes: usize) -> bool {
    let has_room = names.len() < NAMES && bytes <= NAME_BYTES;
    if has_room {
        names.insert(name);
        true
    } else {
        names.contains(&name)
    }
}

/// How exactly the times of dropped session evidence are remembered.
const SLOT: Duration = Duration::from_secs(10);
/// Of how many slots; beyond that, everything may have been dropped.
const SLOTS: usize = 512;

/// The evidence of one asset that bounds have dropped, of one kind.
#[derive(Debug, Default)]
pub(super) struct DroppedEvidence {
    slots: BTreeMap<EventTime, Lost>,
    beyond: Lost,
}

/// How much was lost, and when the last of it had arrived.
#[derive(Clone, Copy, Debug)]
struct Lost {
    number: u32,
    last_arrival: AppendTime,
}

impl Default for Lost {
    fn default() -> Self {
        Self {
            number: 0,
            last_arrival: AppendTime::MIN,
        }
    }
}

impl Lost {
    fn add(&mut self, arrival: AppendTime) {
        self.number = self.number.saturating_add(1);
        self.last_arrival = self.last_arrival.max(arrival);
    }
}

impl DroppedEvidence {
    pub(super) fn add(&mut self, evidence: &Stored, now: AppendTime, settings: &JoinSettings) {
        if self.slots.len() >= SLOTS {
            let oldest_kept = now.minus(settings.horizon() + settings.join_span());
            self.slots.retain(|_, lost| lost.last_arrival > oldest_kept);
        }
        let slot = evidence.time().bucket(SLOT);
        let has_room = self.slots.len() < SLOTS;
        let lost = match self.slots.get_mut(&slot) {
            Some(lost) => lost,
            None if has_room => self.slots.entry(slot).or_default(),
            None => &mut self.beyond,
        };
        lost.add(evidence.arrival);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.beyond.number == 0
    }

    /// How much was lost that would have been near accesses between two times, of which the first arrived then.
    pub(super) fn near(
        &self,
        times: (EventTime, EventTime),
        arrival: AppendTime,
        settings: &JoinSettings,
    ) -> u32 {
        self.within(settings.attribution_window, times, arrival, settings)
    }

    /// The same of what was no further from them than a window.
    pub(super) fn within(
        &self,
        window: Duration,
        (first, last): (EventTime, EventTime),
        arrival: AppendTime,
        settings: &JoinSettings,
    ) -> u32 {
        let joins = |lost: &&Lost| lost.last_arrival.plus(settings.join_span()) >= arrival;
        let from = first.minus(window).bucket(SLOT);
        let slots = self.slots.range(from..=last.plus(window)).map(|(_, lost)| lost);
        let lost = slots.chain([&self.beyond]).filter(joins);
        lost.fold(0, |sum, lost| sum.saturating_add(lost.number))
    }
}
