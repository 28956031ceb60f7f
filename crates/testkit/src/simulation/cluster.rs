//! A log, a consumer group and its members.

mod faults;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::event::Observation;
use pipewarden_core::log::Partition;
use pipewarden_core::time::AppendTime;
use pipewarden_engine::local::{Broker, Layout, PollResult, TamperWith, Worker};
use pipewarden_engine::worker::{Fact, PartitionId, Topic};
use pipewarden_engine::{ObservationRecord, Policy, StateRecord};
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::Counts;
use super::arrivals::{Arrivals, stamp};

const PARTITIONS: u32 = 3;
const SIGHTINGS: u32 = 2;
const MEMBERS: usize = 2;

/// Longer than every pause and every timeout.
const LONG: Duration = Duration::from_secs(12);

/// More than any partition of a world has records, however often it is read anew.
const MOST_READS: u32 = 100_000;

/// The conditions of a world.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions {
    /// Retention deletes what is still needed.
    pub retention_is_short: bool,
    /// A leader is elected that lacks the last records.
    pub log_is_truncated: bool,
    /// Ticks of several partitions are due at once, while a batch waits and answers are slow.
    pub ticks_together: bool,
    /// Changes outputs of every worker, for tests that put a defect into the workers.
    pub tamper: Option<TamperWith>,
}

/// A process.
enum Member {
    /// It runs.
    Running(Worker),
    /// It is suspended for longer than its session: it still believes that it owns its partitions.
    Frozen(Worker),
    /// It has crashed. A transaction that it has begun may still be open.
    Down,
}

pub struct Cluster {
    pub broker: Broker,
    pub layout: Layout,
    pub counts: Counts,
    pub partitions: Vec<PartitionId>,
    conditions: Conditions,
    policies: Vec<Arc<Policy>>,
    /// Which of the policies is the latest.
    current: usize,
    /// Whether there was ever another one than the first.
    has_changed: bool,
    members: Vec<Member>,
    /// Processes that have a successor of the same name and run on.
    zombies: Vec<Worker>,
    /// The owner of each partition, by the group's last assignment.
    owners: BTreeMap<PartitionId, usize>,
    now: AppendTime,
    /// A partition that was read [`MOST_READS`] times and had no end.
    endless: Option<PartitionId>,
}

impl Cluster {
    pub fn new(policies: Vec<Arc<Policy>>, conditions: Conditions) -> Self {
        let observations = (0..PARTITIONS).map(|number| PartitionId::observations(Partition::new(number)));
        let sightings = (0..SIGHTINGS).map(|number| PartitionId::sightings(Partition::new(number)));
        let partitions: Vec<_> = observations.chain(sightings).collect();
        let owners = partitions.iter().enumerate();
        let mut cluster = Self {
            broker: Broker::new(),
            layout: Layout::new(PARTITIONS).with_sightings(SIGHTINGS),
            counts: Counts::default(),
            owners: owners
                .map(|(index, partition)| (*partition, index % MEMBERS))
                .collect(),
            partitions,
            conditions,
            policies,
            current: 0,
            has_changed: false,
            members: (0..MEMBERS).map(|_| Member::Down).collect(),
            zombies: Vec::new(),
            now: AppendTime::MIN,
            endless: None,
        };
        (0..MEMBERS).for_each(|member| cluster.start(member));
        cluster.reassign();
        cluster
    }

    /// The policy of an undisturbed run, if there was only one.
    pub fn only_policy(&self) -> Option<&Arc<Policy>> {
        (!self.has_changed).then(|| &self.policies[0])
    }

