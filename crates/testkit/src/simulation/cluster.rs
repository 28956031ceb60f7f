//! A log, a group and its members, and everything that can happen to them.

use std::sync::Arc;
use std::time::Duration;

use pipewarden::detection::Fate;
use pipewarden::driver::memory::{Broker, BrokerError, Layout, Worker};
use pipewarden::event::{Observation, Sighting};
use pipewarden::pipeline::{ObservationRecord, Program};
use pipewarden::time::AppendTime;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::Faults;
use super::arrivals::{Arrivals, stamp};

const PARTITIONS: u32 = 3;
const MEMBERS: usize = 2;

/// A process.
enum Member {
    /// It takes part.
    Alive(Worker),
    /// Its session has ended without its knowledge: it believes that it owns partitions.
    Frozen(Worker),
    /// It has crashed. A transaction that it left open is still open.
    Down,
}

pub struct Cluster {
    pub broker: Broker,
    pub layout: Layout,
    pub faults: Faults,
    programs: Vec<Arc<Program>>,
    /// Which of the programs is the latest.
    current: usize,
    /// Whether there was ever another one than the first.
    has_changed: bool,
    /// Which of them each process has taken up.
    taken_up: [usize; MEMBERS],
    members: Vec<Member>,
    /// Processes that have a successor of the same name.
    zombies: Vec<Worker>,
    /// Who owns each partition, by the group's last word.
    owners: Vec<usize>,
    generation: u64,
    tick_outstanding: Vec<bool>,
    now: AppendTime,
}

impl Cluster {
    pub fn new(programs: Vec<Arc<Program>>) -> Self {
        let mut cluster = Self {
            broker: Broker::new(),
            layout: Layout::new(PARTITIONS),
            faults: Faults::default(),
            programs,
            current: 0,
            has_changed: false,
            taken_up: [0; MEMBERS],
            members: Vec::new(),
            zombies: Vec::new(),
            owners: (0..PARTITIONS as usize)
                .map(|partition| partition % MEMBERS)
                .collect(),
            generation: 0,
            tick_outstanding: vec![false; PARTITIONS as usize],
            now: AppendTime::MIN,
        };
        cluster.members = (0..MEMBERS).map(|_| Member::Down).collect();
        (0..MEMBERS).for_each(|member| cluster.start(member));
        cluster.give_out();
        cluster
    }

    /// The program of an undisturbed run, if there was only one.
    pub fn only_program(&self) -> Option<&Arc<Program>> {
        (!self.has_changed).then(|| &self.programs[0])
    }

    pub fn live_through(&mut self, arrivals: &Arrivals, random: &mut StdRng) {
        let mut pending = arrivals.order.iter().peekable();
        while let Some(&&(at, index)) = pending.peek() {
            if random.random_bool(0.4) {
                pending.next();
                self.now = self.now.max(at);
                self.arrive(&arrivals.observations[index], random);
            } else {
                self.disturb(at, random);
            }
        }
        self.settle();
    }

    /// Everyone lives and everything is read, deadlines included.
    fn settle(&mut self) {
        (0..MEMBERS).for_each(|member| self.wake(member));
        let end = self.now.plus(Duration::from_secs(1 << 32));
        for partition in 0..PARTITIONS {
            let input = self.layout.input(partition);
            self.broker
                .append(&input, end, b"", &ObservationRecord::Tick {}.encode());
            while self.step(partition) {}
        }
        (0..MEMBERS).for_each(|member| {
            self.commit(member);
            self.commit(member);
        });
    }

    /// What a router writes: the observation under its asset, a sighting under its source.
    fn arrive(&mut self, observation: &Observation, random: &mut StdRng) {
        let record = ObservationRecord::Observation(observation.clone());
        self.append(observation.asset.as_str(), &record, random);
        if let Some(sighting) = Sighting::of(observation) {
            let key = sighting.key();
            self.append(&key, &ObservationRecord::Sighting(sighting), random);
        }
    }

    fn append(&mut self, key: &str, record: &ObservationRecord, random: &mut StdRng) {
        let partition = key.bytes().map(u32::from).sum::<u32>() % PARTITIONS;
        let input = self.layout.input(partition);
        if random.random_bool(0.1) {
            self.broker.skip_offset(&input);
        }
        let stamp = stamp(self.now, random);
        self.broker
            .append(&input, stamp, key.as_bytes(), &record.encode());
        self.faults.records += 1;
    }

    fn disturb(&mut self, next_arrival: AppendTime, random: &mut StdRng) {
        let (partition, member) = (
            random.random_range(0..PARTITIONS),
            random.random_range(0..MEMBERS),
        );
        match random.random_range(0..100) {
            0..60 => {
                self.step(partition);
            }
            60..74 => self.commit(member),
            74..78 => self.abort(member),
            78..82 => self.crash(member, random),
            82..86 => self.hand_over(partition, random),
            86..88 => self.freeze(member),
            88..92 => self.wake(member),
            92..93 => self.zombies_wake(),
            93..94 => self.change_program(random),
            94..95 => self.reload(member, random),
            _ => self.tick(partition, next_arrival),
        }
    }

