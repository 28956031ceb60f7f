//! What is counted of alerts.

use std::sync::Arc;

use prometheus::{Histogram, IntCounterVec};

use super::Metrics;
use super::make::Make;
use crate::detection::{Confidence, Exception, SENSOR_BLIND, SWEEP, Status as AlertStatus};
use crate::engine::AlertRecord;
use crate::time::AppendTime;

/// Alerts, counted once they are committed.
#[derive(Debug)]
pub(super) struct Alerts {
    opened: IntCounterVec,
    revisions: IntCounterVec,
    exception_hits: IntCounterVec,
    latency: Histogram,
}

impl Alerts {
    pub(super) fn new(make: &Make<'_>) -> Self {
        Self {
            opened: make.counters("alerts_total", "Alerts opened, by rule and confidence of their first revision.", &[
                "rule",
                "confidence",
            ]),
            revisions: make.counters("alert_revisions_total", "Revisions written, by rule and status.", &[
                "rule", "status",
            ]),
            exception_hits: make.counters(
                "exception_hits_total",
                "Alerts that an exception has come to cover, by exception and action.",
                &["exception", "action"],
            ),
            latency: make.histogram(
                "alert_latency_seconds",
                "Time from the append of the record that caused a revision until its transaction was committed.",
                &[0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 120.0],
            ),
        }
    }
}

impl Metrics {
    /// The service is about to apply a rule.
    pub fn init_rule_series(&self, rule: &str) {
        for confidence in [Confidence::Low, Confidence::Medium, Confidence::High] {
            self.alerts.opened.with_label_values(&[rule, confidence.as_str()]);
        }
        for status in [AlertStatus::Active, AlertStatus::Superseded] {
            self.alerts.revisions.with_label_values(&[rule, status.as_str()]);
        }
    }

    /// The service is about to judge sensors.
    pub fn init_sensor_series(&self) {
        self.init_finding_series(SENSOR_BLIND, AlertStatus::Resolved);
    }

    /// The service is about to find sweeps.
    pub fn init_sweep_series(&self) {
        self.init_finding_series(SWEEP, AlertStatus::Superseded);
    }

    /// Findings of the join itself, which end with this status.
    fn init_finding_series(&self, rule: &str, end: AlertStatus) {
        self.alerts
            .opened
            .with_label_values(&[rule, Confidence::High.as_str()]);
        for status in [AlertStatus::Active, end] {
            self.alerts.revisions.with_label_values(&[rule, status.as_str()]);
        }
    }

    /// The service is about to apply these exceptions.
    pub fn init_exception_series(&self, exceptions: &[Arc<Exception>]) {
        for exception in exceptions {
            self.alerts
                .exception_hits
                .with_label_values(&[&*exception.id, exception.action.as_str()]);
        }
    }

    /// A revision is committed, `seconds` after the record that caused it was appended.
    pub fn alert(&self, alert: &AlertRecord, appended: AppendTime, now: AppendTime) {
        if alert.is_first {
            self.alerts
                .opened
                .with_label_values(&[&*alert.rule, alert.confidence.as_str()])
                .inc();
        }
        if let Some(exception) = &alert.hit {
            self.alerts
                .exception_hits
                .with_label_values(&[&*exception.id, exception.action.as_str()])
                .inc();
        }
        self.alerts
            .revisions
            .with_label_values(&[&*alert.rule, alert.status.as_str()])
            .inc();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a latency fit")]
        let seconds = (now.as_millis() - appended.as_millis()).max(0) as f64 / 1000.0;
        self.alerts.latency.observe(seconds);
    }
}
