//! What the machine asks for, as calls of librdkafka, each answered at once.

use std::time::Duration;

use pipewarden_core::log;
use pipewarden_engine::StateRecord;
use pipewarden_engine::worker::{CommittedOffset, End, Input, Output, PartitionId, Topic};
use rdkafka::Offset;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::producer::BaseRecord;
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};

use super::{CorrelatorMember, Membership, membership};
use crate::error::DriverError;
use crate::group::{self, GroupConsumer, signed};
use crate::observer::WorkerFact;

/// The next record to read.
#[derive(Clone, Copy)]
struct SeekTarget {
    partition: PartitionId,
    offset: log::Offset,
}

impl CorrelatorMember {
    /// Does what the machine asks for, until it asks for nothing more. `starts` are the partitions of the assignment whose
    /// callback this is: their first offsets can still be set.
    pub(super) fn execute_all(
        &mut self,
        consumer: &GroupConsumer<Self>,
        starts: Option<&TopicPartitionList>,
    ) {
        while let Some(output) = self.machine.next_output() {
            match output {
                Output::AskCommitted { partitions, within } => {
                    self.ask_committed(consumer, &partitions, within)
                }
                Output::AskLog { partition, within } => self.ask_log(consumer, partition, within),
                Output::Seek {
                    partition,
                    offset,
                    within,
                } => {
                    let to = SeekTarget { partition, offset };
                    self.seek(consumer, starts, to, within);
                }
                Output::Pause(partitions) => {
                    self.paused.extend(&partitions);
                    self.pause(consumer, &partitions, true);
                }
                Output::Resume(partitions) => {
                    self.paused.retain(|paused| !partitions.contains(paused));
                    self.pause(consumer, &partitions, false);
                }
                Output::Publish {
                    batch,
                    membership,
                    within,
                } => {
                    let settings = &self.context.settings;
                    let ended = self.producer.publish(&batch, &membership, settings, within);
                    self.hand_in(Input::Ended(ended));
                }
                Output::RenewProducer { is_one_by_one } => self.renew_producer(is_one_by_one),
                Output::AskMembership => self.read_membership(consumer),
                Output::AppendTick { partition } => self.append_tick(partition),
                Output::Forget(partitions) => {
                    for partition in partitions {
                        self.paused.remove(&partition);
                        self.report(WorkerFact::Forgotten {
                            topic: self.topic(partition.topic),
                            partition: partition.number.get(),
                            state: Some(partition.topic),
                        });
                    }
                }
                Output::CallbackDone => {}
                Output::Observe(fact) => self.context.observer.correlator(&self.name, fact),
                Output::End(end) => self.end(&end),
            }
        }
    }

    fn ask_committed(
        &mut self,
        consumer: &GroupConsumer<Self>,
        partitions: &[PartitionId],
        within: Duration,
    ) {
        let answer = consumer.committed_offsets(self.list(partitions), within);
        for &partition in partitions {
            self.hand_in(match &answer {
                Err(problem) => ask_failed(partition, problem),
                Ok(list) => match list.find_partition(self.topic(partition.topic), number(partition)) {
                    None => Input::Committed {
                        partition,
                        committed: None,
                    },
                    Some(element) => match element.error() {
                        Err(problem) => ask_failed(partition, &problem),
                        Ok(()) => Input::Committed {
                            partition,
                            committed: committed(&element),
                        },
                    },
                },
            });
        }
    }

    fn ask_log(&mut self, consumer: &GroupConsumer<Self>, partition: PartitionId, within: Duration) {
        let topic = self.topic(partition.topic);
        let answer = consumer.fetch_watermarks(topic, number(partition), within);
        self.hand_in(match answer {
            Ok((low, high)) => match (log::Offset::from_wire(low), log::Offset::from_wire(high)) {
                (Some(low), Some(high)) => Input::Log { partition, low, high },
                _ => Input::AskFailed {
                    partition,
                    problem: format!("the log cannot start at {low} and end at {high}"),
                },
            },
            Err(problem) => ask_failed(partition, &problem),
        });
    }

    fn seek(
        &mut self,
        consumer: &GroupConsumer<Self>,
        starts: Option<&TopicPartitionList>,
        to: SeekTarget,
        within: Duration,
    ) {
        let SeekTarget { partition, offset } = to;
        let (topic, number) = (self.topic(partition.topic), number(partition));
        let place = Offset::Offset(offset.to_wire());
        let done = match starts.and_then(|starts| starts.find_partition(topic, number)) {
            Some(mut start) => start.set_offset(place),
            None => consumer.seek(topic, number, place, within),
        };
        self.hand_in(match done {
            Ok(()) => Input::SeekDone { partition },
            Err(problem) => Input::SeekFailed {
                partition,
                problem: problem.to_string(),
            },
        });
    }

    pub(super) fn pause(&self, consumer: &GroupConsumer<Self>, partitions: &[PartitionId], is_paused: bool) {
        group::pause(consumer, &self.list(partitions), is_paused);
    }

    fn renew_producer(&mut self, is_one_by_one: bool) {
        let settings = &self.context.settings;
        let renewed = self.producer.renew(settings, &self.name, is_one_by_one);
        self.hand_in(Input::Producer(renewed));
    }

    fn read_membership(&mut self, consumer: &GroupConsumer<Self>) {
        // librdkafka forgets generation and member together only where the assignment is lost: a broker takes the offsets of a
        // transaction that names neither, whoever owns the partitions.
        //
        // In this order. The other way round the assignment could be lost in between, and what is read be the membership of a
        // member that has just joined again: with it, offsets of partitions that others own would be committed.
        let membership = membership(consumer);
        let is_lost = consumer.assignment_lost();
        self.hand_in(Input::Membership((!is_lost).then_some(membership)));
    }

    fn append_tick(&mut self, partition: PartitionId) {
        let value = StateRecord::tick(partition.topic).encode();
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(self.topic(partition.topic))
            .partition(number(partition))
            .payload(&value);
        let sent = self.ticker.send(record);
        self.hand_in(match sent {
            Ok(()) => Input::Ticked { partition },
            Err((problem, _)) => Input::TickFailed {
                partition,
                problem: problem.to_string(),
            },
        });
    }

    fn end(&mut self, end: &End) {
        let failure = match end {
            End::PartitionsChanged(changed) => DriverError::PartitionsChanged(*changed),
            End::TimestampType(topic) => DriverError::TimestampType {
                topic: self.topic(*topic).to_owned(),
            },
            End::Producer { .. } => self.producer.take_failure(),
        };
        self.failure.get_or_insert(failure);
    }

    pub(super) fn topic(&self, topic: Topic) -> &str {
        self.context.settings.kafka.topics.of_state(topic)
    }

    fn list(&self, partitions: &[PartitionId]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for &partition in partitions {
            list.add_partition(self.topic(partition.topic), number(partition));
        }
        list
    }
}

pub(super) fn number(partition: PartitionId) -> i32 {
    signed(partition.number)
}

fn ask_failed(partition: PartitionId, problem: &KafkaError) -> Input<'static, Membership> {
    Input::AskFailed {
        partition,
        problem: problem.to_string(),
    }
}

fn committed(element: &TopicPartitionListElem<'_>) -> Option<CommittedOffset> {
    let Offset::Offset(next) = element.offset() else {
        return None;
    };
    Some(CommittedOffset {
        offset: log::Offset::from_wire(next)?,
        metadata: group::metadata(element),
    })
}
