//! Makes metrics and registers them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::time::AppendTime;

/// Makes metrics and registers them.
pub(super) struct Make<'a> {
    pub(super) registry: &'a Registry,
    pub(super) names: RefCell<BTreeSet<String>>,
}

/// Names are constants of this folder: a bad or repeated one fails every test that makes metrics.
const SOUND: &str = "metric names are valid and used once";

impl Make<'_> {
    fn name(&self, name: &str) -> String {
        let name = format!("pipewarden_{name}");
        self.names.borrow_mut().insert(name.clone());
        name
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        let counter = IntCounter::new(self.name(name), help).expect(SOUND);
        self.registry.register(Box::new(counter.clone())).expect(SOUND);
        counter
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        let counters = IntCounterVec::new(Opts::new(self.name(name), help), labels).expect(SOUND);
        self.registry.register(Box::new(counters.clone())).expect(SOUND);
        counters
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        let gauge = IntGauge::new(self.name(name), help).expect(SOUND);
        self.registry.register(Box::new(gauge.clone())).expect(SOUND);
        gauge
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        let gauges = IntGaugeVec::new(Opts::new(self.name(name), help), labels).expect(SOUND);
        self.registry.register(Box::new(gauges.clone())).expect(SOUND);
        gauges
    }

    pub(super) fn real_gauges(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        let gauges = GaugeVec::new(Opts::new(self.name(name), help), labels).expect(SOUND);
        self.registry.register(Box::new(gauges.clone())).expect(SOUND);
        gauges
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let options = HistogramOpts::new(self.name(name), help).buckets(buckets.to_vec());
        let histogram = Histogram::with_opts(options).expect(SOUND);
        self.registry.register(Box::new(histogram.clone())).expect(SOUND);
        histogram
    }

    /// `process_*`, as every program has them.
    #[cfg(target_os = "linux")]
    pub(super) fn process(&self) {
        let collector = prometheus::process_collector::ProcessCollector::for_self();
        self.registry.register(Box::new(collector)).expect(SOUND);
    }

    pub(super) fn build_info(&self) {
        let info = self.gauges(
            "build_info",
            "Always 1; the version is in the label.",
            &["version"],
        );
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    }
}

/// Makes counters exist before there is anything to count: Prometheus sees no increase in one that appears with 1.
pub(super) fn at_zero<'a>(counters: &IntCounterVec, words: impl IntoIterator<Item = &'a str>) {
    for word in words {
        counters.with_label_values(&[word]);
    }
}

/// Seconds from one time to another; none where clocks differ so that it would be less.
pub(super) fn seconds_between(from: AppendTime, to: AppendTime) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a latency fit")]
    let seconds = to.as_millis().saturating_sub(from.as_millis()).max(0) as f64 / 1000.0;
    seconds
}
