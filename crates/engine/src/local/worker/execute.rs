//! Executes the machine's outputs on the log.

use std::time::Duration;

use super::Worker;
use crate::StateRecord;
use crate::local::broker::{Broker, BrokerError, Committed};
use crate::local::faults::Fault;
use crate::worker::{
    Batch, BatchRecord, CommitCalls, CommittedOffset, Destination, Ended, Input, Output, PartitionId,
    RETRY_BACKOFF, RecordId, Rejection, RejectionCause, Renewed,
};
use pipewarden_core::log::Offset;
use pipewarden_core::time::AppendTime;

impl Worker {
    /// Executes one output and returns its answers.
    pub(super) fn execute(
        &mut self,
        output: Output<u64>,
        pretend: bool,
        broker: &mut Broker,
    ) -> Vec<Input<'static, u64>> {
        match output {
            Output::AskCommitted { partitions, .. } => {
                let answer = |partition| self.committed(partition, broker);
                return partitions.into_iter().map(answer).collect();
            }
            Output::AskLog { partition, .. } => return vec![self.log(partition, broker)],
            Output::Seek {
                partition, offset, ..
            } => return vec![self.seek(partition, offset)],
            Output::Pause(partitions) => self.consumer.pause(&partitions),
            Output::Resume(partitions) => self.consumer.resume(&partitions),
            Output::Publish {
                batch, membership, ..
            } => {
                let ended = self.publish(&batch, membership, broker).map(Input::Ended);
                let between = self.during_commit.take().filter(|_| ended.is_some());
                return between.into_iter().chain(ended).collect();
            }
            Output::RenewProducer { is_one_by_one } => {
                let renewed = if pretend {
                    Renewed::Ready
                } else {
                    self.renew(is_one_by_one, broker)
                };
                return vec![Input::Producer(renewed)];
            }
            Output::AskMembership => {
                let membership = (!self.is_lost).then_some(self.generation);
                return vec![Input::Membership(membership)];
            }
            Output::AppendTick { partition } => return vec![self.tick(partition, broker)],
            Output::Forget(_) | Output::CallbackDone => {}
            Output::Observe(fact) => self.facts.push(fact),
            Output::End(end) => self.end = Some(end),
        }
        Vec::new()
    }

    fn committed(&mut self, partition: PartitionId, broker: &Broker) -> Input<'static, u64> {
        let place = self.layout.input(partition);
        let failed = |problem: String| Input::AskFailed { partition, problem };
        if self.faults.occurs(Fault::CommittedUnanswered) {
            return failed("no answer".to_owned());
        }
        match broker.stable_committed(&self.layout.group, &place) {
            Err(problem) => failed(problem.to_string()),
            Ok(committed) => Input::Committed {
                partition,
                committed: committed.map(|Committed { offset, metadata }| CommittedOffset {
                    offset: *offset,
                    metadata: metadata.clone(),
                }),
            },
        }
    }

    fn log(&mut self, partition: PartitionId, broker: &Broker) -> Input<'static, u64> {
        if self.faults.occurs(Fault::LogUnanswered) {
            let problem = "no answer".to_owned();
            return Input::AskFailed { partition, problem };
        }
        let place = self.layout.input(partition);
        Input::Log {
            partition,
            low: broker.start_offset(&place),
            high: broker.end_offset(&place),
        }
    }

    fn seek(&mut self, partition: PartitionId, offset: Offset) -> Input<'static, u64> {
        if self.faults.occurs(Fault::SeekTimedOut) {
            self.late_seek = Some((partition, offset));
            let problem = "timed out".to_owned();
            return Input::SeekFailed { partition, problem };
        }
        self.late_seek = None;
        self.consumer.seek(&partition, offset);
        Input::SeekDone { partition }
    }

    fn renew(&mut self, is_one_by_one: bool, broker: &mut Broker) -> Renewed {
        let problem = || "no answer".to_owned();
        if self.faults.occurs(Fault::ProducerFailed) {
            return Renewed::Failed { problem: problem() };
        }
        if self.faults.occurs(Fault::ProducerFatal) {
            return Renewed::Fatal { problem: problem() };
        }
        self.producer = broker.start_producer(&self.name);
        self.is_one_by_one = is_one_by_one;
        Renewed::Ready
    }

    fn tick(&mut self, partition: PartitionId, broker: &mut Broker) -> Input<'static, u64> {
        if self.faults.occurs(Fault::TickRejected) {
            let problem = "the queue is full".to_owned();
            return Input::TickFailed { partition, problem };
        }
        if !self.faults.occurs(Fault::TickLost) {
            let tick = StateRecord::tick(partition.topic).encode();
            broker.append(&self.layout.input(partition), self.at.wall, b"", &tick);
        }
        Input::Ticked { partition }
    }

    /// One transaction. `None` if the process crashes within it.
    fn publish(&mut self, batch: &Batch, generation: u64, broker: &mut Broker) -> Option<Ended> {
        if let Some(document) = first_document(batch)
            && self.faults.occurs(Fault::AlertRejected)
        {
            return Some(self.reject(batch, document, broker));
        }
        let outcome = self.write(batch, generation, broker);
        if self.faults.occurs(Fault::TornCommit) {
            self.is_dead = true;
            return None;
        }
        let outcome = outcome.and_then(|()| broker.commit(&self.producer));
        Some(match outcome {
            Ok(()) => Ended::Committed(self.commit_calls(broker)),
            Err(problem @ (BrokerError::Fenced | BrokerError::InvalidState)) => Ended::Fatal {
                problem: problem.to_string(),
            },
            Err(problem) => self.abort(problem, broker),
        })
    }

    /// A transaction in which the broker rejects this document. Where it was sent together with others, nobody knows that it was
    /// this one.
    fn reject(&mut self, batch: &Batch, document: RecordId, broker: &mut Broker) -> Ended {
        let written = self.write(batch, self.generation, broker);
        match self.abort(written.err().unwrap_or(BrokerError::Rejected), broker) {
            Ended::Aborted { problem } => Ended::Rejected(Rejection {
                record: Some(document).filter(|_| self.is_one_by_one),
                cause: RejectionCause::TooLarge,
                problem,
            }),
            other => other,
        }
    }

    /// The calls of a commit; one whose request was lost took long, and a copy of the request is still on its way.
    fn commit_calls(&mut self, broker: &mut Broker) -> CommitCalls {
        let is_slow = self.faults.occurs(Fault::SlowCommit);
        if is_slow {
            broker.delay_end(&self.producer, true);
        }
        CommitCalls {
            end: if is_slow { RETRY_BACKOFF } else { Duration::ZERO },
            is_one_by_one: self.is_one_by_one,
            ..CommitCalls::default()
        }
    }

    fn abort(&mut self, problem: BrokerError, broker: &mut Broker) -> Ended {
        for (late, commit) in [(Fault::LateCommit, true), (Fault::LateAbort, false)] {
            if self.faults.occurs(late) {
                broker.delay_end(&self.producer, commit);
            }
        }
        match broker.abort(&self.producer) {
            Err(problem @ BrokerError::Fenced) => Ended::Fatal {
                problem: problem.to_string(),
            },
            _ if problem == BrokerError::QueueFull => Ended::QueueFull,
            _ if problem == BrokerError::StaleGeneration => Ended::StaleMembership {
                problem: problem.to_string(),
            },
            _ => Ended::Aborted {
                problem: problem.to_string(),
            },
        }
    }

    /// Everything of a transaction but its end.
    fn write(&mut self, batch: &Batch, generation: u64, broker: &mut Broker) -> Result<(), BrokerError> {
        broker.begin(&self.producer)?;
        for record in batch.records() {
            self.append(batch, &record, broker)?;
        }
        if self.faults.occurs(Fault::QueueFull) {
            return Err(BrokerError::QueueFull);
        }
        if self.faults.occurs(Fault::LateArrival) {
            broker.deliver_late(0);
        }
        if self.faults.occurs(Fault::RebalanceInCommit) {
            broker.rebalance(&self.layout.group);
        }
        // Whoever is no longer a member learns of no generation.
        let is_member = self.generation == broker.generation(&self.layout.group);
        if is_member && self.faults.occurs(Fault::EpochRises) {
            self.generation = broker.rebalance(&self.layout.group);
        }
        for part in batch.parts() {
            let committed = Committed {
                offset: part.offset,
                metadata: part.checkpoint.to_string(),
            };
            let group = (self.layout.group.as_str(), generation);
            let place = self.layout.input(part.partition);
            broker.send_offset(&self.producer, group, &place, committed)?;
        }
        if self.faults.occurs(Fault::Abort) {
            return Err(BrokerError::Rejected);
        }
        Ok(())
    }

    fn append(
        &self,
        batch: &Batch,
        record: &BatchRecord<'_>,
        broker: &mut Broker,
    ) -> Result<(), BrokerError> {
        let (partition, layout) = (record.id.partition, &self.layout);
        let place = match record.id.destination {
            Destination::Alerts => layout.output(partition),
            Destination::Findings => layout.findings(partition),
            Destination::Suppressed => layout.suppressed_output(partition),
            Destination::Sightings => layout.sightings_of(&record.key),
            Destination::DeadLetters => layout.dead_letters(partition),
        };
        let part = batch.parts().find(|part| part.partition == partition);
        let stream_time = part.map_or(AppendTime::MIN, |part| part.stream_time);
        let now = match record.id.destination {
            // What is read again has a clock of its own.
            Destination::Sightings => self.at.wall,
            _ => stream_time,
        };
        broker.append_in(&self.producer, &place, now, record.key.as_bytes(), &record.value)?;
        Ok(())
    }
}

/// The first record that is neither a stub nor a dead letter.
fn first_document(batch: &Batch) -> Option<RecordId> {
    let is_whole = |id: RecordId| {
        let part = batch.parts().find(|part| part.partition == id.partition);
        !matches!(id.destination, Destination::DeadLetters | Destination::Sightings)
            && part.is_some_and(|part| part.alerts[id.index].is_whole())
    };
    batch.records().map(|record| record.id).find(|id| is_whole(*id))
}
