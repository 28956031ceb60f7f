//! Transactions: one per batch, all or nothing.

mod failure;
mod records;

use std::thread;
use std::time::{Duration, Instant};

use failure::{failure, undelivered};
use pipewarden_core::diagnostics::with_causes;
use pipewarden_engine::worker::{Batch, CommitCalls, Ended, RETRY_BACKOFF, Renewed};
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::topic_partition_list::TopicPartitionList;
use records::Cause;
use tracing::{debug, warn};

use super::client;
use super::error::DriverError;
use super::group;
use super::metadata::partition_count;
use super::rejected::{Numbered, Undelivered};
use super::settings::ServiceSettings;
use super::stop::Stop;

/// How long the broker keeps a transaction that nobody ends. Whoever takes the partition over waits no longer.
const TRANSACTION_TIMEOUT: &str = "10000";

/// How long one request may take before it is repeated.
const REQUEST: Duration = Duration::from_secs(5);

/// `retry.backoff.max.ms`.
const MAX_RETRY_BACKOFF: Duration = Duration::from_secs(1);

/// How often delivery of records is checked.
const STEP: Duration = Duration::from_micros(200);

/// Why a transaction did not commit.
#[derive(Debug)]
enum Failure {
    /// It is aborted: nothing of it will ever be seen. The same batch may be repeated.
    Aborted(KafkaError),
    /// The producer is of no more use; the broker aborts what is open.
    Fatal(KafkaError),
}

/// What to do about an error of the transactional API, as librdkafka flags it.
#[derive(Debug, PartialEq, Eq)]
enum ErrorAction {
    Retry,
    Abort,
    GiveUp,
}

/// An error without a flag is fatal, by librdkafka's manual. Some errors of a fenced producer are flagged as abortable;
/// the next transaction would only meet them again.
fn classify(error: &KafkaError) -> ErrorAction {
    match error {
        KafkaError::Transaction(error) if is_fenced(error.code()) => ErrorAction::GiveUp,
        KafkaError::Transaction(error) if error.is_fatal() => ErrorAction::GiveUp,
        KafkaError::Transaction(error) if error.txn_requires_abort() => ErrorAction::Abort,
        KafkaError::Transaction(error) if error.is_retriable() => ErrorAction::Retry,
        // Of the flush that precedes a commit: the records are still on their way.
        KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut) => ErrorAction::Retry,
        // Of a record that could not even be queued: too large, most likely.
        KafkaError::MessageProduction(_) => ErrorAction::Abort,
        _ => ErrorAction::GiveUp,
    }
}

/// Another producer was given the transactional id, or the broker has aborted a transaction that was open for too long.
fn is_fenced(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, ProducerFenced};
    matches!(code, Fenced | ProducerFenced | InvalidProducerEpoch)
}

/// A producer with a stable name, which fences whoever had that name before.
pub(super) struct TransactionalProducer {
    /// Polled by a thread of its own: an abort waits for delivery reports that nobody else would serve meanwhile.
    producer: ThreadedProducer<Numbered>,
    id: String,
    /// Whether each record is sent in a request of its own.
    is_one_by_one: bool,
    /// Why it can no longer be used.
    failure: Option<DriverError>,
    /// A topic that did not exist after the last transaction.
    missing: Option<String>,
}

impl TransactionalProducer {
    /// Makes the producer and fences its predecessor, however long the broker takes. `None` if the service is to
    /// end before that.
    pub(super) fn start(
        settings: &ServiceSettings,
        name: &str,
        id: &str,
        stop: &Stop,
    ) -> Result<Option<Self>, DriverError> {
        let producer = create(settings, name, id, false)?;
        while !stop.is_set() {
            match producer.init_transactions(REQUEST) {
                Ok(()) => {
                    return Ok(Some(Self {
                        producer,
                        id: id.to_owned(),
                        is_one_by_one: false,
                        failure: None,
                        missing: None,
                    }));
                }
                Err(problem) if classify(&problem) == ErrorAction::Retry => {
                    warn!(
                        transactional_id = id,
                        "waiting until the predecessor's transaction has ended: {problem}"
                    );
                }
                Err(problem) => return Err(failure(settings, id, problem)),
            }
        }
        Ok(None)
    }

    /// Takes the place of itself: from now on nothing that the old producer has sent can end a transaction. Where there is
    /// no new one yet the old one stays, which must not be used.
    pub(super) fn renew(&mut self, settings: &ServiceSettings, name: &str, is_one_by_one: bool) -> Renewed {
        let producer = match create(settings, name, &self.id, is_one_by_one) {
            Ok(producer) => producer,
            Err(failure) => {
                let problem = with_causes(&failure);
                self.failure = Some(failure);
                return Renewed::Fatal { problem };
            }
        };
        match producer.init_transactions(REQUEST) {
            Ok(()) => {
                self.producer = producer;
                self.is_one_by_one = is_one_by_one;
                Renewed::Ready
            }
            Err(problem) if classify(&problem) == ErrorAction::GiveUp => Renewed::Fatal {
                problem: self.fail(settings, problem),
            },
            Err(problem) => Renewed::Failed {
                problem: problem.to_string(),
            },
        }
    }

