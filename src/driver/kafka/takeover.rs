//! Partitions come and go: what the correlator worker does in the group's callbacks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};
use tracing::{error, info, warn};

use super::correlator::CorrelatorMember;
use super::error::DriverError;
use super::group::{GroupConsumer, Member};
use super::partition::Partition;
use super::transaction::Failure;
use crate::pipeline::{Correlator, Recovery, Seek};

/// How long one question to the broker may take before it is asked again. The broker answers for committed offsets only
/// when the predecessor's open transaction has ended: 10 s, and up to 10 s until the broker looks.
const REQUEST: Duration = Duration::from_secs(10);

/// How long to go on asking: below librdkafka's `max.poll.interval.ms` of 5 min.
const PATIENCE: Duration = Duration::from_secs(240);

impl Member for CorrelatorMember {
    fn assigned(&mut self, consumer: &GroupConsumer<Self>, list: &TopicPartitionList) {
        self.membership = consumer.group_metadata();
        self.shared.metrics.rebalance("assigned");
        if list.count() > 0 && self.failure.is_none() {
            match self.take_over(consumer, list) {
                Ok(true) => {}
                // The service ends: nothing that is fetched from now on will be looked at.
                Ok(false) => info!(
                    worker = self.name,
                    "partitions are not taken over: the service ends"
                ),
                Err(failure) => self.failure = Some(failure),
            }
        }
        self.tell_status();
    }

    fn revoked(&mut self, consumer: &GroupConsumer<Self>, list: &TopicPartitionList, lost: bool) {
        let partitions = list.count();
        self.shared
            .metrics
            .rebalance(if lost { "lost" } else { "revoked" });
        if lost {
            warn!(
                worker = self.name,
                partitions, "partitions were lost; their new owner repeats what was not committed"
            );
        } else if self.failure.is_none() {
            info!(worker = self.name, partitions, "partitions are handed over");
            // A revocation by the cooperative protocol belongs to a newer generation. The partitions are ours until
            // this callback returns, so here a fresh reading is safe, and the only one that the broker accepts.
            self.membership = consumer.group_metadata();
            match self.commit() {
                Ok(()) => {}
                Err(Failure::Aborted(problem)) => {
                    warn!(
                        worker = self.name,
                        "the new owner repeats the last batch: {problem}"
                    );
                }
                Err(Failure::Fatal(problem)) => self.fail(problem),
            }
        }
        self.forget(list);
    }

    fn lag(&mut self, topic: &str, partition: i32, records: i64) {
        if self.partitions.contains_key(&partition) {
            self.shared.metrics.lag(topic, partition, records);
        }
    }
}

impl CorrelatorMember {
    /// Builds a correlator for each new partition and tells the consumer where to start. False if the service ends
    /// before the broker has answered.
    fn take_over(
        &mut self,
        consumer: &GroupConsumer<Self>,
        list: &TopicPartitionList,
    ) -> Result<bool, DriverError> {
        let topic = self.shared.settings.kafka.topics.observations.clone();
        let mut question = TopicPartitionList::with_capacity(list.count());
        for element in list.elements() {
            question.add_partition(element.topic(), element.partition());
        }
        let Some(committed) = self.ask(|| consumer.committed_offsets(question.clone(), REQUEST))? else {
            return Ok(false);
        };
        for element in committed.elements() {
            let number = element.partition();
            let Some((low, high)) = self.ask(|| consumer.fetch_watermarks(&topic, number, REQUEST))? else {
                return Ok(false);
            };
            let log = Log {
                partition: number,
                low: offset(low),
                high: offset(high),
            };
            let (mut correlator, start) = self.correlator_for(&element, &log)?;
            correlator.log_starts_at(start);
            if let Some(mut place) = list.find_partition(&topic, number) {
                let start = Offset::Offset(i64::try_from(start).unwrap_or(i64::MAX));
                place.set_offset(start).map_err(|problem| DriverError::Offsets {
                    group: self.group.clone(),
                    problem,
                })?;
            }
            self.partitions
                .insert(number, Partition::new(number, correlator, Instant::now()));
        }
        Ok(true)
    }

    /// The correlator of one partition, and the first offset it must read.
    fn correlator_for(
        &self,
        committed: &TopicPartitionListElem<'_>,
        log: &Log,
    ) -> Result<(Correlator, u64), DriverError> {
        let program = Arc::clone(&self.program);
        let partitions = self.shared.partitions();
        let Log { partition, low, high } = *log;
        let Offset::Offset(next) = committed.offset() else {
            if high > low {
                self.shared.metrics.loss("no_committed_offset");
                warn!(
                    partition,
                    low,
                    high,
                    "no offset is committed though the log has records: all of them are read, and alerts of an earlier \
                     run may be written once more"
                );
            }
            return Ok((Correlator::fresh(program, partitions), low));
        };
        let next = offset(next);
        let Recovery {
            correlator,
            seek,
            problem,
            program_changed,
        } = Correlator::recover(program, next, &metadata(committed), partitions)?;
        if let Some(problem) = problem {
            self.shared.metrics.loss("unreadable_checkpoint");
            warn!(partition, low, "the log is replayed from its start: {problem}");
        }
        if program_changed {
            info!(
                partition,
                "settings, rules or inventory have changed: open alerts are written once more"
            );
        }
        if next > high {
            self.shared.metrics.loss("log_truncated");
            error!(
                partition,
                committed = next,
                high,
                "the log ends before the committed offset: records were lost"
            );
        }
        let start = match seek {
            Seek::Offset(rewind) if rewind < low => {
                self.shared.metrics.loss("rewind_below_log_start");
                error!(
                    partition,
                    rewind,
                    low,
                    "the log no longer reaches back two horizons: state is incomplete; raise retention.ms of the \
                     observations topic"
                );
                low
            }
            Seek::Offset(rewind) => rewind,
            Seek::Beginning => low,
        };
        let records = next.saturating_sub(start);
        info!(
            partition,
            from = start,
            to = next,
            records,
            "a partition is restored from the log"
        );
        Ok((correlator, start))
    }

    /// Asks until there is an answer. `None` if the service ends before.
    fn ask<T>(&self, question: impl Fn() -> Result<T, KafkaError>) -> Result<Option<T>, DriverError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match question() {
                Ok(answer) => return Ok(Some(answer)),
                Err(_) if self.shared.stop.is_set() => return Ok(None),
                Err(problem) if Instant::now() >= deadline => {
                    return Err(DriverError::Offsets {
                        group: self.group.clone(),
                        problem,
                    });
                }
                Err(problem) => {
                    warn!(
                        worker = self.name,
                        "committed offsets cannot be read yet: {problem}"
                    );
                    self.shared.stop.wait(Duration::from_millis(200));
                }
            }
        }
    }
}

/// What the broker says of a partition's log.
struct Log {
    partition: i32,
    /// The offset of its first record.
    low: u64,
    /// One more than the offset of its last.
    high: u64,
}

/// Kafka's offsets are not negative; those that are mean something else and are dealt with before.
fn offset(raw: i64) -> u64 {
    u64::try_from(raw).unwrap_or_default()
}

/// The metadata string. rdkafka panics where another tool has committed bytes that are no UTF-8; to us that is one more
/// string that is no checkpoint.
fn metadata(element: &TopicPartitionListElem<'_>) -> String {
    let read = std::panic::AssertUnwindSafe(|| element.metadata().to_owned());
    std::panic::catch_unwind(read).unwrap_or_else(|_| "not UTF-8".to_owned())
}
