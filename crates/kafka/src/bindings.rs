//! The bindings topic: what every router worker has bindings of addresses, read by every other.
//!
//! ```text
//!   start     read the topic from its beginning to its end; no message is routed before that
//!   then      join the group, route; follow the topic between messages; tell what is news
//! ```
//!
//! Each worker reads for itself: its table is its own, and no lock stands between a message and its answer. There is no
//! group and nothing is committed: a table is rebuilt from the beginning of a topic that compaction keeps small.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pipewarden_core::diagnostics::with_causes;
use pipewarden_core::inventory::{BindingRecord, Bindings};
use pipewarden_core::log::Partition;
use pipewarden_core::time::AppendTime;
use pipewarden_engine::{Origin, Router};
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::TopicPartitionList;
use tracing::{debug, warn};

use super::client::{self, Quiet};
use super::clock::wall_clock;
use super::context::WorkerContext;
use super::error::DriverError;
use super::group;
use super::gzip;
use super::metadata::partition_count;
use super::observer::BindingFact;

/// How long to wait for a record while there is nothing else to do.
const WAIT: Duration = Duration::from_millis(100);

/// How often the topic is looked at between messages, and how many records are read then at most.
const FOLLOW: Duration = Duration::from_millis(50);
const AT_ONCE: usize = 2_000;

/// How often bindings are looked through for those that have grown too old.
const EXPIRE: Duration = Duration::from_secs(600);

/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(5);

/// How long to wait before a broker that did not answer is asked again, and how often one that does not know the topic.
const BACK_OFF: Duration = Duration::from_secs(1);
const GRACE: u32 = 3;

/// How long one request may take before it is asked again.
const REQUEST: Duration = Duration::from_secs(5);

/// One worker's view of the bindings topic.
pub(super) struct BindingsReader {
    consumer: BaseConsumer<Quiet>,
    context: WorkerContext,
    worker: String,
    followed: Instant,
    expired: Instant,
    is_wrong_told: Cell<bool>,
}

impl BindingsReader {
    /// Nothing is read until [`Identities::read_to_end`].
    pub(super) fn new(context: &WorkerContext, worker: &str) -> Result<Self, DriverError> {
        let consumer = client::reader(&context.settings.kafka, &format!("{worker}-bindings"))
            .create_with_context(Quiet)
            .map_err(DriverError::client("consumer of the bindings topic"))?;
        let now = Instant::now();
        Ok(Self {
            consumer,
            context: context.clone(),
            worker: worker.to_owned(),
            followed: now,
            expired: now,
            is_wrong_told: Cell::new(false),
        })
    }

