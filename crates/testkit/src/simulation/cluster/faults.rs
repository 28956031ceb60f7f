//! Faults and other events that happen to the members and to the log.

use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::log::Offset;
use pipewarden_core::time::AppendTime;
use pipewarden_engine::local::{Fault, Worker};
use pipewarden_engine::worker::{Fact, Input, PartitionId};
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::{Cluster, MEMBERS, Member};

impl Cluster {
    pub(super) fn disturb(&mut self, next_arrival: AppendTime, random: &mut StdRng) {
        let partition = self.partitions[random.random_range(0..self.partitions.len())];
        let member = random.random_range(0..MEMBERS);
        match random.random_range(0..100) {
            0..54 => {
                self.read(partition);
            }
            54..66 => self.advance(member, Duration::from_millis(random.random_range(1..300))),
            66..76 => self.inject_fault(member, random),
            76..80 => self.crash(member, random),
            80..84 => self.hand_over(partition, random),
            84..86 => self.freeze(member),
            86..89 => self.wake(member),
            89..90 => self.zombies_wake(random),
            90..91 => self.change_policy(random),
            91..92 => self.reload(member, random),
            92..93 => self.leave(member, random),
            93..94 => {
                let which = random.random_range(0..4);
                self.counts
                    .add("late requests", u64::from(self.broker.deliver_late(which)));
            }
            94..95 if random.random_bool(0.5) => self.announce_generation(),
            94..95 => self.spread_generation(),
            95..96 => self.shorten_log(partition, random),
            96..97 => self.lose_in_commit(member),
            _ => self.tick(partition, next_arrival),
        }
        self.recover_ended();
    }

    /// Injects a fault between a member and the log.
    fn inject_fault(&mut self, member: usize, random: &mut StdRng) {
        let fault = Fault::CORRELATOR[random.random_range(0..Fault::CORRELATOR.len())];
        let times = match fault {
            // Sometimes for longer than a callback may take.
            Fault::CommittedUnanswered | Fault::LogUnanswered if random.random_bool(0.1) => 400,
            Fault::ProducerFatal | Fault::TornCommit if random.random_bool(0.8) => 0,
            _ => random.random_range(1..4),
        };
        self.with(member, |worker, _| {
            worker.faults.inject(fault, times);
            if matches!(fault, Fault::LateCommit | Fault::LateAbort) {
                worker.faults.inject(Fault::Abort, 1);
            }
            if matches!(fault, Fault::LateCommit | Fault::LateAbort | Fault::SlowCommit) {
                worker.faults.inject(Fault::LateArrival, 2);
            }
            if matches!(fault, Fault::ProducerFailed | Fault::ProducerFatal) {
                worker.faults.inject(Fault::Abort, 1);
            }
            if fault == Fault::StopInCallback {
                worker.faults.inject(Fault::CommittedUnanswered, 2);
            }
        });
    }

    /// A process crashes; its partitions are assigned to the other.
    fn crash(&mut self, member: usize, random: &mut StdRng) {
        if self.running(member).is_none() {
            return;
        }
        if random.random_bool(0.3) {
            self.with(member, |worker, broker| {
                worker.faults.inject(Fault::TornCommit, 1);
                worker.commit(broker);
            });
        }
        let Member::Running(worker) = std::mem::replace(&mut self.members[member], Member::Down) else {
            return;
        };
        self.counts.add("crashes", 1);
        if worker.is_dead() || random.random_bool(0.7) {
            self.count(&worker);
        } else {
            // It runs on unnoticed.
            self.zombies.push(worker);
        }
        if random.random_bool(0.5) {
            self.start(member);
        }
        self.reassign();
    }

    /// A process that has failed or crashed leaves the group.
    pub(super) fn recover_ended(&mut self) {
        for member in 0..MEMBERS {
            if let Member::Running(worker) = &self.members[member]
                && (worker.is_dead() || worker.end().is_some() || !worker.machine().is_running())
                && let Member::Running(mut worker) =
                    std::mem::replace(&mut self.members[member], Member::Down)
            {
                self.counts
                    .add("ended by themselves", u64::from(worker.end().is_some()));
                self.leave_group(&mut worker, false);
                self.counts.note(&worker.take_facts());
                self.count(&worker);
            }
        }
        self.reassign();
    }

