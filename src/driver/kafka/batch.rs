//! The correlator worker's batch: when it is committed, how, and what becomes of it when that fails.

use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;
use tracing::{info, warn};

use super::correlator::CorrelatorMember;
use super::error::DriverError;
use super::group::{GroupConsumer, hold};
use super::partition::Partition;
use super::transaction::{Failure, Transaction};
use crate::config::Settings;
use crate::driver::owned::{Owned, Pending};
use crate::telemetry::wall_clock;

/// How long a failed batch waits before it is tried again: doubled each time, up to the second.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// An alert waits no longer when nothing more has come for so long: whoever works off a backlog never sees it.
const QUIET: Duration = Duration::from_millis(1);

/// A batch is committed before its time when this many alerts wait in it.
const MAX_BATCH: usize = 1_000;

impl CorrelatorMember {
    /// At the batch's deadline; earlier if alerts wait and nothing more comes, or very many wait.
    pub(super) fn is_commit_due(&self, now: Instant, is_quiet: bool) -> bool {
        let is_early = || {
            let alerts = self.waiting_alerts();
            (is_quiet && alerts > 0) || alerts >= MAX_BATCH
        };
        self.deadline()
            .is_some_and(|deadline| now >= deadline || (self.retry.is_none() && is_early()))
    }

    /// How long until a commit is due, if nothing more comes.
    pub(super) fn until_commit(&self, now: Instant) -> Option<Duration> {
        let wait = self.deadline()?.saturating_duration_since(now);
        let is_early = self.retry.is_none() && self.waiting_alerts() > 0;
        Some(if is_early { wait.min(QUIET) } else { wait })
    }

    /// When what was read is committed at the latest: at the end of the interval or, after an abort, of the pause.
    fn deadline(&self) -> Option<Instant> {
        let at_interval = self.batch_since? + self.shared.settings.correlator.commit_interval;
        Some(self.retry.map_or(at_interval, |(not_before, _)| not_before))
    }

    fn waiting_alerts(&self) -> usize {
        let partitions = self.partitions.values();
        partitions.map(|partition| partition.owned.alerts().len()).sum()
    }

    pub(super) fn commit_or_back_off(&mut self, now: Instant) {
        let before = self.retry;
        match self.commit() {
            Ok(()) => {}
            Err(Failure::Aborted(problem)) => {
                let pause = before.map_or(BACK_OFF.0, |(_, pause)| (pause * 2).min(BACK_OFF.1));
                warn!(
                    worker = self.name,
                    "a transaction was aborted and will be repeated: {problem}"
                );
                self.retry = Some((now + pause, pause));
            }
            Err(Failure::Fatal(problem)) => self.fail(problem),
        }
    }

    /// While a batch cannot be committed, nothing more is read: what waits must not grow without bound.
    pub(super) fn hold_or_go_on(&mut self, consumer: &GroupConsumer<Self>) {
        let must_hold = self.retry.is_some();
        if must_hold || self.is_held {
            // Again and again while it lasts: there may be new partitions.
            hold(consumer, must_hold);
        }
        if self.is_held && !must_hold {
            info!(worker = self.name, "transactions are committed again");
        }
        self.is_held = must_hold;
    }

    pub(super) fn fail(&mut self, problem: KafkaError) {
        let id = self.producer.id().to_owned();
        self.failure = Some(DriverError::Fenced { id, problem });
    }

    /// Alerts, dead letters and offsets of all live partitions, in one transaction.
    pub(super) fn commit(&mut self) -> Result<(), Failure> {
        let topics = &self.shared.settings.kafka.topics;
        let mut offsets = TopicPartitionList::new();
        for (number, partition) in &self.partitions {
            if let Some((position, checkpoint)) = partition.owned.commit() {
                let mut element = offsets.add_partition(&topics.observations, *number);
                let position = i64::try_from(position).unwrap_or(i64::MAX);
                // The only failure is an offset that Kafka reserves, which no log reaches.
                let _ = element.set_offset(Offset::Offset(position));
                element.set_metadata(checkpoint.to_string());
            }
        }
        self.batch_since = None;
        self.retry = None;
        let (Some(membership), 1..) = (&self.membership, offsets.count()) else {
            return Ok(());
        };
        let outcome = self.producer.begin().and_then(|transaction| {
            match write(&transaction, self.partitions.values(), &self.shared.settings) {
                Ok(()) => transaction.commit(&offsets, membership),
                Err(error) => Err(transaction.fail(error)),
            }
        });
        self.shared.metrics.transaction(outcome.is_ok());
        if let Err(failure) = outcome {
            self.batch_since = Some(Instant::now());
            return Err(failure);
        }
        self.explain_batch();
        let now = wall_clock();
        let owned = self.partitions.values_mut().map(|partition| &mut partition.owned);
        let committed = owned.filter(|owned| owned.commit().is_some());
        for Pending { alert, appended } in committed.flat_map(Owned::committed) {
            self.shared.metrics.alert(&alert, appended, now);
            if let Some(exception) = &alert.hit {
                self.shared.status.hit(exception);
            }
        }
        Ok(())
    }
}

/// What the batch holds, partition by partition.
fn write<'a>(
    transaction: &Transaction<'_>,
    partitions: impl Iterator<Item = &'a Partition>,
    settings: &Settings,
) -> Result<(), KafkaError> {
    let (topics, has_ecs) = (&settings.kafka.topics, settings.alerts.format.has_ecs());
    for partition in partitions {
        for Pending { alert, .. } in partition.owned.alerts() {
            if alert.is_told && has_ecs {
                transaction.send(&topics.alerts, &alert.key, &alert.value)?;
            }
            if let Some(finding) = alert.finding.as_ref().filter(|_| alert.is_told) {
                transaction.send(&topics.alerts_ocsf, &alert.key, finding)?;
            }
            if alert.is_suppressed() {
                transaction.send(&topics.suppressed, &alert.key, &alert.value)?;
            }
        }
        for letter in partition.owned.dead_letters() {
            transaction.send(&topics.dead_letters, &letter.key(), &letter.encode())?;
        }
    }
    Ok(())
}