    fn alive(&mut self, member: usize) -> Option<&mut Worker> {
        match &mut self.members[member] {
            Member::Alive(worker) => Some(worker),
            Member::Frozen(_) | Member::Down => None,
        }
    }

    /// One record; false at the end of the partition, or where its owner is away.
    fn step(&mut self, partition: u32) -> bool {
        let Member::Alive(worker) = &mut self.members[self.owners[partition as usize]] else {
            return false;
        };
        let Some(applied) = worker.step(&self.broker, partition) else {
            return false;
        };
        self.tick_outstanding[partition as usize] &= applied.fate != Some(Fate::Tick);
        true
    }

    fn commit(&mut self, member: usize) {
        let generation = self.generation;
        let Member::Alive(worker) = &mut self.members[member] else {
            return;
        };
        match worker.commit(&mut self.broker) {
            Ok(()) => self.faults.commits += 1,
            Err(BrokerError::StaleGeneration) => {
                // The callback of the rebalance comes with the next poll; the batch is tried again.
                self.faults.stale_commits += 1;
                worker.rejoin(generation);
            }
            Err(error) => panic!("a member that lives is not fenced: {error}"),
        }
    }

    /// A transaction that the broker did not let through; the batch stays.
    fn abort(&mut self, member: usize) {
        let Member::Alive(worker) = &mut self.members[member] else {
            return;
        };
        let outcome = worker.abort(&mut self.broker);
        assert_ne!(
            outcome,
            Err(BrokerError::Fenced),
            "a member that lives is not fenced"
        );
        self.faults.aborts += 1;
    }

    /// A process ends without a word, perhaps in the midst of a commit; its partitions go to whoever is there.
    fn crash(&mut self, member: usize, random: &mut StdRng) {
        let Member::Alive(worker) = std::mem::replace(&mut self.members[member], Member::Down) else {
            return;
        };
        self.faults.crashes += 1;
        if random.random_bool(0.3) {
            self.faults.torn_commits += u64::from(worker.write(&mut self.broker).is_ok());
        } else if random.random_bool(0.3) {
            // It only seemed to end.
            self.zombies.push(worker);
        }
        if random.random_bool(0.5) {
            self.start(member);
        }
        self.give_out();
    }

    /// A living owner gives a partition to another member: it commits, lets go, and the other takes over.
    fn hand_over(&mut self, partition: u32, random: &mut StdRng) {
        let from = self.owners[partition as usize];
        let to = (from + 1) % MEMBERS;
        if self.alive(to).is_none() || self.alive(from).is_none() {
            return;
        }
        self.rebalance(from);
        if random.random_bool(0.8) {
            self.commit(from);
        }
        if let Some(worker) = self.alive(from) {
            worker.drop_partition(partition);
        }
        self.owners[partition as usize] = to;
        self.rebalance(to);
        self.take_over(partition);
        self.faults.handovers += 1;
    }

    /// A process stops for longer than its session lasts; the others get its partitions.
    fn freeze(&mut self, member: usize) {
        let Member::Alive(worker) = std::mem::replace(&mut self.members[member], Member::Down) else {
            return;
        };
        self.members[member] = Member::Frozen(worker);
        self.faults.frozen += 1;
        self.give_out();
    }

    /// A process that was away comes back.
    fn wake(&mut self, member: usize) {
        match std::mem::replace(&mut self.members[member], Member::Down) {
            Member::Alive(worker) => self.members[member] = Member::Alive(worker),
            Member::Down => {
                self.start(member);
                self.give_out();
            }
            Member::Frozen(mut worker) => {
                self.try_what_it_believes(&mut worker);
                // Now it learns that its partitions are lost.
                worker
                    .partitions()
                    .collect::<Vec<_>>()
                    .into_iter()
                    .for_each(|lost| worker.drop_partition(lost));
                self.members[member] = Member::Alive(worker);
                self.give_out();
            }
        }
    }

    fn zombies_wake(&mut self) {
        for mut zombie in std::mem::take(&mut self.zombies) {
            self.try_what_it_believes(&mut zombie);
            self.faults.zombies += 1;
        }
    }

    /// A process that is no longer what it believes to be goes on; whatever it tries, nothing of it may show.
    fn try_what_it_believes(&mut self, worker: &mut Worker) {
        for partition in worker.partitions().collect::<Vec<_>>() {
            worker.step(&self.broker, partition);
        }
        let had_something = worker.partitions().any(|partition| {
            worker
                .correlator(partition)
                .is_some_and(|correlator| correlator.is_caught_up())
        });
        let outcome = worker.commit(&mut self.broker);
        assert!(
            outcome.is_err() || !had_something || self.is_clean(worker),
            "a zombie has committed"
        );
    }