    /// A partition is revoked from a running owner, which commits, and assigned to another member.
    fn hand_over(&mut self, partition: PartitionId, random: &mut StdRng) {
        let from = self.owners[&partition];
        let to = (from + 1) % MEMBERS;
        if self.running(to).is_none() || self.running(from).is_none() {
            return;
        }
        let generation = self.broker.rebalance(&self.layout.group);
        let during_commit = random.random_bool(0.3);
        let is_aborted = random.random_bool(0.2);
        self.with(from, |worker, broker| {
            if is_aborted {
                worker.faults.inject(Fault::Abort, 1);
            }
            if during_commit {
                worker.during_commit = Some(Input::Revoked {
                    partitions: vec![partition],
                    membership: generation,
                });
                worker.commit(broker);
            }
            let is_outstanding = worker.during_commit.take().is_some();
            if is_outstanding || !during_commit {
                worker.revoke(broker, &[partition], generation);
            } else {
                worker.unassign(&[partition]);
            }
        });
        self.counts.add("handovers", 1);
        self.owners.insert(partition, to);
        self.assign(to, &[partition]);
    }

    /// A member loses its partitions while a transaction of it is open, and learns of it at once.
    fn lose_in_commit(&mut self, member: usize) {
        let Some(partitions) = self
            .running(member)
            .map(|worker| worker.machine().partitions().collect::<Vec<_>>())
        else {
            return;
        };
        self.with(member, |worker, broker| {
            worker.during_commit = Some(Input::Lost {
                partitions: partitions.clone(),
            });
            worker.commit(broker);
            if worker.during_commit.take().is_some() {
                worker.lose(broker, &partitions);
            } else {
                worker.unassign(&partitions);
            }
        });
        self.counts.add("lost", 1);
        self.reassign();
    }

    /// A process is suspended for longer than its session; the others get its partitions.
    fn freeze(&mut self, member: usize) {
        let Member::Running(worker) = std::mem::replace(&mut self.members[member], Member::Down) else {
            return;
        };
        self.members[member] = Member::Frozen(worker);
        self.counts.add("frozen", 1);
        self.reassign();
    }

    /// A process that was away comes back.
    pub(super) fn wake(&mut self, member: usize) {
        match std::mem::replace(&mut self.members[member], Member::Down) {
            Member::Running(worker) => self.members[member] = Member::Running(worker),
            Member::Down => {
                self.start(member);
                self.reassign();
            }
            Member::Frozen(mut worker) => {
                // Its client may know more than the worker, and a signal may have come.
                if member == 0 {
                    worker.learn_loss();
                }
                if self.counts.of("frozen").is_multiple_of(2) {
                    worker.stop(&mut self.broker);
                }
                self.act_as_owner(&mut worker);
                // Its next poll reports that its partitions are lost.
                let partitions: Vec<_> = worker.machine().partitions().collect();
                worker.lose(&mut self.broker, &partitions);
                self.counts.note(&worker.take_facts());
                self.members[member] = Member::Running(worker);
                self.recover_ended();
            }
        }
    }

    fn zombies_wake(&mut self, random: &mut StdRng) {
        for mut zombie in std::mem::take(&mut self.zombies) {
            if random.random_bool(0.5) {
                self.act_as_owner(&mut zombie);
            } else {
                // It is stopped before it notices its successor. Its commits must have no effect.
                let is_replaced = zombie.generation() != self.broker.generation(&self.layout.group);
                let before = self.offsets();
                let partitions: Vec<_> = zombie.machine().partitions().collect();
                if random.random_bool(0.5) {
                    zombie.stop(&mut self.broker);
                }
                let generation = zombie.generation();
                zombie.revoke(&mut self.broker, &partitions, generation);
                assert!(
                    !is_replaced || before == self.offsets(),
                    "a zombie has moved offsets"
                );
            }
            self.counts.add("zombies", 1);
            self.count(&zombie);
        }
    }

    /// A process reads and commits though others may own its partitions; nothing of that may be visible.
    fn act_as_owner(&mut self, worker: &mut Worker) {
        worker.set_wall(self.now);
        // Where no other member was running, its partitions are still its own.
        let is_replaced = worker.generation() != self.broker.generation(&self.layout.group);
        let before = self.offsets();
        for partition in worker.machine().partitions().collect::<Vec<_>>() {
            worker.poll(&mut self.broker, partition);
        }
        worker.commit(&mut self.broker);
        let facts = worker.take_facts();
        let has_published = facts.iter().any(|fact| matches!(fact, Fact::Published(_)));
        assert!(!(is_replaced && has_published), "a zombie has committed");
        assert!(
            !is_replaced || before == self.offsets(),
            "a zombie has moved offsets"
        );
        self.counts.note(&facts);
    }

    fn offsets(&self) -> Vec<Option<Offset>> {
        let committed = |partition: &PartitionId| {
            let place = self.layout.input(*partition);
            let committed = self.broker.committed(&self.layout.group, &place);
            committed.map(|committed| committed.offset)
        };
        self.partitions.iter().map(committed).collect()
    }

