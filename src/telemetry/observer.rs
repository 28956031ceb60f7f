//! Facts of the service as metrics, `/status` and lines of the log, side by side for each fact.

mod bindings;
mod correlator;
mod router;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pipewarden_kafka::gzip::BatchLossReason;
use pipewarden_kafka::{BindingFact, Observer, WorkerFact};
use serde_json::{Map, Value};
use tracing::{error, info, warn};

use self::correlator::REJECTED;
use super::metrics::ReloadOutcome;
use super::status::{InForce, main_settings};
use super::unready::UnreadyLog;
use super::{Consumed, Metrics, Status, wall_clock};
use crate::config::{PolicyError, Settings};
use crate::diagnostics::with_causes;
use crate::engine::{AlertRecord, DeadLetterReason, Origin, Policy, Routed};
use crate::time::AppendTime;
use crate::worker::{Fact, RejectionCause, RouterFact, Topic};

/// Takes the facts of every worker, and of the files behind what is in force.
pub struct Reporter {
    metrics: Arc<Metrics>,
    status: Arc<Status>,
    consumed: Consumed,
    unready: Mutex<UnreadyLog>,
    is_correlating: bool,
    /// As `/status` shows them.
    main_settings: Map<String, Value>,
    /// Of the observations topic.
    partitions: u32,
}

impl Reporter {
    /// Metrics of the topics, rules and exceptions that are about to be used exist from now on.
    pub fn new(settings: &Settings, policy: &Policy, metrics: Arc<Metrics>, status: Arc<Status>) -> Self {
        let is_correlating = settings.correlator.enabled;
        let topics = &settings.kafka.topics;
        let consumed = metrics.consumed(topics.named_input().filter(|_| settings.router.enabled));
        if settings.router.enabled {
            let read = topics.named_input().chain([&topics.bindings]);
            read.for_each(|topic| metrics.init_batch_series(topic));
        }
        if is_correlating {
            metrics.init_batch_series(&topics.observations);
            metrics.init_batch_series(&topics.sightings);
            for rule in policy.rules.rules() {
                metrics.init_rule_series(&rule.id);
            }
            metrics.init_sensor_series();
            metrics.init_campaign_series();
        }
        let reporter = Self {
            metrics,
            status,
            consumed,
            unready: Mutex::default(),
            is_correlating,
            main_settings: main_settings(settings),
            partitions: u32::from(topics.partitions.get()),
        };
        reporter.set_policy(policy);
        reporter
    }

    /// Notes an alert where no worker publishes it: a record that was appended at `now` has caused it.
    pub fn alerted(&self, alert: &AlertRecord, now: AppendTime) {
        correlator::alerted(&self.metrics, &self.status, (alert, now), now);
    }

    fn set_policy(&self, policy: &Policy) {
        if self.is_correlating {
            let exceptions = policy.exceptions.entries();
            self.metrics.init_exception_series(exceptions);
            self.status.exceptions(exceptions, wall_clock());
            let assets = policy.inventory.assets().iter();
            let ids = assets.map(|asset| asset.id.clone());
            self.status.listed(ids.collect(), self.partitions);
        }
        self.metrics.policy(policy.id());
        let in_force = InForce::new(&self.main_settings, policy, wall_clock());
        self.status.policy(in_force);
    }

    /// The files have changed, and workers take up the policy that they make.
    pub fn reloaded(&self, policy: &Policy) {
        info!(
            rules = policy.rules.rules().len(),
            assets = policy.inventory.assets().len(),
            exceptions = policy.exceptions.entries().len(),
            policy = policy.checkpoint_id(),
            "rules, inventory or exceptions have changed and are taken up"
        );
        self.metrics.reload(ReloadOutcome::Applied);
        self.status.reloaded(wall_clock());
        self.set_policy(policy);
    }

    /// The files have changed, and make the policy in force: a change that was rejected is gone, or only a comment differs.
    pub fn unchanged(&self) {
        if self.status.withdrawn(wall_clock()) {
            info!("the files make the policy in force again: the change that was rejected is withdrawn");
        }
        self.metrics.reload_is_sound();
    }

    /// The files have changed, and one of them is wrong.
    pub fn rejected(&self, problem: &PolicyError) {
        let problem = with_causes(problem).replace('\n', "; ");
        error!("a change is rejected and the policy in force stays: {problem}");
        self.metrics.reload(ReloadOutcome::Rejected);
        self.status.rejected(&problem, wall_clock());
    }
}

