//! What the correlator counts: records and transactions.

use prometheus::{IntCounter, IntCounterVec};

use super::Metrics;
use super::make::{Make, at_zero};
use crate::detection::{Counters, Disposition};
use crate::worker::AppliedRecord;

/// What may become of a record of the observations topic; the last for one that cannot be read.
const FATES: &[&str] = &[
    "applied",
    "copy",
    "unwatched",
    "dropped",
    "sighting",
    "tick",
    "undecodable",
];

/// The correlator: from an observation to a committed revision.
#[derive(Debug)]
pub(super) struct Correlator {
    applied: IntCounterVec,
    evicted_session_evidence: IntCounter,
    untimely: IntCounter,
    after_close: IntCounter,
    reemitted: IntCounter,
    ticks: IntCounter,
    transactions: IntCounterVec,
}

impl Correlator {
    pub(super) fn new(make: &Make<'_>) -> Self {
        let correlator = Self {
            applied: make.counters(
                "observations_applied_total",
                "Records of the observations topic, by what became of them.",
                &["disposition"],
            ),
            evicted_session_evidence: make.counter(
                "session_evidence_evicted_total",
                "Network connections that a bound pushed out of state: precision is being lost to a flood.",
            ),
            untimely: make.counter(
                "accesses_untimely_total",
                "Accesses whose event time is too far from their arrival: a sick clock, or a host back from offline.",
            ),
            after_close: make.counter(
                "evidence_after_close_total",
                "Observations that would have been evidence for an alert that is closed.",
            ),
            reemitted: make.counter(
                "reemitted_alerts_total",
                "Alerts written once more because settings, rules or inventory changed between stop and start.",
            ),
            ticks: make.counter("ticks_total", "Tick records appended to idle partitions."),
            transactions: make.counters("transactions_total", "Transactions ended, by outcome.", &["outcome"]),
        };
        at_zero(&correlator.applied, FATES.iter().copied());
        at_zero(&correlator.transactions, ["committed", "aborted"]);
        correlator
    }
}

impl Metrics {
    /// The correlator has applied a live record.
    pub fn applied(&self, applied: &AppliedRecord) {
        let disposition = match applied.disposition {
            Some(Disposition::Applied) => "applied",
            Some(Disposition::Copy) => "copy",
            Some(Disposition::Unwatched) => "unwatched",
            Some(Disposition::Dropped) => "dropped",
            Some(Disposition::Sighting) => "sighting",
            Some(Disposition::Tick) => "tick",
            None => "undecodable",
        };
        self.correlator.applied.with_label_values(&[disposition]).inc();
        let Counters {
            evicted_session_evidence,
            untimely,
            after_close,
        } = applied.counters;
        self.correlator
            .evicted_session_evidence
            .inc_by(evicted_session_evidence);
        self.correlator.untimely.inc_by(untimely);
        self.correlator.after_close.inc_by(after_close);
        self.correlator.reemitted.inc_by(applied.reemitted as u64);
    }

    /// A tick was appended.
    pub fn tick(&self) {
        self.correlator.ticks.inc();
    }

    /// A transaction ended.
    pub fn transaction(&self, committed: bool) {
        self.correlator
            .transactions
            .with_label_values(&[if committed { "committed" } else { "aborted" }])
            .inc();
    }
}
