//! One observations partition that a worker owns: its correlator, and what waits for the next transaction.

use std::time::Instant;

use super::tick::Tick;
use crate::pipeline::{AlertRecord, Applied, Correlator, DeadLetter, LogRecord, Origin};
use crate::telemetry::Metrics;
use crate::time::AppendTime;

/// An alert that waits for its transaction.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) alert: AlertRecord,
    /// When the record that caused it was appended.
    pub(super) appended: AppendTime,
}

/// How far a partition has come.
#[derive(Debug)]
pub(super) enum Phase {
    /// The log is being replayed; nothing is written and nothing committed.
    Restoring { since: Instant, records: u64 },
    /// What is read is new.
    Live,
}

/// An owned partition.
#[derive(Debug)]
pub(super) struct Partition {
    number: i32,
    pub(super) correlator: Correlator,
    pub(super) phase: Phase,
    /// Whether the last thing read was the end of the partition.
    pub(super) is_at_end: bool,
    /// Whether something was read, or taken over, since the last commit.
    pub(super) is_dirty: bool,
    pub(super) alerts: Vec<Pending>,
    pub(super) dead_letters: Vec<DeadLetter>,
    pub(super) tick: Tick,
}

impl Partition {
    pub(super) fn new(number: i32, correlator: Correlator, now: Instant) -> Self {
        Self {
            number,
            correlator,
            phase: Phase::Restoring {
                since: now,
                records: 0,
            },
            is_at_end: false,
            is_dirty: true,
            alerts: Vec::new(),
            dead_letters: Vec::new(),
            tick: Tick::default(),
        }
    }

    /// Whether its offset may be committed.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live)
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
        if self.correlator.is_new(record.offset) {
            self.go_live(now, metrics);
        }
        let applied = self.correlator.apply(record);
        match &mut self.phase {
            Phase::Live => metrics.applied(&applied),
            Phase::Restoring { records, .. } => {
                *records += 1;
                metrics.restored_record();
            }
        }
        let Applied {
            alerts, undecodable, ..
        } = applied;
        let appended = record.append_time;
        self.alerts
            .extend(alerts.into_iter().map(|alert| Pending { alert, appended }));
        if let Some(message) = undecodable
            && self.is_live()
        {
            metrics.dead_letter(UNDECODABLE);
            let letter = DeadLetter::of(UNDECODABLE, message, origin, record.value);
            self.dead_letters.push(letter);
        }
        self.is_dirty = true;
        self.tick.read(
            self.correlator.next_deadline(),
            self.correlator.stream_time(),
            now,
        );
    }

    /// There is nothing more to read for now.
    pub(super) fn reach_end(&mut self, now: Instant, metrics: &Metrics) {
        self.is_at_end = true;
        self.correlator.reach_end();
        self.go_live(now, metrics);
    }

    fn go_live(&mut self, now: Instant, metrics: &Metrics) {
        if let Phase::Restoring { since, records } = self.phase {
            let seconds = now.duration_since(since).as_secs_f64();
            metrics.restored(seconds);
            self.phase = Phase::Live;
            let offset = self.correlator.position();
            tracing::info!(
                partition = self.number,
                offset,
                records,
                seconds,
                "a partition is restored"
            );
        }
    }
}

/// The reason of a dead letter that stood on the observations topic: not written by a router, or damaged.
const UNDECODABLE: &str = "undecodable_observation";
