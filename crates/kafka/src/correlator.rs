//! The correlator worker on a real broker: what librdkafka reports becomes an input of the
//! [machine](pipewarden_engine::worker), and what the machine asks for becomes a call of librdkafka.
//!
//! ```text
//!   poll        a record, the end of a partition, nothing                            --> Input
//!   callback    assigned, revoked, lost: inputs, too; it returns at CallbackDone
//!   Output      --> committed_offsets, fetch_watermarks, seek, pause, resume, a transaction, a new producer, a tick
//! ```
//!
//! Every call is made on the thread that polls, so its answer is handed in before anything else can happen.

mod execute;
mod sightings;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipewarden_core::time::AppendTime;
use pipewarden_engine::Origin;
use pipewarden_engine::worker::{At, Fetched, Input, Machine, MachineSettings, PartitionId, Topic};
use rdkafka::consumer::{Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message as _, Timestamp};
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::topic_partition_list::TopicPartitionList;
use tracing::warn;

use self::sightings::SightingsQueues;
use super::client::{self, Deliveries};
use super::clock::wall_clock;
use super::context::WorkerContext;
use super::error::DriverError;
use super::group::{self, GroupConsumer, GroupContext, Member, Progress};
use super::gzip;
use super::observer::WorkerFact;
use super::rejected::{Verdict, verdict};
use super::transaction::TransactionalProducer;

/// How often another policy is checked for.
const POLICY_CHECK: Duration = Duration::from_millis(50);

/// The machine's membership is the group's as a callback named it.
type Membership = Arc<ConsumerGroupMetadata>;

/// Runs until the service ends or the worker fails.
pub(super) fn run(context: &WorkerContext, name: &str, index: usize) -> Result<(), DriverError> {
    let kafka = &context.settings.kafka;
    let group = kafka.correlator_group();
    let Some(member) = CorrelatorMember::start(context, index, name)? else {
        return Ok(());
    };
    let consumer: GroupConsumer<CorrelatorMember> =
        client::consumer(kafka, name, &group, &context.settings.correlator.instance)
            .create_with_context(GroupContext::new(member, kafka))
            .map_err(DriverError::client(format!("consumer of group {group}")))?;
    let topics = Topic::ALL.map(|topic| kafka.topics.of_state(topic).as_str());
    consumer
        .subscribe(&topics)
        .map_err(DriverError::client(format!("consumer of group {group}")))?;

    let (consumer, mut sightings) = (Arc::new(consumer), SightingsQueues::default());
    let group_context = Arc::clone(consumer.context());
    while !context.stop.is_set() && group_context.member().failure.is_none() {
        let wait = group_context.member().wait();
        let polled = consumer.poll(if sightings.have_more() {
            Duration::ZERO
        } else {
            wait
        });
        let mut member = group_context.member();
        // What comes here of sightings was queued before their partitions had queues of their own, and is told apart by those.
        member.take(polled, Topic::Observations);
        // Before anything else is handed in: a record may have made a batch due.
        member.execute_all(&consumer, None);
        sightings.follow(&consumer, &mut member);
        sightings.serve(&consumer, &mut member);
        if group_context.has_silently_none() {
            member.assigned(&consumer, &TopicPartitionList::new());
        }
        member.check_policy();
        member.execute_all(&consumer, None);
    }
    group_context.member().hand_in(Input::Stop);
    group_context.member().execute_all(&consumer, None);
    // Leaving the group calls `revoked`, which commits. The queues hold the consumer.
    drop(sightings);
    drop(consumer);
    let failure = group_context.member().failure.take();
    failure.map_or(Ok(()), Err)
}

/// Everything the worker owns, but for its consumer.
pub(super) struct CorrelatorMember {
    context: WorkerContext,
    name: String,
    machine: Machine<Membership>,
    producer: TransactionalProducer,
    /// Not the transactional producer: a tick must be there even if the batch is aborted.
    ticker: BaseProducer<Deliveries>,
    /// Where the machine's time begins.
    began: Instant,
    policy_checked: Instant,
    /// Those from which the machine wants nothing to be fetched.
    paused: BTreeSet<PartitionId>,
    /// Partitions of the sightings topic that were assigned and have no queue of their own yet.
    unqueued: Vec<PartitionId>,
    failure: Option<DriverError>,
}

