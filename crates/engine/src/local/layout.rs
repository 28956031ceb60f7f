//! The names of topics on the in-process log.

use super::broker::TopicPartition;
use crate::worker::{PartitionId, Topic};
use pipewarden_core::log::Partition;

/// The names of topics, and of the consumer group.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The observations topic's name.
    pub observations: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// The sightings topic's name.
    pub sightings: String,
    /// How many partitions it has.
    pub sightings_partitions: u32,
    /// The alerts topic's name.
    pub alerts: String,
    /// The topic of suppressed alerts.
    pub suppressed: String,
    /// The topic of OCSF findings.
    pub findings: String,
    /// The dead-letter topic's name.
    pub dead_letters: String,
    /// The consumer group.
    pub group: String,
}

impl Layout {
    /// Topics with this many partitions of observations, and one of sightings.
    pub fn new(partitions: u32) -> Self {
        Self {
            observations: "pipewarden.observations".to_owned(),
            partitions,
            sightings: "pipewarden.sightings".to_owned(),
            sightings_partitions: 1,
            alerts: "pipewarden.alerts".to_owned(),
            suppressed: "pipewarden.suppressed".to_owned(),
            findings: "pipewarden.alerts.ocsf".to_owned(),
            dead_letters: "pipewarden.dead-letters".to_owned(),
            group: "pipewarden-correlator".to_owned(),
        }
    }

    /// The name of a worker's partition on the log.
    pub fn input(&self, partition: PartitionId) -> TopicPartition {
        let topic = match partition.topic {
            Topic::Observations => &self.observations,
            Topic::Sightings => &self.sightings,
        };
        TopicPartition::new(topic, partition.number)
    }

    /// The same, with so many partitions of sightings.
    #[must_use]
    pub fn with_sightings(mut self, partitions: u32) -> Self {
        self.sightings_partitions = partitions;
        self
    }

    /// The partition of the sightings of a source.
    pub fn sightings_of(&self, source: &str) -> TopicPartition {
        let sum: u32 = source.bytes().map(u32::from).sum();
        TopicPartition::new(&self.sightings, Partition::new(sum % self.sightings_partitions))
    }

    /// The output partition of the alerts that an input partition causes: each has its own, so that tests see what caused
    /// what.
    pub fn output(&self, partition: PartitionId) -> TopicPartition {
        self.beside(&self.alerts, partition)
    }

    /// The same for suppressed alerts.
    pub fn suppressed_output(&self, partition: PartitionId) -> TopicPartition {
        self.beside(&self.suppressed, partition)
    }

    /// The same for OCSF findings.
    pub fn findings(&self, partition: PartitionId) -> TopicPartition {
        self.beside(&self.findings, partition)
    }

    /// The same for dead letters.
    pub fn dead_letters(&self, partition: PartitionId) -> TopicPartition {
        self.beside(&self.dead_letters, partition)
    }

    fn beside(&self, topic: &str, partition: PartitionId) -> TopicPartition {
        let number = match partition.topic {
            Topic::Observations => partition.number,
            Topic::Sightings => Partition::new(self.partitions + partition.number.get()),
        };
        TopicPartition::new(topic, number)
    }
}
