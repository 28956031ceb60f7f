//! The router worker on the in-process log: the [machine](crate::worker::RouterMachine) that the service runs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::log::{Offset, Partition};
use pipewarden_core::time::AppendTime;

use super::broker::{Broker, TopicPartition};
use super::consumer::{Consumer, Polled};
use super::faults::{Coverage, Fault, Faults};
use crate::worker::{InputPartition, Position, RouterFact, RouterInput, RouterMachine, RouterOutput};
use crate::{Origin, Policy, Routed, Router};

/// The router's consumer group.
const GROUP: &str = "pipewarden-router";

/// The longest time between routing a message and committing its offset.
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);

/// A record on its way out: where to, its key and its value.
type Outgoing = (TopicPartition, Vec<u8>, Vec<u8>);

/// A router worker and its adapter. Dropping it is a crash.
#[derive(Debug)]
pub struct RouterWorker {
    router: Router,
    machine: RouterMachine,
    consumer: Consumer<InputPartition>,
    /// How many partitions the observations topic has.
    observations: u32,
    /// Sent and not acknowledged.
    in_flight: VecDeque<Outgoing>,
    /// Not sent, because the producer had no room.
    waiting: VecDeque<Outgoing>,
    generation: u64,
    now: Duration,
    facts: Vec<RouterFact>,
    reloads: usize,
    has_failed: bool,
    /// Faults to come.
    pub faults: Faults,
    coverage: Coverage,
}

impl RouterWorker {
    /// A worker without partitions, which writes to an observations topic of so many partitions.
    pub fn start(policy: &Policy, observations: u32) -> Self {
        Self {
            router: Router::new(policy),
            machine: RouterMachine::new(COMMIT_INTERVAL, Duration::ZERO),
            consumer: Consumer::default(),
            observations,
            in_flight: VecDeque::new(),
            waiting: VecDeque::new(),
            generation: 0,
            now: Duration::ZERO,
            facts: Vec::new(),
            reloads: 0,
            has_failed: false,
            faults: Faults::default(),
            coverage: Coverage::new(),
        }
    }

    /// A partition of the observations topic.
    pub fn observations(partition: Partition) -> TopicPartition {
        TopicPartition::new("pipewarden.observations", partition)
    }

    /// The only partition of the dead-letter topic.
    pub fn dead_letters() -> TopicPartition {
        TopicPartition::new("pipewarden.dead-letters", Partition::ZERO)
    }

    /// The committed offset of a partition of an input topic.
    pub fn committed(broker: &Broker, partition: &InputPartition) -> Option<Offset> {
        let committed = broker.committed(GROUP, &place(partition))?;
        Some(committed.offset)
    }

    /// Begins a new generation of the group.
    pub fn rebalance(broker: &mut Broker) -> u64 {
        broker.rebalance(GROUP)
    }

    /// The group assigns partitions, or only a new generation.
    pub fn assign(&mut self, broker: &mut Broker, partitions: &[InputPartition], generation: u64) {
        self.generation = generation;
        for partition in partitions {
            let offset = Self::committed(broker, partition).unwrap_or(Offset::ZERO);
            self.consumer.assign(partition.clone(), offset);
        }
        self.hand_in(RouterInput::Assigned(partitions.to_vec()), broker);
    }

    /// The group revokes partitions.
    pub fn revoke(&mut self, broker: &mut Broker, partitions: &[InputPartition], generation: u64) {
        self.generation = generation;
        self.hand_in(RouterInput::Revoked(partitions.to_vec()), broker);
        partitions.iter().for_each(|gone| self.consumer.unassign(gone));
    }

    /// The group has assigned its partitions to others.
    pub fn lose(&mut self, broker: &mut Broker, partitions: &[InputPartition]) {
        self.hand_in(RouterInput::Lost(partitions.to_vec()), broker);
        partitions.iter().for_each(|gone| self.consumer.unassign(gone));
    }

    /// Routes the next message of a partition; false if there is none, or it is not fetched from.
    pub fn poll(&mut self, broker: &mut Broker, partition: &InputPartition) -> bool {
        let Polled::Record(record) = self.consumer.poll(broker, partition, &place(partition)) else {
            return false;
        };
        let origin = Origin {
            topic: &partition.topic,
            partition: partition.number,
            offset: record.offset,
        };
        let (partitions, mut outgoing) = (self.observations, Vec::new());
        self.router
            .route_each(Some(&record.value), origin, &mut |routed| match routed {
                Routed::Skipped(_) => {}
                Routed::DeadLetter(letter) => {
                    outgoing.push((Self::dead_letters(), letter.key().into_bytes(), letter.encode()));
                }
                Routed::Observation(observation) => {
                    let key = observation.key().as_str().as_bytes().to_vec();
                    let number = key.iter().copied().map(u32::from).sum::<u32>() % partitions;
                    let place = Self::observations(Partition::new(number));
                    outgoing.push((place, key, observation.encode()));
                }
            });
        self.machine
            .routed(&partition.topic, partition.number, record.offset);
        self.waiting.extend(outgoing);
        self.send();
        self.timer(broker);
        true
    }

