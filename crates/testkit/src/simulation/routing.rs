//! A seeded world of router workers: messages, back-pressure, commits that fail, rebalances and crashes in a random
//! interleaving over the in-process log.
//!
//! What is checked is at least once: whatever faults occurred, the log has the output of an undisturbed router for every
//! message, and nothing else; and no offset is committed before all output of its message is acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::detection::JoinSettings;
use pipewarden_core::log::Partition;
use pipewarden_core::time::AppendTime;
use pipewarden_engine::Policy;
use pipewarden_engine::local::{Broker, Fault, RouterWorker, TopicPartition};
use pipewarden_engine::worker::{InputPartition, RouterFact};
use pipewarden_tools::winlogbeat::{Event, SHARE_ACCESS, Shape};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::{Counts, policy};

const OBSERVATIONS: u32 = 2;
const MEMBERS: usize = 2;

/// Longer than every interval.
const LONG: Duration = Duration::from_secs(1);

/// Runs the world of one seed.
///
/// # Errors
/// What is missing on the log, or should not be there.
pub fn run(seed: u64) -> Result<Counts, String> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut world = World::new(&mut random);
    for _ in 0..random.random_range(50..400) {
        world.disturb(&mut random);
    }
    world.settle();
    world.verdict()?;
    Ok(world.counts)
}

struct World {
    broker: Broker,
    partitions: Vec<InputPartition>,
    policies: [Arc<Policy>; 2],
    members: Vec<Option<RouterWorker>>,
    owners: BTreeMap<InputPartition, usize>,
    generation: u64,
    counts: Counts,
}

impl World {
    fn new(random: &mut StdRng) -> Self {
        let partitions: Vec<InputPartition> = [("winlogbeat", 0), ("winlogbeat", 1), ("forwarded", 0)]
            .map(|(topic, number)| InputPartition::new(topic, Partition::new(number)))
            .into();
        let mut broker = Broker::new();
        for id in 0..random.random_range(5..120) {
            let place = place(&partitions[random.random_range(0..partitions.len())]);
            broker.append(&place, AppendTime::MIN, b"", message(id, random).as_bytes());
            if random.random_bool(0.1) {
                broker.skip_offset(&place);
            }
        }
        let owners = partitions
            .iter()
            .enumerate()
            .map(|(index, own)| (own.clone(), index % MEMBERS));
        let policies = ["first", "second"].map(|id| policy(&JoinSettings::default(), id));
        let mut world = Self {
            broker,
            owners: owners.collect(),
            partitions,
            members: (0..MEMBERS).map(|_| None).collect(),
            policies,
            generation: 0,
            counts: Counts::default(),
        };
        (0..MEMBERS).for_each(|member| world.start(member));
        world
    }

    fn disturb(&mut self, random: &mut StdRng) {
        let member = random.random_range(0..MEMBERS);
        let partition = self.partitions[random.random_range(0..self.partitions.len())].clone();
        match random.random_range(0..100) {
            0..50 => {
                self.read(&partition);
            }
            50..62 => {
                let span = Duration::from_millis(random.random_range(1..150));
                self.with(member, |worker, broker| worker.advance(broker, span));
            }
            62..70 => {
                let records = random.random_range(0..4);
                self.with(member, |worker, broker| worker.deliver(broker, records));
            }
            70..80 => {
                let fault = Fault::ROUTER[random.random_range(0..Fault::ROUTER.len())];
                let times = random.random_range(1..6);
                self.with(member, |worker, _| worker.faults.inject(fault, times));
            }
            80..86 => self.crash(member, random),
            86..90 => self.hand_over(&partition),
            90..92 => self.lose(member),
            92..94 => {
                // The other one gets the new generation later.
                self.generation = RouterWorker::rebalance(&mut self.broker);
                let generation = self.generation;
                self.with(member, |worker, broker| worker.assign(broker, &[], generation));
            }
            94..97 => {
                let policy = Arc::clone(&self.policies[random.random_range(0..2)]);
                self.with(member, |worker, broker| worker.change_policy(broker, &policy));
            }
            _ => self.reject(member),
        }
        for member in 0..MEMBERS {
            if self.members[member]
                .as_ref()
                .is_some_and(RouterWorker::has_failed)
            {
                self.reject(member);
            }
        }
    }

    fn with(&mut self, member: usize, act: impl FnOnce(&mut RouterWorker, &mut Broker)) {
        let Some(worker) = &mut self.members[member] else {
            return;
        };
        act(worker, &mut self.broker);
        for fact in worker.take_facts() {
            self.counts.add(
                match fact {
                    RouterFact::Paused => "paused",
                    RouterFact::Resumed => "resumed",
                    RouterFact::Committed => "commits",
                    RouterFact::NotFlushed => "not flushed",
                    RouterFact::NotCommitted { .. } => "not committed",
                    RouterFact::Assigned(_)
                    | RouterFact::Revoked(_)
                    | RouterFact::Lost(_)
                    | RouterFact::Owns(_) => continue,
                },
                1,
            );
        }
    }

    fn read(&mut self, partition: &InputPartition) -> bool {
        let mut is_read = false;
        self.with(self.owners[partition], |worker, broker| {
            is_read = worker.poll(broker, partition);
        });
        is_read
    }

    /// A member crashes. What was sent and not acknowledged may have arrived or not.
    fn crash(&mut self, member: usize, random: &mut StdRng) {
        let records = random.random_range(0..8);
        self.with(member, |worker, broker| {
            if worker.in_flight() > 0 {
                worker.deliver(broker, records);
            }
        });
        self.count(member);
        self.counts.add("crashes", 1);
        self.start(member);
    }

