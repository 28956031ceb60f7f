//! Work that is due by time, whether or not records come: ticks, another policy, reports.

use std::sync::Arc;
use std::time::Duration;

use super::fact::{Fact, PartitionReport};
use super::io::{At, Output, PartitionId};
use super::machine::{Life, Machine};
use super::partition::{Phase, Reader};
use super::publisher::Publisher;

/// How often ticks are considered and unanswered questions are repeated.
pub(super) const HOUSEKEEPING: Duration = Duration::from_millis(50);

/// How often the state of partitions is reported.
const REPORT: Duration = Duration::from_secs(1);

/// How often the progress of a long restoration is reported.
const PROGRESS: Duration = Duration::from_secs(10);

/// The last time of each kind of work.
#[derive(Debug)]
pub(super) struct Schedule {
    housekeeping: Duration,
    reported: Duration,
    progressed: Duration,
}

impl Schedule {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            housekeeping: now,
            reported: now,
            progressed: now,
        }
    }
}

impl<M: Clone> Machine<M> {
    pub(super) fn run_housekeeping(&mut self, at: At) {
        self.change_policy(at);
        if self.publisher.awaits_answer() {
            return;
        }
        if at.monotonic >= self.schedule.housekeeping + HOUSEKEEPING {
            self.schedule.housekeeping = at.monotonic;
            self.ask_again(at);
            self.append_ticks(at);
        }
        if at.monotonic >= self.schedule.reported + REPORT {
            self.schedule.reported = at.monotonic;
            self.report(at);
        }
    }

    /// Switches to another policy once everything that was read is committed by the old one and no partition is being
    /// restored: every partition is located again, as after a start.
    fn change_policy(&mut self, at: At) {
        if self.next_policy.is_none() || self.life != Life::Running || self.is_asking() {
            return;
        }
        let is_live = |phase: &Phase| matches!(phase, Phase::Reading(reader) if reader.is_live());
        if !matches!(self.publisher, Publisher::Ready) || !self.partitions.values().all(is_live) {
            return;
        }
        if let Some(batch) = self.take_batch() {
            return self.publish(Arc::new(batch), None, at);
        }
        let is_settled = |phase: &Phase| matches!(phase, Phase::Reading(reader) if !reader.is_committable());
        if !self.partitions.values().all(is_settled) {
            // Outside of the group nothing can be committed.
            return;
        }
        let Some(policy) = self.next_policy.take() else {
            return;
        };
        if Arc::ptr_eq(&policy, &self.policy) {
            return;
        }
        let partitions: Vec<PartitionId> = self.partitions().collect();
        self.observe(Fact::Reloading {
            partitions: partitions.len(),
            policy: policy.checkpoint_id().to_owned(),
        });
        self.policy = policy;
        if !partitions.is_empty() {
            self.locate(partitions, at);
        }
    }

    fn append_ticks(&mut self, at: At) {
        if self.ticks_asked > 0 {
            return;
        }
        let due: Vec<PartitionId> = (self.readers())
            .filter(|(_, reader)| reader.needs_tick(at))
            .map(|(partition, _)| partition)
            .collect();
        for partition in due {
            self.ticks_asked += 1;
            self.push(Output::AppendTick { partition });
        }
    }

    pub(super) fn ticked(&mut self, partition: PartitionId, at: At) {
        self.note_tick_answered();
        match self.partitions.get_mut(&partition) {
            Some(Phase::Reading(reader)) if reader.is_live() => reader.ticked(at),
            _ => panic!("{partition} was ticked and is not live"),
        }
        self.observe(Fact::Ticked);
    }

    pub(super) fn tick_failed(&mut self, partition: PartitionId, problem: String) {
        self.note_tick_answered();
        assert!(
            self.reader(partition).is_some_and(Reader::is_live),
            "{partition} was to be ticked and is not live"
        );
        self.observe(Fact::TickFailed { partition, problem });
    }

    fn note_tick_answered(&mut self) {
        let outstanding = self.ticks_asked.checked_sub(1);
        self.ticks_asked = outstanding.expect("a tick is answered that was asked for");
    }

    fn report(&mut self, at: At) {
        let reports: Vec<Fact> = (self.readers())
            .map(|(partition, reader)| {
                let correlator = reader.correlator();
                Fact::Partition(Box::new(PartitionReport {
                    partition,
                    size: correlator.state_size(),
                    sensors: correlator.sensors().collect(),
                    clocks: correlator.clocks().collect(),
                }))
            })
            .collect();
        reports.into_iter().for_each(|report| self.observe(report));
        let (mut partitions, mut records) = (0, 0);
        for restored in self.readers().filter_map(|(_, reader)| reader.restored_so_far()) {
            partitions += 1;
            records += restored;
        }
        if partitions > 0 && at.monotonic >= self.schedule.progressed + PROGRESS {
            self.schedule.progressed = at.monotonic;
            self.observe(Fact::Progress { partitions, records });
        }
    }
}
