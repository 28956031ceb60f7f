//! What the service's facts become: metrics, `/status` and lines of the log, side by side for each fact.

mod correlator;
mod identities;
mod router;

use std::sync::Arc;

use pipewarden_kafka::{IdentityFact, Observer, WorkerFact};
use tracing::{error, info};

use super::{Consumed, Metrics, Status, wall_clock};
use crate::config::{ProgramError, Settings};
use crate::pipeline::{Origin, Program, Routed};
use crate::worker::{Fact, RouterFact};

/// Takes the facts of every worker, and of the files behind what is in force.
pub struct Reporter {
    metrics: Arc<Metrics>,
    status: Arc<Status>,
    consumed: Consumed,
    is_correlating: bool,
}

impl Reporter {
    /// Metrics of the topics, rules and exceptions that are about to be used exist from now on.
    pub fn new(settings: &Settings, program: &Program, metrics: Arc<Metrics>, status: Arc<Status>) -> Self {
        let is_correlating = settings.correlator.enabled;
        let input = &settings.kafka.topics.input;
        let consumed = metrics.consumed(input.iter().filter(|_| settings.router.enabled));
        let topics = &settings.kafka.topics;
        if settings.router.enabled {
            let read = topics.input.iter().chain([&topics.identities]);
            read.for_each(|topic| metrics.may_lose_batches(topic));
        }
        if is_correlating {
            metrics.may_lose_batches(&topics.observations);
            for rule in program.rules.rules() {
                metrics.will_apply(&rule.id);
            }
            metrics.will_judge_sensors();
            metrics.will_tell_sweeps();
        }
        let reporter = Self {
            metrics,
            status,
            consumed,
            is_correlating,
        };
        reporter.in_force(program);
        reporter
    }

    fn in_force(&self, program: &Program) {
        if self.is_correlating {
            let exceptions = program.exceptions.entries();
            self.metrics.will_cover(exceptions);
            self.status.exceptions(exceptions, wall_clock());
        }
        self.metrics.config_version(program.version());
        self.status.config_version(program.version());
    }

    /// The files have changed, and workers take up what they make.
    pub fn reloaded(&self, program: &Program) {
        info!(
            rules = program.rules.rules().len(),
            assets = program.inventory.assets().len(),
            exceptions = program.exceptions.entries().len(),
            fingerprint = program.fingerprint(),
            "rules, inventory or exceptions have changed and are taken up"
        );
        self.metrics.reload("applied");
        self.in_force(program);
    }

    /// The files have changed, and one of them is wrong.
    pub fn refused(&self, problem: &ProgramError) {
        error!("a change is refused and what was in force stays so: {problem}");
        self.metrics.reload("refused");
    }
}

impl Observer for Reporter {
    fn routed(&self, topic: &str, routed: &Routed) {
        self.consumed.count(topic);
        self.metrics.routed(routed);
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

    fn identities(&self, worker: &str, fact: IdentityFact<'_>) {
        identities::report(&self.metrics, &self.status, worker, fact);
    }

    fn worker(&self, worker: &str, fact: WorkerFact<'_>) {
        let (metrics, status) = (&self.metrics, &self.status);
        match fact {
            WorkerFact::Started => status.update(worker, |status| status.is_alive = true),
            WorkerFact::Failed(failure) => {
                error!(worker, "{failure}");
                status.update(worker, |status| status.error = Some(failure.to_string()));
            }
            WorkerFact::Ended => status.update(worker, |status| status.is_alive = false),
            WorkerFact::Lag {
                topic,
                partition,
                records,
            } => metrics.lag(topic, partition, records),
            WorkerFact::Forgotten {
                topic,
                partition,
                had_state,
            } => {
                metrics.forget(topic, partition);
                if had_state {
                    status.forget_readiness(partition);
                }
            }
            WorkerFact::BatchLost {
                origin,
                reason,
                message,
                is_state,
            } => {
                let Origin {
                    topic,
                    partition,
                    offset,
                } = origin;
                error!(topic, partition, offset, "{message}");
                metrics.batch_lost(topic, reason);
                if is_state {
                    metrics.loss(reason);
                }
            }
            WorkerFact::DeadLetter { reason } => metrics.dead_letter(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use pipewarden_kafka::DriverError;

    use super::*;
    use crate::event::Skip;
    use crate::pipeline::Reason;

    fn reporter() -> Reporter {
        let settings = Settings::default();
        let program = settings.program().unwrap();
        Reporter::new(&settings, &program, Arc::default(), Arc::default())
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
            reporter.routed(topic, &skipped);
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
        let tell = |fact| reporter.worker("router-0", fact);
        tell(WorkerFact::Started);
        assert!(reporter.status.unhealthy().is_empty());
        let failure = DriverError::MissingTopic {
            topic: "pipewarden.identities".to_owned(),
        };
        tell(WorkerFact::Failed(&failure));
        tell(WorkerFact::Ended);
        assert_eq!(reporter.status.unhealthy(), ["router-0 has ended"]);
        let shown = reporter.status.workers().remove("router-0").unwrap();
        assert_eq!(shown.error, Some(failure.to_string()));
    }

    #[test]
    fn a_partition_that_is_someone_elses_has_no_lag() {
        let reporter = reporter();
        let (topic, partition) = ("winlogbeat", 3);
        let line = r#"pipewarden_partition_lag_records{partition="3",topic="winlogbeat"} 7"#;
        reporter.worker(
            "router-0",
            WorkerFact::Lag {
                topic,
                partition,
                records: 7,
            },
        );
        assert!(shows(&reporter, line));
        reporter.worker(
            "router-0",
            WorkerFact::Forgotten {
                topic,
                partition,
                had_state: false,
            },
        );
        assert!(!shows(&reporter, line));
    }

    #[test]
    fn a_router_that_reads_the_identities_topic_is_not_ready() {
        let reporter = reporter();
        reporter.worker("router-0", WorkerFact::Started);
        reporter.router("router-0", RouterFact::Owns(1));
        assert!(reporter.status.unready().is_empty());
        reporter.identities("router-0", IdentityFact::ReadingBegan);
        assert_eq!(
            reporter.status.unready(),
            ["router-0 is reading the identities topic"]
        );
        reporter.identities(
            "router-0",
            IdentityFact::ReadingEnded {
                records: 0,
                size: crate::inventory::LearnedSize::default(),
                took: std::time::Duration::ZERO,
            },
        );
        assert!(reporter.status.unready().is_empty());
    }
}
