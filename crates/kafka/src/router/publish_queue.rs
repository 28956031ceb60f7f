//! Records that wait for room in the producer, or for their turn.

use std::collections::VecDeque;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::outgoing::{About, Outgoing, Undelivered};
use crate::settings::Topics;

/// Records in the order in which the producer gets them. While there are any, partitions are paused and nothing is
/// committed.
#[derive(Default)]
pub(super) struct PublishQueue {
    waiting: VecDeque<Outgoing>,
    /// Those that are sent when nothing else is on its way.
    alone: VecDeque<Outgoing>,
    /// Whether one of them is.
    is_one_sent: bool,
}

impl PublishQueue {
    pub(super) fn push(&mut self, record: Outgoing) {
        self.waiting.push_back(record);
    }

    /// Adds a record that is sent on its own.
    pub(super) fn push_alone(&mut self, mut record: Outgoing) {
        record.about.is_alone = true;
        self.alone.push_back(record);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.alone.is_empty() && !self.is_one_sent
    }

    /// Gives the producer as many records as it has room for.
    pub(super) fn send(&mut self, producer: &BaseProducer<Undelivered>, topics: &Topics) {
        let is_idle = producer.in_flight_count() == 0;
        self.is_one_sent &= !is_idle;
        if self.is_one_sent || (!self.alone.is_empty() && !is_idle) {
            return;
        }
        if let Some(record) = self.alone.pop_front() {
            match send(&record, producer, topics) {
                Ok(()) => self.is_one_sent = true,
                Err(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) => {
                    self.alone.push_front(record)
                }
                Err(problem) => producer.context().add(record, problem),
            }
            return;
        }
        while let Some(record) = self.waiting.pop_front() {
            match send(&record, producer, topics) {
                Ok(()) => {}
                Err(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) => {
                    return self.waiting.push_front(record);
                }
                Err(problem) => producer.context().add(record, problem),
            }
        }
    }
}

fn send(record: &Outgoing, producer: &BaseProducer<Undelivered>, topics: &Topics) -> Result<(), KafkaError> {
    let about: Box<About> = record.about.clone();
    let message = BaseRecord::with_opaque_to(record.topic(topics), about).key(&record.key);
    let message = match &record.value {
        Some(value) => message.payload(value),
        None => message,
    };
    producer.send(message).map_err(|(problem, _)| problem)
}
