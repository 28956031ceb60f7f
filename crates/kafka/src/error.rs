//! What ends a worker, or keeps the service from starting.

use std::fmt;

use pipewarden_engine::PartitionsChanged;
use pipewarden_engine::worker::PartitionId;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use thiserror::Error;

use super::client_check::property_problem;

/// An error of librdkafka. It has no source: its text ends with that of its error code. Boxed, since every result of a
/// worker has room for it.
#[derive(Debug)]
pub struct ClientError(Box<KafkaError>);

impl std::error::Error for ClientError {}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            // librdkafka's own description may have the value, which may be a secret.
            KafkaError::ClientConfig(result, description, property, _) => {
                f.write_str(&property_problem(*result, description, property))
            }
            KafkaError::ClientCreation(description) => f.write_str(description),
            other => other.fmt(f),
        }
    }
}

impl From<KafkaError> for ClientError {
    fn from(error: KafkaError) -> Self {
        Self(Box::new(error))
    }
}

/// Each names the thing and, where there is one, the fix. What librdkafka reports is the source.
#[derive(Debug, Error)]
pub enum DriverError {
    /// librdkafka rejects the properties.
    #[error("kafka.client: cannot create the {client}")]
    Client {
        /// Which client.
        client: String,
        /// What librdkafka reports.
        source: ClientError,
    },
    /// None of the brokers answers.
    #[error("no broker answers: {reason}")]
    NoBroker {
        /// Why, in words.
        reason: String,
    },
    /// A topic that is Pipewarden's own does not exist.
    #[error(
        "topic {topic} does not exist (or this user may not see it); create it with: pipewarden topics create"
    )]
    MissingTopic {
        /// Its name.
        topic: String,
    },
    /// A topic that Winlogbeat should publish to does not exist.
    #[error(
        "input topic {topic} does not exist (or this user may not see it); correct kafka.topics.input, or create it with: \
         pipewarden topics create --with-input"
    )]
    MissingInput {
        /// Its name.
        topic: String,
    },
    /// There are only patterns of topics to write to.
    #[error("kafka.topics.input names no topic to write to, only patterns")]
    NoNamedInput,
    /// A topic of state was made for another number of partitions.
    #[error(
        "topic {topic} has {has} partitions and {setting} says {wants}; set it to {has}, or drain the topic \
         and switch to a new one"
    )]
    PartitionCount {
        /// Its name.
        topic: String,
        /// What it has.
        has: u32,
        /// The setting.
        setting: &'static str,
        /// What the settings say.
        wants: u32,
    },
    /// Records of a topic of state carry the producer's time.
    #[error(
        "topic {topic} holds records that are not stamped with the time of their append; set \
         message.timestamp.type=LogAppendTime on it (pipewarden topics check lists every wrong setting). Records that are \
         already there keep their stamp: delete them with kafka-delete-records.sh, or switch to a new topic"
    )]
    TimestampType {
        /// Its name.
        topic: String,
    },
    /// A partition of the sightings topic has no queue of its own, without which its end cannot be told from others.
    #[error("librdkafka gives {partition} no queue of its own; restart the service")]
    NoQueue {
        /// Which.
        partition: PartitionId,
    },
    /// Keys have moved between partitions.
    #[error(transparent)]
    PartitionsChanged(#[from] PartitionsChanged),
    /// Another process has the same name.
    #[error(
        "correlator.instance {instance} is taken: process {process} on host {host} has this name and runs; give each process a \
         name of its own, as the default is that of its host, or end that one"
    )]
    InstanceTaken {
        /// The name.
        instance: String,
        /// The id of the other process.
        process: u32,
        /// The host of the other process.
        host: String,
    },
    /// Another producer has the transactional id now.
    #[error(
        "transactional producer {id} is fenced: is there a second process with the same correlator.instance, or was this \
         one stopped for longer than a transaction may stay open?"
    )]
    Fenced {
        /// Its transactional id.
        id: String,
        /// What librdkafka reports.
        source: ClientError,
    },
    /// The transactional producer is of no more use, for another reason than being fenced.
    #[error("transactional producer {id} has failed; start the service again")]
    ProducerEnded {
        /// Its transactional id.
        id: String,
        /// What librdkafka reports.
        source: ClientError,
    },
    /// The broker's ACLs do not allow a request.
    #[error("the broker denies the {client} access; grant its principal {acl}")]
    NotAuthorized {
        /// Which client.
        client: String,
        /// The operation and the resource that an ACL must allow.
        acl: String,
        /// What librdkafka reports.
        source: ClientError,
    },
    /// The consumer is of no more use.
    #[error("the consumer of group {group} has failed; start the service again")]
    Consumer {
        /// The consumer group.
        group: String,
        /// What librdkafka reports.
        source: ClientError,
    },
    /// A record was rejected for good.
    #[error("topic {topic} rejects a record; pipewarden topics check lists wrong settings of the topic")]
    Delivery {
        /// Where it should have gone.
        topic: String,
        /// What the broker reports.
        source: ClientError,
    },
    /// A request of `topics`, or for metadata, failed.
    #[error("{what}")]
    Admin {
        /// What was asked for.
        what: String,
        /// What the broker reports.
        source: ClientError,
    },
    /// A thread could not be started.
    #[error("cannot start a worker thread")]
    Thread(#[from] std::io::Error),
    /// A defect: the thread panicked.
    #[error("{worker} has panicked; this is a defect of Pipewarden")]
    Panicked {
        /// The worker's name.
        worker: String,
    },
}

