//! Records on their way to the producer.

use std::sync::{Mutex, PoisonError};

use pipewarden_core::inventory::BindingRecord;
use pipewarden_core::log::{Offset, Partition};
use pipewarden_engine::worker::RejectionCause;
use pipewarden_engine::{DeadLetter, DeadLetterReason, Origin};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{NoCustomPartitioner, ProducerContext};

use crate::client;
use crate::settings::Topics;

/// A record on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) about: Box<About>,
    pub(super) key: Vec<u8>,
    /// `None` is a tombstone.
    pub(super) value: Option<Vec<u8>>,
}

/// What is known of a record beside its bytes; the producer keeps it until the record is acknowledged.
#[derive(Clone, Debug)]
pub(super) struct About {
    to: To,
    /// The message that caused it.
    origin: Option<Place>,
    /// Whether it is sent when nothing else is on its way: a broker takes or rejects what is sent together as a whole.
    pub(super) is_alone: bool,
}

/// The place of a message.
#[derive(Clone, Debug)]
struct Place {
    topic: String,
    partition: Partition,
    offset: Offset,
}

/// Where a record goes.
#[derive(Clone, Copy, Debug)]
enum To {
    Observations,
    DeadLetters,
    Bindings,
}

impl Outgoing {
    fn new(to: To, origin: Option<Origin<'_>>, key: Vec<u8>, value: Option<Vec<u8>>) -> Self {
        let origin = origin.map(|origin| Place {
            topic: origin.topic.to_owned(),
            partition: origin.partition,
            offset: origin.offset,
        });
        let is_alone = false;
        Self {
            about: Box::new(About { to, origin, is_alone }),
            key,
            value,
        }
    }

    pub(super) fn observation(origin: Origin<'_>, key: Vec<u8>, value: Vec<u8>) -> Self {
        Self::new(To::Observations, Some(origin), key, Some(value))
    }

    pub(super) fn dead_letter(letter: &DeadLetter) -> Self {
        let (key, value) = (letter.key().into_bytes(), letter.encode());
        Self::new(To::DeadLetters, None, key, Some(value))
    }

    pub(super) fn binding(record: &BindingRecord) -> Self {
        Self::new(To::Bindings, None, record.key().into_bytes(), record.encode())
    }

    /// The topic that it goes to.
    pub(super) fn topic<'a>(&self, topics: &'a Topics) -> &'a String {
        match self.about.to {
            To::Observations => &topics.observations,
            To::DeadLetters => &topics.dead_letters,
            To::Bindings => &topics.bindings,
        }
    }

    /// The label of that topic in metrics: its key in `kafka.topics`.
    pub(super) fn label(&self) -> &'static str {
        match self.about.to {
            To::Observations => "observations",
            To::DeadLetters => "dead_letters",
            To::Bindings => "bindings",
        }
    }

    /// What takes its place where the broker rejects it for good: a dead letter that keeps it or, of a dead letter, one without
    /// payload. `None` where nothing can: the next record of a binding says the same.
    pub(super) fn replacement(&self, cause: RejectionCause) -> Option<Self> {
        let letter = match (self.about.to, &self.about.origin) {
            (To::Observations, Some(origin)) => {
                let message = format!("the broker rejects the observation ({})", cause.as_str());
                let origin = Origin {
                    topic: &origin.topic,
                    partition: origin.partition,
                    offset: origin.offset,
                };
                let value = self.value.as_deref().unwrap_or_default();
                DeadLetter::of(DeadLetterReason::RecordRejected, message, origin, value)
            }
            (To::DeadLetters, _) => {
                let mut letter = DeadLetter::decode(self.value.as_deref()?)?;
                if !letter.drop_payload() {
                    return None;
                }
                letter
            }
            (To::Observations | To::Bindings, _) => return None,
        };
        Some(Self::dead_letter(&letter))
    }
}

/// The context of the router's producer: keeps the records that were not delivered.
#[derive(Debug, Default)]
pub(super) struct Undelivered(Mutex<Vec<(Outgoing, KafkaError)>>);

impl Undelivered {
    /// Those since the last call, in the order of their reports.
    pub(super) fn take(&self) -> Vec<(Outgoing, KafkaError)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds one that the client did not even take.
    pub(super) fn add(&self, record: Outgoing, problem: KafkaError) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((record, problem));
    }
}

impl ClientContext for Undelivered {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message, false);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::log_transient(error.rdkafka_error_code(), reason);
    }
}

impl ProducerContext<NoCustomPartitioner> for Undelivered {
    type DeliveryOpaque = Box<About>;

    fn delivery(&self, result: &DeliveryResult<'_>, about: Box<About>) {
        if let Err((problem, message)) = result {
            let record = Outgoing {
                about,
                key: message.key().unwrap_or_default().to_vec(),
                value: message.payload().map(<[u8]>::to_vec),
            };
            self.add(record, problem.clone());
        }
    }
}
