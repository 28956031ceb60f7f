//! Executes the machine's outputs on the log.

use std::time::Duration;

use super::Worker;
use crate::ObservationRecord;
use crate::local::broker::{Broker, BrokerError, Committed, Producer};
use crate::local::faults::Fault;
use crate::local::layout::Layout;
use crate::worker::{
    Batch, CommitCalls, CommittedOffset, Ended, Input, Output, Part, PartitionId, RETRY_BACKOFF, Renewed,
};
use pipewarden_core::log::Offset;

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
            Output::RenewProducer => {
                let renewed = if pretend {
                    Renewed::Ready
                } else {
                    self.renew(broker)
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

    fn renew(&mut self, broker: &mut Broker) -> Renewed {
        let problem = || "no answer".to_owned();
        if self.faults.occurs(Fault::ProducerFailed) {
            return Renewed::Failed { problem: problem() };
        }
        if self.faults.occurs(Fault::ProducerFatal) {
            return Renewed::Fatal { problem: problem() };
        }
        self.producer = broker.start_producer(&self.name);
        Renewed::Ready
    }

    fn tick(&mut self, partition: PartitionId, broker: &mut Broker) -> Input<'static, u64> {
        if self.faults.occurs(Fault::TickRejected) {
            let problem = "the queue is full".to_owned();
            return Input::TickFailed { partition, problem };
        }
        if !self.faults.occurs(Fault::TickLost) {
            let tick = ObservationRecord::Tick {}.encode();
            broker.append(&self.layout.input(partition), self.at.wall, b"", &tick);
        }
        Input::Ticked { partition }
    }

    /// One transaction. `None` if the process crashes within it.
    fn publish(&mut self, batch: &Batch, generation: u64, broker: &mut Broker) -> Option<Ended> {
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

    /// The calls of a commit; one whose request was lost took long, and a copy of the request is still on its way.
    fn commit_calls(&mut self, broker: &mut Broker) -> CommitCalls {
        let is_slow = self.faults.occurs(Fault::SlowCommit);
        if is_slow {
            broker.delay_end(&self.producer, true);
        }
        CommitCalls {
            end: if is_slow { RETRY_BACKOFF } else { Duration::ZERO },
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
        for part in batch.parts() {
            write_part(part, &self.layout, &self.producer, broker)?;
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
}

fn write_part(
    part: &Part,
    layout: &Layout,
    producer: &Producer,
    broker: &mut Broker,
) -> Result<(), BrokerError> {
    for pending in &part.alerts {
        let alert = &pending.alert;
        let mut append = |output, value: &[u8]| {
            let key = alert.key.as_bytes();
            broker
                .append_in(producer, &output, part.stream_time, key, value)
                .map(drop)
        };
        if alert.is_published {
            append(layout.output(part.partition), &alert.value)?;
            if let Some(finding) = &alert.finding {
                append(layout.findings(part.partition), finding)?;
            }
        }
        if alert.is_suppressed() {
            append(layout.suppressed_output(part.partition), &alert.value)?;
        }
    }
    for letter in &part.dead_letters {
        let (key, value) = (letter.key(), letter.encode());
        let place = layout.dead_letters(part.partition);
        broker.append_in(producer, &place, part.stream_time, key.as_bytes(), &value)?;
    }
    Ok(())
}
