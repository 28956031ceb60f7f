//! Membership of a consumer group: callbacks become calls of the member, which owns all state.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pipewarden_core::log::{Offset, Partition};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::{Broker, Partition as Figures, Statistics};
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};
use rdkafka::types::RDKafkaRespErr;
use tracing::warn;

use super::observer::WorkerFact;
use super::settings::Kafka;
use super::{client, connection};

/// A consumer whose rebalances go to its member.
pub(super) type GroupConsumer<M> = BaseConsumer<GroupContext<M>>;

/// What a worker does when its share of the partitions changes. The consumer starts to fetch, or stops, only after the
/// call has returned: who needs another offset sets it in `list`, who has something to commit does it here.
pub(super) trait Member: Sized + Send {
    /// Whether its consumer commits, and not a transactional producer.
    const COMMITS: bool;

    /// These partitions are this member's from now on. With the cooperative protocol the list holds only the new
    /// ones, and is empty where nothing changed but the generation.
    fn assigned(&mut self, consumer: &GroupConsumer<Self>, list: &TopicPartitionList);

    /// These partitions are being taken away. If they are `lost`, others may own them already: nothing may be
    /// committed for them.
    fn revoked(&mut self, consumer: &GroupConsumer<Self>, list: &TopicPartitionList, lost: bool);

    /// The consumer is of no more use.
    fn consumer_failed(&mut self, problem: KafkaError);

    /// How far the reading of a partition has come.
    fn progress(&mut self, topic: &str, partition: i32, progress: Progress);

    /// Of so many of its partitions there is no connection to the broker that leads them.
    fn unconnected(&mut self, partitions: usize);
}

/// How far the reading of a partition has come, as librdkafka's statistics have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// Records between the next to read, or to commit, and the end.
    pub(super) lag: i64,
    /// One more than the offset of the last record that was polled.
    pub(super) position: i64,
    /// Whether there is something to read.
    pub(super) waits: bool,
}

impl Progress {
    /// `None` where librdkafka does not know yet. `is_committed` where the consumer commits by itself: of offsets that a
    /// producer commits librdkafka does not know.
    fn of(figures: &Figures, is_committed: bool) -> Option<Self> {
        let (next, end) = (figures.next_offset, figures.ls_offset);
        if end < 0 || next < 0 {
            return None;
        }
        // An offset may belong to no record but to a marker of a transaction, which nobody polls.
        let waits = next < end || figures.fetchq_cnt > 0;
        let polled = figures.app_offset;
        let known = if is_committed { figures.consumer_lag } else { -1 };
        let lag = match known {
            0.. => known,
            _ if !waits => 0,
            _ => end - if polled >= 0 { polled } else { next },
        };
        Some(Self {
            lag: lag.max(0),
            position: if polled >= 0 { polled } else { next },
            waits,
        })
    }
}

impl Progress {
    /// As it is reported.
    pub(super) fn fact(self, topic: &str, partition: Partition) -> WorkerFact<'_> {
        let Self { lag, position, waits } = self;
        WorkerFact::Lag {
            topic,
            partition: partition.get(),
            records: lag,
            position: waits.then_some(position),
        }
    }
}

fn is_connected(broker: &Broker) -> bool {
    matches!(&*broker.state, "UP" | "REAUTH")
}

/// Of how many partitions that are being fetched there is no connection to the leader.
fn unconnected(statistics: &Statistics) -> usize {
    let connected: BTreeSet<i32> = statistics
        .brokers
        .values()
        .filter(|broker| is_connected(broker))
        .map(|broker| broker.nodeid)
        .collect();
    let partitions = statistics
        .topics
        .values()
        .flat_map(|topic| topic.partitions.values());
    let fetched = partitions.filter(|figures| figures.partition >= 0 && figures.fetch_state != "none");
    fetched
        .filter(|figures| !connected.contains(&figures.leader))
        .count()
}

/// Holds a member where librdkafka's callbacks find it.
///
/// The lock is never contended: callbacks run within `poll`, on the thread that calls it, which does not hold the lock
/// then.
#[derive(Debug)]
pub(super) struct GroupContext<M> {
    member: Mutex<M>,
    silence: Silence,
}

/// By KIP-848 a member that gets no partitions is told nothing: without a callback it would wait for ever.
#[derive(Debug, Default)]
struct Silence {
    /// Whether it is to be ended.
    is_awaited: bool,
    has_called_back: AtomicBool,
    /// How often librdkafka has reported since then that it reaches the group.
    reached: AtomicU32,
}

impl Silence {
    /// Reports come every two seconds: a first share comes before.
    const ENOUGH: u32 = 3;
}

impl<M> GroupContext<M> {
    pub(super) fn new(member: M, kafka: &Kafka) -> Self {
        Self {
            member: Mutex::new(member),
            silence: Silence {
                is_awaited: kafka.brokers_assign(),
                ..Silence::default()
            },
        }
    }

    /// Whether the group has given the member no partitions without a callback that says so. True once.
    pub(super) fn has_silently_none(&self) -> bool {
        let Silence {
            is_awaited,
            has_called_back,
            reached,
        } = &self.silence;
        *is_awaited
            && reached.load(Ordering::Relaxed) >= Silence::ENOUGH
            && !has_called_back.swap(true, Ordering::Relaxed)
    }

