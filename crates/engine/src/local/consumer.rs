//! A consumer of the in-process log that behaves as librdkafka's: a pause outlives the loss of a partition, a seek may take
//! effect after it has timed out, and a position out of range is reset to the log's start.

use std::collections::{BTreeMap, BTreeSet};

use pipewarden_core::log::Offset;

use super::broker::{Broker, Record, TopicPartition};

/// Positions and pauses, by partition.
#[derive(Debug)]
pub(super) struct Consumer<P> {
    positions: BTreeMap<P, Offset>,
    paused: BTreeSet<P>,
}

/// The result of polling one partition.
pub(super) enum Polled<'a> {
    Record(&'a Record),
    End,
    /// The partition is paused or not assigned.
    Nothing,
}

impl<P> Default for Consumer<P> {
    fn default() -> Self {
        Self {
            positions: BTreeMap::new(),
            paused: BTreeSet::new(),
        }
    }
}

impl<P: Ord + Clone> Consumer<P> {
    /// Starts to read a partition at an offset. It remains paused if it was.
    pub(super) fn assign(&mut self, partition: P, offset: Offset) {
        self.positions.insert(partition, offset);
    }

    /// Stops reading a partition.
    pub(super) fn unassign(&mut self, partition: &P) {
        self.positions.remove(partition);
    }

    pub(super) fn seek(&mut self, partition: &P, offset: Offset) {
        if let Some(position) = self.positions.get_mut(partition) {
            *position = offset;
        }
    }

    pub(super) fn pause(&mut self, partitions: &[P]) {
        self.paused.extend(partitions.iter().cloned());
    }

    pub(super) fn resume(&mut self, partitions: &[P]) {
        for partition in partitions {
            self.paused.remove(partition);
        }
    }

    /// The next record of a partition, whose name on the log is `place`.
    pub(super) fn poll<'a>(
        &mut self,
        broker: &'a Broker,
        partition: &P,
        place: &TopicPartition,
    ) -> Polled<'a> {
        let Some(position) = self.positions.get_mut(partition) else {
            return Polled::Nothing;
        };
        if self.paused.contains(partition) {
            return Polled::Nothing;
        }
        if !(broker.start_offset(place)..=broker.end_offset(place)).contains(position) {
            *position = broker.start_offset(place);
        }
        match broker.fetch(place, *position) {
            Some(record) => {
                *position = record.offset.next();
                Polled::Record(record)
            }
            None => Polled::End,
        }
    }
}
