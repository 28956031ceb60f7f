//! The process: what is in force, and whether it is ready.

use prometheus::{IntCounterVec, IntGaugeVec};

use super::Metrics;
use super::labels::ReloadOutcome;
use super::make::{Make, at_zero};
use crate::telemetry::Status;

/// The process: what is in force, and whether it is ready.
#[derive(Debug)]
pub(super) struct Process {
    config: IntGaugeVec,
    reloads: IntCounterVec,
    reload_is_sound: IntGaugeVec,
    ready: IntGaugeVec,
    restoring: IntGaugeVec,
}

impl Process {
    pub(super) fn new(make: &Make<'_>) -> Self {
        let process = Self {
            config: make.gauges(
                "policy_info",
                "Always 1; the id of the policy in force is in the label.",
                &["policy"],
            ),
            reloads: make.counters(
                "policy_reloads_total",
                "Changes of rules, inventory or exceptions, by outcome.",
                &["outcome"],
            ),
            reload_is_sound: make.gauges(
                "config_last_reload_successful",
                "1 while the files make the policy in force, 0 while a change of them is rejected.",
                &[],
            ),
            ready: make.gauges("ready", "1 while /readyz answers 200, else 0.", &[]),
            restoring: make.gauges(
                "restoring_partitions",
                "Partitions whose state is being rebuilt from the log.",
                &[],
            ),
        };
        at_zero(&process.reloads, ReloadOutcome::ALL.map(ReloadOutcome::as_str));
        process.reload_is_sound.with_label_values(&NO_LABELS).set(1);
        process
    }
}

const NO_LABELS: [&str; 0] = [];

impl Metrics {
    /// Workers, sensors and clocks as the endpoints show them at this moment.
    pub fn status(&self, status: &Status) {
        self.set_sensors(status.sensors());
        self.set_clocks(status.clocks());
        self.set_assets(status.assets());
        let restoring: usize = status.workers().values().map(|worker| worker.restoring).sum();
        self.process
            .ready
            .with_label_values(&NO_LABELS)
            .set(i64::from(status.unready().is_empty()));
        self.process
            .restoring
            .with_label_values(&NO_LABELS)
            .set(i64::try_from(restoring).unwrap_or(i64::MAX));
    }

    /// This version of settings, rules, inventory and exceptions is in force.
    pub fn policy(&self, version: &str) {
        self.process.config.reset();
        self.process.config.with_label_values(&[version]).set(1);
    }

    /// Rules, inventory or exceptions have changed, and were taken up or rejected.
    pub(in crate::telemetry) fn reload(&self, outcome: ReloadOutcome) {
        self.process.reloads.with_label_values(&[outcome.as_str()]).inc();
        let is_sound = i64::from(outcome == ReloadOutcome::Applied);
        self.process
            .reload_is_sound
            .with_label_values(&NO_LABELS)
            .set(is_sound);
    }

    /// The files make the policy in force.
    pub(in crate::telemetry) fn reload_is_sound(&self) {
        self.process.reload_is_sound.with_label_values(&NO_LABELS).set(1);
    }
}