impl CorrelatorMember {
    /// Everything but the consumer. `None` if the service is to end before the predecessor's transaction has ended.
    fn start(context: &WorkerContext, index: usize, name: &str) -> Result<Option<Self>, DriverError> {
        let settings = &context.settings;
        let kafka = &settings.kafka;
        let id = format!(
            "{}-{}-{index}",
            kafka.application_id, settings.correlator.instance
        );
        let Some(producer) = TransactionalProducer::start(settings, name, &id, &context.stop)? else {
            return Ok(None);
        };
        let ticker = client::producer(kafka, &format!("{name}-ticks"))
            .set("linger.ms", "0")
            .set("message.timeout.ms", "10000")
            .create_with_context(Deliveries::default())
            .map_err(DriverError::client(format!("producer of ticks of {name}")))?;
        let began = Instant::now();
        let at = At {
            monotonic: Duration::ZERO,
            wall: wall_clock(),
        };
        let machine = MachineSettings {
            observations: kafka.topics.observations.clone(),
            sightings: kafka.topics.sightings.clone(),
            partitions: settings.partitions_of(Topic::Observations),
            sightings_partitions: settings.partitions_of(Topic::Sightings),
            commit_interval: settings.correlator.commit_interval,
            budget: client::budget(kafka),
            explanations: settings.explanations,
        };
        Ok(Some(Self {
            context: context.clone(),
            name: name.to_owned(),
            machine: Machine::new(machine, context.active_policy.policy(), at),
            producer,
            ticker,
            began,
            policy_checked: began,
            paused: BTreeSet::new(),
            unqueued: Vec::new(),
            failure: None,
        }))
    }

    fn at(&self) -> At {
        At {
            monotonic: self.began.elapsed(),
            wall: wall_clock(),
        }
    }

    fn wait(&self) -> Duration {
        self.machine.wait(self.at())
    }

    fn hand_in(&mut self, input: Input<'_, Membership>) {
        let at = self.at();
        self.machine.handle(input, at);
    }

    fn report(&self, fact: WorkerFact<'_>) {
        self.context.observer.worker(&self.name, fact);
    }

    /// Hands in what was polled of a queue. The end of a partition bears no name of a topic, so it is of the queue's.
    fn take(&mut self, polled: Option<KafkaResult<BorrowedMessage<'_>>>, queue: Topic) {
        match polled {
            Some(Ok(message)) => self.record(&message),
            Some(Err(KafkaError::PartitionEOF(number))) => {
                let number = group::number(number);
                let partition = PartitionId { topic: queue, number };
                self.hand_in(Input::EndOfPartition { partition });
            }
            Some(Err(problem @ KafkaError::MessageConsumptionFatal(_))) => self.consumer_failed(problem),
            Some(Err(problem)) => {
                client::log_transient(problem.rdkafka_error_code(), &problem.to_string());
                self.hand_in(Input::Timer);
            }
            None => self.hand_in(Input::Timer),
        }
    }

    /// The worker can do nothing more; the first reason is told.
    fn fail(&mut self, failure: DriverError) {
        self.failure.get_or_insert(failure);
    }

    /// A partition by the name of its topic.
    fn id(&self, topic: &str, partition: i32) -> Option<PartitionId> {
        let topic = self.context.settings.kafka.topics.state_of(topic)?;
        let number = group::number(partition);
        Some(PartitionId { topic, number })
    }

    fn ids(&self, list: &TopicPartitionList) -> Vec<PartitionId> {
        let elements = list.elements();
        let ids = elements.iter().map(|one| self.id(one.topic(), one.partition()));
        ids.flatten().collect()
    }