impl Reporter {
    /// A batch was skipped with all its records.
    fn batch_lost(&self, origin: Origin<'_>, reason: BatchLossReason, message: &str, is_state: bool) {
        let Origin {
            topic,
            partition,
            offset,
        } = origin;
        let (partition, offset) = (partition.get(), offset.get());
        error!(topic, partition, offset, "{message}");
        self.metrics.batch_lost(topic, reason);
        if is_state {
            self.metrics.loss(reason.as_str());
        }
    }

    /// The broker rejects a record of a router for good.
    fn record_rejected(&self, worker: &str, topic: &'static str, cause: RejectionCause, is_left_out: bool) {
        self.metrics.rejected(topic, cause);
        if !is_left_out {
            self.metrics.dead_letter(DeadLetterReason::RecordRejected);
        }
        let (cause, is_kept) = (cause.as_str(), !is_left_out);
        error!(worker, topic, cause, is_kept, "{REJECTED}");
    }
}

impl Observer for Reporter {
    fn consumed(&self, topic: &str) {
        self.consumed.count(topic);
    }

    fn routed(&self, routed: &Routed) {
        self.metrics.routed(routed);
        if let Routed::DeadLetter(letter) = routed {
            self.status.dead_letter(letter, wall_clock());
        }
    }

    fn router(&self, worker: &str, fact: RouterFact) {
        router::report(&self.metrics, &self.status, worker, fact);
    }

    fn correlator(&self, worker: &str, fact: Fact) {
        correlator::Reported {
            metrics: &self.metrics,
            status: &self.status,
            worker,
        }
        .report(fact);
    }

    fn bindings(&self, worker: &str, fact: BindingFact<'_>) {
        bindings::report(&self.metrics, &self.status, worker, fact);
    }

    fn worker(&self, worker: &str, fact: WorkerFact<'_>) {
        let (metrics, status) = (&self.metrics, &self.status);
        match fact {
            WorkerFact::Started(role) => status.start(worker, role),
            WorkerFact::Failed(failure) => {
                let failure = with_causes(failure);
                // Whoever runs the service gets the failure itself, and tells it.
                warn!(
                    worker,
                    "a worker has failed: all others end, and so does the service"
                );
                status.update(worker, |status| status.error = Some(failure));
            }
            WorkerFact::Ended => {
                info!(worker, "the worker has ended");
                status.update(worker, |status| status.is_alive = false);
            }
            WorkerFact::Beat => status.note(worker, |worker| worker.beat(Instant::now())),
            WorkerFact::Lag {
                topic,
                partition,
                records,
                position,
            } => {
                metrics.lag(topic, partition, records);
                status.note(worker, |worker| {
                    worker.lag(topic, partition, records, position, Instant::now());
                });
            }
            WorkerFact::Unconnected { partitions } => {
                status.note(worker, |worker| worker.unconnected(partitions, Instant::now()));
            }
            WorkerFact::OddFields { field, times } => metrics.odd_fields(field, times),
            WorkerFact::InputRead { written } => {
                metrics.input_read(AppendTime::from_millis(written), wall_clock());
            }
            WorkerFact::InputShape { shape, messages } => metrics.input_shape(shape, messages),
            WorkerFact::UnknownInput(unknown) => router::unknown_input(worker, unknown),
            WorkerFact::Forgotten {
                topic,
                partition,
                state,
            } => {
                metrics.forget(topic, partition);
                status.note(worker, |worker| worker.forget(topic, partition));
                if let Some(state) = state {
                    metrics.forget_state(state, partition);
                }
                if state == Some(Topic::Observations) {
                    status.forget_readiness(partition);
                }
            }
            WorkerFact::BatchLost {
                origin,
                reason,
                message,
                is_state,
            } => self.batch_lost(origin, reason, message, is_state),
            WorkerFact::MissingInput { topics } => metrics.missing_input(topics),
            WorkerFact::DeadLetter { reason } => metrics.dead_letter(reason),
            WorkerFact::Rejected {
                topic,
                cause,
                is_left_out,
            } => self.record_rejected(worker, topic, cause, is_left_out),
        }
    }

