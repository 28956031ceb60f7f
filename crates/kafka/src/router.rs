//! The router worker on a real broker: routes each message, and does for the rest what the
//! [machine](pipewarden_engine::worker::RouterMachine) asks for.
//!
//! Back-pressure: a producer whose queue is full, because the broker is slow or does not answer, makes the machine pause
//! the partitions. The worker continues to poll, as a member of the group must, and resumes when there is room.

mod delivery;
mod input_facts;
mod outgoing;
mod publish_queue;

use std::sync::Arc;
use std::time::{Duration, Instant};

use outgoing::{Outgoing, Undelivered};
use pipewarden_engine::worker::{InputPartition, Position, RouterInput, RouterMachine, RouterOutput};
use pipewarden_engine::{
    DeadLetter, DeadLetterReason, OBSERVATION_MAX_BYTES, Origin, Policy, Routed, RoutedObservation, Router,
};
use publish_queue::PublishQueue;
use rdkafka::Offset;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::BaseProducer;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::bindings::BindingsReader;
use super::client;
use super::context::WorkerContext;
use super::error::DriverError;
use super::group::{self, GroupConsumer, GroupContext, Member, Progress, number, offset, signed};
use super::gzip::{self, LostBatch};
use super::input;
use super::observer::{BindingFact, WorkerFact};

/// How long the worker may wait for a message.
const WAIT: Duration = Duration::from_millis(50);

/// How many messages are routed before the producer is polled and a commit may be due: often enough for both, and seldom
/// enough to cost nothing beside a message.
const MESSAGES_PER_TURN: u32 = 64;

/// Runs until the service ends or the worker fails.
pub(super) fn run(context: &WorkerContext, name: &str) -> Result<(), DriverError> {
    let kafka = &context.settings.kafka;
    let group = kafka.router_group();
    let Some(member) = RouterMember::start(context, name)? else {
        return Ok(());
    };
    let consumer: GroupConsumer<RouterMember> =
        client::consumer(kafka, name, &group, &context.settings.correlator.instance)
            .set("enable.partition.eof", "false")
            .create_with_context(GroupContext::new(member, kafka))
            .map_err(DriverError::client(format!("consumer of group {group}")))?;
    let topics: Vec<&str> = kafka.topics.input.iter().map(String::as_str).collect();
    consumer
        .subscribe(&topics)
        .map_err(DriverError::client(format!("consumer of group {group}")))?;

    let group_context = Arc::clone(consumer.context());
    let mut since_turn = 0;
    while !context.stop.is_set() {
        let polled = consumer.poll(WAIT);
        let mut member = group_context.member();
        match polled {
            Some(Ok(message)) => {
                member.route(&message);
                since_turn += 1;
                if since_turn < MESSAGES_PER_TURN && member.queue.is_empty() && member.failure.is_none() {
                    continue;
                }
            }
            Some(Err(problem @ KafkaError::MessageConsumptionFatal(_))) => {
                member.consumer_failed(problem);
            }
            // The watch of the input topics says which.
            Some(Err(problem)) if input::is_missing_topic(&problem) => {}
            Some(Err(problem)) => client::log_transient(problem.rdkafka_error_code(), &problem.to_string()),
            None => {}
        }
        if group_context.has_silently_none() {
            member.assigned(&consumer, &TopicPartitionList::new());
        }
        member.turn(&consumer);
        since_turn = 0;
        if member.failure.is_some() {
            break;
        }
    }
    // Leaving the group calls `revoked`, which flushes and commits.
    drop(consumer);
    let failure = group_context.member().failure.take();
    failure.map_or(Ok(()), Err)
}

/// Everything the worker owns, but for its consumer.
struct RouterMember {
    router: Router,
    machine: RouterMachine,
    /// What it routes by.
    policy: Arc<Policy>,
    /// What the machine is to route by next.
    offered: Option<Arc<Policy>>,
    bindings: BindingsReader,
    context: WorkerContext,
    name: String,
    producer: BaseProducer<Undelivered>,
    /// Records that the producer had no room for, and those that are sent again on their own.
    queue: PublishQueue,
    /// The time that the last message since the last turn bears.
    written: Option<i64>,
    /// Where the machine's time begins.
    began: Instant,
    failure: Option<DriverError>,
}

