//! A seeded world of crashes: arrivals, commits, aborts, takeovers, zombies, ticks and copies in a random
//! interleaving over the in-process log. The same seed gives the same run.
//!
//! The promise: whatever happened on the way, the records that a `read_committed` consumer finds on the alerts
//! topic are those of one undisturbed run over the same log, and their final view is the reference's.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipewarden::detection::{JoinSettings, RuleSet};
use pipewarden::driver::memory::{Broker, Layout, TopicPartition, Worker};
use pipewarden::event::Observation;
use pipewarden::inventory::{Inventory, UnlistedHosts};
use pipewarden::pipeline::{ObservationRecord, Program};
use pipewarden::time::AppendTime;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::world::{self, Seed, millis};
use super::{reference, schema};

/// What happened in one run, to show that the interesting things did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub records: u64,
    pub ticks: u64,
    pub alerts: u64,
    pub commits: u64,
    pub crashes: u64,
    pub aborts: u64,
    pub zombies: u64,
    pub handovers: u64,
    /// Takeovers that started after the beginning of the log: R had moved.
    pub rewinds_moved: u64,
}

impl std::ops::AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.ticks += other.ticks;
        self.alerts += other.alerts;
        self.commits += other.commits;
        self.crashes += other.crashes;
        self.aborts += other.aborts;
        self.zombies += other.zombies;
        self.handovers += other.handovers;
        self.rewinds_moved += other.rewinds_moved;
    }
}

const PARTITIONS: u32 = 2;

/// Runs the world of one seed.
///
/// # Errors
/// What differs from the undisturbed run or from the reference.
pub fn run(seed: u64) -> Result<Faults, String> {
    let mut random = StdRng::seed_from_u64(seed);
    let settings = if random.random_bool(0.3) {
        JoinSettings::default()
    } else {
        world::scaled_down(60)
    };
    let world = World::random(&mut random, &settings);
    let mut simulation = Simulation::new(program(&settings));
    simulation.live_through(&world, &mut random);
    simulation.check(&world, &settings)?;
    Ok(simulation.faults)
}

/// A program that watches every host.
pub fn program(settings: &JoinSettings) -> Arc<Program> {
    let rules = RuleSet::new(world::rules()).expect("the rules of the test worlds are sound");
    let fingerprint = "simulated".to_owned();
    let inventory = Arc::new(Inventory::empty());
    Arc::new(Program::new(
        rules,
        inventory,
        UnlistedHosts::Watch,
        settings.clone(),
        fingerprint,
    ))
}

/// Observations and when they arrive; a copy is a second arrival.
struct World {
    observations: Vec<Observation>,
    /// Append time and index, in order.
    arrivals: Vec<(AppendTime, usize)>,
}

impl World {
    fn random(random: &mut StdRng, settings: &JoinSettings) -> Self {
        // Long enough for alerts to close, observations to expire and the rewind to move.
        let span = millis(settings.horizon()) * random.random_range(1..5);
        let number = random.random_range(1..60u64);
        let bursts = random.random_range(1..6);
        let observations: Vec<Observation> = (0..number)
            .map(|index| seed_at(random, span, bursts).observation(index))
            .collect();
        let mut arrivals = Vec::new();
        for (index, observation) in observations.iter().enumerate() {
            let at = AppendTime::at_event(observation.event.time).as_millis();
            let late = millis(settings.allowed_lateness);
            let delay = match random.random_range(0..4) {
                // A second of skew is left for the lagging clock of a new leader.
                0 => random.random_range(1_000 - millis(settings.clock_skew)..=late),
                1 => random.random_range(0..=late),
                _ => random.random_range(0..2_000),
            };
            arrivals.push((AppendTime::from_millis(at + delay), index));
            if random.random_bool(0.3) {
                let later = random.random_range(0..=late);
                arrivals.push((AppendTime::from_millis(at + delay + later), index));
            }
        }
        arrivals.sort_by_key(|&(at, index)| (at, index % 7, index));
        Self {
            observations,
            arrivals,
        }
    }
}

fn seed_at(random: &mut StdRng, span: i64, bursts: i64) -> Seed {
    let at = random.random_range(0..bursts) * (span / bursts) + random.random_range(0..12_000) / 500 * 500;
    Seed {
        kind: random.random_range(0..3),
        asset: random.random_range(0..2),
        source: random.random_range(0..3),
        port: random.random_range(0..4),
        at,
        account: random.random_range(0..4),
        other_rule: random.random_bool(0.15),
        client_side: random.random_bool(0.5),
    }
}

