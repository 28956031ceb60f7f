//! One owned partition: from being located to being live.
//!
//! ```text
//!   Locating   the committed offset and the watermarks of the log are asked for
//!      |         both are known
//!   Seeking    the consumer seeks to the offset at which the state begins
//!      |         done
//!   Restoring  records below the committed offset rebuild the state; nothing is published
//!      |         the committed offset, or the end of the log, is reached
//!   Live       what a record causes is pending until the next transaction
//! ```
//!
//! A takeover and a change of policy both begin at the top, so there is one way to reach a state, and after a crash at any
//! point the partition simply begins there again.

use std::time::Duration;

use super::batch::{Part, Pending};
use super::fact::{AppliedRecord, Fact};
use super::io::{At, CommittedOffset, PartitionId};
use super::tick::Tick;
use crate::{Applied, Correlator, DeadLetter, DeadLetterReason, LogRecord, Origin};
use pipewarden_core::log::Offset;
use pipewarden_core::time::AppendTime;

/// The state of an owned partition.
#[derive(Debug)]
pub(super) enum Phase {
    Locating(Locating),
    Seeking(Seeking),
    /// Restoring or live.
    Reading(Box<Reader>),
}

/// The broker has been asked for the committed offset or the watermarks, or will be.
#[derive(Debug)]
pub(super) struct Locating {
    /// The group's offset, once it is known; inner `None` where nothing is committed.
    pub(super) committed: Option<Option<CommittedOffset>>,
    /// When to ask again; `None` while an answer is outstanding.
    pub(super) ask_at: Option<Duration>,
}

/// The consumer seeks to the offset at which the state begins. What it returns before that is ignored.
#[derive(Debug)]
pub(super) struct Seeking {
    pub(super) reader: Box<Reader>,
    pub(super) offset: Offset,
    /// When to seek again; `None` while an answer is outstanding.
    pub(super) seek_at: Option<Duration>,
}

/// A partition that is read: its correlator and what is pending.
#[derive(Debug)]
pub(super) struct Reader {
    correlator: Correlator,
    /// The offset that was committed last; what a record below it causes is published already.
    committed: Offset,
    alerts: Vec<Pending>,
    pending_bytes: usize,
    dead_letters: Vec<DeadLetter>,
    /// Whether something was read, or the partition taken over, since the last batch.
    is_dirty: bool,
    restoration: Option<Restoration>,
    /// Whether the last thing read was the end of the partition.
    is_at_end: bool,
    tick: Tick,
}

/// How many alerts are pending, and how many bytes they and dead letters take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PendingSize {
    pub(super) alerts: usize,
    pub(super) bytes: usize,
}

#[derive(Debug)]
struct Restoration {
    since: Duration,
    records: u64,
}

impl Locating {
    /// Asked just now.
    pub(super) fn asked() -> Self {
        Self {
            committed: None,
            ask_at: None,
        }
    }
}

impl Reader {
    /// At the start of its restoration.
    pub(super) fn new(correlator: Correlator, at: At) -> Self {
        Self {
            committed: correlator.committed(),
            correlator,
            alerts: Vec::new(),
            pending_bytes: 0,
            dead_letters: Vec::new(),
            is_dirty: true,
            restoration: Some(Restoration {
                since: at.monotonic,
                records: 0,
            }),
            is_at_end: false,
            tick: Tick::default(),
        }
    }

    pub(super) fn correlator(&self) -> &Correlator {
        &self.correlator
    }

    pub(super) fn is_live(&self) -> bool {
        self.restoration.is_none()
    }

    /// How many records have been replayed so far, while the log is being replayed.
    pub(super) fn restored_so_far(&self) -> Option<u64> {
        self.restoration.as_ref().map(|restoration| restoration.records)
    }

    /// The size of what is pending.
    pub(super) fn pending(&self) -> PendingSize {
        PendingSize {
            alerts: self.alerts.len(),
            bytes: self.pending_bytes,
        }
    }

