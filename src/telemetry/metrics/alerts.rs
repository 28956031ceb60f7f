//! What is counted of alerts.

use std::sync::Arc;

use prometheus::{Histogram, IntCounterVec};

use super::Metrics;
use super::make::{Make, seconds_between};
use crate::detection::{CAMPAIGN, Confidence, Exception, SENSOR_BLIND, Status as AlertStatus};
use crate::engine::AlertRecord;
use crate::time::AppendTime;

/// Alerts, counted once they are committed.
#[derive(Debug)]
pub(super) struct Alerts {
    opened: IntCounterVec,
    revisions: IntCounterVec,
    exception_hits: IntCounterVec,
    latency: Histogram,
    end_to_end: Histogram,
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
            end_to_end: make.histogram(
                "event_to_alert_seconds",
                "Time from the first access of a new alert, by its host's clock, until the alert was committed.",
                &[1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 14_400.0, 86_400.0],
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

    /// The service is about to find campaigns.
    pub fn init_campaign_series(&self) {
        self.init_finding_series(CAMPAIGN, AlertStatus::Superseded);
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
            // Findings of the join itself are about hours.
            if !matches!(&*alert.rule, SENSOR_BLIND | CAMPAIGN) {
                let began = AppendTime::at_event(alert.start);
                self.alerts.end_to_end.observe(seconds_between(began, now));
            }
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
        self.alerts.latency.observe(seconds_between(appended, now));
    }
}
