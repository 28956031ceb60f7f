//! When alerts are revised.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Join;
use super::open_alert::{Due, OpenAlert};
use crate::detection::revision::{by_deadline, by_record, written_by_deadline};
use crate::detection::{AccessAlert, AlertId, Body, Content, JoinOutput, Revision, Rule, Status};
use crate::log::At;
use crate::time::AppendTime;

impl Join {
    /// The last revision of every published alert that may still be active: open alerts that are not superseded, active
    /// alerts about sensors, and active sweeps, by alert id. A change of policy writes them once more, numbered as a
    /// deadline at this record would. All count as published, since under the policy before they may have been.
    pub fn published_alerts(&self, At { now, offset }: At) -> Vec<Revision> {
        let at = At {
            now: self.stream_time.max(now),
            offset,
        };
        let mut revisions = Vec::new();
        for (&id, alert) in &self.alerts {
            let Some(content) = &alert.last_published else {
                continue;
            };
            if content.status != Status::Superseded {
                revisions.push(Revision {
                    id,
                    number: by_deadline(offset),
                    is_first: false,
                    is_published: true,
                    created: at.now,
                    body: Body::Access(AccessAlert {
                        key: alert.key.clone(),
                        rule: Arc::clone(self.state.rules.rule(alert.rule)),
                        is_excepted_anew: false,
                        content: content.clone(),
                    }),
                });
            }
        }
        revisions.extend(self.sensors.active(at));
        revisions.extend(self.sweeps.active(at));
        revisions.sort_by_key(|revision| revision.id);
        revisions
    }

    pub(super) fn fire_deadlines(&mut self, at: At, output: &mut JoinOutput) {
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline <= at.now
        {
            self.deadlines.pop_first();
            let Some(alert) = self.alerts.get_mut(&id) else {
                continue;
            };
            alert.deadline = None;
            let Some((content, _)) = self.state.content_now(alert) else {
                continue;
            };
            if alert.last_published.as_ref() != Some(&content) {
                let stamp = (by_deadline(at.offset), written_by_deadline(at, deadline));
                let rule = self.state.rules.rule(alert.rule);
                output.revisions.push(write(alert, id, rule, content, stamp));
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
            self.alerts.remove(&id);
        }
    }

    /// Decides for every alert that a record touched whether it is written now, later or not at all. What takes over from
    /// an alert that is superseded is written with the same record.
    pub(super) fn reconsider(&mut self, touched: BTreeSet<AlertId>, at: At, output: &mut JoinOutput) {
        let mut takers = BTreeSet::new();
        for id in touched {
            let Some(alert) = self.alerts.get_mut(&id) else {
                output.counters.after_close += 1;
                continue;
            };
            let due = match self.state.content_now(alert) {
                Some((content, opened)) => {
                    let due = alert.due(&content, opened, at.now, &self.state.settings);
                    (due, Some(content))
                }
                None => (Due::Never, None),
            };
            if let Some(deadline) = alert.deadline.take() {
                self.deadlines.remove(&(deadline, id));
            }
            match due {
                (Due::Now, Some(content)) => {
                    takers.extend(content.superseded_by.iter().copied());
                    let stamp = (by_record(at.offset), at.now);
                    let rule = self.state.rules.rule(alert.rule);
                    output.revisions.push(write(alert, id, rule, content, stamp));
                }
                (Due::At(deadline), _) => {
                    alert.deadline = Some(deadline);
                    self.deadlines.insert((deadline, id));
                }
                _ => {}
            }
        }
        for id in takers {
            self.take_over(id, at, output);
        }
    }

    /// Writes an alert that takes over accesses of another, if it differs from its last revision.
    fn take_over(&mut self, id: AlertId, at: At, output: &mut JoinOutput) {
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
        let stamp = (by_record(at.offset), at.now);
        output.revisions.push(write(alert, id, rule, content, stamp));
    }
}

/// Publishes `content` as the next revision of an alert, with this number and at this time.
fn write(
    alert: &mut OpenAlert,
    id: AlertId,
    rule: &Arc<Rule>,
    content: Content,
    (number, created): (u64, AppendTime),
) -> Revision {
    alert.differs_since = None;
    let is_first = content.status == Status::Active && !alert.is_published;
    alert.is_published |= is_first;
    let before = alert.last_published.replace(content.clone());
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
            content,
        }),
    }
}
