//! Records that no repetition delivers.

use std::sync::{Mutex, PoisonError};

use pipewarden_engine::worker::RejectionCause;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{NoCustomPartitioner, ProducerContext};

use super::client;

/// What an error says of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The broker or the client will never take this record.
    Rejected(RejectionCause),
    /// The broker takes no record of ours, for want of an ACL.
    Denied,
    /// There is no such topic.
    NoTopic,
    /// The record may be taken another time.
    Repeatable,
}

/// What is known of an error of a record's delivery.
pub(super) fn verdict(code: RDKafkaErrorCode) -> Verdict {
    use RDKafkaErrorCode as Code;
    match code {
        // The second is larger than a segment.
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => Verdict::Rejected(RejectionCause::TooLarge),
        Code::InvalidRecord | Code::InvalidTimestamp | Code::InvalidMessageSize => {
            Verdict::Rejected(RejectionCause::Invalid)
        }
        Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => Verdict::Denied,
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => Verdict::NoTopic,
        _ => Verdict::Repeatable,
    }
}

/// A record that was not delivered.
#[derive(Clone, Debug)]
pub(super) struct Undelivered {
    /// The number that it was sent with.
    pub(super) number: usize,
    /// Where it should have gone.
    pub(super) topic: String,
    /// Why it did not.
    pub(super) problem: KafkaError,
}

impl Undelivered {
    /// Whether the client has waited for the broker in vain.
    pub(super) fn is_timed_out(&self) -> bool {
        self.problem.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageTimedOut)
    }

    /// What its error says of it.
    pub(super) fn verdict(&self) -> Verdict {
        let code = self.problem.rdkafka_error_code();
        code.map_or(Verdict::Repeatable, verdict)
    }
}

/// The context of a producer whose records have numbers: keeps those that were not delivered.
#[derive(Debug, Default)]
pub(super) struct Numbered(Mutex<Vec<Undelivered>>);

impl Numbered {
    /// Those that were not delivered since the last call, in the order of their reports.
    pub(super) fn take(&self) -> Vec<Undelivered> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The error of the first that no repetition delivers.
    pub(super) fn for_good(&self) -> Option<KafkaError> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut for_good = all.iter().filter(|one| one.verdict() != Verdict::Repeatable);
        for_good.next().map(|one| one.problem.clone())
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Adds one that the client did not even take.
    pub(super) fn add(&self, undelivered: Undelivered) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(undelivered);
    }
}

impl ClientContext for Numbered {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message, false);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::log_transient(error.rdkafka_error_code(), reason);
    }
}

impl ProducerContext<NoCustomPartitioner> for Numbered {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        if let Err((problem, message)) = result {
            self.add(Undelivered {
                number,
                topic: message.topic().to_owned(),
                problem: problem.clone(),
            });
        }
    }
}
