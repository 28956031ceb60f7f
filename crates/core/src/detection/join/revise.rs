//! When alerts are revised.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Join;
use super::open_alert::{Due, OpenAlert};
use crate::detection::revision::{by_deadline, by_record, written_by_deadline};
use crate::detection::{AccessAlert, AlertId, Body, Content, JoinOutput, Revision, Rule, Sighting, Status};
use crate::log::At;
use crate::time::AppendTime;

/// The number of a revision, and when it is written.
type Stamp = (u64, AppendTime);

impl Join {
    /// Writes every open alert, and every active alert about sensors, by alert id, numbered as a deadline at this record would. That is what a change of policy asks for: which of them the policy before had published, and with
    /// which content, does not follow from the log alone. So all count as published, those that still settle among them, or
    /// nobody would withdraw one that ends up empty; and what is superseded is written as well, since under that policy its
    /// last revision may have had to wait.
    pub fn publish_open(&mut self, At { now, offset }: At) -> Vec<Revision> {
        let at = At {
            now: self.stream_time.max(now),
            offset,
        };
        let open: Vec<AlertId> = self.alerts.keys().copied().collect();
        let mut revisions: Vec<Revision> = open
            .into_iter()
            .filter_map(|id| self.publish_again(id, at))
            .collect();
        revisions.extend(self.sensors.active(at));
        revisions.extend(self.tallies.active(at));
        revisions.sort_by_key(|revision| revision.id);
        revisions
    }

    /// The last revision of an open alert once more, or the first that it has.
    fn publish_again(&mut self, id: AlertId, at: At) -> Option<Revision> {
        let stamp = (by_deadline(at.offset), at.now);
        let alert = self.alerts.get_mut(&id)?;
        let rule = self.state.rules.rule(alert.rule);
        let Some(content) = alert.last_published.clone() else {
            let (content, _) = self.state.content_now(alert)?;
            if let Some(deadline) = alert.deadline.take() {
                self.deadlines.remove(&(deadline, id));
            }
            let mut revision = write(alert, id, rule, content, stamp);
            revision.repeat_sighting();
            return Some(revision);
        };
        Some(Revision {
            id,
            number: stamp.0,
            is_first: false,
            is_published: true,
            created: stamp.1,
            body: Body::Access(AccessAlert {
                key: alert.key.clone(),
                rule: Arc::clone(rule),
                is_excepted_anew: false,
                has_sighting: Sighting::is_caused_by(&alert.key),
                content,
            }),
        })
    }

    pub(super) fn fire_deadlines(&mut self, at: At, output: &mut JoinOutput) {
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline <= at.now
        {
            self.deadlines.pop_first();
            if let Some(alert) = self.alerts.get_mut(&id) {
                alert.deadline = None;
            }
            let stamp = (by_deadline(at.offset), written_by_deadline(at, deadline));
            let takers = self.look(id, at, stamp, output);
            for id in takers {
                self.take_over(id, stamp, output);
            }
        }
    }

    /// Forgets alerts that are past their closing. Their deadlines were never later, so that what differs has
    /// been written.
    pub(super) fn close_alerts(&mut self) {
        while let Some(&(closes, id)) = self.closings.first()
            && closes <= self.stream_time
        {
            self.closings.pop_first();
            if let Some(alert) = self.alerts.remove(&id) {
                self.forget_source(id, &alert);
            }
        }
    }

    /// Decides for every alert that a record touched whether it is written now, later or not at all. What takes over from
    /// an alert that is superseded is written with the same record. An alert that was written a moment ago is looked at
    /// when it may be written again, so that a flood does not cost a look for each record.
    pub(super) fn reconsider(&mut self, touched: BTreeSet<AlertId>, at: At, output: &mut JoinOutput) {
        let mut takers = BTreeSet::new();
        for id in touched {
            self.count_sources(id);
            let Some(alert) = self.alerts.get_mut(&id) else {
                output.counters.after_close += 1;
                continue;
            };
            match alert.rests_until(at.now, &self.state.settings) {
                Some(until) => {
                    alert.touched_since.get_or_insert(at.now);
                    self.set_deadline(id, until);
                }
                None => takers.extend(self.look(id, at, (by_record(at.offset), at.now), output)),
            }
        }
        for id in takers {
            self.take_over(id, (by_record(at.offset), at.now), output);
        }
    }

    /// Looks at the content of an alert, and writes it if it is due. Returns what takes over from it then.
    fn look(&mut self, id: AlertId, at: At, stamp: Stamp, output: &mut JoinOutput) -> Vec<AlertId> {
        let Some(alert) = self.alerts.get_mut(&id) else {
            return Vec::new();
        };
        if let Some(deadline) = alert.deadline.take() {
            self.deadlines.remove(&(deadline, id));
        }
        alert.last_looked = Some(at.now);
        let Some((content, opened)) = self.state.content_now(alert) else {
            return Vec::new();
        };
        match alert.due(&content, opened, at.now, &self.state.settings) {
            Due::Now => {
                let takers = content.superseded_by.clone();
                let rule = self.state.rules.rule(alert.rule);
                output.revisions.push(write(alert, id, rule, content, stamp));
                takers
            }
            Due::At(deadline) => {
                self.set_deadline(id, deadline);
                Vec::new()
            }
            Due::Never => Vec::new(),
        }
    }

    /// Looks at an alert at `deadline`, or before if that is due already.
    fn set_deadline(&mut self, id: AlertId, deadline: AppendTime) {
        let Some(alert) = self.alerts.get_mut(&id) else {
            return;
        };
        if alert.deadline.is_some_and(|known| known <= deadline) {
            return;
        }
        if let Some(later) = alert.deadline.replace(deadline) {
            self.deadlines.remove(&(later, id));
        }
        self.deadlines.insert((deadline, id));
    }

    /// Writes an alert that takes over accesses of another, if it differs from its last revision.
    fn take_over(&mut self, id: AlertId, stamp: Stamp, output: &mut JoinOutput) {
        let Some(alert) = self.alerts.get_mut(&id) else {
            return;
        };
        let Some((content, _)) = self.state.content_now(alert) else {
            return;
        };
        if alert.last_published.as_ref() == Some(&content) {
            return;
        }
        if let Some(deadline) = alert.deadline.take() {
            self.deadlines.remove(&(deadline, id));
        }
        let rule = self.state.rules.rule(alert.rule);
        output.revisions.push(write(alert, id, rule, content, stamp));
    }
}

/// Publishes `content` as the next revision of an alert, with this number and at this time.
fn write(
    alert: &mut OpenAlert,
    id: AlertId,
    rule: &Arc<Rule>,
    content: Content,
    (number, created): Stamp,
) -> Revision {
    let is_first = content.status == Status::Active && !alert.is_published;
    alert.is_published |= is_first;
    let before = alert.published(content.clone(), created);
    let says_more = !Sighting::says_the_same(before.as_ref(), &content);
    let exception_before = before.and_then(|before| before.exception);
    let is_excepted_anew = content.exception.is_some() && exception_before != content.exception;
    Revision {
        id,
        number,
        is_first,
        is_published: alert.is_published,
        created,
        body: Body::Access(AccessAlert {
            key: alert.key.clone(),
            rule: Arc::clone(rule),
            is_excepted_anew,
            has_sighting: says_more && Sighting::is_caused_by(&alert.key),
            content,
        }),
    }
}
