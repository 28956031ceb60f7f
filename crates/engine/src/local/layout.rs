//! Names on the in-process log.

use super::broker::TopicPartition;
use crate::worker::{PartitionId, Topic};
use pipewarden_core::log::Partition;

/// Names on the in-process log.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The observations topic's name.
    pub observations: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// The sightings topic's name.
    pub sightings: String,
    /// Where alerts go.
    pub alerts: String,
    /// Where suppressed alerts go.
    pub suppressed: String,
    /// Where alerts go as OCSF findings.
    pub findings: String,
    /// Where records go that could not be read.
    pub dead_letters: String,
    /// The consumer group.
    pub group: String,
}

impl Layout {
    /// Topics with this many partitions.
    pub fn new(partitions: u32) -> Self {
        Self {
            observations: "pipewarden.observations".to_owned(),
            partitions,
            sightings: "pipewarden.sightings".to_owned(),
            alerts: "pipewarden.alerts".to_owned(),
            suppressed: "pipewarden.suppressed".to_owned(),
            findings: "pipewarden.alerts.ocsf".to_owned(),
            dead_letters: "pipewarden.dead-letters".to_owned(),
            group: "pipewarden-correlator".to_owned(),
        }
    }

    /// Where a partition of a worker stands.
    pub fn input(&self, partition: PartitionId) -> TopicPartition {
        let topic = match partition.topic {
            Topic::Observations => &self.observations,
            Topic::Sightings => &self.sightings,
        };
        TopicPartition::new(topic, partition.number)
    }

    /// Where the alerts of that partition go: to one partition of their own, so that tests can tell what caused what.
    pub fn output(&self, partition: PartitionId) -> TopicPartition {
        self.beside(&self.alerts, partition)
    }

    /// Where its suppressed alerts go.
    pub fn suppressed_output(&self, partition: PartitionId) -> TopicPartition {
        self.beside(&self.suppressed, partition)
    }

    /// Where its alerts go as OCSF findings.
    pub fn findings(&self, partition: PartitionId) -> TopicPartition {
        self.beside(&self.findings, partition)
    }

    /// Where its records go that could not be read.
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
