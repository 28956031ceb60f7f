//! An alert that is still open: what it holds, its last revision, and when the next one is due.

use std::collections::BTreeSet;

use super::asset::RuleIndex;
use super::dropped::DroppedAccesses;
use super::stored::Slot;
use crate::detection::{AlertKey, Content, JoinSettings};
use crate::time::AppendTime;

/// One alert from its first access until it closes.
#[derive(Debug)]
pub(super) struct OpenAlert {
    pub(super) key: AlertKey,
    /// The rule that `key` names.
    pub(super) rule: RuleIndex,
    /// Its share accesses.
    pub(super) shares: BTreeSet<Slot>,
    /// Its pipe connections: accesses of their own where no share access explains them, evidence otherwise.
    pub(super) pipes: BTreeSet<Slot>,
    /// What belonged to it until more was known.
    pub(super) departed: BTreeSet<Slot>,
    /// The accesses that bounds left no room for.
    pub(super) dropped: Option<Box<DroppedAccesses>>,
    /// The content of its last revision.
    pub(super) last_published: Option<Content>,
    /// When that was written.
    last_written: Option<AppendTime>,
    /// When its content was looked at, written or not.
    pub(super) last_looked: Option<AppendTime>,
    /// Whether any of its revisions was active.
    pub(super) is_published: bool,
    /// Since when it rests although something touched it: its content may differ since then.
    pub(super) touched_since: Option<AppendTime>,
    /// Since when its content differs from `last_published`.
    pub(super) differs_since: Option<AppendTime>,
    /// Its entry among the deadlines, if it has one.
    pub(super) deadline: Option<AppendTime>,
    /// When it closes, which follows from its key alone.
    pub(super) closes: AppendTime,
}

/// More observations than this cost enough to read that they are not read for each record.
const LARGE: usize = 64;

/// When the next revision of an alert is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// With the record that is being applied.
    Now,
    /// At a deadline.
    At(AppendTime),
    /// Nothing has changed.
    Never,
}

impl OpenAlert {
    pub(super) fn new(key: AlertKey, rule: RuleIndex, settings: &JoinSettings) -> Self {
        let closes = closes(&key, settings);
        Self {
            key,
            rule,
            shares: BTreeSet::new(),
            pipes: BTreeSet::new(),
            departed: BTreeSet::new(),
            dropped: None,
            last_written: None,
            last_looked: None,
            last_published: None,
            is_published: false,
            touched_since: None,
            differs_since: None,
            deadline: None,
            closes,
        }
    }

    /// Takes in an observation that belongs to it from now on.
    pub(super) fn enter(&mut self, slot: Slot, is_share: bool) {
        self.departed.remove(&slot);
        if is_share {
            self.shares.insert(slot);
        } else {
            self.pipes.insert(slot);
        }
    }

    /// Gives up an observation that belongs to another from now on.
    pub(super) fn leave(&mut self, slot: Slot) {
        self.shares.remove(&slot);
        self.pipes.remove(&slot);
        self.departed.insert(slot);
    }

    /// Whether it has no access and no evidence of one any more.
    pub(super) fn is_empty(&self) -> bool {
        self.shares.is_empty() && self.pipes.is_empty() && self.dropped.is_none()
    }

    /// How many accesses it has at most: a pipe connection may be the same access as a share access.
    pub(super) fn number_of_accesses(&self) -> u32 {
        let kept = self.shares.len().max(self.pipes.len());
        let dropped = self.dropped.as_ref().map_or(0, |dropped| dropped.number);
        u32::try_from(kept).unwrap_or(u32::MAX).saturating_add(dropped)
    }

    /// Notes that `content` is written now. The content before.
    pub(super) fn published(&mut self, content: Content, now: AppendTime) -> Option<Content> {
        self.differs_since = None;
        self.touched_since = None;
        self.last_written = Some(now);
        self.last_published.replace(content)
    }

    /// Until when its content need not be looked at, whatever happens; `None` if it may have to be written now.
    pub(super) fn rests_until(&self, now: AppendTime, settings: &JoinSettings) -> Option<AppendTime> {
        if self.is_empty() {
            // It is withdrawn with the record that took its last access, whatever policy comes next.
            return None;
        }
        let is_large = self.shares.len() + self.pipes.len() > LARGE;
        let since = if is_large {
            self.last_looked
        } else {
            self.last_written
        };
        let until = since?.plus(settings.revise_at_most_every).min(self.closes);
        (until > now).then_some(until)
    }

    /// When `content` must be written, if `opened` is the arrival of the first access and it is `now`.
    pub(super) fn due(
        &mut self,
        content: &Content,
        opened: AppendTime,
        now: AppendTime,
        settings: &JoinSettings,
    ) -> Due {
        let since = self.touched_since.take().unwrap_or(now);
        let deadline = match &self.last_published {
            None if is_complete(content) => return Due::Now,
            None => opened.plus(settle(content, settings)),
            Some(last_published) if last_published == content => {
                self.differs_since = None;
                return Due::Never;
            }
            Some(last_published) if is_urgent(last_published, content) => return Due::Now,
            Some(_) => self
                .differs_since
                .get_or_insert(since)
                .plus(settings.revise_after),
        }
        .min(self.closes);
        if deadline <= now {
            Due::Now
        } else {
            Due::At(deadline)
        }
    }
}

/// When an alert with this key closes.
pub(super) fn closes(key: &AlertKey, settings: &JoinSettings) -> AppendTime {
    match key.arrival_bucket {
        Some(arrival) => arrival.plus(settings.group_by).plus(settings.closing_delay()),
        None => key
            .bucket
            .deadline_after(settings.group_by + settings.closing_delay()),
    }
}

/// All three kinds of observation are there: nothing to wait for.
fn is_complete(content: &Content) -> bool {
    let counts = content.counts;
    counts.network_connection > 0 && counts.pipe_connected > 0 && counts.share_access > 0
}

fn settle(content: &Content, settings: &JoinSettings) -> std::time::Duration {
    use crate::detection::Attribution::{Ambiguous, Audited, Inferred, None};
    match content.attribution {
        Audited => settings.settle.audited,
        Inferred | Ambiguous => settings.settle.attributed,
        None => settings.settle.none,
    }
}

/// Whether the difference matters enough to be published at once.
fn is_urgent(last_published: &Content, content: &Content) -> bool {
    let sources = |content: &Content| -> BTreeSet<_> {
        content.candidates.iter().map(|candidate| candidate.ip).collect()
    };
    last_published.confidence != content.confidence
        || (last_published.call_backs == 0) != (content.call_backs == 0)
        || last_published.attribution != content.attribution
        || last_published.status != content.status
        || last_published.exception != content.exception
        || last_published.unexpected != content.unexpected
        || last_published.accounts != content.accounts
        || sources(last_published) != sources(content)
        || last_published.accesses.checked_ilog2() < content.accesses.checked_ilog2()
}
