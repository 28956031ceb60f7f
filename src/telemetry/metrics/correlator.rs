//! What the correlator counts: records and transactions.

use prometheus::{IntCounter, IntCounterVec};

use super::Metrics;
use super::labels::TransactionOutcome;
use super::make::{Make, at_zero};
use crate::detection::{Counters, Disposition};
use crate::worker::{AppliedRecord, RejectionCause, RenewalReason};

/// What becomes of a record that is no observation.
const UNDECODABLE: &str = "undecodable";

/// The topics that records go to, by their keys in `kafka.topics`.
const TOPICS: [&str; 7] = [
    "observations",
    "sightings",
    "alerts",
    "alerts_ocsf",
    "suppressed",
    "dead_letters",
    "bindings",
];

/// What bounds on state may drop.
const DROPPED: [&str; 4] = ["session_evidence", "access", "overflow", "sighting"];

/// The correlator: from an observation to a committed revision.
#[derive(Debug)]
pub(super) struct Correlator {
    applied: IntCounterVec,
    dropped: IntCounterVec,
    untimely: IntCounter,
    after_close: IntCounter,
    conflicting: IntCounter,
    late_sightings: IntCounter,
    reemitted: IntCounter,
    ticks: IntCounter,
    transactions: IntCounterVec,
    producers_replaced: IntCounterVec,
    rejected: IntCounterVec,
}

impl Correlator {
    pub(super) fn new(make: &Make<'_>) -> Self {
        let correlator = Self {
            applied: make.counters(
                "observations_applied_total",
                "Records of the observations and sightings topics, by what became of them.",
                &["disposition"],
            ),
            dropped: make.counters(
                "dropped_total",
                "What bounds on state left no room for, by what it was: session evidence that was forgotten early, accesses \
                 of which their alert keeps a summary, accesses that an overflow alert counts, and sightings.",
                &["what"],
            ),
            untimely: make.counter(
                "accesses_untimely_total",
                "Accesses whose event time is too far from their arrival: a sick clock, or a host back from offline.",
            ),
            after_close: make.counter(
                "evidence_after_close_total",
                "Observations that would have been evidence for an alert that is closed.",
            ),
            conflicting: make.counter(
                "observations_conflicting_total",
                "Observations that bear the record id of another and say something else: one of them is forged, or a log was cleared.",
            ),
            late_sightings: make.counter(
                "sightings_late_total",
                "Sightings that came too late to count for a campaign, or before what they tell of.",
            ),
            reemitted: make.counter(
                "reemitted_alerts_total",
                "Alerts written once more because settings, rules or inventory changed between stop and start.",
            ),
            ticks: make.counter("ticks_total", "Tick records appended to idle partitions."),
            transactions: make.counters("transactions_total", "Transactions ended, by outcome.", &["outcome"]),
            producers_replaced: make.counters(
                "producers_replaced_total",
                "Transactional producers replaced because a request of the last transaction may arrive late, by reason.",
                &["reason"],
            ),
            rejected: make.counters(
                "records_rejected_total",
                "Records of either worker that the broker rejected for good, and that were replaced or left out.",
                &["topic", "reason"],
            ),
        };
        let dispositions = Disposition::ALL.map(Disposition::as_str);
        at_zero(&correlator.applied, dispositions.into_iter().chain([UNDECODABLE]));
        at_zero(&correlator.dropped, DROPPED);
        at_zero(
            &correlator.transactions,
            TransactionOutcome::ALL.map(TransactionOutcome::as_str),
        );
        for topic in TOPICS {
            for cause in RejectionCause::ALL {
                correlator.rejected.with_label_values(&[topic, cause.as_str()]);
            }
        }
        at_zero(
            &correlator.producers_replaced,
            RenewalReason::ALL.map(RenewalReason::as_str),
        );
        correlator
    }
}

impl Metrics {
    /// The correlator has applied a live record.
    pub fn applied(&self, applied: &AppliedRecord) {
        let disposition = applied.disposition.map_or(UNDECODABLE, Disposition::as_str);
        self.correlator.applied.with_label_values(&[disposition]).inc();
        let Counters {
            dropped_session_evidence,
            dropped_accesses,
            overflowed_accesses,
            untimely,
            after_close,
            conflicting,
            dropped_sightings,
            late_sightings,
        } = applied.counters;
        let dropped = [
            dropped_session_evidence,
            dropped_accesses,
            overflowed_accesses,
            dropped_sightings,
        ];
        for (what, number) in DROPPED.into_iter().zip(dropped) {
            self.correlator.dropped.with_label_values(&[what]).inc_by(number);
        }
        self.correlator.untimely.inc_by(untimely);
        self.correlator.after_close.inc_by(after_close);
        self.correlator.conflicting.inc_by(conflicting);
        self.correlator.late_sightings.inc_by(late_sightings);
        self.correlator.reemitted.inc_by(applied.reemitted as u64);
    }

    /// A tick was appended.
    pub fn tick(&self) {
        self.correlator.ticks.inc();
    }

    /// A transactional producer is replaced.
    pub(in crate::telemetry) fn producer_replaced(&self, reason: RenewalReason) {
        self.correlator
            .producers_replaced
            .with_label_values(&[reason.as_str()])
            .inc();
    }

    /// A broker has rejected a record for a topic, which is named by its key in `kafka.topics`.
    pub(in crate::telemetry) fn rejected(&self, topic: &str, cause: RejectionCause) {
        let labels = [topic, cause.as_str()];
        self.correlator.rejected.with_label_values(&labels).inc();
    }

    /// A transaction ended.
    pub(in crate::telemetry) fn transaction(&self, outcome: TransactionOutcome) {
        self.correlator
            .transactions
            .with_label_values(&[outcome.as_str()])
            .inc();
    }
}
