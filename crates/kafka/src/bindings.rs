//! The bindings topic: the bindings of each router worker, read by every other.
//!
//! ```text
//!   start     read the topic from its beginning to its end; no message is routed before that
//!   then      join the group, route; follow the topic between messages; publish new bindings
//! ```
//!
//! Each worker reads for itself: its table is its own, so that routing a message takes no lock. There is no
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

use super::client::{self, LogOnly};
use super::clock::wall_clock;
use super::context::WorkerContext;
use super::error::DriverError;
use super::group;
use super::gzip;
use super::metadata::partition_count;
use super::observer::{BindingFact, WorkerFact};

/// How long to wait for a record while there is nothing else to do.
const WAIT: Duration = Duration::from_millis(100);

/// How often the topic is read between messages, and how many records at most each time.
const FOLLOW: Duration = Duration::from_millis(50);
const RECORDS_AT_ONCE: usize = 2_000;

/// How often bindings that are too old are dropped.
const EXPIRE: Duration = Duration::from_secs(600);

/// How often the worker says that it is not stuck.
const BEAT: Duration = Duration::from_millis(500);

/// How often progress is reported.
const PROGRESS: Duration = Duration::from_secs(5);

/// The pause before a request is repeated that no broker answered, and how often one is that did not find the topic.
const BACK_OFF: Duration = Duration::from_secs(1);
const GRACE: u32 = 3;

/// How long one request may take before it is repeated.
const REQUEST: Duration = Duration::from_secs(5);

/// The first and the next offset of partitions.
type Ends = BTreeMap<i32, (i64, i64)>;

/// One worker's consumer of the bindings topic.
pub(super) struct BindingsReader {
    consumer: BaseConsumer<LogOnly>,
    context: WorkerContext,
    worker: String,
    followed: Instant,
    expired: Instant,
    /// Whether a record that cannot be read has been reported at full level.
    has_reported_undecodable: Cell<bool>,
}

impl BindingsReader {
    /// Nothing is read until [`BindingsReader::read_to_end`].
    pub(super) fn new(context: &WorkerContext, worker: &str) -> Result<Self, DriverError> {
        let consumer = client::reader(&context.settings.kafka, &format!("{worker}-bindings"))
            .create_with_context(LogOnly)
            .map_err(DriverError::client("consumer of the bindings topic"))?;
        let now = Instant::now();
        Ok(Self {
            consumer,
            context: context.clone(),
            worker: worker.to_owned(),
            followed: now,
            expired: now,
            has_reported_undecodable: Cell::new(false),
        })
    }

    /// Reads the topic to its present end. False if the service is to end before that.
    pub(super) fn read_to_end(&mut self, router: &mut Router) -> Result<bool, DriverError> {
        self.report(BindingFact::ReadingBegan);
        let (began, mut reported, mut beaten) = (Instant::now(), Instant::now(), Instant::now());
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
                Some(Err(problem)) => self.check_fatal(problem)?,
                None => {}
            }
            if beaten.elapsed() >= BEAT {
                beaten = Instant::now();
                self.context.observer.worker(&self.worker, WorkerFact::Beat);
            }
            if reported.elapsed() >= PROGRESS {
                reported = Instant::now();
                let partitions = open.len();
                self.report(BindingFact::Progress { records, partitions });
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
        self.report(BindingFact::ReadingEnded {
            records,
            size,
            took: began.elapsed(),
        });
        Ok(true)
    }

    /// Assigns all partitions from their beginning, and returns the end of each that holds anything: while others write
    /// to it, the consumer may never report that it has reached an end. Nothing if the service is to end.
    fn assign(&self) -> Result<BTreeMap<i32, i64>, DriverError> {
        let topic = &self.context.settings.kafka.topics.bindings;
        let Some(ends) = self.await_ends(topic)? else {
            return Ok(BTreeMap::new());
        };
        let mut list = TopicPartitionList::new();
        for &partition in ends.keys() {
            list.add_partition_offset(topic, partition, Offset::Beginning)
                .map_err(|problem| self.failed(problem))?;
        }
        self.consumer
            .assign(&list)
            .map_err(|problem| self.failed(problem))?;
        let holds_something = ends.into_iter().filter(|(_, (low, high))| high > low);
        Ok(holds_something
            .map(|(partition, (_, high))| (partition, high))
            .collect())
    }