impl RouterMember {
    /// Everything but the consumer, once the bindings topic is read. `None` if the service is to end before that.
    fn start(context: &WorkerContext, name: &str) -> Result<Option<Self>, DriverError> {
        let policy = context.active_policy.policy();
        let producer = client::producer(&context.settings.kafka, name)
            // A record waits for its broker, however long that is away.
            .set("message.timeout.ms", "0")
            .create_with_context(Undelivered::default())
            .map_err(DriverError::client(format!("producer of {name}")))?;
        let mut router = Router::new(&policy).with_bindings(context.settings.bindings.clone());
        let mut bindings = BindingsReader::new(context, name)?;
        if !bindings.read_to_end(&mut router)? {
            return Ok(None);
        }
        Ok(Some(Self {
            router,
            machine: RouterMachine::new(context.settings.router.commit_interval, Duration::ZERO),
            policy,
            offered: None,
            bindings,
            context: context.clone(),
            name: name.to_owned(),
            producer,
            queue: PublishQueue::default(),
            written: None,
            began: Instant::now(),
            failure: None,
        }))
    }

    /// Routes a message; what comes of it goes to the producer.
    fn route(&mut self, message: &BorrowedMessage<'_>) {
        let origin = Origin {
            topic: message.topic(),
            partition: number(message.partition()),
            offset: offset(message.offset()),
        };
        let payload = message.payload();
        if let Some(lost) = payload.and_then(gzip::lost_batch) {
            return self.skip_batch(lost, origin);
        }
        self.context.observer.consumed(origin.topic);
        self.written = message.timestamp().to_millis().or(self.written);
        let (observer, mut routed) = (&self.context.observer, Vec::new());
        self.router.route_each(payload, origin, &mut |one| {
            observer.routed(&one);
            match one {
                Routed::Skipped(_) => {}
                one => routed.push(one),
            }
        });
        for one in routed {
            self.publish(one, origin, payload.unwrap_or_default());
        }
        self.note_routed(origin);
        self.publish_bindings();
        self.send();
    }

    /// Gives what comes of a document to the producer.
    fn publish(&mut self, routed: Routed, origin: Origin<'_>, payload: &[u8]) {
        match routed {
            Routed::Skipped(_) => {}
            Routed::DeadLetter(letter) => self.queue.push(Outgoing::dead_letter(&letter)),
            Routed::Observation(observation) => {
                let record = self.observation_record(observation, origin, payload);
                self.queue.push(record);
            }
        }
    }

    /// The record of an observation, or the dead letter of a message whose observation would not fit a record.
    fn observation_record(
        &self,
        observation: RoutedObservation,
        origin: Origin<'_>,
        payload: &[u8],
    ) -> Outgoing {
        let key = observation.key().as_str().as_bytes().to_vec();
        let value = observation.encode();
        if value.len() <= OBSERVATION_MAX_BYTES {
            return Outgoing::observation(origin, key, value);
        }
        let reason = DeadLetterReason::ObservationTooLarge;
        self.report(WorkerFact::DeadLetter { reason });
        let bytes = value.len();
        let message = format!("the observation takes {bytes} bytes and would not fit a record");
        Outgoing::dead_letter(&DeadLetter::of(reason, message, origin, payload))
    }

    fn note_routed(&mut self, origin: Origin<'_>) {
        self.machine.routed(origin.topic, origin.partition, origin.offset);
    }

    /// A batch that was not read: the dead letter names it, and reading continues behind it.
    fn skip_batch(&mut self, lost: LostBatch, origin: Origin<'_>) {
        lost.report(origin, &self.name, false, &*self.context.observer);
        let letter = lost.dead_letter(origin);
        self.report(WorkerFact::DeadLetter {
            reason: letter.reason,
        });
        self.queue.push(Outgoing::dead_letter(&letter));
        self.note_routed(origin);
        self.send();
    }

    /// Publishes bindings that other workers do not have. They are flushed before offsets are committed, as all records.
    fn publish_bindings(&mut self) {
        for record in self.router.resolver().bindings().take_records() {
            self.context
                .observer
                .bindings(&self.name, BindingFact::Published(&record));
            self.queue.push(Outgoing::binding(&record));
        }
    }

    fn send(&mut self) {
        let topics = &self.context.settings.kafka.topics;
        self.queue.send(&self.producer, topics);
    }

