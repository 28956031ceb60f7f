//! One owned partition: from being located to being live.
//!
//! ```text
//!   Locating   where has the group come to, and what does the log still hold?
//!      |         both answers
//!   Seeking    the consumer is sent to where the state begins
//!      |         done
//!   Restoring  records below the committed offset rebuild the state; nothing is written
//!      |         the committed offset, or the end of the log
//!   Live       what a record causes waits for the next transaction
//! ```
//!
//! Taking a partition over and taking another policy up both begin at the top, so there is one way to reach a state, and
//! a crash at any moment of it is just another start.

use std::time::Duration;

use super::batch::{Part, Pending};
use super::fact::{AppliedRecord, Fact};
use super::io::{At, CommittedOffset, PartitionId};
use super::tick::Tick;
use crate::{Applied, Correlator, DeadLetter, DeadLetterReason, LogRecord, Origin};
use pipewarden_core::time::AppendTime;

/// How far a partition has come.
#[derive(Debug)]
pub(super) enum Phase {
    Locating(Locating),
    Seeking(Seeking),
    /// Restoring or live.
    Reading(Box<Reader>),
}

/// The broker has been asked, or will be.
#[derive(Debug)]
pub(super) struct Locating {
    /// The group's offset, once the broker has said it; within, `None` where nothing is committed.
    pub(super) committed: Option<Option<CommittedOffset>>,
    /// When to ask again; `None` while an answer is outstanding.
    pub(super) ask_at: Option<Duration>,
}

/// The consumer is being sent to where the state begins; what it hands out until then belongs elsewhere.
#[derive(Debug)]
pub(super) struct Seeking {
    pub(super) reader: Box<Reader>,
    pub(super) offset: u64,
    /// When to send it again; `None` while an answer is outstanding.
    pub(super) seek_at: Option<Duration>,
}

/// A partition that is read: its correlator and what waits to be published.
#[derive(Debug)]
pub(super) struct Reader {
    correlator: Correlator,
    /// The offset that was committed last; nothing that a record below it causes is ever written.
    committed: u64,
    alerts: Vec<Pending>,
    alert_bytes: usize,
    dead_letters: Vec<DeadLetter>,
    /// Whether something was read, or the partition taken over, since the last batch.
    is_dirty: bool,
    restoration: Option<Restoration>,
    /// Whether the last thing read was the end of the partition.
    is_at_end: bool,
    tick: Tick,
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
    /// At the start of its restoration. `committed` is the group's offset, 0 where there is none.
    pub(super) fn new(correlator: Correlator, committed: u64, at: At) -> Self {
        Self {
            correlator,
            committed,
            alerts: Vec::new(),
            alert_bytes: 0,
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

    /// How many alerts wait, and how many bytes their documents take.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.alerts.len(), self.alert_bytes)
    }

    /// Applies the next record. What it causes waits for the next transaction.
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
            self.alert_bytes += alert.value.len() + alert.finding.as_ref().map_or(0, Vec::len);
            self.alerts.push(Pending {
                alert,
                appended: append_time,
            });
        }
        if let Some(message) = undecodable
            && is_new
        {
            self.dead_letters.push(DeadLetter::of(
                DeadLetterReason::UndecodableObservation,
                message,
                origin,
                value,
            ));
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

    /// Ends the restoration if the state is what it was.
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

    /// Takes out what waits.
    pub(super) fn cut(&mut self, partition: PartitionId) -> Option<Part> {
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
        self.alert_bytes = 0;
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
    pub(super) fn committed(&mut self, offset: u64) {
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
