//! One computer's claim to one address: from when to when, and what the other processes know of it.

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

/// What stands on the bindings topic about a binding, as far as this process knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    /// This was handed out to be written and has not been read back yet.
    Sent {
        seen: Span,
        at: AppendTime,
    },
    /// This is the last that was read.
    Stands(Span),
}

/// What was handed out to be written and has not come back after this long is taken for lost.
const LOST_AFTER: Duration = Duration::from_secs(300);

/// A computer that was seen with an address.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) computer: Arc<str>,
    pub(super) seen: Span,
    /// When a claim or a record last spoke for it, by the clock of this process or of the topic: no host's clock can
    /// make a binding old, or keep it young.
    pub(super) confirmed: AppendTime,
    told: Told,
}

impl Binding {
    pub(super) fn new(computer: Arc<str>, seen: Span, confirmed: AppendTime) -> Self {
        Self {
            computer,
            seen,
            confirmed,
            told: Told::Nothing,
        }
    }

    /// The computer was seen again.
    pub(super) fn extend(&mut self, seen: Span, confirmed: AppendTime) {
        self.seen = self.seen.union(seen);
        self.confirmed = self.confirmed.max(confirmed);
    }

    /// A record about it was read. One that does not hold what this process has sent stands before that in the log.
    pub(super) fn note_record(&mut self, record: Span) {
        match self.told {
            Told::Sent { seen, .. } if !record.covers(seen) => {}
            _ => self.told = Told::Stands(record),
        }
    }

    /// Whether the others know too little of it: nothing at all, or an end that has moved by `step` since. What is on
    /// its way is waited for, so that there is at most one record of this process between the log and the table.
    pub(super) fn is_due(&self, step: Duration, now: AppendTime) -> bool {
        match self.told {
            Told::Nothing => true,
            Told::Sent { at, .. } => now >= at.plus(LOST_AFTER),
            Told::Stands(stands) => self.seen.exceeds(stands, step),
        }
    }

    /// It is handed out to be written.
    pub(super) fn sent(&mut self, at: AppendTime) {
        self.told = Told::Sent { seen: self.seen, at };
    }

    /// Whether a record of it stands on the topic, or soon will.
    pub(super) fn is_published(&self) -> bool {
        self.told != Told::Nothing
    }

    /// Whether a record of it is on its way, and so stands behind whatever was read last.
    pub(super) fn is_on_its_way(&self) -> bool {
        matches!(self.told, Told::Sent { .. })
    }

    /// How badly it answers whose the address was at this time; the least answers best.
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

    /// Which of two bindings of one address is kept: the one seen later, at the same time that of the lower name.
    pub(super) fn worth(&self) -> (EventTime, std::cmp::Reverse<&str>) {
        (self.seen.last, std::cmp::Reverse(&self.computer))
    }
}