    /// Advances time.
    pub fn advance(&mut self, broker: &mut Broker, span: Duration) {
        self.now += span;
        self.send();
        self.timer(broker);
    }

    /// The broker acknowledges some of the records that were sent.
    pub fn deliver(&mut self, broker: &mut Broker, records: usize) {
        for (place, key, value) in self.in_flight.drain(..records.min(self.in_flight.len())) {
            broker.append(&place, AppendTime::MIN, &key, &value);
        }
    }

    /// How many records were sent and are not acknowledged.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Puts another policy in force.
    pub fn change_policy(&mut self, broker: &mut Broker, policy: &Arc<Policy>) {
        self.hand_in(RouterInput::PolicyChanged(Arc::clone(policy)), broker);
    }

    /// Lets a record be rejected for good.
    pub fn fail(&mut self, broker: &mut Broker) {
        self.has_failed = true;
        self.hand_in(RouterInput::Failed, broker);
    }

    /// Whether a record was rejected for good: the worker is to end.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// The facts since the last call.
    pub fn take_facts(&mut self) -> Vec<RouterFact> {
        std::mem::take(&mut self.facts)
    }

    /// How often it has switched to another policy.
    pub fn reloads(&self) -> usize {
        self.reloads
    }

    /// How often each input met each state.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    fn send(&mut self) {
        while !self.waiting.is_empty() && !self.faults.occurs(Fault::NoRoom) {
            self.in_flight.extend(self.waiting.pop_front());
        }
    }

    fn timer(&mut self, broker: &mut Broker) {
        let has_room = self.waiting.is_empty();
        self.hand_in(RouterInput::Timer { has_room }, broker);
    }

    fn hand_in(&mut self, input: RouterInput, broker: &mut Broker) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let met = (input.name(), self.machine.state());
            *self.coverage.entry(met).or_default() += 1;
            self.machine.handle(input, self.now);
            while let Some(output) = self.machine.next_output() {
                inputs.extend(self.execute(output, broker));
            }
        }
    }

    fn execute(&mut self, output: RouterOutput, broker: &mut Broker) -> Vec<RouterInput> {
        match output {
            RouterOutput::Pause(partitions) => self.consumer.pause(&partitions),
            RouterOutput::Resume(partitions) => self.consumer.resume(&partitions),
            RouterOutput::Flush { .. } if self.faults.occurs(Fault::NotFlushed) => {
                return vec![RouterInput::NotFlushed];
            }
            RouterOutput::Flush { .. } => {
                if self.faults.occurs(Fault::RecordRejected) {
                    self.in_flight.pop_front();
                    self.has_failed = true;
                }
                self.deliver(broker, usize::MAX);
                let failed = self.has_failed.then_some(RouterInput::Failed);
                return failed.into_iter().chain([RouterInput::Flushed]).collect();
            }
            RouterOutput::Commit(positions) => {
                assert!(
                    self.in_flight.is_empty(),
                    "nothing is committed before its output is acknowledged"
                );
                return vec![self.commit(&positions, broker)];
            }
            RouterOutput::Reload(policy) => {
                self.router.reload(&policy);
                self.reloads += 1;
            }
            RouterOutput::Forget(_) | RouterOutput::CallbackDone => {}
            RouterOutput::Observe(fact) => self.facts.push(fact),
        }
        Vec::new()
    }

    fn commit(&mut self, positions: &[Position], broker: &mut Broker) -> RouterInput {
        let problem = |problem: &str| RouterInput::NotCommitted {
            problem: problem.to_owned(),
        };
        if self.faults.occurs(Fault::NotCommitted) {
            return problem("no answer");
        }
        for position in positions {
            let group = (GROUP, self.generation);
            let place = TopicPartition::new(&position.topic, position.partition);
            if let Err(error) = broker.commit_offset(group, &place, position.next) {
                return problem(&error.to_string());
            }
        }
        RouterInput::Committed
    }
}

fn place(partition: &InputPartition) -> TopicPartition {
    TopicPartition::new(&partition.topic, partition.number)
}
