//! The correlator worker on the in-process log: the [machine](crate::worker) that the service runs, driven step by step.

mod execute;

use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::log::Offset;
use pipewarden_core::time::AppendTime;

use super::broker::{Broker, Producer};
use super::consumer::{Consumer, Polled};
use super::faults::{Coverage, Fault, Faults, Moment, Tamper, TamperWith};
use super::layout::Layout;
use crate::worker::{At, End, Fact, Fetched, Input, Machine, MachineSettings, PartitionId};
use crate::{Correlator, Policy};

/// The longest time between reading a record and the transaction that commits it.
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);

/// The least time that passes while the machine waits, so that its clock advances.
const STEP: Duration = Duration::from_millis(1);

/// A correlator worker and its adapter. Dropping it is a crash: what it has not committed is lost.
#[derive(Debug)]
pub struct Worker {
    machine: Machine<u64>,
    layout: Layout,
    name: String,
    producer: Producer,
    /// Whether the producer was made to send each record on its own.
    is_one_by_one: bool,
    consumer: Consumer<PartitionId>,
    /// Of its group, as its client knows it.
    generation: u64,
    /// Whether its client knows that its partitions are others', before a callback tells.
    is_lost: bool,
    at: At,
    moment: Moment,
    facts: Vec<Fact>,
    end: Option<End>,
    /// Whether it has crashed within a transaction.
    is_dead: bool,
    /// A seek that has timed out and not taken effect yet.
    late_seek: Option<(PartitionId, Offset)>,
    /// Faults to come.
    pub faults: Faults,
    /// Changes outputs of the machine, for tests that put a defect into the worker itself.
    pub tamper: TamperWith,
    /// An input that comes within the next transaction: after it has ended on the broker, and before the machine gets the
    /// answer.
    pub during_commit: Option<Input<'static, u64>>,
    coverage: Coverage,
}

/// The result of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollResult {
    /// A record was handed to the machine.
    Record,
    /// There is nothing more to read for now.
    EndOfPartition,
    /// The partition is paused or not assigned.
    Nothing,
}

impl Worker {
    /// A worker without partitions; fences the previous one of its name. What is read is pending until [`Worker::commit`].
    pub fn start(broker: &mut Broker, layout: &Layout, name: &str, policy: &Arc<Policy>) -> Self {
        let settings = MachineSettings {
            observations: layout.observations.clone(),
            sightings: layout.sightings.clone(),
            partitions: layout.partitions,
            sightings_partitions: layout.sightings_partitions,
            commit_interval: COMMIT_INTERVAL,
            budget: Duration::from_secs(60),
            explanations: 0,
        };
        let at = At::default();
        Self {
            machine: Machine::new(settings, Arc::clone(policy), at),
            layout: layout.clone(),
            name: name.to_owned(),
            producer: broker.start_producer(name),
            is_one_by_one: false,
            consumer: Consumer::default(),
            generation: 0,
            is_lost: false,
            at,
            moment: Moment::default(),
            facts: Vec::new(),
            end: None,
            is_dead: false,
            late_seek: None,
            faults: Faults::default(),
            tamper: |_, _| Tamper::Execute,
            during_commit: None,
            coverage: Coverage::new(),
        }
    }

    /// The group assigns partitions, or only a new generation.
    pub fn assign(&mut self, broker: &mut Broker, partitions: &[PartitionId], generation: u64) {
        for partition in partitions {
            let place = self.layout.input(*partition);
            let committed = broker.committed(&self.layout.group, &place);
            let offset = committed.map_or(broker.start_offset(&place), |committed| committed.offset);
            self.consumer.assign(*partition, offset);
        }
        self.generation = generation;
        let input = Input::Assigned {
            partitions: partitions.to_vec(),
            membership: generation,
        };
        self.run_callback(input, broker);
    }

    /// The group revokes partitions; what was read is committed before.
    pub fn revoke(&mut self, broker: &mut Broker, partitions: &[PartitionId], generation: u64) {
        self.generation = generation;
        let input = Input::Revoked {
            partitions: partitions.to_vec(),
            membership: generation,
        };
        self.run_callback(input, broker);
        self.unassign(partitions);
    }

    /// The group has assigned its partitions to others.
    pub fn lose(&mut self, broker: &mut Broker, partitions: &[PartitionId]) {
        let input = Input::Lost {
            partitions: partitions.to_vec(),
        };
        self.run_callback(input, broker);
        self.unassign(partitions);
        self.is_lost = false;
    }

    /// Its client learns of a generation in the background, without a callback.
    pub fn learn_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// Its client learns that its partitions are others'; the callback is still to come.
    pub fn learn_loss(&mut self) {
        self.is_lost = true;
    }

