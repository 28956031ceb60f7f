//! One computer with one address: from when to when, and what of it has been published.

use std::sync::Arc;
use std::time::Duration;

use crate::time::{AppendTime, EventTime};

/// From the first to the last event at which an address was seen with a computer, both included, by that computer's
/// clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    first: EventTime,
    last: EventTime,
}

impl Span {
    /// One moment.
    pub const fn at(time: EventTime) -> Self {
        Self {
            first: time,
            last: time,
        }
    }

    /// `None` where the last moment is before the first.
    pub fn new(first: EventTime, last: EventTime) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// Its first moment.
    pub const fn first(self) -> EventTime {
        self.first
    }

    /// Its last moment.
    pub const fn last(self) -> EventTime {
        self.last
    }

    /// The smallest span that holds both: commutative, associative, idempotent.
    pub fn union(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }

    fn holds(self, time: EventTime) -> bool {
        self.first <= time && time <= self.last
    }

    fn covers(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// Whether either end is beyond `other`'s by `step` or more. An end that is the same is never beyond.
    fn exceeds(self, other: Self, step: Duration) -> bool {
        let beyond = |is_beyond: bool, a: EventTime, b: EventTime| is_beyond && a.distance(b) >= step;
        beyond(self.first < other.first, self.first, other.first)
            || beyond(self.last > other.last, self.last, other.last)
    }
}

/// What the bindings topic has of a binding, as far as this process knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Publication {
    Never,
    /// This was handed over for publishing and has not been read back yet.
    Sent {
        seen: Span,
        at: AppendTime,
    },
    /// This is the latest record that was read.
    Published(Span),
}

/// What was handed over for publishing and has not been read back after this long is taken for lost.
const LOST_AFTER: Duration = Duration::from_secs(300);

/// A computer that was seen with an address.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) computer: Arc<str>,
    pub(super) seen: Span,
    /// When a claim or a record last confirmed it, by the clock of this process or of the topic: no host's clock can
    /// make a binding expire, or keep it from expiring.
    pub(super) confirmed: AppendTime,
    publication: Publication,
}

impl Binding {
    pub(super) fn new(computer: Arc<str>, seen: Span, confirmed: AppendTime) -> Self {
        Self {
            computer,
            seen,
            confirmed,
            publication: Publication::Never,
        }
    }

    /// The computer was seen again.
    pub(super) fn extend(&mut self, seen: Span, confirmed: AppendTime) {
        self.seen = self.seen.union(seen);
        self.confirmed = self.confirmed.max(confirmed);
    }

    /// A record about it was read. One that does not cover what this process has sent precedes that in the log.
    pub(super) fn note_record(&mut self, record: Span) {
        match self.publication {
            Publication::Sent { seen, .. } if !record.covers(seen) => {}
            _ => self.publication = Publication::Published(record),
        }
    }

    /// Whether it must be published: it never was, or an end has moved by `step` since. While a record is pending there
    /// is no other, so that at most one record of this process is between the log and the table.
    pub(super) fn is_due(&self, step: Duration, now: AppendTime) -> bool {
        match self.publication {
            Publication::Never => true,
            Publication::Sent { at, .. } => now >= at.plus(LOST_AFTER),
            Publication::Published(published) => self.seen.exceeds(published, step),
        }
    }

    /// It is handed over for publishing.
    pub(super) fn sent(&mut self, at: AppendTime) {
        let seen = self.seen;
        self.publication = Publication::Sent { seen, at };
    }

    /// Whether a record of it is on the topic, or soon will be.
    pub(super) fn is_published(&self) -> bool {
        self.publication != Publication::Never
    }

    /// Whether a record of it is pending, and so follows whatever was read last.
    pub(super) fn is_pending(&self) -> bool {
        matches!(self.publication, Publication::Sent { .. })
    }

    /// How badly it fits the address at this time; the least fits best.
    pub(super) fn rank(&self, time: EventTime) -> (bool, Duration, &str) {
        let Span { first, last } = self.seen;
        let holds = self.seen.holds(time);
        let measure = if holds {
            first.distance(last)
        } else {
            first.distance(time).min(last.distance(time))
        };
        (!holds, measure, &self.computer)
    }

    /// Decides which of two bindings of one address is kept: the one seen later, at the same time that of the lower
    /// name.
    pub(super) fn worth(&self) -> (EventTime, std::cmp::Reverse<&str>) {
        (self.seen.last, std::cmp::Reverse(&self.computer))
    }
}