struct Simulation {
    broker: Broker,
    program: Arc<Program>,
    owners: Vec<Owner>,
    now: AppendTime,
    faults: Faults,
}

struct Owner {
    layout: Layout,
    partition: u32,
    worker: Worker,
    zombies: Vec<Worker>,
    tick_outstanding: bool,
}

impl Owner {
    fn input(&self) -> TopicPartition {
        self.layout.input(self.partition)
    }
}

impl Simulation {
    fn new(program: Arc<Program>) -> Self {
        let mut broker = Broker::new();
        let owners = (0..PARTITIONS)
            .map(|partition| {
                let layout = Layout {
                    alerts: TopicPartition::new("alerts", partition),
                    ..Layout::new(PARTITIONS)
                };
                let worker = Worker::take_over(&mut broker, &layout, partition, &program).unwrap();
                Owner {
                    layout,
                    partition,
                    worker,
                    zombies: Vec::new(),
                    tick_outstanding: false,
                }
            })
            .collect();
        Self {
            broker,
            program,
            owners,
            now: AppendTime::MIN,
            faults: Faults::default(),
        }
    }

    fn live_through(&mut self, world: &World, random: &mut StdRng) {
        let mut pending = world.arrivals.iter().peekable();
        while let Some(&&(at, index)) = pending.peek() {
            if random.random_bool(0.4) {
                pending.next();
                self.now = self.now.max(at);
                self.arrive(&world.observations[index], random);
            } else {
                self.disturb(at, random);
            }
        }
        let end = self.now.plus(std::time::Duration::from_secs(1 << 32));
        for index in 0..self.owners.len() {
            let input = self.owners[index].input();
            self.broker
                .append(&input, end, b"", &ObservationRecord::Tick {}.encode());
            while self.step(index) {}
            self.commit(index);
        }
    }

    fn arrive(&mut self, observation: &Observation, random: &mut StdRng) {
        let asset = observation.asset.as_str();
        let partition = asset.bytes().map(u32::from).sum::<u32>() % PARTITIONS;
        let input = self.owners[partition as usize].input();
        if random.random_bool(0.1) {
            self.broker.skip_offset(&input);
        }
        // A new leader's clock may lag.
        let stamp = if random.random_bool(0.05) {
            self.now.minus(std::time::Duration::from_millis(700))
        } else {
            self.now
        };
        let record = ObservationRecord::Observation(observation.clone());
        self.broker
            .append(&input, stamp, asset.as_bytes(), &record.encode());
        self.faults.records += 1;
    }

    fn disturb(&mut self, next_arrival: AppendTime, random: &mut StdRng) {
        let index = random.random_range(0..self.owners.len());
        match random.random_range(0..100) {
            0..60 => {
                self.step(index);
            }
            60..75 => self.commit(index),
            75..80 => self.crash(index),
            80..84 => self.abort(index),
            84..88 => self.leave_a_zombie(index),
            88..92 => {
                self.commit(index);
                self.take_over(index);
                self.faults.handovers += 1;
            }
            92..94 => self.zombies_wake(index),
            _ => self.tick(index, next_arrival),
        }
    }

    /// One record; false at the end of the partition.
    fn step(&mut self, index: usize) -> bool {
        let owner = &mut self.owners[index];
        let stepped = owner
            .worker
            .step(&mut self.broker)
            .expect("the owner is not fenced");
        match stepped {
            Some(applied) => {
                if applied.kind.is_none() {
                    owner.tick_outstanding = false;
                }
                self.faults.alerts += applied.alerts.len() as u64;
                true
            }
            None => false,
        }
    }

    fn commit(&mut self, index: usize) {
        self.owners[index]
            .worker
            .commit(&mut self.broker)
            .expect("the owner is not fenced");
        self.faults.commits += 1;
    }

    fn crash(&mut self, index: usize) {
        self.take_over(index);
        self.faults.crashes += 1;
    }

    fn abort(&mut self, index: usize) {
        self.owners[index]
            .worker
            .abort(&mut self.broker)
            .expect("the owner is not fenced");
        self.take_over(index);
        self.faults.aborts += 1;
    }

