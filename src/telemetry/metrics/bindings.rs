//! What the router counts of the bindings of addresses and computers.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec};

use super::Metrics;
use super::make::{Make, at_zero};
use crate::inventory::{BindingRecord, BindingsSize, Dropped};

/// What became of a record of the bindings topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::telemetry) enum BindingRead {
    /// Its binding is in the table, unless a bound took it away again.
    Binding,
    /// Its binding was dropped elsewhere.
    Tombstone,
    /// It was skipped.
    Undecodable,
}

impl BindingRead {
    const ALL: [Self; 3] = [Self::Binding, Self::Tombstone, Self::Undecodable];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Binding => "binding",
            Self::Tombstone => "tombstone",
            Self::Undecodable => "undecodable",
        }
    }
}

/// Bindings of addresses and computers.
#[derive(Debug)]
pub(super) struct Bindings {
    known: IntGaugeVec,
    read: IntCounterVec,
    published: IntCounterVec,
    dropped: IntCounterVec,
    conflicts: IntCounter,
}

impl Bindings {
    pub(super) fn new(make: &Make<'_>) -> Self {
        let bindings = Self {
            known: make.gauges(
                "bindings",
                "What a router worker knows of addresses, by kind.",
                &["worker", "kind"],
            ),
            read: make.counters(
                "binding_records_read_total",
                "Records of the bindings topic, by what became of them; read by each router worker.",
                &["disposition"],
            ),
            published: make.counters(
                "binding_records_published_total",
                "Records for the bindings topic, by kind.",
                &["kind"],
            ),
            dropped: make.counters(
                "bindings_dropped_total",
                "Bindings that were dropped, by the bound that asked for it.",
                &["reason"],
            ),
            conflicts: make.counter(
                "binding_conflicts_total",
                "Claims about an address that the inventory gives to another host; the inventory won.",
            ),
        };
        at_zero(&bindings.read, BindingRead::ALL.map(BindingRead::as_str));
        at_zero(&bindings.published, ["binding", "tombstone"]);
        bindings
    }
}

impl Metrics {
    /// A record of the bindings topic was read.
    pub(in crate::telemetry) fn binding_read(&self, read: BindingRead) {
        self.bindings.read.with_label_values(&[read.as_str()]).inc();
    }

    /// A record goes to the bindings topic.
    pub fn binding_published(&self, record: &BindingRecord) {
        let kind = if record.seen.is_some() {
            "binding"
        } else {
            "tombstone"
        };
        self.bindings.published.with_label_values(&[kind]).inc();
    }

    /// How many bindings a router worker has, and what has happened to them since this was last called.
    pub fn bindings(&self, worker: &str, size: BindingsSize, dropped: Dropped, conflicts: u64) {
        for (kind, number) in [("addresses", size.addresses), ("bindings", size.bindings)] {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            self.bindings.known.with_label_values(&[worker, kind]).set(number);
        }
        for (reason, number) in [
            ("limit", dropped.limit),
            ("limit_per_address", dropped.limit_per_address),
            ("limit_per_computer", dropped.limit_per_computer),
            ("max_age", dropped.max_age),
        ] {
            self.bindings.dropped.with_label_values(&[reason]).inc_by(number);
        }
        self.bindings.conflicts.inc_by(conflicts);
    }
}
