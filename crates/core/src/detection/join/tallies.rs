//! When alerts that stand for many are revised: at once, as their number doubles, and at intervals while it grows.

use std::collections::{BTreeMap, BTreeSet};

use crate::detection::revision::{by_deadline, by_record, written_by_deadline};
use crate::detection::{AlertId, Body, JoinSettings, Revision, Status};
use crate::log::At;
use crate::time::AppendTime;

/// The open alerts of this kind in one partition.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    alerts: BTreeMap<AlertId, Tally>,
    deadlines: BTreeSet<(AppendTime, AlertId)>,
    closings: BTreeSet<(AppendTime, AlertId)>,
    /// Those that the present record has changed.
    changed: BTreeSet<AlertId>,
}

#[derive(Debug)]
struct Tally {
    body: Body,
    closes: AppendTime,
    published: Option<Published>,
    differs_since: Option<AppendTime>,
    deadline: Option<AppendTime>,
}

#[derive(Debug)]
struct Published {
    body: Body,
    at: AppendTime,
}

/// How much an alert stands for.
fn number(body: &Body) -> u32 {
    match body {
        Body::Overflow(overflow) => overflow.accesses,
        Body::ManySources(many) => many.sources,
        Body::Access(_) | Body::SensorBlind(_) | Body::Campaign(_) => 0,
    }
}

fn status(body: &Body) -> Status {
    match body {
        Body::ManySources(many) => many.status(),
        _ => Status::Active,
    }
}

fn is_urgent(before: &Body, now: &Body) -> bool {
    status(before) != status(now) || number(before).checked_ilog2() != number(now).checked_ilog2()
}

impl Tallies {
    pub(super) fn len(&self) -> usize {
        self.alerts.len()
    }

    pub(super) fn next_due(&self) -> Option<AppendTime> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// The alert as it stands.
    pub(super) fn get(&self, id: AlertId) -> Option<&Body> {
        self.alerts.get(&id).map(|tally| &tally.body)
    }

    /// Takes an alert as it stands now. It can change until `closes`.
    pub(super) fn set(&mut self, id: AlertId, body: Body, closes: AppendTime) {
        match self.alerts.get_mut(&id) {
            Some(tally) => tally.body = body,
            None => {
                let tally = Tally {
                    body,
                    closes,
                    published: None,
                    differs_since: None,
                    deadline: None,
                };
                self.alerts.insert(id, tally);
                self.closings.insert((closes, id));
            }
        }
        self.changed.insert(id);
    }

    /// Writes what the present record has made due.
    pub(super) fn settle(&mut self, at: At, settings: &JoinSettings) -> Vec<Revision> {
        let changed = std::mem::take(&mut self.changed);
        let due = changed
            .into_iter()
            .filter(|id| self.is_due(*id, at.now, settings));
        let due: Vec<AlertId> = due.collect();
        let stamp = (by_record(at.offset), at.now);
        due.into_iter().filter_map(|id| self.write(id, stamp)).collect()
    }

    /// Writes what has been due for some time, and forgets what is over.
    pub(super) fn advance(&mut self, at: At) -> Vec<Revision> {
        let mut revisions = Vec::new();
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline <= at.now
        {
            let stamp = (by_deadline(at.offset), written_by_deadline(at, deadline));
            revisions.extend(self.write(id, stamp));
        }
        while let Some((_, id)) = self.closings.pop_first_if_over(at.now) {
            self.alerts.remove(&id);
        }
        revisions
    }

    /// The last revision of every alert that is active, to be written once more at `at`.
    pub(super) fn active(&self, at: At) -> Vec<Revision> {
        let published = self.alerts.iter().filter_map(|(&id, tally)| {
            let body = &tally.published.as_ref()?.body;
            Some((id, body.clone()))
        });
        published
            .filter(|(_, body)| status(body) == Status::Active)
            .map(|(id, body)| Revision {
                id,
                number: by_deadline(at.offset),
                is_first: false,
                is_published: true,
                created: at.now,
                body,
            })
            .collect()
    }

    /// Whether an alert is due now. If it is later, notes when.
    fn is_due(&mut self, id: AlertId, now: AppendTime, settings: &JoinSettings) -> bool {
        let Some(tally) = self.alerts.get_mut(&id) else {
            return false;
        };
        let Some(published) = &tally.published else {
            return true;
        };
        if published.body == tally.body {
            tally.differs_since = None;
            return false;
        }
        let since = *tally.differs_since.get_or_insert(now);
        let soonest = published.at.plus(settings.revise_at_most_every);
        let deadline = if is_urgent(&published.body, &tally.body) {
            soonest
        } else {
            since.plus(settings.revise_after).max(soonest)
        };
        let deadline = deadline.min(tally.closes);
        if deadline <= now {
            return true;
        }
        if let Some(before) = tally.deadline.replace(deadline) {
            self.deadlines.remove(&(before, id));
        }
        self.deadlines.insert((deadline, id));
        false
    }

    fn write(&mut self, id: AlertId, (number, created): (u64, AppendTime)) -> Option<Revision> {
        let tally = self.alerts.get_mut(&id)?;
        if let Some(deadline) = tally.deadline.take() {
            self.deadlines.remove(&(deadline, id));
        }
        tally.differs_since = None;
        let is_first = tally.published.is_none();
        if tally
            .published
            .as_ref()
            .is_some_and(|last| last.body == tally.body)
        {
            return None;
        }
        tally.published = Some(Published {
            body: tally.body.clone(),
            at: created,
        });
        Some(Revision {
            id,
            number,
            is_first,
            is_published: true,
            created,
            body: tally.body.clone(),
        })
    }
}

/// A queue in order of time.
trait Closings {
    fn pop_first_if_over(&mut self, now: AppendTime) -> Option<(AppendTime, AlertId)>;
}

impl Closings for BTreeSet<(AppendTime, AlertId)> {
    fn pop_first_if_over(&mut self, now: AppendTime) -> Option<(AppendTime, AlertId)> {
        let &(closes, _) = self.first()?;
        if closes <= now { self.pop_first() } else { None }
    }
}
