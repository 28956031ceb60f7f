//! When and on whose word an address was seen with a computer.

use std::time::Duration;

use crate::event::Word;
use crate::time::EventTime;

/// An address that was not seen with a computer for longer may have been another's in between: what is closer is one stay.
pub(super) const LEASE: Duration = Duration::from_secs(3_600);

/// From the first to the last event of one stay, both included, by the computer's clock.
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

    /// Whether no more than [`LEASE`] lies between the two.
    pub(super) fn touches(self, other: Self) -> bool {
        self.first <= other.last.plus(LEASE) && other.first <= self.last.plus(LEASE)
    }

    /// How far a moment is from it; nothing where it holds it.
    pub(super) fn distance(self, time: EventTime) -> Duration {
        if self.first <= time && time <= self.last {
            Duration::ZERO
        } else {
            self.first.distance(time).min(self.last.distance(time))
        }
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

/// The latest stay of a computer at an address, and the strongest word for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seen {
    /// From when to when.
    pub span: Span,
    /// On whose word.
    pub says: Word,
}

impl Seen {
    /// Whether whoever has published this need not publish `other`.
    pub(super) fn covers(self, other: Self) -> bool {
        self.says >= other.says && self.span.covers(other.span)
    }

    /// Whether it says more than `other`: on a stronger word, or of `step` or more.
    pub(super) fn exceeds(self, other: Self, step: Duration) -> bool {
        self.says > other.says || self.span.exceeds(other.span, step)
    }
}

/// How many earlier stays are kept: for recordings, and for events that come late.
const EARLIER: usize = 15;

/// All stays of a computer at an address, apart by more than [`LEASE`]. As long as there are no more than are kept, a
/// function of the set of what was seen.
#[derive(Clone, Debug)]
pub(super) struct Stays {
    latest: Span,
    /// In order of time.
    earlier: Vec<Span>,
}

impl Stays {
    pub(super) const fn new(span: Span) -> Self {
        Self {
            latest: span,
            earlier: Vec::new(),
        }
    }

    pub(super) const fn latest(&self) -> Span {
        self.latest
    }

    pub(super) fn add(&mut self, span: Span) {
        if self.latest.touches(span) {
            self.latest = self.latest.union(span);
        } else {
            let later = if span > self.latest {
                std::mem::replace(&mut self.latest, span)
            } else {
                span
            };
            let place = self.earlier.partition_point(|stay| *stay < later);
            self.earlier.insert(place, later);
        }
        self.merge();
    }

    fn merge(&mut self) {
        self.earlier.dedup_by(|next, stay| {
            let is_one = next.touches(*stay);
            if is_one {
                *stay = stay.union(*next);
            }
            is_one
        });
        while let Some(stay) = self.earlier.pop_if(|stay| stay.touches(self.latest)) {
            self.latest = self.latest.union(stay);
        }
        let beyond = self.earlier.len().saturating_sub(EARLIER);
        self.earlier.drain(..beyond);
    }

    /// How far a moment is from the nearest stay.
    pub(super) fn distance(&self, time: EventTime) -> Duration {
        let earlier = self.earlier.iter().map(|stay| stay.distance(time));
        earlier.fold(self.latest.distance(time), Duration::min)
    }
}
