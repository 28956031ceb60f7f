//! Partitions that a process owns: assignment, restoring, lag and state.

use pipewarden_kafka::gzip::BatchLossReason;
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGaugeVec};

use super::Metrics;
use super::labels::RebalanceEvent;
use super::make::{Make, at_zero};
use crate::detection::StateSize;
use crate::worker::{Loss, Topic};

/// Partitions: assignment, restoring, lag and state.
#[derive(Debug)]
pub(super) struct Partitions {
    rebalances: IntCounterVec,
    lag: IntGaugeVec,
    losses: IntCounterVec,
    batches_lost: IntCounterVec,
    restored_records: IntCounter,
    restore_seconds: Histogram,
    state: IntGaugeVec,
}

impl Partitions {
    pub(super) fn new(make: &Make<'_>) -> Self {
        let partitions = Self {
            rebalances: make.counters(
                "rebalances_total",
                "Changes of the assignment, by event.",
                &["event"],
            ),
            lag: make.gauges(
                "partition_lag_records",
                "Records between the next to read and the end.",
                &["topic", "partition"],
            ),
            losses: make.counters(
                "log_losses_total",
                "Partitions whose state could not be rebuilt as promised, by reason.",
                &["reason"],
            ),
            batches_lost: make.counters(
                "batches_lost_total",
                "Compressed batches that were skipped with all their records, by topic and reason.",
                &["topic", "reason"],
            ),
            restored_records: make.counter("restored_records_total", "Records replayed to rebuild state."),
            restore_seconds: make.histogram(
                "restore_seconds",
                "Time from taking a partition over until it was caught up.",
                &[0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0],
            ),
            state: make.gauges(
                "state_entries",
                "Entries in the state of a partition, by kind. Sightings, sources and campaigns are of the sightings topic, the others of the observations topic.",
                &["partition", "kind"],
            ),
        };
        at_zero(
            &partitions.rebalances,
            RebalanceEvent::ALL.map(RebalanceEvent::as_str),
        );
        at_zero(&partitions.losses, Loss::REASONS);
        // A lost batch of observations is a loss of state as well.
        at_zero(
            &partitions.losses,
            BatchLossReason::ALL.map(BatchLossReason::as_str),
        );
        partitions
    }
}

impl Metrics {
    /// The assignment changed.
    pub(in crate::telemetry) fn rebalance(&self, event: RebalanceEvent) {
        self.partitions
            .rebalances
            .with_label_values(&[event.as_str()])
            .inc();
    }

    /// How far behind a partition is.
    pub fn lag(&self, topic: &str, partition: u32, records: i64) {
        self.partitions
            .lag
            .with_label_values(&[topic, &partition.to_string()])
            .set(records.max(0));
    }

    /// A partition is no longer this process's.
    pub fn forget(&self, topic: &str, partition: u32) {
        let partition = partition.to_string();
        // What was never set need not be removed.
        let _ = self.partitions.lag.remove_label_values(&[topic, &partition]);
    }

    /// The state of a partition is no longer this process's.
    pub fn forget_state(&self, topic: Topic, partition: u32) {
        let partition = partition.to_string();
        for (kind, _) in entries(topic, StateSize::default()) {
            let _ = self.partitions.state.remove_label_values(&[&*partition, kind]);
        }
    }

    /// State could not be rebuilt as promised.
    pub fn loss(&self, reason: &str) {
        self.partitions.losses.with_label_values(&[reason]).inc();
    }

    /// A topic will be read whose batches may be compressed.
    pub fn init_batch_series(&self, topic: &str) {
        for reason in BatchLossReason::ALL {
            let labels = [topic, reason.as_str()];
            self.partitions.batches_lost.with_label_values(&labels);
        }
    }

    /// A batch was skipped.
    pub fn batch_lost(&self, topic: &str, reason: BatchLossReason) {
        self.partitions
            .batches_lost
            .with_label_values(&[topic, reason.as_str()])
            .inc();
    }

    /// A record was replayed.
    pub fn restored_record(&self) {
        self.partitions.restored_records.inc();
    }

    /// A partition is caught up.
    pub fn restored(&self, seconds: f64) {
        self.partitions.restore_seconds.observe(seconds);
    }

    /// What a partition holds in state.
    pub fn state(&self, topic: Topic, partition: u32, size: StateSize) {
        let partition = partition.to_string();
        for (kind, number) in entries(topic, size) {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            self.partitions
                .state
                .with_label_values(&[&*partition, kind])
                .set(number);
        }
    }
}

/// The kinds of entries in the state of a topic's partitions; no kind is of both topics.
fn entries(topic: Topic, size: StateSize) -> Vec<(&'static str, usize)> {
    let StateSize {
        session_evidence,
        accesses,
        alerts,
        seen_events,
        assets,
        sightings,
        sources,
    } = size;
    match topic {
        Topic::Observations => vec![
            ("session_evidence", session_evidence),
            ("accesses", accesses),
            ("alerts", alerts),
            ("seen_events", seen_events),
            ("assets", assets),
        ],
        Topic::Sightings => vec![
            ("sightings", sightings),
            ("sources", sources),
            ("campaigns", alerts),
        ],
    }
}