    /// Stops reading these, after [`Worker::during_commit`] has revoked them.
    pub fn unassign(&mut self, partitions: &[PartitionId]) {
        for partition in partitions {
            self.consumer.unassign(partition);
        }
    }

    /// Hands in the next record of a partition, or its end.
    pub fn poll(&mut self, broker: &mut Broker, partition: PartitionId) -> PollResult {
        if self.is_over() {
            return PollResult::Nothing;
        }
        let place = self.layout.input(partition);
        let (input, result) = match self.consumer.poll(broker, &partition, &place) {
            Polled::Nothing => return PollResult::Nothing,
            Polled::End => (Input::EndOfPartition { partition }, PollResult::EndOfPartition),
            Polled::Record(record) => {
                let record = Fetched {
                    offset: record.offset,
                    append_time: Some(record.append_time),
                    value: &record.value,
                };
                (Input::Record { partition, record }, PollResult::Record)
            }
        };
        self.note(&input);
        self.machine.handle(input, self.at);
        if let Some((partition, offset)) = self.late_seek.take() {
            self.consumer.seek(&partition, offset);
        }
        self.execute_all(broker);
        result
    }

    /// Advances time without a record, in steps of what [`Machine::wait`] returns.
    pub fn advance(&mut self, broker: &mut Broker, span: Duration) {
        let until = self.at.monotonic + span;
        while self.at.monotonic < until && !self.is_over() {
            let wait = self.machine.wait(self.at).max(STEP);
            self.at.monotonic = (self.at.monotonic + wait).min(until);
            self.hand_in(Input::Timer, broker);
        }
    }

    /// Advances time until what was read is committed, if no fault occurs.
    pub fn commit(&mut self, broker: &mut Broker) {
        self.advance(broker, COMMIT_INTERVAL);
    }

    /// Sets the clock of its host.
    pub fn set_wall(&mut self, wall: AppendTime) {
        self.at.wall = wall;
    }

    /// Hands in that nothing has come for a while.
    pub fn idle(&mut self, broker: &mut Broker) {
        self.hand_in(Input::Timer, broker);
    }

    /// Puts another policy in force.
    pub fn change_policy(&mut self, broker: &mut Broker, policy: &Arc<Policy>) {
        self.hand_in(Input::PolicyChanged(Arc::clone(policy)), broker);
    }

    /// Hands in that the service ends.
    pub fn stop(&mut self, broker: &mut Broker) {
        self.hand_in(Input::Stop, broker);
    }

    /// The machine.
    pub fn machine(&self) -> &Machine<u64> {
        &self.machine
    }

    /// The state of a partition.
    pub fn correlator(&self, partition: PartitionId) -> Option<&Correlator> {
        self.machine.correlator(partition)
    }

    /// The facts since the last call.
    pub fn take_facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }

    /// Why it has failed, if it has.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// The generation of its group, as its client knows it.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// How often each input met each state.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Whether it has crashed within a transaction.
    pub fn is_dead(&self) -> bool {
        self.is_dead
    }

    fn is_over(&self) -> bool {
        self.is_dead || self.end.is_some()
    }

    /// Runs a rebalance callback until the machine lets it return.
    fn run_callback(&mut self, input: Input<'_, u64>, broker: &mut Broker) {
        self.moment = match input {
            Input::Assigned { .. } => Moment::Assignment,
            _ => Moment::Revocation,
        };
        self.hand_in(input, broker);
        while self.machine.is_in_callback() && !self.is_dead {
            let wait = self.machine.wait(self.at).max(STEP);
            self.at.monotonic += wait;
            // Meanwhile the broker aborts what nobody ends.
            broker.advance(wait);
            let is_stopping = self.faults.occurs(Fault::StopInCallback);
            self.hand_in(if is_stopping { Input::Stop } else { Input::Timer }, broker);
        }
        self.moment = Moment::Polling;
    }

    fn hand_in(&mut self, input: Input<'_, u64>, broker: &mut Broker) {
        if self.is_dead {
            return;
        }
        self.note(&input);
        self.machine.handle(input, self.at);
        self.execute_all(broker);
    }

    fn execute_all(&mut self, broker: &mut Broker) {
        while let Some(output) = self.machine.next_output() {
            if self.is_dead {
                return;
            }
            let what = (self.tamper)(&output, self.moment);
            if what == Tamper::Omit {
                continue;
            }
            for answer in self.execute(output, what == Tamper::Pretend, broker) {
                if self.faults.occurs(Fault::SlowAnswer) {
                    self.at.monotonic += COMMIT_INTERVAL;
                }
                self.note(&answer);
                self.machine.handle(answer, self.at);
            }
        }
    }

    fn note(&mut self, input: &Input<'_, u64>) {
        let met = (input.name(), self.machine.state_met_by(input));
        *self.coverage.entry(met).or_default() += 1;
    }
}