    /// The ends of all partitions, once a broker answers. `None` if the service is to end before that.
    fn await_ends(&self, topic: &str) -> Result<Option<Ends>, DriverError> {
        let mut grace = GRACE;
        loop {
            match self.ends(topic) {
                // It existed a moment ago; this broker may not know of it yet.
                Ok(ends) if ends.is_empty() && grace > 0 => grace -= 1,
                Ok(ends) if ends.is_empty() => {
                    let topic = topic.to_owned();
                    return Err(DriverError::MissingTopic { topic });
                }
                Ok(ends) => return Ok(Some(ends)),
                Err(problem) => {
                    let problem = with_causes(&problem);
                    warn!(worker = self.worker, "{problem}; retrying in {BACK_OFF:?}");
                }
            }
            self.context.observer.worker(&self.worker, WorkerFact::Beat);
            if self.context.stop.wait(BACK_OFF) {
                return Ok(None);
            }
        }
    }

    /// The first and the next offset of every partition; nothing if the topic does not exist.
    fn ends(&self, topic: &str) -> Result<Ends, DriverError> {
        (0..partition_count(self.consumer.client(), topic, REQUEST)?)
            .map(|number| {
                let partition = Partition::new(number).to_wire();
                let ends = self.consumer.fetch_watermarks(topic, partition, REQUEST);
                Ok((partition, ends.map_err(|problem| self.failed(problem))?))
            })
            .collect()
    }

    /// Reads, between two messages, what others have published since.
    pub(super) fn follow(&mut self, router: &mut Router) -> Result<(), DriverError> {
        if self.followed.elapsed() < FOLLOW {
            return Ok(());
        }
        let bindings = router.resolver().bindings();
        bindings.advance(wall_clock());
        for _ in 0..RECORDS_AT_ONCE {
            match self.consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => self.read(&message, bindings),
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(problem)) => self.check_fatal(problem)?,
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

    /// Applies a record to the table. One that cannot be read changes nothing.
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
                // No later than now: the clock of a broker that is ahead must not keep a binding for ever.
                let now = wall_clock();
                let written = message.timestamp().to_millis();
                let written = written.map_or(now, |millis| AppendTime::from_millis(millis).min(now));
                bindings.apply_record(&record, written);
                self.report(BindingFact::Read(&record));
            }
            Err(problem) => self.report(BindingFact::Undecodable {
                topic: message.topic(),
                partition: message.partition(),
                offset: message.offset(),
                problem: &problem,
                is_first: !self.has_reported_undecodable.replace(true),
            }),
        }
    }

    fn report_size(&self, router: &mut Router) {
        let resolver = router.resolver();
        let conflicts = resolver.take_conflicts();
        let bindings = resolver.bindings();
        let (size, dropped) = (bindings.size(), bindings.take_dropped());
        self.report(BindingFact::Table {
            size,
            dropped,
            conflicts,
        });
    }

    fn report(&self, fact: BindingFact<'_>) {
        self.context.observer.bindings(&self.worker, fact);
    }

    fn failed(&self, problem: KafkaError) -> DriverError {
        let topic = &self.context.settings.kafka.topics.bindings;
        DriverError::admin(format!("cannot read topic {topic}"))(problem)
    }

    fn check_fatal(&self, problem: KafkaError) -> Result<(), DriverError> {
        if let KafkaError::MessageConsumptionFatal(_) = problem {
            return Err(self.failed(problem));
        }
        // The client's context has logged it as well.
        debug!(
            worker = self.worker,
            "cannot read the bindings topic now: {problem}"
        );
        Ok(())
    }
}
