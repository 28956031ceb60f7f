//! One computer with one address: from when to when, and what of it has been published.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use super::seen::{LEASE, Seen, Stays};
use crate::event::Word;
use crate::time::{AppendTime, EventTime};

/// What the bindings topic has of a binding, as far as this process knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Publication {
    Never,
    /// This was handed over for publishing and has not been read back yet.
    Sent {
        seen: Seen,
        at: AppendTime,
    },
    /// This is the latest record that was read.
    Published(Seen),
}

/// What was handed over for publishing and has not been read back after this long is taken for lost.
const LOST_AFTER: Duration = Duration::from_secs(300);

/// A computer that was seen with an address.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) computer: Arc<str>,
    stays: Stays,
    says: Word,
    /// When a claim or a record last confirmed it, by the clock of this process or of the topic: no host's clock can
    /// make a binding expire, or keep it from expiring.
    pub(super) confirmed: AppendTime,
    publication: Publication,
}

impl Binding {
    pub(super) const fn new(computer: Arc<str>, seen: Seen, confirmed: AppendTime) -> Self {
        Self {
            computer,
            stays: Stays::new(seen.span),
            says: seen.says,
            confirmed,
            publication: Publication::Never,
        }
    }

    /// The computer was seen again.
    pub(super) fn extend(&mut self, seen: Seen, confirmed: AppendTime) {
        self.stays.add(seen.span);
        self.says = self.says.max(seen.says);
        self.confirmed = self.confirmed.max(confirmed);
    }

    /// What is published of it: earlier stays are of no use to others, who resolve what happens now.
    pub(super) const fn seen(&self) -> Seen {
        Seen {
            span: self.stays.latest(),
            says: self.says,
        }
    }

    /// When it was last seen.
    pub(super) const fn last(&self) -> EventTime {
        self.stays.latest().last()
    }

    /// A record about it was read. One that does not cover what this process has sent precedes that in the log.
    pub(super) fn note_record(&mut self, record: Seen) {
        match self.publication {
            Publication::Sent { seen, .. } if !record.covers(seen) => {}
            _ => self.publication = Publication::Published(record),
        }
    }

    /// Whether it must be published: it never was, or it says more since: on a stronger word, or by `step` at an end. While
    /// a record is pending there is no other, so that at most one record of this process is between the log and the table.
    pub(super) fn is_due(&self, step: Duration, now: AppendTime) -> bool {
        match self.publication {
            Publication::Never => true,
            Publication::Sent { at, .. } => now >= at.plus(LOST_AFTER),
            Publication::Published(published) => self.seen().exceeds(published, step),
        }
    }

    /// It is handed over for publishing.
    pub(super) const fn sent(&mut self, at: AppendTime) {
        let seen = self.seen();
        self.publication = Publication::Sent { seen, at };
    }

    /// Whether a record of it is on the topic, or soon will be.
    pub(super) fn is_published(&self) -> bool {
        self.publication != Publication::Never
    }

    /// Whether a record of it is pending, and so follows whatever was read last.
    pub(super) const fn is_pending(&self) -> bool {
        matches!(self.publication, Publication::Sent { .. })
    }

    /// Whether it was seen so close to this time that the address is still, or already, that computer's.
    pub(super) fn is_near(&self, time: EventTime) -> bool {
        self.distance(time) <= LEASE
    }

    /// How far this time is from when it was seen.
    pub(super) fn distance(&self, time: EventTime) -> Duration {
        self.stays.distance(time)
    }

    /// On whose word it is.
    pub(super) const fn says(&self) -> Word {
        self.says
    }

    /// Decides which bindings of one address are kept: those on a stronger word, of these the ones seen later, at the same
    /// time those of the lower name.
    pub(super) fn worth(&self) -> (Word, EventTime, Reverse<&str>) {
        (self.says, self.last(), Reverse(&self.computer))
    }
}