    /// Keeps the failure that a fatal error is, and returns its text.
    fn fail(&mut self, settings: &ServiceSettings, problem: KafkaError) -> String {
        let failure = failure(settings, &self.id, problem);
        let text = with_causes(&failure);
        self.failure = Some(failure);
        text
    }

    /// The failure after which the machine was given [`Ended::Fatal`] or [`Renewed::Fatal`].
    pub(super) fn take_failure(&mut self) -> DriverError {
        self.failure
            .take()
            .expect("whatever is handed in as fatal is kept")
    }

    /// Writes a batch and its offsets in one transaction. Returns only when the outcome is known, or can't be.
    pub(super) fn publish(
        &mut self,
        batch: &Batch,
        membership: &ConsumerGroupMetadata,
        settings: &ServiceSettings,
        within: Duration,
    ) -> Ended {
        let offsets = records::offsets(batch, &settings.kafka.topics);
        let outcome =
            self.begin(within).and_then(
                |transaction| match records::write(&transaction, batch, settings) {
                    Ok(()) => transaction.commit(&offsets, membership),
                    Err(error) => Err(transaction.fail(error)),
                },
            );
        match outcome {
            Ok(calls) => {
                self.missing = None;
                Ended::Committed(CommitCalls {
                    is_one_by_one: self.is_one_by_one,
                    ..calls
                })
            }
            Err(Failure::Aborted(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull))) => {
                Ended::QueueFull
            }
            Err(Failure::Aborted(problem)) if group::is_stale_membership(&problem) => {
                Ended::StaleMembership {
                    problem: problem.to_string(),
                }
            }
            Err(Failure::Aborted(problem)) => self.aborted(problem, batch, settings),
            Err(Failure::Fatal(problem)) => self.fatal(problem, batch, settings),
        }
    }

    /// The end of the producer. Where a record could not be delivered for good, that is the cause, and not what followed.
    fn fatal(&mut self, problem: KafkaError, batch: &Batch, settings: &ServiceSettings) -> Ended {
        let records = self.producer.context().take();
        if let Some(Cause::Hopeless(record)) = records::cause(&records, batch, self.is_one_by_one) {
            return self.hopeless(undelivered(&self.id, record));
        }
        let gone = self.unknown_topic(&records);
        let in_batch = || records::unknown_topic(self.producer.client(), batch, settings, REQUEST);
        self.hopeless(match gone.or_else(in_batch) {
            Some(topic) => DriverError::MissingTopic { topic },
            None => failure(settings, &self.id, problem),
        })
    }

    /// What can be done after an abort. What no repetition cures is not repeated.
    fn aborted(&mut self, problem: KafkaError, batch: &Batch, settings: &ServiceSettings) -> Ended {
        let records = self.producer.context().take();
        let missing = self.missing_topic(&records);
        match records::cause(&records, batch, self.is_one_by_one) {
            Some(Cause::Rejected(rejection)) => return Ended::Rejected(rejection),
            Some(Cause::Hopeless(record)) => return self.hopeless(undelivered(&self.id, record)),
            None => {}
        }
        if let Some(topic) = missing {
            return self.hopeless(DriverError::MissingTopic { topic });
        }
        if records::is_hopeless(&problem) {
            return self.hopeless(failure(settings, &self.id, problem));
        }
        Ended::Aborted {
            problem: problem.to_string(),
        }
    }

    fn hopeless(&mut self, failure: DriverError) -> Ended {
        let problem = with_causes(&failure);
        self.failure = Some(failure);
        Ended::Fatal { problem }
    }

    /// A topic of records that were waited for in vain, if no broker knows it.
    fn unknown_topic(&self, records: &[Undelivered]) -> Option<String> {
        let waited = records.iter().find(|record| record.is_timed_out())?;
        let has = partition_count(self.producer.client(), &waited.topic, REQUEST);
        matches!(has, Ok(0)).then(|| waited.topic.clone())
    }

    /// A topic that was unknown after the last abort as well: librdkafka itself waits for one for ever.
    fn missing_topic(&mut self, records: &[Undelivered]) -> Option<String> {
        let missing = self.unknown_topic(records);
        let before = std::mem::replace(&mut self.missing, missing);
        before.filter(|before| self.missing.as_ref() == Some(before))
    }

    /// Begins a transaction, which borrows the producer: there is never a second one.
    fn begin(&mut self, within: Duration) -> Result<Transaction<'_>, Failure> {
        // Reports of the last transaction say nothing of this one.
        self.producer.context().take();
        self.producer.begin_transaction().map_err(Failure::Fatal)?;
        Ok(Transaction {
            producer: &self.producer,
            deadline: Instant::now() + within,
        })
    }
}

