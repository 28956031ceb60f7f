//! Publishes documents as Winlogbeat does: no key, any partition.

use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::client::{self, Deliveries};
use super::error::DriverError;
use super::settings::Kafka;

/// How long the broker may take for the records that are left at the end.
const FLUSH: Duration = Duration::from_secs(60);

/// Publishes to one input topic.
pub struct DocumentProducer {
    producer: BaseProducer<Deliveries>,
    topic: String,
}

impl DocumentProducer {
    /// For the first of `kafka.topics.input` that is no pattern. `compression` is a value of librdkafka's `compression.type`.
    ///
    /// # Errors
    /// A property that librdkafka rejects, or no such topic.
    pub fn new(kafka: &Kafka, compression: &str) -> Result<Self, DriverError> {
        let producer = client::plain(kafka, "generate")
            .set("compression.type", compression)
            // What Winlogbeat writes: gzip of level 4.
            .set(
                "compression.level",
                if compression == "gzip" { "4" } else { "-1" },
            )
            .set("linger.ms", "20")
            .set("batch.size", "1000000")
            .set("queue.buffering.max.kbytes", "65536")
            .set("enable.idempotence", "true")
            .create_with_context(Deliveries::default())
            .map_err(DriverError::client("producer of generate"))?;
        let topic = kafka.topics.named_input().next();
        Ok(Self {
            producer,
            topic: topic.ok_or(DriverError::NoNamedInput)?.clone(),
        })
    }

    /// The topic it writes to.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Publishes a document; waits where the broker is slower.
    ///
    /// # Errors
    /// [`DriverError::Delivery`] where the broker has rejected a document for good.
    pub fn send(&mut self, document: &[u8]) -> Result<(), DriverError> {
        let mut record: BaseRecord<'_, (), [u8]> = BaseRecord::to(&self.topic).payload(document);
        loop {
            match self.producer.send(record) {
                Ok(()) => return self.check_rejected(),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), same)) => {
                    record = same;
                    self.producer.poll(Duration::from_millis(10));
                    self.check_rejected()?;
                }
                Err((problem, _)) => return Err(DriverError::delivery(&self.topic, problem)),
            }
        }
    }

    /// Serves the client for this long, while there is nothing to publish.
    pub fn wait(&mut self, time: Duration) {
        self.producer.poll(time);
    }

    /// Waits until the broker has taken everything.
    ///
    /// # Errors
    /// [`DriverError::Delivery`] where it has not.
    pub fn finish(&mut self) -> Result<(), DriverError> {
        let deadline = Instant::now() + FLUSH;
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(Duration::from_millis(10));
            self.check_rejected()?;
            if Instant::now() >= deadline {
                let timed_out = KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);
                return Err(DriverError::delivery(&self.topic, timed_out));
            }
        }
        self.check_rejected()
    }

    fn check_rejected(&self) -> Result<(), DriverError> {
        match self.producer.context().take_rejected() {
            Some((topic, problem)) => Err(DriverError::delivery(topic, problem)),
            None => Ok(()),
        }
    }
}
