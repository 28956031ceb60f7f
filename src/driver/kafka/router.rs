//! The router worker: consumes Winlogbeat's topics, writes observations and dead letters.
//!
//! At least once: everything that came of a message is acknowledged by the broker before the message's offset is
//! committed. What is routed again after a crash is a copy, which the correlator drops.
//!
//! Back-pressure: a producer whose queue is full, because the broker is slow or away, makes the worker pause its
//! partitions. It goes on polling, as a member of the group must, and resumes when there is room.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::TopicPartitionList;
use tracing::{info, warn};

use super::client::{self, Deliveries, MAX_RECORD};
use super::error::DriverError;
use super::group::{GroupConsumer, GroupContext, Member, hold};
use super::gzip::{self, LostBatch};
use super::identities::Identities;
use super::positions::Positions;
use super::service::Shared;
use crate::event::Sighting;
use crate::pipeline::{DeadLetter, ObservationRecord, Origin, Program, Routed, Router};
use crate::telemetry::Consumed;

/// How long the worker may wait for a message.
const WAIT: Duration = Duration::from_millis(50);

/// How long a flush may take before the worker goes back to polling. Well below librdkafka's `max.poll.interval.ms`.
const FLUSH: Duration = Duration::from_secs(30);

/// How many messages are routed before the worker looks after its producer and its commit: often enough for both, and
/// seldom enough to cost nothing beside a message.
const BETWEEN_TURNS: u32 = 64;

/// Room for a key, headers and the batch around a record.
const OVERHEAD: usize = 4 << 10;

/// Runs until the service ends or the worker fails.
pub(super) fn run(shared: &Shared, index: usize) -> Result<(), DriverError> {
    let name = format!("router-{index}");
    let kafka = &shared.settings.kafka;
    let group = format!("{}-router", kafka.application_id);
    let program = shared.in_force.program();
    let refused = |client: String| move |problem| DriverError::Client { client, problem };
    let producer = client::producer(kafka, &name)
        // A record waits for its broker, however long that is away.
        .set("message.timeout.ms", "0")
        .create_with_context(Deliveries::default())
        .map_err(refused(format!("producer of {name}")))?;
    let mut router = Router::new(&program).with_identities(shared.settings.identities.clone());
    let mut identities = Identities::new(shared, &name)?;
    if !identities.read_to_end(&mut router)? {
        return Ok(());
    }
    let consumer: GroupConsumer<RouterMember> =
        client::consumer(kafka, &name, &group, &shared.settings.correlator.instance)
            .set("enable.partition.eof", "false")
            .create_with_context(GroupContext::new(RouterMember {
                router,
                program,
                identities,
                shared: shared.clone(),
                name,
                producer,
                positions: Positions::default(),
                consumed: Consumed::default(),
                waiting: VecDeque::new(),
                is_held: false,
                committed: Instant::now(),
                failure: None,
            }))
            .map_err(refused(format!("consumer of group {group}")))?;
    let topics: Vec<&str> = kafka.topics.input.iter().map(String::as_str).collect();
    consumer
        .subscribe(&topics)
        .map_err(refused(format!("consumer of group {group}")))?;

    let context = Arc::clone(consumer.context());
    let mut since_turn = 0;
    while !shared.stop.is_set() {
        let polled = consumer.poll(WAIT);
        let mut member = context.member();
        match polled {
            Some(Ok(message)) => {
                member.route(&message);
                since_turn += 1;
                if since_turn < BETWEEN_TURNS && member.waiting.is_empty() && member.failure.is_none() {
                    continue;
                }
            }
            Some(Err(problem @ KafkaError::MessageConsumptionFatal(_))) => {
                member.failure = Some(DriverError::Consumer {
                    group: group.clone(),
                    problem,
                });
            }
            Some(Err(problem)) => client::passing(problem.rdkafka_error_code(), &problem.to_string()),
            None => {}
        }
        member.turn(&consumer);
        since_turn = 0;
        if member.failure.is_some() {
            break;
        }
    }
    // Leaving the group calls `revoked`, which flushes and commits.
    drop(consumer);
    let failure = context.member().failure.take();
    failure.map_or(Ok(()), Err)
}

/// A record on its way out.
struct Outgoing {
    to: To,
    key: Vec<u8>,
    /// `None` is a tombstone.
    value: Option<Vec<u8>>,
}

