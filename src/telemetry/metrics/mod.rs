//! Prometheus metrics, one place for each fact that an operator can see: a file for each stage that counts.

mod alerts;
mod bindings;
mod correlator;
mod labels;
mod make;
mod partitions;
mod process;
mod router;
mod sensors;

use std::cell::RefCell;
use std::collections::BTreeSet;

use prometheus::{Encoder as _, Registry, TextEncoder};

use alerts::Alerts;
pub(super) use bindings::BindingRead;
use bindings::Bindings;
use correlator::Correlator;
pub(super) use labels::{RebalanceEvent, ReloadOutcome, TransactionOutcome};
use make::Make;
use partitions::Partitions;
use process::Process;
pub use router::Consumed;
use router::Router;
use sensors::Sensors;

/// Everything that is counted. Each instance has a registry of its own, so that tests do not share counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    names: BTreeSet<String>,
    router: Router,
    bindings: Bindings,
    correlator: Correlator,
    alerts: Alerts,
    partitions: Partitions,
    sensors: Sensors,
    process: Process,
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
        #[cfg(target_os = "linux")]
        make.process();
        Self {
            router: Router::new(&make),
            bindings: Bindings::new(&make),
            correlator: Correlator::new(&make),
            alerts: Alerts::new(&make),
            partitions: Partitions::new(&make),
            sensors: Sensors::new(&make),
            process: Process::new(&make),
            names: make.names.take(),
            registry: registry.clone(),
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_exist_before_there_is_anything_to_count() {
        let metrics = Metrics::new();
        metrics.consumed(["winlogbeat"]);
        metrics.init_rule_series("detect-8");
        let text = String::from_utf8(metrics.render()).unwrap();
        for line in [
            r#"pipewarden_messages_consumed_total{topic="winlogbeat"} 0"#,
            r#"pipewarden_alerts_total{confidence="high",rule="detect-8"} 0"#,
            r#"pipewarden_log_losses_total{reason="rewind_below_log_start"} 0"#,
            r#"pipewarden_dead_letters_total{reason="invalid_json"} 0"#,
            r#"pipewarden_transactions_total{outcome="aborted"} 0"#,
            r#"pipewarden_input_shapes_total{shape="known"} 0"#,
            "pipewarden_event_to_alert_seconds_count 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}");
        }
    }
}