impl DriverError {
    /// A client whose properties librdkafka rejects.
    pub(super) fn client(client: impl Into<String>) -> impl FnOnce(KafkaError) -> Self {
        let client = client.into();
        move |problem| Self::Client {
            client,
            source: problem.into(),
        }
    }

    /// A member of a group that can go on no more.
    pub(super) fn consumer(group: String, problem: KafkaError) -> Self {
        Self::Consumer {
            group,
            source: problem.into(),
        }
    }

    /// A request that failed.
    pub(super) fn admin(what: impl Into<String>) -> impl FnOnce(KafkaError) -> Self {
        let what = what.into();
        move |problem| Self::Admin {
            what,
            source: problem.into(),
        }
    }

    /// A record for `topic` that was rejected for good.
    pub(super) fn delivery(topic: impl Into<String>, problem: KafkaError) -> Self {
        let topic = topic.into();
        match problem.rdkafka_error_code() {
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => Self::NotAuthorized {
                client: "producer".to_owned(),
                acl: format!("Write on topic {topic}"),
                source: problem.into(),
            },
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                Self::MissingTopic { topic }
            }
            _ => Self::Delivery {
                topic,
                source: problem.into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use pipewarden_core::diagnostics::with_causes;
    use rdkafka::ClientConfig;
    use rdkafka::consumer::BaseConsumer;

    use super::*;

    #[test]
    fn a_rejected_property_is_named_and_its_value_is_not() {
        let mut config = ClientConfig::new();
        config.set("ssl.key.pasword", "swordfish");
        let created: Result<BaseConsumer, KafkaError> = config.create();
        let failure = DriverError::client("consumer")(created.err().unwrap());
        let text = with_causes(&failure);
        assert!(text.contains("ssl.key.pasword is no property"), "{text}");
        assert!(!text.contains("swordfish"), "{text}");
    }

    #[test]
    fn the_error_code_of_a_rejected_record_stands_in_the_line_once() {
        for code in [
            RDKafkaErrorCode::MessageSizeTooLarge,
            RDKafkaErrorCode::TopicAuthorizationFailed,
        ] {
            let failure = DriverError::delivery("alerts", KafkaError::MessageProduction(code));
            let text = with_causes(&failure);
            assert_eq!(text.matches(&format!("{code:?}")).count(), 1, "{text}");
        }
    }

    #[test]
    fn a_record_that_an_acl_keeps_out_names_the_acl() {
        let problem = KafkaError::MessageProduction(RDKafkaErrorCode::TopicAuthorizationFailed);
        let failure = DriverError::delivery("alerts", problem);
        assert!(
            matches!(failure, DriverError::NotAuthorized { .. }),
            "{failure:?}"
        );
        assert!(failure.to_string().contains("Write on topic alerts"), "{failure}");
    }
}
