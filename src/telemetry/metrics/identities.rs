//! What the router counts of the names and addresses that it learns.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec};

use super::Metrics;
use super::make::Make;
use crate::inventory::{Dropped, IdentityRecord, LearnedSize};

/// What became of a record of the identities topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::telemetry) enum IdentityRead {
    /// Its binding is in the table, unless a bound took it away again.
    Binding,
    /// Its binding was dropped elsewhere.
    Tombstone,
    /// It was skipped.
    Undecodable,
}

impl IdentityRead {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Binding => "binding",
            Self::Tombstone => "tombstone",
            Self::Undecodable => "undecodable",
        }
    }
}

/// Learned identities.
#[derive(Debug)]
pub(super) struct Identities {
    known: IntGaugeVec,
    read: IntCounterVec,
    published: IntCounterVec,
    dropped: IntCounterVec,
    contradicted: IntCounter,
}

impl Identities {
    pub(super) fn new(make: &Make<'_>) -> Self {
        Self {
            known: make.gauges(
                "identities",
                "What a router worker has learned of addresses, by kind.",
                &["worker", "kind"],
            ),
            read: make.counters(
                "identity_records_read_total",
                "Records of the identities topic, by what became of them; read by each router worker.",
                &["fate"],
            ),
            published: make.counters(
                "identity_records_published_total",
                "Records for the identities topic, by kind.",
                &["kind"],
            ),
            dropped: make.counters(
                "identities_dropped_total",
                "Learned bindings that have gone, by the bound that asked for it.",
                &["reason"],
            ),
            contradicted: make.counter(
                "identities_contradicted_total",
                "Lessons about an address that the inventory gives to another host; the inventory won.",
            ),
        }
    }
}

impl Metrics {
    /// A record of the identities topic was read.
    pub(in crate::telemetry) fn identity_read(&self, read: IdentityRead) {
        self.identities.read.with_label_values(&[read.as_str()]).inc();
    }

    /// A record goes to the identities topic.
    pub fn identity_published(&self, record: &IdentityRecord) {
        let kind = if record.seen.is_some() {
            "binding"
        } else {
            "tombstone"
        };
        self.identities.published.with_label_values(&[kind]).inc();
    }

    /// What a router worker has learned, and what has happened to that since this was last told.
    pub fn identities(&self, worker: &str, size: LearnedSize, dropped: Dropped, contradicted: u64) {
        for (kind, number) in [("addresses", size.addresses), ("bindings", size.bindings)] {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            self.identities
                .known
                .with_label_values(&[worker, kind])
                .set(number);
        }
        for (reason, number) in [
            ("bindings", dropped.bindings),
            ("bindings_per_address", dropped.bindings_per_address),
            ("max_age", dropped.max_age),
        ] {
            self.identities
                .dropped
                .with_label_values(&[reason])
                .inc_by(number);
        }
        self.identities.contradicted.inc_by(contradicted);
    }
}