/// Where a record goes.
#[derive(Clone, Copy, Debug)]
enum To {
    Observations,
    DeadLetters,
    Identities,
}

/// Everything the worker owns, but for its consumer.
struct RouterMember {
    router: Router,
    program: Arc<Program>,
    identities: Identities,
    shared: Shared,
    name: String,
    producer: BaseProducer<Deliveries>,
    positions: Positions,
    consumed: Consumed,
    /// Records that the producer had no room for. While there are any, partitions are held and nothing is committed.
    waiting: VecDeque<Outgoing>,
    is_held: bool,
    committed: Instant,
    failure: Option<DriverError>,
}

impl RouterMember {
    fn route(&mut self, message: &BorrowedMessage<'_>) {
        let origin = Origin {
            topic: message.topic(),
            partition: message.partition(),
            offset: message.offset(),
        };
        let payload = message.payload().unwrap_or_default();
        if let Some(lost) = gzip::lost_batch(payload) {
            return self.lose(lost, origin);
        }
        let routed = self.router.route(payload, origin);
        self.consumed.count(&self.shared.metrics, origin.topic);
        self.shared.metrics.routed(&routed);
        let outgoing = match routed {
            Routed::Skipped(_) => None,
            Routed::DeadLetter(letter) => Some(dead(&letter)),
            Routed::Observation(observation) => {
                let sighting = observation.sighting();
                self.waiting
                    .extend(sighting.filter(|_| self.program.join.sweep.enabled).map(sighted));
                let key = observation.key().as_str().as_bytes().to_vec();
                let value = observation.encode();
                Some(if value.len() + key.len() + OVERHEAD > MAX_RECORD {
                    self.shared.metrics.dead_letter(TOO_LARGE);
                    let told = format!(
                        "the observation takes {} bytes and would not fit a record",
                        value.len()
                    );
                    dead(&DeadLetter::of(TOO_LARGE, told, origin, payload))
                } else {
                    Outgoing {
                        to: To::Observations,
                        key,
                        value: Some(value),
                    }
                })
            }
        };
        self.positions
            .set(origin.topic, origin.partition, origin.offset + 1);
        self.waiting.extend(outgoing);
        self.tell_identities();
        self.send();
    }

    /// A batch that was not read: the dead letter names it, and the partition goes on behind it.
    fn lose(&mut self, lost: LostBatch, origin: Origin<'_>) {
        lost.report(origin, &self.shared.metrics);
        let letter = lost.dead_letter(origin);
        self.shared.metrics.dead_letter(&letter.reason);
        self.waiting.push_back(dead(&letter));
        self.positions
            .set(origin.topic, origin.partition, origin.offset + 1);
        self.send();
    }

    /// What has been learned and is news to others goes the way of all records: flushed before offsets are committed.
    fn tell_identities(&mut self) {
        for record in self.router.identity().learned().take_records() {
            self.shared.metrics.identity_published(&record);
            self.waiting.push_back(Outgoing {
                to: To::Identities,
                key: record.key().into_bytes(),
                value: record.encode(),
            });
        }
    }