    /// The member. Not to be held while polling.
    pub(super) fn member(&self) -> MutexGuard<'_, M> {
        self.member.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Member> ClientContext for GroupContext<M> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message, false);
    }

    /// `poll` hands the same error to the worker.
    fn error(&self, _: KafkaError, _: &str) {}

    fn stats(&self, statistics: Statistics) {
        if statistics.cgrp.as_ref().is_some_and(|group| group.state == "up") {
            self.silence.reached.fetch_add(1, Ordering::Relaxed);
        }
        let mut member = self.member();
        for (name, topic) in &statistics.topics {
            for (partition, figures) in &topic.partitions {
                // -1 is librdkafka's own catch-all partition.
                if *partition >= 0
                    && let Some(progress) = Progress::of(figures, M::COMMITS)
                {
                    member.progress(name, *partition, progress);
                }
            }
        }
        member.unconnected(unconnected(&statistics));
        for broker in statistics.brokers.values().filter(|broker| is_connected(broker)) {
            connection::reached(&broker.nodename);
        }
    }
}

impl<M: Member> ConsumerContext for GroupContext<M> {
    /// In place of rdkafka's own, which does not look at what librdkafka answers: until librdkafka has taken a change over it
    /// takes no part in the group, and the whole group waits for it.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        self.silence.has_called_back.store(true, Ordering::Relaxed);
        let is_cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let taken_over = if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.member().assigned(consumer, list);
            if is_cooperative {
                consumer.incremental_assign(list)
            } else {
                consumer.assign(list)
            }
        } else {
            let lost = consumer.assignment_lost();
            self.member().revoked(consumer, list, lost);
            if is_cooperative {
                consumer.incremental_unassign(list)
            } else {
                consumer.unassign()
            }
        };
        if let Err(problem) = taken_over {
            self.member().consumer_failed(problem);
        }
    }
}

/// Stops fetching from these partitions, or resumes. librdkafka remembers a pause beyond the loss of a partition.
pub(super) fn pause<M: Member>(
    consumer: &GroupConsumer<M>,
    partitions: &TopicPartitionList,
    is_paused: bool,
) {
    let changed = if is_paused {
        consumer.pause(partitions)
    } else {
        consumer.resume(partitions)
    };
    if let Err(problem) = changed {
        warn!(is_paused, "cannot pause or resume partitions: {problem}");
    }
}

/// Whether the group has gone on to another generation than the one that the offsets were sent with, or knows no such member.
pub(super) fn is_stale_membership(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{FencedMemberEpoch, IllegalGeneration, StaleMemberEpoch, UnknownMemberId};
    let code = error.rdkafka_error_code();
    code.is_some_and(|code| {
        matches!(
            code,
            IllegalGeneration | UnknownMemberId | StaleMemberEpoch | FencedMemberEpoch
        )
    })
}

/// The metadata string. rdkafka panics where another tool has committed bytes that are no UTF-8; to us that is one more
/// string that is no checkpoint.
pub(super) fn metadata(element: &TopicPartitionListElem<'_>) -> String {
    let read = std::panic::AssertUnwindSafe(|| element.metadata().to_owned());
    std::panic::catch_unwind(read).unwrap_or_else(|_| "not UTF-8".to_owned())
}

/// librdkafka's number of a partition as ours.
pub(super) fn number(partition: i32) -> Partition {
    Partition::from_wire(partition).expect("a partition of a topic has a number")
}

/// Our number of a partition as librdkafka's.
pub(super) fn signed(partition: Partition) -> i32 {
    partition.to_wire()
}

/// The offset of a record. Those that are negative mean something else, and are dealt with before.
pub(super) fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).expect("an offset of a record is not negative")
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;

    use super::*;

    /// A member that notes what it is told.
    #[derive(Debug, Default)]
    struct Noted(Vec<&'static str>);

    impl Member for Noted {
        const COMMITS: bool = false;

        fn assigned(&mut self, _: &GroupConsumer<Self>, _: &TopicPartitionList) {
            self.0.push("assigned");
        }

        fn revoked(&mut self, _: &GroupConsumer<Self>, _: &TopicPartitionList, _: bool) {
            self.0.push("revoked");
        }

        fn consumer_failed(&mut self, _: KafkaError) {
            self.0.push("failed");
        }

        fn progress(&mut self, _: &str, _: i32, _: Progress) {}

        fn unconnected(&mut self, _: usize) {}
    }

    #[test]
    fn a_share_that_librdkafka_does_not_take_over_is_told_to_the_member() {
        let mut config = ClientConfig::new();
        config.set("group.id", "group");
        let context = GroupContext::new(Noted::default(), &Kafka::default());
        let consumer: GroupConsumer<Noted> = config.create_with_context(context).unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition("observations", 0);
        let assign = |list: &mut TopicPartitionList| {
            let event = RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
            consumer.context().rebalance(&consumer, event, list);
            std::mem::take(&mut consumer.context().member().0)
        };
        assert_eq!(assign(&mut list), ["assigned"]);
        // It takes no list that names a partition twice.
        list.add_partition("observations", 0);
        assert_eq!(assign(&mut list), ["assigned", "failed"]);
    }

    #[test]
    fn the_lag_of_a_member_whose_producer_commits_is_from_its_position_to_the_end() {
        let idle = Figures {
            next_offset: 7,
            ls_offset: 7,
            app_offset: -1001,
            consumer_lag: -1,
            ..Figures::default()
        };
        let lag =
            |figures: &Figures, commits| Progress::of(figures, commits).map(|found| (found.lag, found.waits));
        assert_eq!(lag(&idle, false), Some((0, false)));
        let behind = Figures {
            app_offset: 3,
            fetchq_cnt: 4,
            ..idle.clone()
        };
        assert_eq!(lag(&behind, false), Some((4, true)));
        let uncommitted = Figures {
            consumer_lag: 5,
            ..behind
        };
        assert_eq!(lag(&uncommitted, true), Some((5, true)));
        // What was committed before the partition was assigned, as far as the consumer knows.
        assert_eq!(lag(&uncommitted, false), Some((4, true)));
        let unknown = Figures {
            ls_offset: -1001,
            ..idle
        };
        assert_eq!(lag(&unknown, false), None);
    }
}
