//! Records that wait for room in the producer.

use std::collections::VecDeque;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord};

use super::outgoing::Outgoing;
use crate::client::Deliveries;
use crate::error::DriverError;
use crate::settings::Topics;

/// Records in the order in which the producer gets them. While there are any, partitions are paused and nothing is
/// committed.
#[derive(Default)]
pub(super) struct PublishQueue(VecDeque<Outgoing>);

impl PublishQueue {
    pub(super) fn push(&mut self, record: Outgoing) {
        self.0.push_back(record);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives the producer as many records as it has room for.
    pub(super) fn send(
        &mut self,
        producer: &BaseProducer<Deliveries>,
        topics: &Topics,
    ) -> Result<(), DriverError> {
        while let Some(next) = self.0.front() {
            let topic = next.topic(topics);
            let record = BaseRecord::to(topic).key(&next.key);
            let record = match &next.value {
                Some(value) => record.payload(value),
                None => record,
            };
            match producer.send(record) {
                Ok(()) => {
                    self.0.pop_front();
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => return Ok(()),
                Err((problem, _)) => return Err(DriverError::delivery(topic, problem)),
            }
        }
        Ok(())
    }
}