    /// All members stop, in order or not, and start with other settings.
    fn change_policy(&mut self, random: &mut StdRng) {
        if self.policies.len() == 1 {
            return;
        }
        for member in 0..MEMBERS {
            if random.random_bool(0.7) {
                self.with(member, |worker, broker| worker.commit(broker));
            }
            if let Member::Running(worker) = std::mem::replace(&mut self.members[member], Member::Down) {
                self.count(&worker);
            }
        }
        self.next_policy();
        self.counts.add("changed policies", 1);
        (0..MEMBERS).for_each(|member| self.start(member));
        self.reassign();
    }

    /// From now on members that start or reload find other settings.
    fn next_policy(&mut self) {
        self.current = (self.current + 1) % self.policies.len();
        self.has_changed = true;
    }

    /// A member reloads its files while it runs, whatever it is doing. The other one may do so much later.
    fn reload(&mut self, member: usize, random: &mut StdRng) {
        if self.policies.len() == 1 {
            return;
        }
        if random.random_bool(0.5) {
            self.next_policy();
        }
        let policy = Arc::clone(&self.policies[self.current]);
        // Records of the old position come while the partitions are being located.
        let fault = [
            Fault::CommittedUnanswered,
            Fault::LogUnanswered,
            Fault::SeekTimedOut,
        ][random.random_range(0..3)];
        self.with(member, |worker, broker| {
            worker.faults.inject(fault, 6);
            worker.change_policy(broker, &policy);
        });
    }

    /// A process is stopped: it commits and leaves the group, unless its partitions are lost before.
    fn leave(&mut self, member: usize, random: &mut StdRng) {
        if random.random_bool(0.3) {
            self.inject_fault(member, random);
        }
        if let Member::Running(mut worker) = std::mem::replace(&mut self.members[member], Member::Down) {
            self.counts.add("stops", 1);
            if random.random_bool(0.2) {
                if random.random_bool(0.3) {
                    worker.faults.inject(Fault::Abort, 1);
                    worker.faults.inject(Fault::ProducerFatal, 1);
                }
                worker.stop(&mut self.broker);
                worker.advance(&mut self.broker, Duration::from_millis(300));
            }
            self.leave_group(&mut worker, random.random_bool(0.2));
            self.counts.note(&worker.take_facts());
            self.count(&worker);
        }
        self.reassign();
    }

    /// Ends a member, whatever state it is in.
    fn leave_group(&mut self, worker: &mut Worker, is_lost: bool) {
        let partitions: Vec<_> = worker.machine().partitions().collect();
        // Records that were fetched before are still handed in, and so is a change of the files.
        for partition in &self.partitions {
            worker.poll(&mut self.broker, *partition);
        }
        worker.change_policy(&mut self.broker, &self.policies[self.current]);
        worker.stop(&mut self.broker);
        worker.idle(&mut self.broker);
        if is_lost {
            worker.lose(&mut self.broker, &partitions);
        } else {
            let generation = self.broker.generation(&self.layout.group);
            worker.revoke(&mut self.broker, &partitions, generation);
        }
    }

    /// The log loses its beginning, or its end.
    fn shorten_log(&mut self, partition: PartitionId, random: &mut StdRng) {
        let place = self.layout.input(partition);
        let (start, end) = (self.broker.start_offset(&place), self.broker.end_offset(&place));
        if self.conditions.retention_is_short {
            let offset = Offset::new(random.random_range(start.get()..=end.get()));
            self.broker.delete_before(&place, offset);
            self.counts.add("log starts moved", 1);
        }
        if self.conditions.log_is_truncated {
            let offset = Offset::new(random.random_range(start.get()..=end.get()));
            self.broker.truncate(&place, offset);
            self.counts.add("logs truncated", 1);
        }
    }

    /// The clock reaches the deadline of an idle partition, whose owner appends a tick. Where [`Conditions::ticks_together`],
    /// it reaches those of all partitions of the owner, and the answer to the first tick is slow: the next batch is due before
    /// the second is answered.
    fn tick(&mut self, partition: PartitionId, next_arrival: AppendTime) {
        let owner = self.owners[&partition];
        let mut idle = vec![partition];
        if self.conditions.ticks_together {
            idle = self.partitions.clone();
            idle.retain(|partition| self.owners[partition] == owner);
        }
        for &partition in &idle {
            self.read_to_end(partition);
        }
        let Some(worker) = self.running(owner) else {
            return;
        };
        let deadlines = (idle.iter()).filter_map(|partition| worker.machine().next_deadline(*partition));
        let due: Vec<AppendTime> = deadlines.filter(|deadline| *deadline < next_arrival).collect();
        let Some(&last) = due.iter().max() else {
            return;
        };
        self.now = self.now.max(last);
        if self.conditions.ticks_together && due.len() > 1 {
            self.counts.add("ticks together", 1);
            self.with(owner, |worker, _| worker.faults.inject(Fault::SlowAnswer, 1));
        }
        self.advance(owner, Duration::from_millis(60));
    }
}
