//! Router and correlator of the service, of a log that need not be kept: nothing ever takes it over.

use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::log::{Offset, Partition};
use pipewarden_engine::local::Replayer;
use pipewarden_kafka::{Observer as _, WorkerFact, WorkerRole};

use crate::config::Settings;
use crate::engine::{AlertRecord, Applied, Origin, Policy, Routed, Router};
use crate::telemetry::Reporter;
use crate::time::AppendTime;
use crate::worker::{AppliedRecord, Fact, PartitionId, PartitionReport, RouterFact, WorkerState};

const ROUTER: &str = "router-0";
const CORRELATOR: &str = "correlator-0";

/// How often bindings are aged.
const EXPIRE: Duration = Duration::from_secs(60);

/// The engine, and who counts what it does.
pub(super) struct Engine {
    router: Router,
    replayer: Replayer,
    reporter: Reporter,
    input: String,
    offset: i64,
    expired: AppendTime,
}

/// An alert, and why it says what it says as far as that is known by then.
type Alerted<'a> = dyn FnMut(AlertRecord, Option<serde_json::Value>) + 'a;

impl Engine {
    pub(super) fn new(policy: &Arc<Policy>, settings: &Settings, reporter: Reporter) -> Self {
        let input = settings.kafka.topics.input.first().cloned().unwrap_or_default();
        reporter.worker(ROUTER, WorkerFact::Started(WorkerRole::Router));
        reporter.router(ROUTER, RouterFact::Assigned(1));
        reporter.router(ROUTER, RouterFact::Owns(1));
        reporter.worker(CORRELATOR, WorkerFact::Started(WorkerRole::Correlator));
        let state = WorkerState {
            is_assigned: true,
            partitions: 1,
            restoring: 0,
        };
        reporter.correlator(CORRELATOR, Fact::Worker(state));
        Self {
            router: Router::new(policy).with_bindings(settings.bindings.clone()),
            replayer: Replayer::new(policy),
            reporter,
            input,
            offset: 0,
            expired: AppendTime::from_millis(0),
        }
    }

    /// Reads a document that is appended to the input at this time.
    pub(super) fn read(&mut self, now: AppendTime, document: &[u8], alerted: &mut Alerted<'_>) {
        if self.expired.plus(EXPIRE) <= now {
            self.expired = now;
            let bindings = self.router.resolver().bindings();
            bindings.advance(now);
            bindings.expire();
        }
        self.pass_deadlines(now, alerted);
        let origin = Origin {
            topic: &self.input,
            partition: Partition::ZERO,
            offset: Offset::try_from(self.offset.unsigned_abs()).unwrap_or(Offset::MAX),
        };
        self.offset += 1;
        self.reporter.consumed(&self.input);
        let mut observations = Vec::new();
        let reporter = &self.reporter;
        self.router.route_each(Some(document), origin, &mut |routed| {
            reporter.routed(&routed);
            if let Routed::Observation(routed) = routed {
                observations.push(routed.observation);
            }
        });
        for observation in observations {
            let applied = self.replayer.observe(now, observation);
            self.publish(now, applied, alerted);
        }
    }

    /// A tick for each deadline, as an idle partition gets.
    fn pass_deadlines(&mut self, now: AppendTime, alerted: &mut Alerted<'_>) {
        while let Some(applied) = self.replayer.tick(now) {
            self.reporter.correlator(CORRELATOR, Fact::Ticked);
            self.publish(now, applied, alerted);
        }
    }

    fn publish(&mut self, now: AppendTime, applied: Applied, alerted: &mut Alerted<'_>) {
        let fact = Fact::Applied(AppliedRecord::from(&applied));
        self.reporter.correlator(CORRELATOR, fact);
        for alert in applied.alerts {
            let explanation = self.replayer.explain_open(&alert.key);
            let value = explanation
                .as_ref()
                .and_then(|why| serde_json::to_value(why).ok());
            self.reporter
                .correlator(CORRELATOR, Fact::Explained(explanation.into_iter().collect()));
            self.reporter.alerted(&alert, now);
            alerted(alert, value);
        }
    }

    /// Reports the size of the state, and what is known of sensors.
    pub(super) fn report(&self) {
        for worker in [ROUTER, CORRELATOR] {
            self.reporter.worker(worker, WorkerFact::Beat);
        }
        let report = PartitionReport {
            partition: PartitionId::observations(Partition::ZERO),
            size: self.replayer.state_size(),
            sensors: self.replayer.sensors().collect(),
            clocks: self.replayer.clocks().collect(),
        };
        self.reporter
            .correlator(CORRELATOR, Fact::Partition(Box::new(report)));
    }
}