    fn take_over(&mut self, index: usize) -> Worker {
        let owner = &mut self.owners[index];
        let input = owner.input();
        let successor =
            Worker::take_over(&mut self.broker, &owner.layout, owner.partition, &self.program).unwrap();
        if let Some(committed) = self.broker.committed(&owner.layout.group, &input)
            && successor.correlator().position() > 0
            && successor.correlator().position() < committed.offset
        {
            self.faults.rewinds_moved += 1;
        }
        owner.tick_outstanding = false;
        std::mem::replace(&mut owner.worker, successor)
    }

    fn leave_a_zombie(&mut self, index: usize) {
        let zombie = self.take_over(index);
        self.owners[index].zombies.push(zombie);
        self.faults.zombies += 1;
    }

    /// Zombies go on with what they were doing; whatever they try, nothing of it may show.
    fn zombies_wake(&mut self, index: usize) {
        for mut zombie in std::mem::take(&mut self.owners[index].zombies) {
            let _ = zombie.step(&mut self.broker);
            let caught_up = zombie.correlator().is_caught_up();
            let committed = zombie.commit(&mut self.broker);
            assert!(committed.is_err() || !caught_up, "a zombie has committed");
        }
    }

    /// The owner of an idle partition appends a tick once the clock has reached its deadline.
    fn tick(&mut self, index: usize, next_arrival: AppendTime) {
        while self.step(index) {}
        let owner = &mut self.owners[index];
        let input = owner.input();
        if let Some(deadline) = owner.worker.next_deadline()
            && deadline < next_arrival
            && !owner.tick_outstanding
        {
            owner.tick_outstanding = true;
            self.now = self.now.max(deadline);
            self.broker
                .append(&input, self.now, b"", &ObservationRecord::Tick {}.encode());
            self.faults.ticks += 1;
        }
    }

    fn check(&self, world: &World, settings: &JoinSettings) -> Result<(), String> {
        let mut last: BTreeMap<Vec<u8>, serde_json::Value> = BTreeMap::new();
        for owner in &self.owners {
            let found = alerts(&self.broker, &owner.layout.alerts);
            let expected = self.undisturbed(owner);
            if found != expected {
                return Err(format!(
                    "partition {}: records differ from an undisturbed run",
                    owner.partition
                ));
            }
            for (key, value) in found {
                last.insert(
                    key,
                    serde_json::from_slice(&value).map_err(|error| error.to_string())?,
                );
            }
        }
        last.values()
            .for_each(|document| schema::assert_valid("alert", document));
        last.retain(|_, document| document["pipewarden"]["status"] == "active");
        let expected = reference::final_alerts(&world.observations, &world::rules(), settings);
        let expected: BTreeMap<Vec<u8>, _> = expected
            .into_iter()
            .map(|(key, content)| (key.id().to_string().into_bytes(), content))
            .collect();
        if !last.keys().eq(expected.keys()) {
            return Err("the alerts that stand are not those of the reference".to_owned());
        }
        for (document, content) in last.values().zip(expected.values()) {
            let own = &document["pipewarden"];
            let same = own["confidence"] == content.confidence.as_str()
                && own["attribution"] == content.attribution.as_str()
                && own["observations"] == serde_json::to_value(content.counts).unwrap_or_default()
                && own["accounts"].as_array().map(Vec::len) == Some(content.accounts.len());
            if !same {
                return Err(format!("{document:#} is not {content:#?}"));
            }
        }
        Ok(())
    }

    /// The alerts of one worker that reads the same log from end to end and is never disturbed.
    fn undisturbed(&self, owner: &Owner) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut broker = Broker::new();
        let input = owner.input();
        for record in self.broker.read_committed(&input) {
            while broker.end_offset(&input) < record.offset {
                broker.skip_offset(&input);
            }
            broker.append(&input, record.append_time, &record.key, &record.value);
        }
        let mut worker =
            Worker::take_over(&mut broker, &owner.layout, owner.partition, &self.program).unwrap();
        while worker.step(&mut broker).unwrap().is_some() {}
        worker.commit(&mut broker).unwrap();
        alerts(&broker, &owner.layout.alerts)
    }
}

fn alerts(broker: &Broker, topic: &TopicPartition) -> Vec<(Vec<u8>, Vec<u8>)> {
    broker
        .read_committed(topic)
        .map(|record| (record.key.clone(), record.value.clone()))
        .collect()
}