    /// Reads everything that has been told so far. False if the service is to end before that.
    pub(super) fn read_to_end(&mut self, router: &mut Router) -> Result<bool, DriverError> {
        self.tell(BindingFact::ReadingBegan);
        let (began, mut told) = (Instant::now(), Instant::now());
        let mut open = self.assign()?;
        let (mut records, bindings) = (0_u64, router.resolver().bindings());
        bindings.begin_reading();
        while !open.is_empty() && !self.context.stop.is_set() {
            match self.consumer.poll(WAIT) {
                Some(Ok(message)) => {
                    records += 1;
                    let is_last = |end: &i64| message.offset() + 1 >= *end;
                    if open.get(&message.partition()).is_some_and(is_last) {
                        open.remove(&message.partition());
                    }
                    self.read(&message, bindings);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    open.remove(&partition);
                }
                Some(Err(problem)) => self.note(problem)?,
                None => {}
            }
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                let partitions = open.len();
                self.tell(BindingFact::Progress { records, partitions });
            }
        }
        if self.context.stop.is_set() {
            return Ok(false);
        }
        bindings.advance(wall_clock());
        bindings.expire();
        bindings.begin_publishing();
        let size = bindings.size();
        self.report_size(router);
        self.tell(BindingFact::ReadingEnded {
            records,
            size,
            took: began.elapsed(),
        });
        Ok(true)
    }

    /// Takes all partitions from their beginning, and says where each that holds anything ends now: while others write
    /// to it, the consumer may never be told that it has reached an end. None if the service is to end.
    fn assign(&self) -> Result<BTreeMap<i32, i64>, DriverError> {
        let topic = &self.context.settings.kafka.topics.bindings;
        let mut grace = GRACE;
        loop {
            let ends = match self.ends(topic) {
                // It was there a moment ago; this broker may not know of it yet.
                Ok(ends) if ends.is_empty() && grace > 0 => {
                    grace -= 1;
                    if self.context.stop.wait(BACK_OFF) {
                        return Ok(BTreeMap::new());
                    }
                    continue;
                }
                Ok(ends) if ends.is_empty() => {
                    return Err(DriverError::MissingTopic { topic: topic.clone() });
                }
                Ok(ends) => ends,
                Err(problem) => {
                    let problem = with_causes(&problem);
                    warn!(worker = self.worker, "{problem}; retrying in {BACK_OFF:?}");
                    if self.context.stop.wait(BACK_OFF) {
                        return Ok(BTreeMap::new());
                    }
                    continue;
                }
            };
            let mut list = TopicPartitionList::new();
            let added = ends
                .keys()
                .try_for_each(|&partition| list.add_partition_offset(topic, partition, Offset::Beginning));
            added
                .and_then(|()| self.consumer.assign(&list))
                .map_err(|problem| self.failed(problem))?;
            let holds_something = ends.into_iter().filter(|(_, (low, high))| high > low);
            return Ok(holds_something
                .map(|(partition, (_, high))| (partition, high))
                .collect());
        }
    }

    /// The first and the next offset of every partition; nothing if the topic does not exist.
    fn ends(&self, topic: &str) -> Result<BTreeMap<i32, (i64, i64)>, DriverError> {
        (0..partition_count(self.consumer.client(), topic, REQUEST)?)
            .map(|number| {
                let partition = Partition::new(number).to_wire();
                let ends = self.consumer.fetch_watermarks(topic, partition, REQUEST);
                Ok((partition, ends.map_err(|problem| self.failed(problem))?))
            })
            .collect()
    }

    /// What is due between two messages: reads what others have told since.
    pub(super) fn follow(&mut self, router: &mut Router) -> Result<(), DriverError> {
        if self.followed.elapsed() < FOLLOW {
            return Ok(());
        }
        let bindings = router.resolver().bindings();
        bindings.advance(wall_clock());
        for _ in 0..AT_ONCE {
            match self.consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => self.read(&message, bindings),
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(problem)) => self.note(problem)?,
                None => break,
            }
        }
        if self.expired.elapsed() >= EXPIRE {
            bindings.expire();
            self.expired = Instant::now();
        }
        self.report_size(router);
        self.followed = Instant::now();
        Ok(())
    }

    /// Takes a record in. One that is wrong teaches nothing and harms nothing.
    fn read(&self, message: &BorrowedMessage<'_>, bindings: &mut Bindings) {
        if let Some(lost) = message.payload().and_then(gzip::lost_batch) {
            let origin = Origin {
                topic: message.topic(),
                partition: group::number(message.partition()),
                offset: group::offset(message.offset()),
            };
            return lost.report(origin, &self.worker, false, &*self.context.observer);
        }
        match BindingRecord::decode(message.key().unwrap_or_default(), message.payload()) {
            Ok(record) => {
                // No later than now: a clock ahead must not keep a binding for ever.
                let now = wall_clock();
                let written = message.timestamp().to_millis();
                let written = written.map_or(now, |millis| AppendTime::from_millis(millis).min(now));
                bindings.apply_record(&record, written);
                self.tell(BindingFact::Read(&record));
            }
            Err(problem) => self.tell(BindingFact::Undecodable {
                topic: message.topic(),
                partition: message.partition(),
                offset: message.offset(),
                problem: &problem,
                is_first: !self.is_wrong_told.replace(true),
            }),
        }
    }

    fn report_size(&self, router: &mut Router) {
        let resolver = router.resolver();
        let contradicted = resolver.take_conflicts();
        let bindings = resolver.bindings();
        let (size, dropped) = (bindings.size(), bindings.take_dropped());
        self.tell(BindingFact::Table {
            size,
            dropped,
            contradicted,
        });
    }

    fn tell(&self, fact: BindingFact<'_>) {
        self.context.observer.bindings(&self.worker, fact);
    }

    fn failed(&self, problem: KafkaError) -> DriverError {
        let topic = &self.context.settings.kafka.topics.bindings;
        DriverError::admin(format!("cannot read topic {topic}"))(problem)
    }

    fn note(&self, problem: KafkaError) -> Result<(), DriverError> {
        if let KafkaError::MessageConsumptionFatal(_) = problem {
            return Err(self.failed(problem));
        }
        // The client's context has told it.
        debug!(worker = self.worker, "the bindings topic: {problem}");
        Ok(())
    }
}
