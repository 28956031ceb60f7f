//! What the types cannot say: values that cannot work, alone or together.

use std::time::Duration;

use super::Settings;
use crate::detection::{SensorSettings, SweepSettings};

impl Settings {
    /// Everything that is wrong, each with its key and what would be right.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut demand = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.to_owned());
            }
        };
        let detection = &self.detection;
        for (key, span) in [
            ("detection.attribution_window", detection.attribution_window),
            ("detection.tuple_window", detection.tuple_window),
            ("detection.pair_window", detection.pair_window),
            ("detection.group_by", detection.group_by),
            ("detection.allowed_lateness", detection.allowed_lateness),
            ("correlator.commit_interval", self.correlator.commit_interval),
            ("router.commit_interval", self.router.commit_interval),
        ] {
            demand(
                span >= Duration::from_millis(1),
                &format!("{key} must be at least 1ms"),
            );
            demand(
                span <= Duration::from_secs(86_400),
                &format!("{key} must be at most 1 day"),
            );
        }
        for (key, window) in [
            ("detection.attribution_window", detection.attribution_window),
            ("detection.pair_window", detection.pair_window),
        ] {
            demand(
                window <= detection.tuple_window,
                &format!(
                    "{key} must not be wider than detection.tuple_window, which the horizon is made for"
                ),
            );
        }
        demand(
            detection.sensors.min_accesses >= 1,
            "detection.sensors.min_accesses must be at least 1",
        );
        demand(
            detection.sensors.min_span < detection.sensor_span_limit()
                || detection.sensors.min_span == SensorSettings::default().min_span,
            "detection.sensors.min_span must be shorter than the horizon less allowed_lateness and a sixteenth of it: \
             accesses farther apart are not remembered together",
        );
        demand(
            detection.sweep.min_assets >= 2,
            "detection.sweep.min_assets must be at least 2: one asset is no sweep",
        );
        demand(
            detection.sweep.within <= detection.sweep_limit()
                || detection.sweep.within == SweepSettings::default().within,
            "detection.sweep.within must not be longer than half of the horizon less allowed_lateness and twice clock_skew: \
             accesses farther apart are not remembered together",
        );
        let limits = &detection.limits;
        for (key, limit) in [
            ("session_evidence_per_asset", limits.session_evidence_per_asset),
            (
                "session_evidence_per_partition",
                limits.session_evidence_per_partition,
            ),
            ("accesses_per_asset", limits.accesses_per_asset),
            ("accesses_per_partition", limits.accesses_per_partition),
            ("seen_events_per_partition", limits.seen_events_per_partition),
            ("evidence", limits.evidence),
            ("list_entries", limits.list_entries),
        ] {
            demand(limit >= 1, &format!("detection.limits.{key} must be at least 1"));
        }
        demand(
            limits.evidence <= 1_000,
            "detection.limits.evidence must be at most 1000: a record has a size limit",
        );
        demand(
            limits.evidence <= 400 || !self.alerts.format.has_ocsf(),
            "detection.limits.evidence must be at most 400 where alerts.format is ocsf or both: a finding tells each \
             observation at greater length, and a record has a size limit",
        );
        demand(
            limits.list_entries <= 1_000,
            "detection.limits.list_entries must be at most 1000: a record has a size limit",
        );
        let bindings = &self.bindings;
        demand(
            bindings.publish_after >= Duration::from_secs(1),
            "bindings.publish_after must be at least 1s",
        );
        demand(
            bindings.max_age > bindings.publish_after,
            "bindings.max_age must be longer than bindings.publish_after: what is not published any more would be dropped",
        );
        for (key, limit) in [
            ("limit", bindings.limit),
            ("limit_per_address", bindings.limit_per_address),
        ] {
            demand(limit >= 1, &format!("bindings.{key} must be at least 1"));
        }
        demand(self.router.threads >= 1, "router.threads must be at least 1");
        demand(
            self.correlator.threads >= 1,
            "correlator.threads must be at least 1",
        );
        demand(
            self.router.enabled || self.correlator.enabled,
            "router.enabled and correlator.enabled are both false: nothing would run",
        );
        demand(
            (16 << 20..=1 << 30).contains(&self.kafka.max_inflated_batch_bytes),
            "kafka.max_inflated_batch_bytes must be from 16777216 (16 MiB), which ordinary batches may reach, to \
             1073741824 (1 GiB)",
        );
        let topics = &self.kafka.topics;
        demand(
            !self.kafka.brokers.trim().is_empty(),
            "kafka.brokers is empty: name host:port",
        );
        demand(
            !topics.input.is_empty(),
            "kafka.topics.input is empty: name the topic that Winlogbeat publishes to",
        );
        demand(
            topics.partitions >= 1,
            "kafka.topics.partitions must be at least 1",
        );
        demand(
            topics.replication_factor >= 1,
            "kafka.topics.replication_factor must be at least 1",
        );
        let own = [
            &topics.observations,
            &topics.alerts,
            &topics.alerts_ocsf,
            &topics.suppressed,
            &topics.dead_letters,
            &topics.bindings,
        ];
        demand(
            own.iter()
                .enumerate()
                .all(|(index, name)| !own[..index].contains(name) && !topics.input.contains(name)),
            "kafka.topics: input, observations, alerts, alerts_ocsf, suppressed, dead_letters and bindings must be \
             different topics",
        );
        for key in [
            "bootstrap.servers",
            "group.id",
            "group.instance.id",
            "transactional.id",
            "enable.auto.commit",
            "isolation.level",
        ] {
            demand(
                !self.kafka.client.contains_key(key),
                &format!("kafka.client.{key} is set by Pipewarden itself: its guarantees hang on it"),
            );
        }
        problems
    }
}