    fn cluster(&self, problems: &[String]) {
        self.status.cluster(problems);
        let mut log = self.unready.lock().unwrap_or_else(PoisonError::into_inner);
        log.note(&self.status.unready(), Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use pipewarden_kafka::{DriverError, WorkerRole};

    use super::*;
    use crate::engine::Reason;
    use crate::event::Skip;
    use crate::worker::{Fact, RenewalReason};

    fn reporter() -> Reporter {
        let settings = Settings::default();
        let policy = settings.policy().unwrap();
        Reporter::new(&settings, &policy, Arc::default(), Arc::default())
    }

    fn shows(reporter: &Reporter, line: &str) -> bool {
        let text = String::from_utf8(reporter.metrics.render()).unwrap();
        text.lines().any(|found| found == line)
    }

    #[test]
    fn every_message_is_counted_under_its_topic_whether_the_settings_name_it_or_not() {
        let reporter = reporter();
        let skipped = Routed::Skipped(Reason::Event(Skip::Prefiltered));
        for topic in ["winlogbeat", "other", "winlogbeat"] {
            reporter.consumed(topic);
            reporter.routed(&skipped);
        }
        for line in [
            r#"pipewarden_messages_consumed_total{topic="winlogbeat"} 2"#,
            r#"pipewarden_messages_consumed_total{topic="other"} 1"#,
            r#"pipewarden_messages_skipped_total{reason="prefiltered"} 3"#,
        ] {
            assert!(shows(&reporter, line), "{line}");
        }
    }

    #[test]
    fn a_worker_is_healthy_from_its_start_to_its_end_and_shows_what_failed() {
        let reporter = reporter();
        let report = |fact| reporter.worker("router-0", fact);
        report(WorkerFact::Started(WorkerRole::Router));
        assert!(reporter.status.unhealthy().is_empty());
        let failure = DriverError::MissingTopic {
            topic: "pipewarden.bindings".to_owned(),
        };
        report(WorkerFact::Failed(&failure));
        report(WorkerFact::Ended);
        assert_eq!(reporter.status.unhealthy(), ["router-0 has ended"]);
        let shown = reporter.status.workers().remove("router-0").unwrap();
        assert_eq!(shown.error, Some(failure.to_string()));
    }

    #[test]
    fn a_partition_that_is_someone_elses_has_no_lag() {
        let reporter = reporter();
        let (topic, partition) = ("winlogbeat", 3);
        let line = r#"pipewarden_partition_lag_records{partition="3",topic="winlogbeat"} 7"#;
        reporter.worker("router-0", WorkerFact::Started(WorkerRole::Router));
        reporter.worker(
            "router-0",
            WorkerFact::Lag {
                topic,
                partition,
                records: 7,
                position: Some(1),
            },
        );
        assert!(shows(&reporter, line));
        assert_eq!(reporter.status.workers()["router-0"].lag["winlogbeat"], 7);
        reporter.worker(
            "router-0",
            WorkerFact::Forgotten {
                topic,
                partition,
                state: None,
            },
        );
        assert!(!shows(&reporter, line));
    }

    /// A group that has forgotten its members aborts some transactions within a second, and then all is well again.
    #[test]
    fn commits_that_are_slow_make_a_correlator_unready_and_aborts_that_end_do_not() {
        let reporter = reporter();
        let report = |fact| reporter.correlator("correlator-0", fact);
        reporter.worker("correlator-0", WorkerFact::Started(WorkerRole::Correlator));
        reporter
            .status
            .update("correlator-0", |status| status.is_assigned = true);
        for (reason, is_ready) in [
            (RenewalReason::Aborted, true),
            (RenewalReason::Rejected, true),
            (RenewalReason::Slow, false),
        ] {
            (0..4).for_each(|_| report(Fact::ProducerReplaced(reason)));
            assert_eq!(reporter.status.unready().is_empty(), is_ready, "{reason:?}");
        }
    }

    #[test]
    fn a_router_that_reads_the_bindings_topic_is_not_ready() {
        let reporter = reporter();
        reporter.worker("router-0", WorkerFact::Started(WorkerRole::Router));
        reporter.router("router-0", RouterFact::Assigned(1));
        reporter.router("router-0", RouterFact::Owns(1));
        assert!(reporter.status.unready().is_empty());
        reporter.bindings("router-0", BindingFact::ReadingBegan);
        assert_eq!(
            reporter.status.unready(),
            ["router-0 is reading the bindings topic"]
        );
        reporter.bindings(
            "router-0",
            BindingFact::ReadingEnded {
                records: 0,
                size: crate::inventory::BindingsSize::default(),
                took: std::time::Duration::ZERO,
            },
        );
        assert!(reporter.status.unready().is_empty());
    }

    #[test]
    fn a_router_whose_partitions_are_lost_is_not_ready_before_it_has_a_share_again() {
        let reporter = reporter();
        reporter.worker("router-0", WorkerFact::Started(WorkerRole::Router));
        for (fact, is_ready) in [
            (RouterFact::Assigned(2), true),
            (RouterFact::Revoked(1), true),
            (RouterFact::Lost(1), false),
            (RouterFact::Owns(0), false),
            // A share may be empty.
            (RouterFact::Assigned(0), true),
        ] {
            reporter.router("router-0", fact.clone());
            assert_eq!(reporter.status.unready().is_empty(), is_ready, "{fact:?}");
        }
    }
}