fn create(
    settings: &ServiceSettings,
    name: &str,
    id: &str,
    is_one_by_one: bool,
) -> Result<ThreadedProducer<Numbered>, DriverError> {
    // A topic that takes the largest alert takes what is sent together.
    let batch = (settings.alert_max_bytes + client::ROOM).min(client::BATCH);
    client::producer(&settings.kafka, name)
        .set("batch.size", batch.to_string())
        .set("batch.num.messages", if is_one_by_one { "1" } else { "10000" })
        .set("transactional.id", id)
        .set("transaction.timeout.ms", TRANSACTION_TIMEOUT)
        // Ours, since it tells a clean transaction: `kafka.client` does not change it.
        .set("retry.backoff.ms", RETRY_BACKOFF.as_millis().to_string())
        .set("retry.backoff.max.ms", MAX_RETRY_BACKOFF.as_millis().to_string())
        .set("linger.ms", "0")
        .create_with_context(Numbered::default())
        .map_err(DriverError::client(format!("transactional producer {id}")))
}

/// A call of the transactional API that succeeded.
struct Call {
    took: Duration,
    is_repeated: bool,
}

/// An open transaction. It ends with [`Transaction::commit`] or [`Transaction::fail`].
struct Transaction<'a> {
    producer: &'a ThreadedProducer<Numbered>,
    deadline: Instant,
}

impl Transaction<'_> {
    /// Writes a record; waits for room in the client's queue as long as the transaction may take.
    fn send(&self, number: usize, topic: &str, key: &str, value: &[u8]) -> Result<(), KafkaError> {
        let mut record = BaseRecord::with_opaque_to(topic, number)
            .key(key.as_bytes())
            .payload(value);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), unsent))
                    if Instant::now() < self.deadline =>
                {
                    record = unsent;
                    thread::sleep(STEP);
                }
                Err((problem, _)) => {
                    // The client itself holds it for too large, or knows that there is no such topic.
                    self.producer.context().add(Undelivered {
                        number,
                        topic: topic.to_owned(),
                        problem: problem.clone(),
                    });
                    return Err(problem);
                }
            }
        }
    }

    /// Waits until everything that was sent is acknowledged, or something is not, or the time is over. False where the
    /// transaction has failed, for a reason that the next call gives.
    fn flush(&self) -> Result<bool, KafkaError> {
        let reports = self.producer.context();
        // rdkafka's own flush sleeps in steps of 100 ms.
        while self.producer.in_flight_count() > 0 && reports.is_empty() && Instant::now() < self.deadline {
            thread::sleep(STEP);
        }
        self.may_go_on()
    }

    /// False where the transaction has failed, for a reason that the next call gives.
    fn may_go_on(&self) -> Result<bool, KafkaError> {
        let reports = self.producer.context();
        reports.for_good().map_or(Ok(reports.is_empty()), Err)
    }

    /// Writes the offsets and commits. Returns only when the outcome is known. The records are flushed before, so that the
    /// time that they take is no part of the calls'.
    fn commit(
        self,
        offsets: &TopicPartitionList,
        group: &ConsumerGroupMetadata,
    ) -> Result<CommitCalls, Failure> {
        let calls = self
            .retry_until(|| self.producer.send_offsets_to_transaction(offsets, group, REQUEST))
            .and_then(|sent| {
                let ended = self.retry_until(|| self.producer.commit_transaction(REQUEST))?;
                Ok(CommitCalls {
                    offsets: sent.took,
                    end: ended.took,
                    is_repeated: sent.is_repeated || ended.is_repeated,
                    is_one_by_one: false,
                })
            });
        calls.map_err(|error| self.fail(error))
    }

    /// Repeats a request as long as librdkafka allows.
    fn retry_until(&self, mut request: impl FnMut() -> Result<(), KafkaError>) -> Result<Call, KafkaError> {
        let (began, mut is_repeated) = (Instant::now(), false);
        loop {
            match request() {
                Err(error) if classify(&error) == ErrorAction::Retry && Instant::now() < self.deadline => {
                    debug!("transaction: {error}; retrying");
                    is_repeated = true;
                }
                Err(error) => return Err(error),
                Ok(()) => {
                    let took = began.elapsed();
                    return Ok(Call { took, is_repeated });
                }
            }
        }
    }

    /// Ends a transaction that cannot be committed.
    fn fail(&self, error: KafkaError) -> Failure {
        if classify(&error) != ErrorAction::Abort {
            // What is fatal cannot be aborted; after a commit whose outcome is unknown nothing but a new producer,
            // which asks the broker, can go on.
            return Failure::Fatal(error);
        }
        match self.retry_until(|| self.producer.abort_transaction(REQUEST)) {
            Ok(_) => Failure::Aborted(error),
            Err(second) => Failure::Fatal(second),
        }
    }
}

#[cfg(test)]
mod tests;