    /// Gives the producer what waits, as far as it has room.
    fn send(&mut self) {
        let topics = &self.shared.settings.kafka.topics;
        while let Some(next) = self.waiting.front() {
            let topic = match next.to {
                To::Observations => &topics.observations,
                To::DeadLetters => &topics.dead_letters,
                To::Identities => &topics.identities,
            };
            let record = BaseRecord::to(topic).key(&next.key);
            let record = match &next.value {
                Some(value) => record.payload(value),
                None => record,
            };
            match self.producer.send(record) {
                Ok(()) => {
                    self.waiting.pop_front();
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => return,
                Err((problem, _)) => {
                    self.failure = Some(DriverError::Delivery {
                        topic: topic.clone(),
                        problem,
                    });
                    return;
                }
            }
        }
    }

    /// What is due between two messages.
    fn turn(&mut self, consumer: &GroupConsumer<Self>) {
        self.producer.poll(Duration::ZERO);
        if self.waiting.is_empty() {
            if let Err(failure) = self.identities.follow(&mut self.router) {
                self.failure.get_or_insert(failure);
            }
            self.tell_identities();
        }
        self.send();
        let must_hold = !self.waiting.is_empty();
        if must_hold || self.is_held != must_hold {
            // Again and again while it lasts: there may be new partitions.
            hold(consumer, must_hold);
        }
        if must_hold && !self.is_held {
            warn!(
                worker = self.name,
                "the broker takes no more records for now: reading is paused"
            );
        } else if self.is_held && !must_hold {
            info!(worker = self.name, "reading goes on");
        }
        self.is_held = must_hold;
        self.note_refused();
        if self.committed.elapsed() >= self.shared.settings.router.commit_interval && self.failure.is_none() {
            self.commit(consumer);
            self.adopt();
        }
    }

    /// Takes another program up once everything that the old one routed is committed, so that as little as possible is
    /// routed by both.
    fn adopt(&mut self) {
        if !self.positions.is_dirty()
            && let Some(program) = self.shared.in_force.other_than(&self.program)
        {
            self.router.reload(&program);
            self.program = program;
        }
    }

    fn note_refused(&mut self) {
        if let Some((topic, problem)) = self.producer.context().take_refused() {
            self.failure
                .get_or_insert(DriverError::Delivery { topic, problem });
        }
    }

    /// Flushes, then commits what was routed since the last commit.
    fn commit(&mut self, consumer: &GroupConsumer<Self>) {
        self.committed = Instant::now();
        if !self.positions.is_dirty() || !self.waiting.is_empty() {
            return;
        }
        let deadline = Instant::now() + FLUSH;
        // rdkafka's own flush sleeps in steps of 100 ms.
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(Duration::from_millis(1));
            if Instant::now() >= deadline {
                warn!(
                    worker = self.name,
                    "the broker has not taken all records yet: offsets are not committed"
                );
                return;
            }
        }
        self.note_refused();
        if self.failure.is_some() {
            return;
        }
        let positions = self.positions.dirty();
        if positions.count() == 0 {
            // What had moved was lost meanwhile.
            self.positions.clean();
            return;
        }
        match consumer.commit(&positions, CommitMode::Sync) {
            Ok(()) => {
                self.positions.clean();
                self.shared.metrics.router_commit();
            }
            // In the midst of a rebalance, or the broker is away: nothing is lost but time.
            Err(problem) => warn!(worker = self.name, "offsets will be committed later: {problem}"),
        }
    }

    fn tell_status(&self, consumer: &GroupConsumer<Self>, change: isize) {
        let owned = consumer.assignment().map_or(0, |assignment| assignment.count());
        self.shared.status.update(&self.name, |status| {
            status.is_assigned = true;
            status.partitions = owned.saturating_add_signed(change);
        });
    }
}

impl Member for RouterMember {
    fn assigned(&mut self, consumer: &GroupConsumer<Self>, list: &TopicPartitionList) {
        self.shared.metrics.rebalance("assigned");
        let partitions = list.count();
        if partitions > 0 {
            info!(worker = self.name, partitions, "partitions are taken over");
        }
        self.tell_status(consumer, partitions.cast_signed());
    }

    fn revoked(&mut self, consumer: &GroupConsumer<Self>, list: &TopicPartitionList, lost: bool) {
        let partitions = list.count();
        self.shared
            .metrics
            .rebalance(if lost { "lost" } else { "revoked" });
        if lost {
            warn!(
                worker = self.name,
                partitions, "partitions were lost; their new owner routes again what was not committed"
            );
        } else if self.failure.is_none() {
            info!(worker = self.name, partitions, "partitions are handed over");
            self.commit(consumer);
        }
        for element in list.elements() {
            self.positions.forget(element.topic(), element.partition());
            self.shared.metrics.forget(element.topic(), element.partition());
        }
        self.tell_status(consumer, -partitions.cast_signed());
    }

    fn lag(&mut self, topic: &str, partition: i32, records: i64) {
        if self.positions.owns(topic, partition) {
            self.shared.metrics.lag(topic, partition, records);
        }
    }
}

/// The reason of a dead letter whose observation would not fit a record.
const TOO_LARGE: &str = "observation_too_large";

fn sighted(sighting: Sighting) -> Outgoing {
    Outgoing {
        to: To::Observations,
        key: sighting.key().into_bytes(),
        value: Some(ObservationRecord::Sighting(sighting).encode()),
    }
}

fn dead(letter: &DeadLetter) -> Outgoing {
    Outgoing {
        to: To::DeadLetters,
        key: letter.key().into_bytes(),
        value: Some(letter.encode()),
    }
}
