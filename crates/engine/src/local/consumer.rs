//! A consumer of the in-process log, with the habits of librdkafka's: it remembers a pause beyond the loss of a partition,
//! a seek may take effect after it was given up, and who asks for an offset that is not there is sent to the log's start.

use std::collections::{BTreeMap, BTreeSet};

use pipewarden_core::log::Offset;

use super::broker::{Broker, Record, TopicPartition};

/// Where it reads, by partition.
#[derive(Debug)]
pub(super) struct Consumer<P> {
    positions: BTreeMap<P, Offset>,
    paused: BTreeSet<P>,
}

/// What a poll of one partition finds.
pub(super) enum Polled<'a> {
    Record(&'a Record),
    End,
    /// The partition is not fetched from.
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
    /// Starts to read a partition at an offset. Whether it is paused is as it was left.
    pub(super) fn assign(&mut self, partition: P, offset: Offset) {
        self.positions.insert(partition, offset);
    }

    /// Reads the partition no more.
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

    /// The next record of a partition, which stands at `place` on the log.
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