    /// A record is rejected for good: the worker ends, and what it has read since its last commit is read again.
    fn reject(&mut self, member: usize) {
        let partitions = self.owned(member);
        let generation = self.generation;
        self.with(member, |worker, broker| {
            worker.fail(broker);
            worker.advance(broker, LONG);
            worker.revoke(broker, &partitions, generation);
        });
        self.count(member);
        self.counts.add("rejected records", 1);
        self.start(member);
    }

    fn hand_over(&mut self, partition: &InputPartition) {
        let from = self.owners[partition];
        let to = (from + 1) % MEMBERS;
        let generation = RouterWorker::rebalance(&mut self.broker);
        self.generation = generation;
        let moved = [partition.clone()];
        self.with(from, |worker, broker| worker.revoke(broker, &moved, generation));
        self.with(to, |worker, broker| worker.assign(broker, &moved, generation));
        self.owners.insert(partition.clone(), to);
        self.counts.add("handovers", 1);
    }

    /// A member loses its partitions and gets them back.
    fn lose(&mut self, member: usize) {
        let partitions = self.owned(member);
        let generation = RouterWorker::rebalance(&mut self.broker);
        self.generation = generation;
        self.with(member, |worker, broker| {
            worker.lose(broker, &partitions);
            worker.assign(broker, &partitions, generation);
        });
        self.counts.add("lost", 1);
    }

    fn start(&mut self, member: usize) {
        self.members[member] = Some(RouterWorker::start(&self.policies[0], OBSERVATIONS));
        let partitions = self.owned(member);
        self.generation = RouterWorker::rebalance(&mut self.broker);
        let generation = self.generation;
        self.with(member, |worker, broker| {
            worker.assign(broker, &partitions, generation);
        });
    }

    fn count(&mut self, member: usize) {
        if let Some(worker) = self.members[member].take() {
            self.counts.add("policies reloaded", worker.reloads() as u64);
            self.counts.absorb(&worker.faults, worker.coverage());
        }
    }

    fn owned(&self, member: usize) -> Vec<InputPartition> {
        let owned = self.owners.iter().filter(|(_, owner)| **owner == member);
        owned.map(|(partition, _)| partition.clone()).collect()
    }

    /// No more faults occur, and everything is read and committed.
    fn settle(&mut self) {
        let generation = self.generation;
        for member in 0..MEMBERS {
            self.with(member, |worker, broker| {
                worker.faults.clear();
                worker.assign(broker, &[], generation);
                worker.advance(broker, LONG);
            });
        }
        for partition in self.partitions.clone() {
            while self.read(&partition) {}
        }
        for member in 0..MEMBERS {
            self.with(member, |worker, broker| worker.advance(broker, LONG));
            self.count(member);
        }
    }

    fn verdict(&self) -> Result<(), String> {
        for partition in &self.partitions {
            let place = place(partition);
            let last = self.broker.read_committed(&place).last();
            let (end, committed) = (
                last.map(|record| record.offset.next()),
                RouterWorker::committed(&self.broker, partition),
            );
            if committed != end {
                return Err(format!(
                    "{partition:?} ends at {end:?} and is committed to {committed:?}"
                ));
            }
        }
        let (found, expected) = (written(&self.broker), written(&self.undisturbed()));
        if found == expected {
            return Ok(());
        }
        let missing: Vec<_> = expected.difference(&found).map(|(topic, _)| topic).collect();
        let surplus: Vec<_> = found.difference(&expected).map(|(topic, _)| topic).collect();
        Err(format!("missing on {missing:?}, surplus on {surplus:?}"))
    }

    /// The output of one router that reads the same messages from start to end.
    fn undisturbed(&self) -> Broker {
        let mut broker = Broker::new();
        for partition in &self.partitions {
            let place = place(partition);
            for record in self.broker.read_committed(&place) {
                while broker.end_offset(&place) < record.offset {
                    broker.skip_offset(&place);
                }
                broker.append(&place, record.append_time, &record.key, &record.value);
            }
        }
        let mut worker = RouterWorker::start(&self.policies[0], OBSERVATIONS);
        worker.assign(&mut broker, &self.partitions, 0);
        for partition in &self.partitions {
            while worker.poll(&mut broker, partition) {}
        }
        worker.advance(&mut broker, LONG);
        broker
    }
}

fn place(partition: &InputPartition) -> TopicPartition {
    TopicPartition::new(&partition.topic, partition.number)
}

/// The records of the topics that a router writes to: copies count once.
fn written(broker: &Broker) -> BTreeSet<(TopicPartition, Vec<u8>)> {
    let observations = (0..OBSERVATIONS).map(|number| RouterWorker::observations(Partition::new(number)));
    let topics = observations.chain([RouterWorker::dead_letters()]);
    let records = topics.flat_map(|topic| {
        let records = broker.read_committed(&topic).map(|record| record.value.clone());
        let records: Vec<_> = records.collect();
        records.into_iter().map(move |value| (topic.clone(), value))
    });
    records.collect()
}

/// An access to a watched pipe, mostly; or something undecodable or of no interest.
fn message(id: u32, random: &mut StdRng) -> String {
    match random.random_range(0..10) {
        0 => format!("{{no message {id}"),
        1 => format!(r#"{{"message": "{id}"}}"#),
        _ => {
            let computer = format!("asset{}.aperture.local", id % 5);
            let event = Event::new(&SHARE_ACCESS, "2024-10-24T15:02:05.543Z", computer)
                .record_id(id)
                .set_all([
                    ("IpAddress", "10.1.0.101"),
                    ("IpPort", "49839"),
                    ("ShareName", "\\\\*\\IPC$"),
                    ("RelativeTargetName", "winreg"),
                    ("SubjectUserName", "TESTSUBJECT4"),
                ]);
            Shape::Winlogbeat7.document(&event).to_string()
        }
    }
}