    /// Everything that is not done for each message: bindings of other workers, rejected records, pauses and commits.
    fn turn(&mut self, consumer: &GroupConsumer<Self>) {
        self.report(WorkerFact::Beat);
        self.producer.poll(Duration::ZERO);
        if self.queue.is_empty() {
            if let Err(failure) = self.bindings.follow(&mut self.router) {
                self.failure.get_or_insert(failure);
            }
            self.publish_bindings();
        }
        self.note_undelivered();
        self.send();
        input_facts::report(&mut self.router, self.written.take(), &|fact| {
            self.context.observer.worker(&self.name, fact);
        });
        self.offer_policy();
        let has_room = self.queue.is_empty();
        self.hand_in(RouterInput::Timer { has_room });
        self.execute_all(consumer);
    }

    /// Hands each policy that comes into force to the machine, once.
    fn offer_policy(&mut self) {
        if let Some(policy) = self
            .context
            .active_policy
            .other_than(self.offered.as_ref().unwrap_or(&self.policy))
        {
            self.offered = Some(Arc::clone(&policy));
            self.hand_in(RouterInput::PolicyChanged(policy));
        }
    }

    fn report(&self, fact: WorkerFact<'_>) {
        self.context.observer.worker(&self.name, fact);
    }

    fn hand_in(&mut self, input: RouterInput) {
        self.machine.handle(input, self.began.elapsed());
    }

    /// Does what the machine asks for, until it asks for nothing more.
    fn execute_all(&mut self, consumer: &GroupConsumer<Self>) {
        while let Some(output) = self.machine.next_output() {
            match output {
                RouterOutput::Pause(partitions) => pause(consumer, &partitions, true),
                RouterOutput::Resume(partitions) => pause(consumer, &partitions, false),
                RouterOutput::Flush { within } => self.flush(within),
                RouterOutput::Commit(positions) => self.commit(consumer, &positions),
                RouterOutput::Reload(policy) => {
                    self.router.reload(&policy);
                    self.policy = policy;
                    self.offered = None;
                }
                RouterOutput::Forget(partitions) => {
                    for partition in &partitions {
                        self.report(WorkerFact::Forgotten {
                            topic: &partition.topic,
                            partition: partition.number.get(),
                            state: None,
                        });
                    }
                }
                RouterOutput::CallbackDone => {}
                RouterOutput::Observe(fact) => self.context.observer.router(&self.name, fact),
            }
        }
    }

    fn commit(&mut self, consumer: &GroupConsumer<Self>, positions: &[Position]) {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for position in positions {
            let mut element = list.add_partition(&position.topic, signed(position.partition));
            element
                .set_offset(Offset::Offset(position.next.to_wire()))
                .expect("no log reaches the offsets that Kafka reserves");
        }
        self.hand_in(match consumer.commit(&list, CommitMode::Sync) {
            Ok(()) => RouterInput::Committed,
            // During a rebalance, or while the broker does not answer: the next commit covers it.
            Err(problem) => RouterInput::NotCommitted {
                problem: problem.to_string(),
            },
        });
    }
}

impl Member for RouterMember {
    const COMMITS: bool = true;

    fn assigned(&mut self, consumer: &GroupConsumer<Self>, list: &TopicPartitionList) {
        self.hand_in(RouterInput::Assigned(partitions(list)));
        self.execute_all(consumer);
    }

    fn revoked(&mut self, consumer: &GroupConsumer<Self>, list: &TopicPartitionList, lost: bool) {
        let partitions = partitions(list);
        self.hand_in(if lost {
            RouterInput::Lost(partitions)
        } else {
            RouterInput::Revoked(partitions)
        });
        self.execute_all(consumer);
    }

    /// The first reason is told.
    fn consumer_failed(&mut self, problem: KafkaError) {
        let group = self.context.settings.kafka.router_group();
        self.failure.get_or_insert(DriverError::consumer(group, problem));
    }

    fn progress(&mut self, topic: &str, partition: i32, progress: Progress) {
        let partition = number(partition);
        if self.machine.owns(topic, partition) {
            self.report(progress.fact(topic, partition));
        }
    }

    fn unconnected(&mut self, partitions: usize) {
        self.report(WorkerFact::Unconnected { partitions });
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<InputPartition> {
    let elements = list.elements();
    let partitions = elements
        .iter()
        .map(|element| InputPartition::new(element.topic(), number(element.partition())));
    partitions.collect()
}

fn pause(consumer: &GroupConsumer<RouterMember>, partitions: &[InputPartition], is_paused: bool) {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(&partition.topic, signed(partition.number));
    }
    group::pause(consumer, &list, is_paused);
}
