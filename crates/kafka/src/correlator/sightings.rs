//! The partitions of the sightings topic, each with a queue of its own.
//!
//! librdkafka tells the number of a partition whose end is reached, and rdkafka does not pass its topic on. A worker reads two
//! topics, and one end taken for the other would make it give up what is committed. So only one topic comes by the consumer's
//! queue, and each partition of the other by a queue from which nothing else comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pipewarden_engine::worker::{PartitionId, Topic};
use rdkafka::consumer::base_consumer::PartitionQueue;

use super::CorrelatorMember;
use super::execute::number;
use crate::error::DriverError;
use crate::group::{GroupConsumer, GroupContext};

/// So many records of a partition are taken before the consumer's own queue is served again.
const AT_ONCE: usize = 64;

/// The queues of the partitions that the worker has.
#[derive(Default)]
pub(super) struct SightingsQueues {
    queues: BTreeMap<PartitionId, PartitionQueue<GroupContext<CorrelatorMember>>>,
    have_more: bool,
}

impl SightingsQueues {
    /// Whether records were left in a queue.
    pub(super) const fn have_more(&self) -> bool {
        self.have_more
    }

    /// Gives partitions queues that were assigned since the last call, and takes those away from others that are gone.
    pub(super) fn follow(
        &mut self,
        consumer: &Arc<GroupConsumer<CorrelatorMember>>,
        member: &mut CorrelatorMember,
    ) {
        for partition in std::mem::take(&mut member.unqueued) {
            // What was queued for the consumer before is outdated by the pause, the end of the partition included, and is
            // fetched again.
            member.pause(consumer, &[partition], true);
            match consumer.split_partition_queue(member.topic(partition.topic), number(partition)) {
                Some(queue) => drop(self.queues.insert(partition, queue)),
                None => member.fail(DriverError::NoQueue { partition }),
            }
            if !member.paused.contains(&partition) {
                member.pause(consumer, &[partition], false);
            }
        }
        let owned: Vec<PartitionId> = member.machine.partitions().collect();
        self.queues.retain(|partition, _| owned.contains(partition));
    }

    /// Hands in what has come, as far as it is not too much at once.
    pub(super) fn serve(
        &mut self,
        consumer: &GroupConsumer<CorrelatorMember>,
        member: &mut CorrelatorMember,
    ) {
        self.have_more = false;
        for queue in self.queues.values() {
            let mut taken = 0;
            while taken < AT_ONCE
                && let Some(polled) = queue.poll(Duration::ZERO)
            {
                member.take(Some(polled), Topic::Sightings);
                member.execute_all(consumer, None);
                taken += 1;
            }
            self.have_more |= taken == AT_ONCE;
        }
    }
}
