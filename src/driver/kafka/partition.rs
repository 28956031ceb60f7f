//! One observations partition of a Kafka worker: what it owns, how far its restoration is, when it needs a tick.

use std::sync::Arc;
use std::time::Instant;

use super::tick::Tick;
use crate::driver::owned::{Owned, UNDECODABLE};
use crate::pipeline::{Correlator, LogRecord, Origin, Program};
use crate::telemetry::Metrics;

/// An owned partition.
#[derive(Debug)]
pub(super) struct Partition {
    number: i32,
    pub(super) owned: Owned,
    restoration: Option<Restoration>,
    /// Whether the last thing read was the end of the partition.
    pub(super) is_at_end: bool,
    pub(super) tick: Tick,
    /// Where the consumer must go to before anything else is read.
    pub(super) seek: Option<u64>,
}

/// The log is being replayed; nothing is written and nothing committed.
#[derive(Debug)]
struct Restoration {
    since: Instant,
    records: u64,
}

impl Partition {
    pub(super) fn new(number: i32, correlator: Correlator, now: Instant) -> Self {
        Self {
            number,
            owned: Owned::new(correlator),
            restoration: Some(Restoration {
                since: now,
                records: 0,
            }),
            is_at_end: false,
            tick: Tick::default(),
            seek: None,
        }
    }

    /// The same partition under another program, whose log begins at `low`: it is restored as after a start.
    pub(super) fn under(&self, program: Arc<Program>, low: u64, now: Instant) -> Self {
        let mut correlator = self.owned.correlator().under(program);
        correlator.log_starts_at(low);
        Self {
            seek: Some(correlator.position()),
            ..Self::new(self.number, correlator, now)
        }
    }

    /// Whether the log is still being replayed.
    pub(super) fn is_restoring(&self) -> bool {
        self.restoration.is_some()
    }

    /// Applies a record. What it causes waits for the next transaction.
    pub(super) fn apply(
        &mut self,
        record: LogRecord<'_>,
        origin: Origin<'_>,
        now: Instant,
        metrics: &Metrics,
    ) {
        self.is_at_end = false;
        let is_new = self.owned.correlator().is_new(record.offset);
        let applied = self.owned.apply(record, origin);
        if is_new {
            metrics.applied(&applied);
            if applied.undecodable.is_some() {
                metrics.dead_letter(UNDECODABLE);
            }
        } else {
            metrics.restored_record();
        }
        if let Some(restoration) = &mut self.restoration {
            restoration.records += u64::from(!is_new);
        }
        self.note_restored(now, metrics);
        let correlator = self.owned.correlator();
        self.tick
            .read(correlator.next_deadline(), correlator.stream_time(), now);
    }

    /// There is nothing more to read for now.
    pub(super) fn reach_end(&mut self, now: Instant, metrics: &Metrics) {
        self.is_at_end = true;
        self.owned.reach_end();
        self.note_restored(now, metrics);
    }

    fn note_restored(&mut self, now: Instant, metrics: &Metrics) {
        if self.owned.correlator().is_caught_up()
            && let Some(Restoration { since, records }) = self.restoration.take()
        {
            let seconds = now.duration_since(since).as_secs_f64();
            metrics.restored(seconds);
            let offset = self.owned.correlator().position();
            tracing::info!(
                partition = self.number,
                offset,
                records,
                seconds,
                "a partition is restored"
            );
        }
    }

    /// How many records have been replayed so far, while the log is being replayed.
    pub(super) fn restored_so_far(&self) -> Option<u64> {
        self.restoration.as_ref().map(|restoration| restoration.records)
    }
}
