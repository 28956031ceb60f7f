//! The correlator worker: consumes observations, writes alerts and offsets in one transaction per batch.
//!
//! ```text
//!   assigned    committed offset and metadata -> correlator, start offset          (in the callback)
//!   record      apply; alerts wait in the partition's batch
//!   commit      begin, alerts, offsets with checkpoints, commit      (every commit_interval; at once when all is read)
//!   aborted     the batch stays and is tried again: nothing of it was seen
//!   revoked     commit what is there, drop the partitions                          (in the callback)
//!   lost        drop the partitions with their batch: the next owner repeats it
//! ```
//!
//! Alerts are held back until the commit, so no transaction is ever open while a rebalance is served, and an aborted
//! batch needs no recovery: state and batch are still what the log says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _, Timestamp};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::TopicPartitionList;
use tracing::{info, warn};

use super::client::{self, Deliveries};
use super::error::DriverError;
use super::group::{GroupConsumer, GroupContext};
use super::gzip;
use super::partition::Partition;
use super::service::Shared;
use super::transaction::TransactionalProducer;
use crate::pipeline::{LogRecord, ObservationRecord, Origin, Program};
use crate::telemetry::{PartitionState, Readiness, wall_clock};
use crate::time::AppendTime;

/// How often ticks, gauges and progress are looked after.
const CHORES: Duration = Duration::from_millis(50);

/// How often the gauges of state and the progress of a restoration are told.
const REPORT: Duration = Duration::from_secs(1);

/// How often a long restoration says how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

/// Runs until the service ends or the worker fails.
pub(super) fn run(shared: &Shared, index: usize) -> Result<(), DriverError> {
    let name = format!("correlator-{index}");
    let kafka = &shared.settings.kafka;
    let group = format!("{}-correlator", kafka.application_id);
    let id = format!(
        "{}-{}-{index}",
        kafka.application_id, shared.settings.correlator.instance
    );
    let Some(producer) = TransactionalProducer::start(kafka, &name, &id, &shared.stop)? else {
        return Ok(());
    };
    let ticker = client::producer(kafka, &format!("{name}-ticks"))
        .set("linger.ms", "0")
        .set("message.timeout.ms", "10000")
        .create_with_context(Deliveries::default())
        .map_err(|problem| DriverError::Client {
            client: format!("producer of ticks of {name}"),
            problem,
        })?;
    let consumer: GroupConsumer<CorrelatorMember> =
        client::consumer(kafka, &name, &group, &shared.settings.correlator.instance)
            .create_with_context(GroupContext::new(CorrelatorMember {
                shared: shared.clone(),
                program: shared.in_force.program(),
                name,
                group: group.clone(),
                producer,
                ticker,
                membership: None,
                partitions: BTreeMap::new(),
                batch_since: None,
                retry: None,
                is_held: false,
                chores_done: Instant::now(),
                reported: Instant::now(),
                progress_told: Instant::now(),
                failure: None,
            }))
            .map_err(|problem| DriverError::Client {
                client: format!("consumer of group {group}"),
                problem,
            })?;
    consumer
        .subscribe(&[&kafka.topics.observations])
        .map_err(|problem| DriverError::Client {
            client: format!("consumer of group {group}"),
            problem,
        })?;

    let context = Arc::clone(consumer.context());
    while !shared.stop.is_set() && context.member().failure.is_none() {
        let wait = context.member().may_sleep(Instant::now());
        let polled = consumer.poll(wait);
        let mut member = context.member();
        let (now, is_quiet) = (Instant::now(), polled.is_none());
        match polled {
            Some(Ok(message)) => member.record(&message, now),
            Some(Err(KafkaError::PartitionEOF(partition))) => member.end_of(partition, now),
            Some(Err(problem @ KafkaError::MessageConsumptionFatal(_))) => {
                member.failure = Some(DriverError::Consumer {
                    group: group.clone(),
                    problem,
                });
            }
            Some(Err(problem)) => client::passing(problem.rdkafka_error_code(), &problem.to_string()),
            None => {}
        }
        member.turn(&consumer, now, is_quiet);
    }
    // Leaving the group calls `revoked`, which commits.
    drop(consumer);
    let failure = context.member().failure.take();
    failure.map_or(Ok(()), Err)
}

/// Everything the worker owns, but for its consumer.
pub(super) struct CorrelatorMember {
    pub(super) shared: Shared,
    /// What its partitions are decided by.
    pub(super) program: Arc<Program>,
    pub(super) name: String,
    pub(super) group: String,
    pub(super) producer: TransactionalProducer,
    /// Not the transactional producer: a tick must be there even if the batch is aborted.
    ticker: BaseProducer<Deliveries>,
    /// Which generation of the group the partitions were given in, as last told by a callback. librdkafka renews it in
    /// the background: a fresh reading could let a batch pass that belongs to partitions lost meanwhile, while a stale
    /// one costs an abort.
    pub(super) membership: Option<ConsumerGroupMetadata>,
    pub(super) partitions: BTreeMap<i32, Partition>,
    /// When the first thing that is not committed was read.
    pub(super) batch_since: Option<Instant>,
    /// After an abort: when to try again, and how long to wait after the next.
    pub(super) retry: Option<(Instant, Duration)>,
    pub(super) is_held: bool,
    chores_done: Instant,
    reported: Instant,
    progress_told: Instant,
    pub(super) failure: Option<DriverError>,
}