    /// Whether everything that the worker has read is committed, so that a commit has nothing to do.
    fn is_clean(&self, worker: &Worker) -> bool {
        worker.partitions().all(|partition| {
            let committed = self
                .broker
                .committed(&self.layout.group, &self.layout.input(partition));
            let position = worker
                .correlator(partition)
                .map(|correlator| correlator.position());
            committed.is_some_and(|committed| Some(committed.offset) >= position)
        })
    }

    /// Everyone stops, in order or not, and starts with other settings.
    fn change_program(&mut self, random: &mut StdRng) {
        if self.programs.len() == 1 {
            return;
        }
        for member in 0..MEMBERS {
            if random.random_bool(0.7) {
                self.commit(member);
            }
            self.members[member] = Member::Down;
        }
        self.next_program();
        self.faults.changed_programs += 1;
        (0..MEMBERS).for_each(|member| self.start(member));
        self.give_out();
    }

    /// From now on whoever starts or looks at its files finds other settings.
    fn next_program(&mut self) {
        self.current = (self.current + 1) % self.programs.len();
        self.has_changed = true;
    }

    /// A process takes up changed files while it runs. The other one may do so much later.
    fn reload(&mut self, member: usize, random: &mut StdRng) {
        if self.programs.len() == 1 {
            return;
        }
        if self.taken_up[member] == self.current && random.random_bool(0.5) {
            self.next_program();
        }
        if self.taken_up[member] == self.current {
            return;
        }
        self.commit(member);
        let program = Arc::clone(&self.programs[self.current]);
        if self.alive(member).is_some_and(|worker| worker.adopt(&program)) {
            self.taken_up[member] = self.current;
            self.faults.reloads += 1;
        }
    }

    /// The owner of an idle partition appends a tick once the clock has reached its deadline.
    fn tick(&mut self, partition: u32, next_arrival: AppendTime) {
        while self.step(partition) {}
        let Member::Alive(worker) = &self.members[self.owners[partition as usize]] else {
            return;
        };
        if let Some(deadline) = worker.next_deadline(partition)
            && deadline < next_arrival
            && !std::mem::replace(&mut self.tick_outstanding[partition as usize], true)
        {
            self.now = self.now.max(deadline);
            let input = self.layout.input(partition);
            self.broker
                .append(&input, self.now, b"", &ObservationRecord::Tick {}.encode());
            self.faults.ticks += 1;
        }
    }

    /// A process starts and fences its predecessor.
    fn start(&mut self, member: usize) {
        let worker = Worker::start(&mut self.broker, &self.layout, &format!("member-{member}"));
        self.taken_up[member] = self.current;
        self.members[member] = Member::Alive(worker);
    }

    /// Partitions whose owner is away go to a member that lives; those of a member that has just started are taken over.
    fn give_out(&mut self) {
        let Some(heir) = (0..MEMBERS).find(|&member| matches!(self.members[member], Member::Alive(_))) else {
            return;
        };
        for partition in 0..PARTITIONS {
            let owner = self.owners[partition as usize];
            let is_served = |worker: &Worker| worker.partitions().any(|own| own == partition);
            match &self.members[owner] {
                Member::Alive(worker) if is_served(worker) => {}
                Member::Alive(_) => {
                    self.rebalance(owner);
                    self.take_over(partition);
                }
                Member::Frozen(_) | Member::Down => {
                    self.owners[partition as usize] = heir;
                    self.rebalance(heir);
                    self.take_over(partition);
                }
            }
        }
    }

    /// A new generation, of which only this member knows yet.
    fn rebalance(&mut self, member: usize) {
        self.generation = self.broker.rebalance(&self.layout.group);
        let generation = self.generation;
        if let Some(worker) = self.alive(member) {
            worker.rejoin(generation);
        }
    }

    fn take_over(&mut self, partition: u32) {
        let owner = self.owners[partition as usize];
        let program = Arc::clone(&self.programs[self.taken_up[owner]]);
        let Member::Alive(worker) = &mut self.members[owner] else {
            return;
        };
        worker
            .take_over(&self.broker, partition, &program)
            .expect("the number of partitions is fixed");
        self.tick_outstanding[partition as usize] = false;
        let committed = self
            .broker
            .committed(&self.layout.group, &self.layout.input(partition));
        if let (Some(committed), Some(correlator)) = (committed, worker.correlator(partition))
            && (1..committed.offset).contains(&correlator.position())
        {
            self.faults.rewinds_moved += 1;
        }
    }
}