    /// Applies the next record. What it causes is pending until the next transaction.
    pub(super) fn apply(
        &mut self,
        record: LogRecord<'_>,
        origin: Origin<'_>,
        at: At,
        mut observe: impl FnMut(Fact),
    ) {
        let LogRecord {
            offset,
            append_time,
            value,
        } = record;
        assert!(
            offset >= self.correlator.position(),
            "offsets of a partition rise: {offset} came after {}",
            self.correlator.position()
        );
        self.is_at_end = false;
        self.is_dirty = true;
        let is_new = self.correlator.is_new(offset);
        let applied = self.correlator.apply(record);
        if is_new {
            observe(Fact::Applied(AppliedRecord::from(&applied)));
        } else {
            observe(Fact::RestoredRecord);
        }
        if let Some(restoration) = &mut self.restoration {
            restoration.records += u64::from(!is_new);
        }
        let Applied {
            alerts, undecodable, ..
        } = applied;
        assert!(
            alerts.is_empty() || offset >= self.committed,
            "what {offset} causes was published before {} was committed",
            self.committed
        );
        for alert in alerts {
            self.pending_bytes += alert.len();
            self.alerts.push(Pending::new(alert, offset, append_time));
        }
        if let Some(message) = undecodable
            && is_new
        {
            let letter = DeadLetter::of(DeadLetterReason::UndecodableObservation, message, origin, value);
            self.pending_bytes += letter.payload.len();
            self.dead_letters.push(letter);
        }
        self.tick.read(
            self.correlator.next_deadline(),
            self.correlator.stream_time(),
            at.monotonic,
        );
    }

    /// There is nothing more to read for now.
    pub(super) fn reach_end(&mut self) {
        self.is_at_end = true;
        self.correlator.reach_end();
        // What was committed beyond the end is gone with its records.
        self.committed = self.committed.min(self.correlator.position());
    }

    /// Ends the restoration if all that is committed has been replayed.
    pub(super) fn note_restored(&mut self, partition: PartitionId, at: At) -> Option<Fact> {
        if !self.correlator.is_caught_up() {
            return None;
        }
        let Restoration { since, records } = self.restoration.take()?;
        Some(Fact::Restored {
            partition,
            offset: self.correlator.position(),
            records,
            took: at.monotonic.saturating_sub(since),
        })
    }

    /// Whether there is something to commit. While the log is being replayed there is not: an offset must not go back.
    pub(super) fn is_committable(&self) -> bool {
        self.is_dirty && self.is_live() && self.correlator.is_caught_up()
    }

    /// Takes out what is pending.
    pub(super) fn take_part(&mut self, partition: PartitionId) -> Option<Part> {
        if !self.is_committable() {
            return None;
        }
        let (offset, checkpoint) = (self.correlator.position(), self.correlator.checkpoint());
        assert!(
            offset >= self.committed,
            "a committed offset never falls: {offset} after {}",
            self.committed
        );
        assert!(
            checkpoint.rewind <= offset,
            "the state begins at or before what is committed: {} and {offset}",
            checkpoint.rewind
        );
        self.is_dirty = false;
        self.pending_bytes = 0;
        Some(Part {
            partition,
            offset,
            checkpoint,
            stream_time: self.correlator.stream_time(),
            alerts: std::mem::take(&mut self.alerts),
            dead_letters: std::mem::take(&mut self.dead_letters),
        })
    }

    /// A batch with this offset is committed.
    pub(super) fn committed(&mut self, offset: Offset) {
        assert!(
            (self.committed..=self.correlator.position()).contains(&offset),
            "{offset} was committed, between {} and {}",
            self.committed,
            self.correlator.position()
        );
        self.committed = offset;
    }

    /// Whether the partition is idle, a deadline has passed and no tick is on its way.
    pub(super) fn needs_tick(&self, at: At) -> bool {
        let deadline = self.correlator.next_deadline();
        self.is_at_end && self.is_live() && self.tick.is_due(deadline, at.wall, at.monotonic)
    }

    /// A tick is on its way.
    pub(super) fn ticked(&mut self, at: At) {
        self.tick.sent(at.monotonic);
    }

    /// When a tick is needed at the latest, if nothing else comes.
    pub(super) fn next_deadline(&self) -> Option<AppendTime> {
        self.correlator.next_deadline()
    }
}
