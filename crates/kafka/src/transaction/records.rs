//! The records of a batch, and which of them a broker rejects.

use std::collections::BTreeSet;
use std::time::Duration;

use pipewarden_engine::worker::{Batch, Destination, RecordId, Rejection};
use rdkafka::Offset;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::super::group::signed;
use super::super::metadata::partition_count;
use super::super::rejected::{Undelivered, Verdict, verdict};
use super::super::settings::{ServiceSettings, Topics};
use super::Transaction;

/// Writes the records of a batch.
pub(super) fn write(
    transaction: &Transaction<'_>,
    batch: &Batch,
    settings: &ServiceSettings,
) -> Result<(), KafkaError> {
    let topics = &settings.kafka.topics;
    for (number, record) in batch.records().enumerate() {
        let destination = record.id.destination;
        if destination == Destination::Alerts && !settings.alert_format.has_ecs() {
            continue;
        }
        let topic = topic(topics, destination);
        match transaction.send(number, topic, &record.key, &record.value) {
            // The transaction has failed already; the next call says why.
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::State)) => return Ok(()),
            sent => sent?,
        }
        if !transaction.may_go_on()? {
            return Ok(());
        }
    }
    transaction.flush().map(drop)
}

/// Why a transaction was aborted, as far as that is known of its records.
pub(super) enum Cause {
    /// The broker rejects a record for good.
    Rejected(Rejection),
    /// No record of ours can be written there, whatever it is.
    Hopeless(Undelivered),
}

/// The first record that no repetition delivers; `None` if all that failed may be repeated. Which record it is is known only
/// where each was sent on its own.
pub(super) fn cause(undelivered: &[Undelivered], batch: &Batch, is_one_by_one: bool) -> Option<Cause> {
    let for_good = |one: &&Undelivered| one.verdict() != Verdict::Repeatable;
    // Of what was sent together all has failed.
    let first = undelivered.iter().find(for_good)?.clone();
    match first.verdict() {
        Verdict::Rejected(cause) => Some(Cause::Rejected(Rejection {
            record: record_id(batch, first.number).filter(|_| is_one_by_one),
            cause,
            problem: format!("topic {} rejects a record: {}", first.topic, first.problem),
        })),
        Verdict::Denied | Verdict::NoTopic => Some(Cause::Hopeless(first)),
        Verdict::Repeatable => None,
    }
}

/// Whether no repetition of a call of the transactional API can succeed.
pub(super) fn is_hopeless(problem: &KafkaError) -> bool {
    let verdict = problem.rdkafka_error_code().map(verdict);
    matches!(verdict, Some(Verdict::Denied))
}

fn record_id(batch: &Batch, number: usize) -> Option<RecordId> {
    batch.records().nth(number).map(|record| record.id)
}

/// A topic of the batch that no broker knows. Where one of several is gone, the broker takes none of them into the transaction,
/// whose end then fails before any record is given up.
pub(super) fn unknown_topic<C: ClientContext>(
    client: &Client<C>,
    batch: &Batch,
    settings: &ServiceSettings,
    within: Duration,
) -> Option<String> {
    let is_written =
        |destination: &Destination| *destination != Destination::Alerts || settings.alert_format.has_ecs();
    let destinations = batch.records().map(|record| record.id.destination);
    let topics: BTreeSet<&str> = destinations
        .filter(is_written)
        .map(|destination| topic(&settings.kafka.topics, destination))
        .collect();
    let mut topics = topics.into_iter();
    let unknown = topics.find(|topic| matches!(partition_count(client, topic, within), Ok(0)));
    unknown.map(str::to_owned)
}

fn topic(topics: &Topics, destination: Destination) -> &str {
    match destination {
        Destination::Alerts => &topics.alerts,
        Destination::Findings => &topics.alerts_ocsf,
        Destination::Suppressed => &topics.suppressed,
        Destination::Sightings => &topics.sightings,
        Destination::DeadLetters => &topics.dead_letters,
    }
}

/// The offsets of a batch, each with its checkpoint.
pub(super) fn offsets(batch: &Batch, topics: &Topics) -> TopicPartitionList {
    let mut offsets = TopicPartitionList::new();
    for part in batch.parts() {
        let topic = topics.of_state(part.partition.topic);
        let mut element = offsets.add_partition(topic, signed(part.partition.number));
        element
            .set_offset(Offset::Offset(part.offset.to_wire()))
            .expect("no log reaches the offsets that Kafka reserves");
        element.set_metadata(part.checkpoint.to_string());
    }
    offsets
}
