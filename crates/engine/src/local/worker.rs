//! The worker on the in-process log: the [machine](crate::worker) that the service runs, one step at a time.

mod execute;

use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::log::Offset;
use pipewarden_core::time::AppendTime;

use super::broker::{Broker, Producer};
use super::consumer::{Consumer, Polled};
use super::layout::Layout;
use super::weather::{Coverage, Fault, Moment, Tamper, TamperWith, Weather};
use crate::worker::{At, End, Fact, Fetched, Input, Machine, MachineSettings, PartitionId};
use crate::{Correlator, Policy};

/// How long what was read may wait for its transaction.
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);

/// How long a callback waits at least while the machine waits for something: its clock must go on.
const STEP: Duration = Duration::from_millis(1);

/// A worker and what stands between it and the log. Dropping it is a crash: what it has not committed is lost.
#[derive(Debug)]
pub struct Worker {
    machine: Machine<u64>,
    layout: Layout,
    name: String,
    producer: Producer,
    consumer: Consumer<PartitionId>,
    /// Of its group, as a callback named it last.
    generation: u64,
    at: At,
    moment: Moment,
    facts: Vec<Fact>,
    end: Option<End>,
    /// It has died in the midst of a commit.
    is_dead: bool,
    /// A seek that was given up and has not taken effect.
    belated_seek: Option<(PartitionId, Offset)>,
    /// What goes wrong next.
    pub weather: Weather,
    /// For tests that put a fault into the worker itself.
    pub tamper: TamperWith,
    /// Comes in the midst of the next transaction, once that has ended on the broker and before the machine is told.
    pub in_midst_of_commit: Option<Input<'static, u64>>,
    coverage: Coverage,
}

/// What became of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A record was handed to the machine.
    Record,
    /// There is nothing more to read for now.
    End,
    /// The partition is not fetched from.
    Nothing,
}

impl Worker {
    /// A worker without partitions; fences whoever had its name. Everything that is read waits until [`Worker::commit`].
    pub fn start(broker: &mut Broker, layout: &Layout, name: &str, policy: &Arc<Policy>) -> Self {
        let settings = MachineSettings {
            observations: layout.observations.clone(),
            sightings: layout.sightings.clone(),
            partitions: layout.partitions,
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
            consumer: Consumer::default(),
            generation: 0,
            at,
            moment: Moment::default(),
            facts: Vec::new(),
            end: None,
            is_dead: false,
            belated_seek: None,
            weather: Weather::default(),
            tamper: |_, _| Tamper::Execute,
            in_midst_of_commit: None,
            coverage: Coverage::new(),
        }
    }

    /// The group gives it partitions, or only a new generation.
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
        self.call_back(input, broker);
    }

    /// The group takes partitions back; what was read is committed before.
    pub fn revoke(&mut self, broker: &mut Broker, partitions: &[PartitionId], generation: u64) {
        self.generation = generation;
        let input = Input::Revoked {
            partitions: partitions.to_vec(),
            membership: generation,
        };
        self.call_back(input, broker);
        self.let_go(partitions);
    }

    /// The group has given its partitions to others.
    pub fn lose(&mut self, broker: &mut Broker, partitions: &[PartitionId]) {
        let input = Input::Lost {
            partitions: partitions.to_vec(),
        };
        self.call_back(input, broker);
        self.let_go(partitions);
    }

    /// Reads these no more, after [`Worker::in_midst_of_commit`] has taken them from the machine.
    pub fn let_go(&mut self, partitions: &[PartitionId]) {
        for partition in partitions {
            self.consumer.unassign(partition);
        }
    }

    /// Hands the next record of a partition in.
    pub fn poll(&mut self, broker: &mut Broker, partition: PartitionId) -> Step {
        if self.is_over() {
            return Step::Nothing;
        }
        let place = self.layout.input(partition);
        let (input, step) = match self.consumer.poll(broker, &partition, &place) {
            Polled::Nothing => return Step::Nothing,
            Polled::End => (Input::EndOfPartition { partition }, Step::End),
            Polled::Record(record) => {
                let record = Fetched {
                    offset: record.offset,
                    append_time: Some(record.append_time),
                    value: &record.value,
                };
                (Input::Record { partition, record }, Step::Record)
            }
        };
        self.note(&input);
        self.machine.handle(input, self.at);
        if let Some((partition, offset)) = self.belated_seek.take() {
            self.consumer.seek(&partition, offset);
        }
        self.execute_all(broker);
        step
    }

    /// Lets this long pass without a record, step by step as the machine says.
    pub fn pass(&mut self, broker: &mut Broker, span: Duration) {
        let until = self.at.monotonic + span;
        while self.at.monotonic < until && !self.is_over() {
            let wait = self.machine.wait(self.at).max(STEP);
            self.at.monotonic = (self.at.monotonic + wait).min(until);
            self.hand_in(Input::Timer, broker);
        }
    }

    /// Lets as much time pass as it takes until what was read is committed, if nothing goes wrong.
    pub fn commit(&mut self, broker: &mut Broker) {
        self.pass(broker, COMMIT_INTERVAL);
    }

    /// The wall clock of its machine.
    pub fn set_wall(&mut self, wall: AppendTime) {
        self.at.wall = wall;
    }

    /// Nothing has come for a while.
    pub fn idle(&mut self, broker: &mut Broker) {
        self.hand_in(Input::Timer, broker);
    }

    /// Another policy is in force.
    pub fn change_policy(&mut self, broker: &mut Broker, policy: &Arc<Policy>) {
        self.hand_in(Input::PolicyChanged(Arc::clone(policy)), broker);
    }

    /// The service ends.
    pub fn stop(&mut self, broker: &mut Broker) {
        self.hand_in(Input::Stop, broker);
    }

    /// The machine.
    pub fn machine(&self) -> &Machine<u64> {
        &self.machine
    }

    /// The state it holds for a partition.
    pub fn correlator(&self, partition: PartitionId) -> Option<&Correlator> {
        self.machine.correlator(partition)
    }

    /// What it has told since it was asked last.
    pub fn take_facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }

    /// Why it can't go on, if that is so.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// The generation of its group, as a callback named it last.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// How often each input met each state.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Whether it has died in the midst of a commit.
    pub fn is_dead(&self) -> bool {
        self.is_dead
    }

    fn is_over(&self) -> bool {
        self.is_dead || self.end.is_some()
    }

    /// Runs a rebalance callback until the machine says that it may return.
    fn call_back(&mut self, input: Input<'_, u64>, broker: &mut Broker) {
        self.moment = match input {
            Input::Assigned { .. } => Moment::Assignment,
            _ => Moment::Revocation,
        };
        self.hand_in(input, broker);
        while self.machine.is_in_callback() && !self.is_dead {
            let wait = self.machine.wait(self.at).max(STEP);
            self.at.monotonic += wait;
            // Meanwhile the broker aborts what nobody ends.
            broker.pass(wait);
            let is_stopping = self.weather.strikes(Fault::StopInCallback);
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
                if self.weather.strikes(Fault::SlowAnswer) {
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
