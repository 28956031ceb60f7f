//! Prometheus metrics, one place for each fact that an operator can see.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use prometheus::{Encoder as _, Histogram, IntCounter, IntCounterVec, IntGaugeVec, Registry, TextEncoder};

use super::Status;
use super::make::Make;
use crate::detection::{
    Confidence, Fate, SENSOR_BLIND, SensorState, StateSize, Status as AlertStatus, Tally,
};
use crate::event::{AssetId, Kind, Skip, TimeSource};
use crate::inventory::{Dropped, IdentityRecord, LearnedSize};
use crate::pipeline::{AlertRecord, Applied, Reason, Routed};
use crate::time::AppendTime;

/// Everything that is counted. Each instance has a registry of its own, so that tests do not share counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    names: BTreeSet<String>,
    consumed: IntCounterVec,
    skipped: IntCounterVec,
    prefiltered: IntCounter,
    observations: IntCounterVec,
    resolutions: IntCounterVec,
    identity_conflicts: IntCounter,
    identities: IntGaugeVec,
    identities_read: IntCounterVec,
    identities_published: IntCounterVec,
    identities_dropped: IntCounterVec,
    identities_contradicted: IntCounter,
    created_times: IntCounter,
    dead_letters: IntCounterVec,
    applied: IntCounterVec,
    evicted_connections: IntCounter,
    untimely: IntCounter,
    after_close: IntCounter,
    alerts: IntCounterVec,
    revisions: IntCounterVec,
    reemitted: IntCounter,
    exception_hits: IntCounterVec,
    config: IntGaugeVec,
    reloads: IntCounterVec,
    alert_seconds: Histogram,
    ticks: IntCounter,
    transactions: IntCounterVec,
    commits: IntCounter,
    rebalances: IntCounterVec,
    losses: IntCounterVec,
    restored_records: IntCounter,
    restore_seconds: Histogram,
    lag: IntGaugeVec,
    state: IntGaugeVec,
    sensors_seen: IntGaugeVec,
    sensors_blind: IntGaugeVec,
    /// The sensors that have gauges.
    sensors_told: Mutex<BTreeSet<(AssetId, Kind)>>,
    ready: IntGaugeVec,
    restoring: IntGaugeVec,
}

/// What may become of a record of the observations topic; the last for one that cannot be read.
const FATES: &[&str] = &["applied", "copy", "unwatched", "refused", "tick", "undecodable"];

/// Why messages become dead letters.
const DEAD_LETTER_REASONS: &[&str] = &[
    "invalid_utf8",
    "invalid_json",
    "duplicate_key",
    "too_deep",
    "not_an_object",
    "missing_field",
    "bad_field",
    "observation_too_large",
    "undecodable_observation",
];

/// Why state cannot be rebuilt.
const LOSS_REASONS: &[&str] = &[
    "no_committed_offset",
    "unreadable_checkpoint",
    "log_truncated",
    "rewind_below_log_start",
];
/// Counts messages read, each topic's counter looked up once: this is done for every message.
#[derive(Debug, Default)]
pub struct Consumed(Vec<(String, IntCounter)>);

impl Consumed {
    /// A message was read.
    pub fn count(&mut self, metrics: &Metrics, topic: &str) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| known == topic) {
            return counter.inc();
        }
        let counter = metrics.consumed.with_label_values(&[topic]);
        counter.inc();
        self.0.push((topic.to_owned(), counter));
    }
}

/// What is told of a partition that a correlator owns.
#[derive(Clone, Copy, Debug)]
pub struct PartitionState {
    /// The partition.
    pub partition: i32,
    /// What is in state.
    pub size: StateSize,
}

