//! The worker on the in-process log: the [machine](crate::worker) that the service runs, one step at a time.

use std::sync::Arc;
use std::time::Duration;

use super::broker::{Broker, BrokerError, Committed, Producer};
use super::consumer::{Consumer, Polled};
use super::layout::Layout;
use super::weather::{Coverage, Fault, Moment, Tamper, TamperWith, Weather};
use crate::worker::{
    At, Batch, CommittedOffset, End, Ended, Fact, Fetched, Input, Machine, MachineSettings, Output, Part,
    PartitionId, Renewed,
};
use crate::{Correlator, ObservationRecord, Program};
use pipewarden_core::time::AppendTime;

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
    belated_seek: Option<(PartitionId, u64)>,
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
    pub fn start(broker: &mut Broker, layout: &Layout, name: &str, policy: &Arc<Program>) -> Self {
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
    pub fn change_policy(&mut self, broker: &mut Broker, policy: &Arc<Program>) {
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
                self.note(&answer);
                self.machine.handle(answer, self.at);
            }
        }
    }

    fn execute(
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
                let between = self.in_midst_of_commit.take().filter(|_| ended.is_some());
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
        if self.weather.strikes(Fault::CommittedUnanswered) {
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
        if self.weather.strikes(Fault::LogUnanswered) {
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

    fn seek(&mut self, partition: PartitionId, offset: u64) -> Input<'static, u64> {
        if self.weather.strikes(Fault::SeekGivenUp) {
            self.belated_seek = Some((partition, offset));
            let problem = "given up".to_owned();
            return Input::SeekFailed { partition, problem };
        }
        self.belated_seek = None;
        self.consumer.seek(&partition, offset);
        Input::SeekDone { partition }
    }

    fn renew(&mut self, broker: &mut Broker) -> Renewed {
        let problem = || "no answer".to_owned();
        if self.weather.strikes(Fault::ProducerRefused) {
            return Renewed::Failed { problem: problem() };
        }
        if self.weather.strikes(Fault::ProducerFatal) {
            return Renewed::Fatal { problem: problem() };
        }
        self.producer = broker.start_producer(&self.name);
        Renewed::Ready
    }

    fn tick(&mut self, partition: PartitionId, broker: &mut Broker) -> Input<'static, u64> {
        if self.weather.strikes(Fault::TickRefused) {
            let problem = "the queue is full".to_owned();
            return Input::TickFailed { partition, problem };
        }
        if !self.weather.strikes(Fault::TickLost) {
            let tick = ObservationRecord::Tick {}.encode();
            broker.append(&self.layout.input(partition), self.at.wall, b"", &tick);
        }
        Input::Ticked { partition }
    }

    /// One transaction. `None` if the process ends in the midst of it.
    fn publish(&mut self, batch: &Batch, generation: u64, broker: &mut Broker) -> Option<Ended> {
        let outcome = self.write(batch, generation, broker);
        if self.weather.strikes(Fault::TornCommit) {
            self.is_dead = true;
            return None;
        }
        let outcome = outcome.and_then(|()| broker.commit(&self.producer));
        Some(match outcome {
            Ok(()) => Ended::Committed,
            Err(problem @ (BrokerError::Fenced | BrokerError::InvalidState)) => Ended::Fatal {
                problem: problem.to_string(),
            },
            Err(problem) => self.abort(problem, broker),
        })
    }

    fn abort(&mut self, problem: BrokerError, broker: &mut Broker) -> Ended {
        for (late, commit) in [(Fault::LateCommit, true), (Fault::LateAbort, false)] {
            if self.weather.strikes(late) {
                broker.delay_end(&self.producer, commit);
            }
        }
        match broker.abort(&self.producer) {
            Err(problem @ BrokerError::Fenced) => Ended::Fatal {
                problem: problem.to_string(),
            },
            _ if problem == BrokerError::QueueFull => Ended::QueueFull,
            _ => Ended::Aborted {
                problem: problem.to_string(),
            },
        }
    }

    fn note(&mut self, input: &Input<'_, u64>) {
        let met = (input.name(), self.machine.state_met_by(input));
        *self.coverage.entry(met).or_default() += 1;
    }

    /// Everything of a transaction but its end.
    fn write(&mut self, batch: &Batch, generation: u64, broker: &mut Broker) -> Result<(), BrokerError> {
        broker.begin(&self.producer)?;
        for part in batch.parts() {
            write_part(part, &self.layout, &self.producer, broker)?;
        }
        if self.weather.strikes(Fault::QueueFull) {
            return Err(BrokerError::QueueFull);
        }
        if self.weather.strikes(Fault::LateArrival) {
            broker.deliver_late(0);
        }
        if self.weather.strikes(Fault::RebalanceInCommit) {
            broker.rebalance(&self.layout.group);
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
        if self.weather.strikes(Fault::Abort) {
            return Err(BrokerError::Refused);
        }
        Ok(())
    }
}

/// How long what was read may wait for its transaction.
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);

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
        if alert.is_told {
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
