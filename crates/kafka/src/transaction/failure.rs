//! What ends a transactional producer, and the fix.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::super::error::DriverError;
use super::super::rejected::{Undelivered, Verdict};
use super::super::settings::ServiceSettings;
use super::is_fenced;

/// The failure of the transactional producer `id` by what librdkafka reports.
pub(super) fn failure(settings: &ServiceSettings, id: &str, problem: KafkaError) -> DriverError {
    let (id, code) = (id.to_owned(), problem.rdkafka_error_code());
    let acl = code.and_then(|code| missing_acl(settings, &id, code));
    let source = problem.into();
    match acl {
        Some(acl) => DriverError::NotAuthorized {
            client: format!("transactional producer {id}"),
            acl,
            source,
        },
        None if code.is_some_and(is_fenced) => DriverError::Fenced { id, source },
        None => DriverError::ProducerEnded { id, source },
    }
}

/// The failure of the transactional producer `id` by a record that no repetition delivers.
pub(super) fn undelivered(id: &str, record: Undelivered) -> DriverError {
    let verdict = record.verdict();
    let Undelivered { topic, problem, .. } = record;
    if verdict == Verdict::NoTopic {
        return DriverError::MissingTopic { topic };
    }
    DriverError::NotAuthorized {
        client: format!("transactional producer {id}"),
        acl: format!("Write on topic {topic}"),
        source: problem.into(),
    }
}

/// The ACL whose absence an error shows.
fn missing_acl(settings: &ServiceSettings, id: &str, code: RDKafkaErrorCode) -> Option<String> {
    use RDKafkaErrorCode as Code;
    let kafka = &settings.kafka;
    match code {
        Code::TransactionalIdAuthorizationFailed => {
            Some(format!("Write and Describe on transactional id {id}"))
        }
        Code::GroupAuthorizationFailed => Some(format!("Read on group {}", kafka.correlator_group())),
        Code::TopicAuthorizationFailed => {
            let topics = &kafka.topics;
            let written = [&topics.suppressed, &topics.sightings, &topics.dead_letters];
            let written: Vec<&str> = settings
                .alert_topics()
                .chain(written)
                .map(String::as_str)
                .collect();
            Some(format!(
                "Write on topics {} and Read on topics {} and {}",
                written.join(", "),
                topics.observations,
                topics.sightings
            ))
        }
        _ => None,
    }
}