/// What became of a record of the identities topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityRead {
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

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All counts at zero.
    pub fn new() -> Self {
        let registry = Registry::new();
        let make = Make {
            registry: &registry,
            names: RefCell::default(),
        };
        make.build_info();
        let skipped = make.counters(
            "messages_skipped_total",
            "Messages that do not matter, by reason.",
            &["reason"],
        );
        Self {
            consumed: make.counters("messages_consumed_total", "Messages read from Kafka.", &["topic"]),
            prefiltered: skipped.with_label_values(&[Skip::Prefiltered.as_str()]),
            skipped,
            observations: make.counters("observations_total", "Observations written, by kind.", &["kind"]),
            resolutions: make.counters(
                "destinations_resolved_total",
                "Observations by what named their destination; `learned` ones are outside the promise of order-freedom.",
                &["resolved_by"],
            ),
            identity_conflicts: make.counter(
                "identity_conflicts_total",
                "Destinations whose address and name belong to different assets; the address won.",
            ),
            identities: make.gauges("identities", "What a router worker has learned of addresses, by kind.", &[
                "worker", "kind",
            ]),
            identities_read: make.counters(
                "identity_records_read_total",
                "Records of the identities topic, by what became of them; read by each router worker.",
                &["fate"],
            ),
            identities_published: make.counters(
                "identity_records_published_total",
                "Records for the identities topic, by kind.",
                &["kind"],
            ),
            identities_dropped: make.counters(
                "identities_dropped_total",
                "Learned bindings that have gone, by the bound that asked for it.",
                &["reason"],
            ),
            identities_contradicted: make.counter(
                "identities_contradicted_total",
                "Lessons about an address that the inventory gives to another host; the inventory won.",
            ),
            created_times: make.counter(
                "event_created_times_total",
                "Connections whose time was taken from event.created, because @timestamp held a drifting clock.",
            ),
            dead_letters: make.counters(
                "dead_letters_total",
                "Messages that could not be decoded, by reason.",
                &["reason"],
            ),
            applied: make.counters(
                "observations_applied_total",
                "Records of the observations topic, by what became of them.",
                &["fate"],
            ),
            evicted_connections: make.counter(
                "connections_evicted_total",
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
            alerts: make.counters("alerts_total", "Alerts opened, by rule and confidence of their first revision.", &[
                "rule",
                "confidence",
            ]),
            revisions: make.counters("alert_revisions_total", "Revisions written, by rule and status.", &[
                "rule", "status",
            ]),
            reemitted: make.counter(
                "reemitted_alerts_total",
                "Alerts written once more because settings, rules or inventory changed between stop and start.",
            ),
            config: make.gauges(
                "config_info",
                "Always 1; the version of settings, rules, inventory and exceptions in force is in the label.",
                &["version"],
            ),
            reloads: make.counters(
                "config_reloads_total",
                "Changes of rules, inventory or exceptions, by outcome.",
                &["outcome"],
            ),
            exception_hits: make.counters(
                "exception_hits_total",
                "Alerts that an exception has come to cover, by exception and action.",
                &["exception", "action"],
            ),
            alert_seconds: make.histogram(
                "alert_latency_seconds",
                "Time from the append of the record that caused a revision until its transaction was committed.",
                &[0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 120.0],
            ),
            ticks: make.counter("ticks_total", "Tick records appended to idle partitions."),
            transactions: make.counters("transactions_total", "Transactions ended, by outcome.", &["outcome"]),
            commits: make.counter("router_commits_total", "Commits of input offsets."),
            rebalances: make.counters("rebalances_total", "Changes of the assignment, by event.", &["event"]),
            losses: make.counters(
                "log_losses_total",
                "Partitions whose state could not be rebuilt as promised, by reason.",
                &["reason"],
            ),
            restored_records: make.counter("restored_records_total", "Records replayed to rebuild state."),
            restore_seconds: make.histogram(
                "restore_seconds",
                "Time from taking a partition over until it was caught up.",
                &[0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0],
            ),
            lag: make.gauges("partition_lag_records", "Records between the next to read and the end.", &[
                "topic",
                "partition",
            ]),
            state: make.gauges("state_entries", "Entries in the state of a partition, by kind.", &[
                "partition",
                "kind",
            ]),
            sensors_seen: make.gauges(
                "sensor_last_seen_timestamp_seconds",
                "When an observation of a listed asset arrived last, by kind, as far back as the log has been read.",
                &["asset", "sensor"],
            ),
            sensors_blind: make.gauges(
                "sensors_blind",
                "1 while accesses to a listed asset come without this kind of observation, else 0.",
                &["asset", "sensor"],
            ),
            sensors_told: Mutex::default(),
            ready: make.gauges("ready", "1 while /readyz answers 200, else 0.", &[]),
            restoring: make.gauges(
                "restoring_partitions",
                "Partitions whose state is being rebuilt from the log.",
                &[],
            ),
            names: make.names.take(),
            registry: registry.clone(),
        }
        .at_zero()
    }

    /// Makes counters exist before there is anything to count: Prometheus sees no increase in one that appears with 1.
    fn at_zero(self) -> Self {
        for kind in Kind::ALL {
            self.observations.with_label_values(&[kind.as_str()]);
        }
        for (counters, words) in [
            (&self.dead_letters, DEAD_LETTER_REASONS),
            (&self.applied, FATES),
            (&self.transactions, &["committed", "aborted"]),
            (&self.rebalances, &["assigned", "revoked", "lost"]),
            (&self.losses, LOSS_REASONS),
        ] {
            for word in words {
                counters.with_label_values(&[*word]);
            }
        }
        self
    }

    /// The service is about to read a topic.
    pub fn will_read(&self, topic: &str) {
        self.consumed.with_label_values(&[topic]);
    }

    /// The service is about to apply a rule.
    pub fn will_apply(&self, rule: &str) {
        for confidence in [Confidence::Low, Confidence::Medium, Confidence::High] {
            self.alerts.with_label_values(&[rule, confidence.as_str()]);
        }
        for status in [AlertStatus::Active, AlertStatus::Superseded] {
            self.revisions.with_label_values(&[rule, status.as_str()]);
        }
    }

    /// The service is about to judge sensors.
    pub fn will_judge_sensors(&self) {
        self.alerts
            .with_label_values(&[SENSOR_BLIND, Confidence::High.as_str()]);
        for status in [AlertStatus::Active, AlertStatus::Resolved] {
            self.revisions.with_label_values(&[SENSOR_BLIND, status.as_str()]);
        }
    }

    /// What the endpoints say of workers and sensors at this moment.
    pub fn status(&self, status: &Status) {
        self.sensors(status.sensors());
        let none: [&str; 0] = [];
        let restoring: usize = status.workers().values().map(|worker| worker.restoring).sum();
        self.ready
            .with_label_values(&none)
            .set(i64::from(status.unready().is_empty()));
        self.restoring
            .with_label_values(&none)
            .set(i64::try_from(restoring).unwrap_or(i64::MAX));
    }

    /// Assets come and go with the partitions: those of another process are its to tell.
    fn sensors(&self, states: Vec<SensorState>) {
        let mut told = self.sensors_told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = std::mem::take(&mut *told);
        for state in states {
            let labels = [state.asset.as_str(), state.sensor.as_str()];
            if let Some(seen) = state.last_seen {
                let seconds = seen.as_millis().div_euclid(1000);
                self.sensors_seen.with_label_values(&labels).set(seconds);
            }
            let is_blind = i64::from(state.is_blind);
            self.sensors_blind.with_label_values(&labels).set(is_blind);
            let sensor = (state.asset, state.sensor);
            gone.remove(&sensor);
            told.insert(sensor);
        }
        for (asset, sensor) in gone {
            let labels = [asset.as_str(), sensor.as_str()];
            // A sensor that was never seen has only one of the two.
            let _ = self.sensors_seen.remove_label_values(&labels);
            let _ = self.sensors_blind.remove_label_values(&labels);
        }
    }

    /// The name of every metric, with or without a value so far.
    pub fn names(&self) -> BTreeSet<String> {
        self.names.clone()
    }

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing to memory does not fail, and metrics are registered only once.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }

    /// The router has dealt with a message.
    pub fn routed(&self, routed: &Routed) {
        match routed {
            Routed::Observation(observation) => {
                self.observations
                    .with_label_values(&[observation.kind().as_str()])
                    .inc();
                self.resolutions
                    .with_label_values(&[observation.resolved_by.as_str()])
                    .inc();
                self.identity_conflicts.inc_by(u64::from(observation.conflict));
                self.created_times
                    .inc_by(u64::from(observation.time_source() == TimeSource::Created));
            }
            Routed::DeadLetter(letter) => self.dead_letter(&letter.reason),
            // Nearly every message: not looked up by its label.
            Routed::Skipped(Reason::Event(Skip::Prefiltered)) => self.prefiltered.inc(),
            Routed::Skipped(reason) => self.skipped.with_label_values(&[reason.as_str()]).inc(),
        }
    }

    /// A message went to the dead letters.
    pub fn dead_letter(&self, reason: &str) {
        self.dead_letters.with_label_values(&[reason]).inc();
    }

    /// A record of the identities topic was read.
    pub fn identity_read(&self, read: IdentityRead) {
        self.identities_read.with_label_values(&[read.as_str()]).inc();
    }

    /// A record goes to the identities topic.
    pub fn identity_published(&self, record: &IdentityRecord) {
        let kind = if record.seen.is_some() {
            "binding"
        } else {
            "tombstone"
        };
        self.identities_published.with_label_values(&[kind]).inc();
    }

    /// What a router worker has learned, and what has happened to that since this was last told.
    pub fn identities(&self, worker: &str, size: LearnedSize, dropped: Dropped, contradicted: u64) {
        for (kind, number) in [("addresses", size.addresses), ("bindings", size.bindings)] {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            self.identities.with_label_values(&[worker, kind]).set(number);
        }
        for (reason, number) in [
            ("bindings", dropped.bindings),
            ("bindings_per_address", dropped.bindings_per_address),
            ("max_age", dropped.max_age),
        ] {
            self.identities_dropped
                .with_label_values(&[reason])
                .inc_by(number);
        }
        self.identities_contradicted.inc_by(contradicted);
    }

    /// The correlator has applied a live record.
    pub fn applied(&self, applied: &Applied) {
        let fate = match applied.fate {
            Some(Fate::Applied) => "applied",
            Some(Fate::Copy) => "copy",
            Some(Fate::Unwatched) => "unwatched",
            Some(Fate::Refused) => "refused",
            Some(Fate::Tick) => "tick",
            None => "undecodable",
        };
        self.applied.with_label_values(&[fate]).inc();
        let Tally {
            evicted_connections,
            untimely,
            after_close,
        } = applied.tally;
        self.evicted_connections.inc_by(evicted_connections);
        self.untimely.inc_by(untimely);
        self.after_close.inc_by(after_close);
        self.reemitted.inc_by(applied.reemitted as u64);
    }

    /// A revision is committed, `seconds` after the record that caused it was appended.
    pub fn alert(&self, alert: &AlertRecord, appended: AppendTime, now: AppendTime) {
        if alert.is_first {
            self.alerts
                .with_label_values(&[&*alert.rule, alert.confidence.as_str()])
                .inc();
        }
        if let Some(exception) = &alert.hit {
            self.exception_hits
                .with_label_values(&[&*exception.id, exception.action.as_str()])
                .inc();
        }
        self.revisions
            .with_label_values(&[&*alert.rule, alert.status.as_str()])
            .inc();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a latency fit")]
        let seconds = (now.as_millis() - appended.as_millis()).max(0) as f64 / 1000.0;
        self.alert_seconds.observe(seconds);
    }

    /// This version of settings, rules, inventory and exceptions is in force.
    pub fn config_version(&self, version: &str) {
        self.config.reset();
        self.config.with_label_values(&[version]).set(1);
    }

    /// Rules, inventory or exceptions have changed, and were taken up or refused.
    pub fn reload(&self, outcome: &str) {
        self.reloads.with_label_values(&[outcome]).inc();
    }

    /// A tick was appended.
    pub fn tick(&self) {
        self.ticks.inc();
    }

    /// A transaction ended.
    pub fn transaction(&self, committed: bool) {
        self.transactions
            .with_label_values(&[if committed { "committed" } else { "aborted" }])
            .inc();
    }

    /// The router has committed.
    pub fn router_commit(&self) {
        self.commits.inc();
    }

    /// The assignment changed.
    pub fn rebalance(&self, event: &str) {
        self.rebalances.with_label_values(&[event]).inc();
    }

    /// State could not be rebuilt as promised.
    pub fn loss(&self, reason: &str) {
        self.losses.with_label_values(&[reason]).inc();
    }

    /// A record was replayed.
    pub fn restored_record(&self) {
        self.restored_records.inc();
    }

    /// A partition is caught up.
    pub fn restored(&self, seconds: f64) {
        self.restore_seconds.observe(seconds);
    }

    /// How far behind a partition is.
    pub fn lag(&self, topic: &str, partition: i32, records: i64) {
        self.lag
            .with_label_values(&[topic, &partition.to_string()])
            .set(records.max(0));
    }

    /// What a partition holds in state.
    pub fn state(&self, state: PartitionState) {
        let partition = state.partition.to_string();
        let StateSize {
            connections,
            accesses,
            alerts,
            identities,
            assets,
        } = state.size;
        for (kind, number) in [
            ("connections", connections),
            ("accesses", accesses),
            ("alerts", alerts),
            ("identities", identities),
            ("assets", assets),
        ] {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            self.state.with_label_values(&[&*partition, kind]).set(number);
        }
    }

    /// A partition is no longer this process's.
    pub fn forget(&self, topic: &str, partition: i32) {
        let partition = partition.to_string();
        // What was never set need not be removed.
        let _ = self.lag.remove_label_values(&[topic, &partition]);
        for kind in ["connections", "accesses", "alerts", "identities", "assets"] {
            let _ = self.state.remove_label_values(&[&*partition, kind]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_exist_before_there_is_anything_to_count() {
        let metrics = Metrics::new();
        metrics.will_read("winlogbeat");
        metrics.will_apply("detect-8");
        let text = String::from_utf8(metrics.render()).unwrap();
        for line in [
            r#"pipewarden_messages_consumed_total{topic="winlogbeat"} 0"#,
            r#"pipewarden_alerts_total{confidence="high",rule="detect-8"} 0"#,
            r#"pipewarden_log_losses_total{reason="rewind_below_log_start"} 0"#,
            r#"pipewarden_dead_letters_total{reason="invalid_json"} 0"#,
            r#"pipewarden_transactions_total{outcome="aborted"} 0"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}");
        }
    }
}