impl CorrelatorMember {
    /// How long the worker may wait for a record.
    fn may_sleep(&self, now: Instant) -> Duration {
        self.until_commit(now).map_or(CHORES, |wait| wait.min(CHORES))
    }

    fn record(&mut self, message: &BorrowedMessage<'_>, now: Instant) {
        let Some(partition) = self
            .partitions
            .get_mut(&message.partition())
            .filter(|own| own.seek.is_none())
        else {
            return;
        };
        let Timestamp::LogAppendTime(millis) = message.timestamp() else {
            let topic = message.topic().to_owned();
            self.failure = Some(DriverError::TimestampType { topic });
            return;
        };
        let origin = Origin {
            topic: message.topic(),
            partition: message.partition(),
            offset: message.offset(),
        };
        let payload = message.payload().unwrap_or_default();
        let record = LogRecord {
            offset: u64::try_from(message.offset()).unwrap_or_default(),
            append_time: AppendTime::from_millis(millis),
            value: gzip::readable(payload, origin, &self.shared.metrics),
        };
        partition.apply(record, origin, now, &self.shared.metrics);
        self.batch_since.get_or_insert(now);
    }

    fn end_of(&mut self, partition: i32, now: Instant) {
        if let Some(owned) = self
            .partitions
            .get_mut(&partition)
            .filter(|own| own.seek.is_none())
        {
            owned.reach_end(now, &self.shared.metrics);
            self.batch_since.get_or_insert(now);
        }
        self.tell_status();
    }

    /// What is due between two records.
    fn turn(&mut self, consumer: &GroupConsumer<Self>, now: Instant, is_quiet: bool) {
        if self.failure.is_none() && self.is_commit_due(now, is_quiet) {
            self.commit_or_back_off(now);
        }
        self.hold_or_go_on(consumer);
        if now >= self.chores_done + CHORES {
            self.chores_done = now;
            self.send_ticks(now);
            self.adopt(consumer, now);
        }
        if now >= self.reported + REPORT {
            self.reported = now;
            self.report(now);
        }
    }

    fn send_ticks(&mut self, now: Instant) {
        let wall_clock = wall_clock();
        let topic = &self.shared.settings.kafka.topics.observations;
        for (number, partition) in &mut self.partitions {
            let deadline = partition.owned.correlator().next_deadline();
            if !partition.is_at_end || !partition.tick.is_due(deadline, wall_clock, now) {
                continue;
            }
            let value = ObservationRecord::Tick {}.encode();
            let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(*number).payload(&value);
            match self.ticker.send(record) {
                Ok(()) => {
                    partition.tick.sent(now);
                    self.shared.metrics.tick();
                }
                Err((problem, _)) => warn!("a tick could not be sent and will be repeated: {problem}"),
            }
        }
        // Not `poll(CHORES)`: it always takes its whole time.
        self.ticker.poll(Duration::ZERO);
        if let Some((topic, problem)) = self.ticker.context().take_refused() {
            warn!("a tick for topic {topic} was not delivered and will be repeated: {problem}");
        }
    }

    fn report(&mut self, now: Instant) {
        for (number, partition) in &self.partitions {
            let size = partition.owned.correlator().state_size();
            self.shared.metrics.state(PartitionState {
                partition: *number,
                size,
            });
            let correlator = partition.owned.correlator();
            let readiness = Readiness {
                sensors: correlator.sensors().collect(),
                clocks: correlator.clocks().collect(),
            };
            self.shared.status.tell_readiness(*number, readiness);
        }
        self.tell_status();
        let so_far = self.partitions.values().filter_map(Partition::restored_so_far);
        let (partitions, records) = so_far.fold((0, 0), |(partitions, all), records| {
            (partitions + 1, all + records)
        });
        if partitions > 0 && now >= self.progress_told + PROGRESS {
            self.progress_told = now;
            info!(
                worker = self.name,
                partitions, records, "partitions are being restored"
            );
        }
    }

    pub(super) fn tell_status(&self) {
        let restoring = self
            .partitions
            .values()
            .filter(|partition| partition.is_restoring())
            .count();
        self.shared.status.update(&self.name, |status| {
            status.is_assigned = self.membership.is_some();
            status.partitions = self.partitions.len();
            status.restoring = restoring;
        });
    }

    pub(super) fn forget(&mut self, list: &TopicPartitionList) {
        for element in list.elements() {
            self.partitions.remove(&element.partition());
            self.shared.metrics.forget(element.topic(), element.partition());
            self.shared.status.forget_readiness(element.partition());
        }
        self.tell_status();
    }
}