    /// # Errors
    /// Which partition was never read to its end.
    pub fn run(&mut self, arrivals: &Arrivals, random: &mut StdRng) -> Result<(), String> {
        let mut pending = arrivals.order.iter().peekable();
        while let Some(&&(at, index)) = pending.peek() {
            if random.random_bool(0.4) {
                pending.next();
                self.now = self.now.max(at);
                self.receive(&arrivals.observations[index], random);
            } else {
                self.disturb(at, random);
            }
        }
        let settled = self.settle();
        for member in std::mem::take(&mut self.members) {
            if let Member::Running(worker) | Member::Frozen(worker) = member {
                self.count(&worker);
            }
        }
        settled
    }

    /// Every member runs, no more faults occur, and everything is read, deadlines included.
    fn settle(&mut self) -> Result<(), String> {
        (0..MEMBERS).for_each(|member| self.wake(member));
        while self.broker.deliver_late(0) {}
        for member in 0..MEMBERS {
            self.with(member, |worker, broker| {
                worker.faults.clear();
                worker.during_commit = None;
                worker.advance(broker, LONG);
            });
        }
        self.recover_ended();
        self.announce_generation();
        // Transactions that crashed members have left open would hide what was written after them.
        self.broker.advance(LONG);
        // All alerts close, and cause their last sightings while those before still count.
        self.now = self.now.plus(self.policies[0].join.horizon() * 2);
        self.pass(Topic::Observations, self.now);
        self.drain();
        for topic in Topic::ALL {
            self.pass(topic, self.now.plus(Duration::from_secs(1 << 32)));
            self.drain();
        }
        // Transactions that crashed members have left open would hide what was written after them.
        self.broker.advance(LONG);
        if let Some(partition) = self.endless {
            return Err(format!("{partition} is read without end"));
        }
        for partition in &self.partitions {
            let place = self.layout.input(*partition);
            let committed = self.broker.committed(&self.layout.group, &place);
            let (committed, end) = (
                committed.map(|committed| committed.offset),
                self.broker.end_offset(&place),
            );
            if committed != Some(end) {
                return Err(format!(
                    "{partition} ends at {end} and is committed to {committed:?}"
                ));
            }
        }
        Ok(())
    }

    /// Lets the partitions of a topic come to a time.
    fn pass(&mut self, topic: Topic, time: AppendTime) {
        for partition in self
            .partitions
            .iter()
            .filter(|partition| partition.topic == topic)
        {
            let input = self.layout.input(*partition);
            self.broker
                .append(&input, time, b"", &StateRecord::tick(topic).encode());
        }
    }

    /// Reads and commits everything. More than once: what is read first may still belong to the time before a seek, and a worker
    /// whose producer was fenced by a zombie learns of it when it publishes.
    fn drain(&mut self) {
        for _ in 0..4 {
            for partition in self.partitions.clone() {
                self.read_to_end(partition);
            }
            for member in 0..MEMBERS {
                self.with(member, |worker, broker| worker.advance(broker, LONG));
            }
            self.recover_ended();
            (0..MEMBERS).for_each(|member| self.wake(member));
        }
    }

    /// Appends what a router writes: the observation, by its asset.
    fn receive(&mut self, observation: &Observation, random: &mut StdRng) {
        let record = ObservationRecord::Observation(observation.clone());
        let partition = PartitionId::observations(number(observation.asset.as_str(), PARTITIONS));
        self.append(partition, observation.asset.as_str(), &record.encode(), random);
        if random.random_bool(0.02) {
            let partition = self.partitions[random.random_range(0..self.partitions.len())];
            self.append(partition, "", b"{no observation", random);
            self.counts.add("undecodable records", 1);
        }
    }

    fn append(&mut self, partition: PartitionId, key: &str, value: &[u8], random: &mut StdRng) {
        let input = self.layout.input(partition);
        if random.random_bool(0.1) {
            self.broker.skip_offset(&input);
        }
        let stamp = stamp(self.now, random);
        self.broker.append(&input, stamp, key.as_bytes(), value);
        self.counts.add("records", 1);
    }

