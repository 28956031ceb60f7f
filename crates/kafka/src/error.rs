//! What ends a worker, or keeps the service from starting.

use pipewarden_engine::PartitionsChanged;
use rdkafka::error::KafkaError;
use thiserror::Error;

/// Each names the thing and, where there is one, the fix.
#[derive(Debug, Error)]
pub enum DriverError {
    /// librdkafka refused the properties.
    #[error("kafka.client: the {client} cannot be made: {problem}")]
    Client {
        /// Which client.
        client: String,
        /// What librdkafka says.
        problem: KafkaError,
    },
    /// A topic that is Pipewarden's own does not exist.
    #[error("topic {topic} does not exist; create it with: pipewarden topics create")]
    MissingTopic {
        /// Its name.
        topic: String,
    },
    /// A topic that Winlogbeat should publish to does not exist.
    #[error(
        "input topic {topic} does not exist; correct kafka.topics.input, or create it with: pipewarden topics create \
         --with-input"
    )]
    MissingInput {
        /// Its name.
        topic: String,
    },
    /// The observations topic was made for another number of partitions.
    #[error(
        "topic {topic} has {has} partitions and kafka.topics.partitions says {wants}; set it to {has}, or drain the topic \
         and switch to a new one"
    )]
    PartitionCount {
        /// Its name.
        topic: String,
        /// What it has.
        has: usize,
        /// What the settings say.
        wants: i32,
    },
    /// Records of the observations topic carry the producer's time.
    #[error(
        "topic {topic} does not stamp records with the time of their append; set message.timestamp.type=LogAppendTime on \
         it (pipewarden topics check tells more)"
    )]
    TimestampType {
        /// Its name.
        topic: String,
    },
    /// Keys have moved between partitions.
    #[error(transparent)]
    PartitionsChanged(#[from] PartitionsChanged),
    /// The transactional producer is of no more use: another process has its name, or the broker gave it up.
    #[error(
        "the transactional producer {id} has ended: {problem}; is there another process with correlator.instance of the \
         same name?"
    )]
    Fenced {
        /// Its transactional id.
        id: String,
        /// What librdkafka says.
        problem: String,
    },
    /// The consumer is of no more use.
    #[error("the consumer of group {group} has ended: {problem}")]
    Consumer {
        /// The consumer group.
        group: String,
        /// What librdkafka says.
        problem: KafkaError,
    },
    /// A record was refused for good.
    #[error("topic {topic} refuses a record: {problem}; pipewarden topics check tells more")]
    Delivery {
        /// Where it should have gone.
        topic: String,
        /// What the broker says.
        problem: KafkaError,
    },
    /// A request of `topics` failed.
    #[error("{what}: {problem}")]
    Admin {
        /// What was asked for.
        what: String,
        /// What the broker says.
        problem: KafkaError,
    },
    /// A thread could not be started.
    #[error("a worker thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
    /// A defect: the thread panicked.
    #[error("{worker} has panicked; this is a defect of Pipewarden")]
    Panicked {
        /// The worker's name.
        worker: String,
    },
}