    fn record(&mut self, message: &BorrowedMessage<'_>) {
        let Some(partition) = self.id(message.topic(), message.partition()) else {
            return;
        };
        let append_time = match message.timestamp() {
            Timestamp::LogAppendTime(millis) => Some(AppendTime::from_millis(millis)),
            Timestamp::CreateTime(_) | Timestamp::NotAvailable => None,
        };
        let origin = Origin {
            topic: message.topic(),
            partition: group::number(message.partition()),
            offset: group::offset(message.offset()),
        };
        let payload = message.payload().unwrap_or_default();
        self.hand_in(Input::Record {
            partition,
            record: Fetched {
                offset: origin.offset,
                append_time,
                value: gzip::readable(payload, origin, &self.name, &*self.context.observer),
            },
        });
    }

    /// Hands another policy that has come into force to the machine.
    fn check_policy(&mut self) {
        if self.policy_checked.elapsed() >= POLICY_CHECK {
            self.policy_checked = Instant::now();
            self.report(WorkerFact::Beat);
            if let Some(policy) = self.context.active_policy.other_than(self.machine.policy()) {
                self.hand_in(Input::PolicyChanged(policy));
            }
            self.serve_ticker();
        }
    }

    fn serve_ticker(&mut self) {
        // Not `poll(POLICY_CHECK)`: it always takes its whole time.
        self.ticker.poll(Duration::ZERO);
        if let Some((topic, problem)) = self.ticker.context().take_rejected() {
            let verdict = problem.rdkafka_error_code().map(verdict);
            if matches!(verdict, Some(Verdict::Denied | Verdict::NoTopic)) {
                self.failure.get_or_insert(DriverError::delivery(topic, problem));
                return;
            }
            warn!(
                worker = self.name,
                topic, "a tick was not delivered and will be repeated: {problem}"
            );
        }
    }

    /// Runs a rebalance callback until the machine lets it return.
    fn call_back(
        &mut self,
        consumer: &GroupConsumer<Self>,
        input: Input<'_, Membership>,
        starts: Option<&TopicPartitionList>,
    ) {
        self.hand_in(input);
        self.execute_all(consumer, starts);
        while self.machine.is_in_callback() {
            let is_stopping = self.context.stop.wait(self.wait());
            self.report(WorkerFact::Beat);
            self.hand_in(if is_stopping { Input::Stop } else { Input::Timer });
            self.execute_all(consumer, starts);
        }
    }
}

impl Member for CorrelatorMember {
    const COMMITS: bool = false;

    fn assigned(&mut self, consumer: &GroupConsumer<Self>, list: &TopicPartitionList) {
        let partitions = self.ids(list);
        let sightings = partitions.iter().filter(|id| id.topic == Topic::Sightings);
        self.unqueued.extend(sightings);
        let input = Input::Assigned {
            partitions,
            membership: membership(consumer),
        };
        self.call_back(consumer, input, Some(list));
    }

    fn revoked(&mut self, consumer: &GroupConsumer<Self>, list: &TopicPartitionList, lost: bool) {
        let partitions = self.ids(list);
        self.unqueued.retain(|id| !partitions.contains(id));
        // With a consumer that has failed nothing can be committed.
        let input = if lost || self.failure.is_some() {
            Input::Lost { partitions }
        } else {
            Input::Revoked {
                partitions,
                membership: membership(consumer),
            }
        };
        self.call_back(consumer, input, None);
    }

    fn consumer_failed(&mut self, problem: KafkaError) {
        let group = self.context.settings.kafka.correlator_group();
        self.fail(DriverError::consumer(group, problem));
    }

    fn progress(&mut self, topic: &str, partition: i32, progress: Progress) {
        if let Some(id) = self.id(topic, partition)
            && self.machine.partitions().any(|own| own == id)
        {
            self.report(progress.fact(topic, id.number));
        }
    }

    fn unconnected(&mut self, partitions: usize) {
        self.report(WorkerFact::Unconnected { partitions });
    }
}

fn membership(consumer: &GroupConsumer<CorrelatorMember>) -> Membership {
    let membership = consumer.group_metadata();
    Arc::new(membership.expect("a consumer with a group.id has a membership"))
}