    /// Does something with a member, if it runs.
    fn with(&mut self, member: usize, act: impl FnOnce(&mut Worker, &mut Broker)) {
        let Member::Running(worker) = &mut self.members[member] else {
            return;
        };
        worker.set_wall(self.now);
        act(worker, &mut self.broker);
        let facts = worker.take_facts();
        self.counts.note(&facts);
        let has_lost_generation = facts.iter().any(
            |fact| matches!(fact, Fact::Aborted { problem, .. } if problem.contains("generation is stale")),
        );
        self.counts.add("stale commits", u64::from(has_lost_generation));
    }

    fn running(&self, member: usize) -> Option<&Worker> {
        match &self.members[member] {
            Member::Running(worker) => Some(worker),
            Member::Frozen(_) | Member::Down => None,
        }
    }

    /// Reads one record; false at the end of the partition, or where its owner does not read it.
    fn read(&mut self, partition: PartitionId) -> bool {
        let mut step = PollResult::Nothing;
        self.with(self.owners[&partition], |worker, broker| {
            step = worker.poll(broker, partition);
        });
        step == PollResult::Record
    }

    fn read_to_end(&mut self, partition: PartitionId) {
        let mut reads = 0;
        while self.endless.is_none() && self.read(partition) {
            reads += 1;
            if reads > MOST_READS {
                self.endless = Some(partition);
            }
        }
    }

    /// Advances the time of a member, which commits what it has read if that is long enough.
    fn advance(&mut self, member: usize, span: Duration) {
        self.with(member, |worker, broker| worker.advance(broker, span));
    }

    /// Starts a process, which fences its predecessor.
    fn start(&mut self, member: usize) {
        let name = format!("member-{member}");
        let policy = &self.policies[self.current];
        let mut worker = Worker::start(&mut self.broker, &self.layout, &name, policy);
        if let Some(tamper) = self.conditions.tamper {
            worker.tamper = tamper;
        }
        self.members[member] = Member::Running(worker);
    }

    /// Rebalances: partitions whose owner is away are assigned to a member that runs; a member that has just started gets
    /// its own.
    fn reassign(&mut self) {
        let Some(successor) = (0..MEMBERS).find(|&member| self.running(member).is_some()) else {
            return;
        };
        let mut given: BTreeMap<usize, Vec<PartitionId>> = BTreeMap::new();
        for partition in self.partitions.clone() {
            let owner = self.owners[&partition];
            let is_served = |worker: &Worker| worker.machine().partitions().any(|own| own == partition);
            match self.running(owner) {
                Some(worker) if is_served(worker) => {}
                Some(_) => given.entry(owner).or_default().push(partition),
                None => {
                    self.owners.insert(partition, successor);
                    given.entry(successor).or_default().push(partition);
                }
            }
        }
        for (member, partitions) in given {
            self.assign(member, &partitions);
        }
    }

    /// Assigns partitions in a new generation, which only this member knows yet.
    fn assign(&mut self, member: usize, partitions: &[PartitionId]) {
        let generation = self.broker.rebalance(&self.layout.group);
        self.with(member, |worker, broker| {
            worker.assign(broker, partitions, generation)
        });
    }

    /// Makes the generation known to every member.
    fn announce_generation(&mut self) {
        let generation = self.broker.generation(&self.layout.group);
        for member in 0..MEMBERS {
            self.with(member, |worker, broker| worker.assign(broker, &[], generation));
        }
    }

    /// Lets the client of every member learn of the generation, without a callback, as by KIP-848.
    fn spread_generation(&mut self) {
        let generation = self.broker.generation(&self.layout.group);
        for member in 0..MEMBERS {
            self.with(member, |worker, _| worker.learn_generation(generation));
        }
    }

    /// Adds the counts of a worker that has ended.
    fn count(&mut self, worker: &Worker) {
        self.counts.absorb(&worker.faults, worker.coverage());
    }
}

fn number(key: &str, partitions: u32) -> Partition {
    Partition::new(key.bytes().map(u32::from).sum::<u32>() % partitions)
}
