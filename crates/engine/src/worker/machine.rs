//! The machine: its state, and the handler of each input.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::fact::{Fact, WorkerState};
use super::housekeeping::{HOUSEKEEPING, Schedule};
use super::io::{At, End, Fetched, Input, Output, PartitionId, Topic};
use super::partition::{Phase, Reader};
use super::publisher::Publisher;
use crate::{Correlator, LogRecord, Origin, Policy};
use pipewarden_core::time::AppendTime;

/// Settings that do not change while a worker runs.
#[derive(Clone, Debug)]
pub struct MachineSettings {
    /// The observations topic's name.
    pub observations: String,
    /// The sightings topic's name.
    pub sightings: String,
    /// How many partitions the observations topic has, by its metadata. A checkpoint with another number ends the worker.
    pub partitions: u32,
    /// The same of the sightings topic.
    pub sightings_partitions: u32,
    /// The longest time between reading a record and the transaction that commits it.
    pub commit_interval: Duration,
    /// The time limit of a callback, and of a transaction between two polls. Must be well below `max.poll.interval.ms`,
    /// after which the group assigns the partitions to others. What is not located by then is located later; what is not
    /// committed is tried again, or repeated by the new owner.
    pub budget: Duration,
    /// How many of the alerts of a batch, the last ones, are explained once it is committed.
    pub explanations: usize,
}

impl MachineSettings {
    pub(super) fn name(&self, topic: Topic) -> &str {
        match topic {
            Topic::Observations => &self.observations,
            Topic::Sightings => &self.sightings,
        }
    }

    pub(super) fn partitions(&self, topic: Topic) -> u32 {
        match topic {
            Topic::Observations => self.partitions,
            Topic::Sightings => self.sightings_partitions,
        }
    }
}

/// A correlator worker: see the [module](crate::worker) for the protocol and the adapters.
#[derive(Debug)]
pub struct Machine<M> {
    pub(super) settings: MachineSettings,
    /// The policy that decides its partitions.
    pub(super) policy: Arc<Policy>,
    /// The policy to switch to as soon as everything read is committed.
    pub(super) next_policy: Option<Arc<Policy>>,
    /// Of the generation that the last callback named. librdkafka renews it in the background: with a fresh reading, a
    /// batch of partitions lost meanwhile could be committed, while a stale one only costs an abort, after which it is read
    /// anew. `None` outside of the group.
    pub(super) membership: Option<M>,
    /// Whether an answer about the membership is outstanding.
    pub(super) is_membership_asked: bool,
    pub(super) partitions: BTreeMap<PartitionId, Phase>,
    pub(super) publisher: Publisher,
    /// When the first record, or end of a partition, was read that is in no batch yet.
    pub(super) batch_since: Option<Duration>,
    /// The pause before the producer was replaced after a commit in doubt; `None` once a transaction was clean.
    pub(super) doubt_pause: Option<Duration>,
    pub(super) callback: Option<Callback>,
    /// Ticks that were asked for and are not answered yet.
    pub(super) ticks_asked: usize,
    pub(super) life: Life,
    pub(super) schedule: Schedule,
    /// As last reported.
    pub(super) reported: WorkerState,
    outputs: VecDeque<Output<M>>,
}

/// A rebalance callback that has not returned.
#[derive(Debug)]
pub(super) enum Callback {
    /// New partitions are being located, until all are or this moment comes.
    Assigning { until: Duration },
    /// What is pending is being published, until this moment at the latest; then these are forgotten.
    Revoking {
        partitions: Vec<PartitionId>,
        until: Duration,
    },
}

/// Whether the worker goes on, ends or has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// The service ends: nothing more is taken over.
    Stopping,
    /// The worker has failed: nothing more is published.
    Ended,
}

impl<M: Clone> Machine<M> {
    /// A worker that is not yet in its group. Its producer is ready, and has fenced the previous one of its id.
    pub fn new(settings: MachineSettings, policy: Arc<Policy>, at: At) -> Self {
        Self {
            settings,
            policy,
            next_policy: None,
            membership: None,
            is_membership_asked: false,
            partitions: BTreeMap::new(),
            publisher: Publisher::Ready,
            batch_since: None,
            doubt_pause: None,
            callback: None,
            ticks_asked: 0,
            life: Life::Running,
            schedule: Schedule::new(at.monotonic),
            reported: WorkerState::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Handles an input. The outputs are fetched by [`Machine::next_output`].
    ///
    /// # Panics
    /// Where an answer comes that nothing asked for, offsets fall, or an invariant of batches is violated: a defect of the
    /// adapter or of the machine.
    pub fn handle(&mut self, input: Input<'_, M>, at: At) {
        self.assert_expected(&input);
        let is_quiet = matches!(input, Input::Timer);
        match input {
            Input::Record { partition, record } => self.record(partition, record, at),
            Input::EndOfPartition { partition } => self.end_of_partition(partition, at),
            Input::Assigned {
                partitions,
                membership,
            } => self.assigned(partitions, membership, at),
            Input::Revoked {
                partitions,
                membership,
            } => self.revoked(partitions, membership, at),
            Input::Lost { partitions } => self.lost(&partitions),
            Input::Committed { partition, committed } => self.committed(partition, committed, at),
            Input::Log { partition, low, high } => self.log(partition, low, high, at),
            Input::AskFailed { partition, problem } => self.ask_failed(partition, problem, at),
            Input::SeekDone { partition } => self.seek_done(partition),
            Input::SeekFailed { partition, problem } => self.seek_failed(partition, problem, at),
            Input::Ended(ended) => self.ended(ended, at),
            Input::Producer(renewed) => self.renewed(renewed, at),
            Input::Membership(membership) => self.membership_read(membership),
            Input::Ticked { partition } => self.ticked(partition, at),
            Input::TickFailed { partition, problem } => self.tick_failed(partition, problem),
            Input::PolicyChanged(policy) => self.next_policy = Some(policy),
            Input::Timer => {}
            Input::Stop => self.stop(),
        }
        self.run_due_work(is_quiet, at);
    }

    /// The next output to execute; `None` if the adapter may hand in the next input.
    pub fn next_output(&mut self) -> Option<Output<M>> {
        self.outputs.pop_front()
    }

    /// The longest time that the adapter may wait for a record, or within a callback, before it hands in [`Input::Timer`].
    pub fn wait(&self, at: At) -> Duration {
        let due = match &self.callback {
            Some(callback) => self.callback_due(callback),
            None => self.next_publication(at),
        };
        due.map_or(HOUSEKEEPING, |due| {
            due.saturating_sub(at.monotonic).min(HOUSEKEEPING)
        })
    }

    /// The policy that decides its partitions.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Whether it has neither failed nor been stopped.
    pub fn is_running(&self) -> bool {
        self.life == Life::Running
    }

    /// Whether [`Output::CallbackDone`] is still to come.
    pub fn is_in_callback(&self) -> bool {
        self.callback.is_some()
    }

    /// Its partitions.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionId> {
        self.partitions.keys().copied()
    }

    /// The state of a partition that is being restored or live.
    pub fn correlator(&self, partition: PartitionId) -> Option<&Correlator> {
        self.reader(partition).map(Reader::correlator)
    }

    /// When a partition needs a tick at the latest, if nothing else comes.
    pub fn next_deadline(&self, partition: PartitionId) -> Option<AppendTime> {
        self.reader(partition)?.next_deadline()
    }

    fn record(&mut self, partition: PartitionId, record: Fetched<'_>, at: At) {
        let Fetched {
            offset,
            append_time,
            value,
        } = record;
        let Some(Phase::Reading(reader)) = self.partitions.get_mut(&partition) else {
            // The partition is revoked, or the record was fetched before the consumer had sought to the start of the state.
            return;
        };
        let Some(append_time) = append_time else {
            self.end(End::TimestampType(partition.topic));
            return;
        };
        if offset < reader.correlator().position() {
            // The consumer has been reset to the start of the log: the state may no longer follow from the log.
            self.locate_again(partition, at);
            return;
        }
        let record = LogRecord {
            offset,
            append_time,
            value,
        };
        let outputs = &mut self.outputs;
        let origin = Origin {
            topic: self.settings.name(partition.topic),
            partition: partition.number,
            offset,
        };
        reader.apply(record, origin, at, |fact| {
            outputs.push_back(Output::Observe(fact))
        });
        self.note_restored(partition, at);
        self.batch_since.get_or_insert(at.monotonic);
    }

    fn end_of_partition(&mut self, partition: PartitionId, at: At) {
        if let Some(Phase::Reading(reader)) = self.partitions.get_mut(&partition) {
            reader.reach_end();
            self.note_restored(partition, at);
            self.batch_since.get_or_insert(at.monotonic);
        }
    }

    fn note_restored(&mut self, partition: PartitionId, at: At) {
        if let Some(Phase::Reading(reader)) = self.partitions.get_mut(&partition)
            && !reader.is_live()
            && let Some(restored) = reader.note_restored(partition, at)
        {
            self.observe(restored);
            self.report_state();
        }
    }

    fn stop(&mut self) {
        if self.life == Life::Running {
            self.life = Life::Stopping;
        }
        self.abandon_unlocated();
    }

    /// Does what is due by time after each input. `is_quiet` where no record came.
    fn run_due_work(&mut self, is_quiet: bool, at: At) {
        if self.callback.is_some() {
            self.continue_callback(at);
        } else if self.life != Life::Ended {
            self.publish_if_due(is_quiet, at);
            // Within a transaction only its end may come, so nothing else may be asked for now.
            if !self.publisher.awaits_answer() {
                self.run_housekeeping(at);
            }
        }
    }

    /// The worker has failed.
    pub(super) fn end(&mut self, why: End) {
        if self.life != Life::Ended {
            self.life = Life::Ended;
            self.outputs.push_back(Output::End(why));
        }
    }

    pub(super) fn push(&mut self, output: Output<M>) {
        self.outputs.push_back(output);
    }

    pub(super) fn observe(&mut self, fact: Fact) {
        self.outputs.push_back(Output::Observe(fact));
    }

    /// Reports the worker's share of the partitions, if it has changed.
    pub(super) fn report_state(&mut self) {
        let is_live = |phase: &&Phase| matches!(phase, Phase::Reading(reader) if reader.is_live());
        let live = self.partitions.values().filter(is_live).count();
        let state = WorkerState {
            is_assigned: self.membership.is_some(),
            partitions: self.partitions.len(),
            restoring: self.partitions.len() - live,
        };
        if state != self.reported {
            self.reported = state;
            self.observe(Fact::Worker(state));
        }
    }

    pub(super) fn reader(&self, partition: PartitionId) -> Option<&Reader> {
        match self.partitions.get(&partition)? {
            Phase::Reading(reader) => Some(reader),
            Phase::Locating(_) | Phase::Seeking(_) => None,
        }
    }

    pub(super) fn readers(&self) -> impl Iterator<Item = (PartitionId, &Reader)> {
        self.partitions.iter().filter_map(|(id, phase)| match phase {
            Phase::Reading(reader) => Some((*id, reader.as_ref())),
            Phase::Locating(_) | Phase::Seeking(_) => None,
        })
    }

    /// The contract of an adapter: it answers what it was asked for before it hands in anything else, except for the
    /// callbacks that revoke partitions, which may come within a transaction.
    fn assert_expected(&self, input: &Input<'_, M>) {
        let is_expected = match (&self.callback, &self.publisher) {
            (Some(Callback::Revoking { .. }), _) => matches!(input, Input::Ended(_)),
            (Some(Callback::Assigning { .. }), _) => matches!(
                input,
                Input::Committed { .. }
                    | Input::Log { .. }
                    | Input::AskFailed { .. }
                    | Input::SeekDone { .. }
                    | Input::SeekFailed { .. }
                    | Input::Timer
                    | Input::Stop
            ),
            (None, Publisher::Publishing { .. }) => {
                matches!(
                    input,
                    Input::Ended(_) | Input::Revoked { .. } | Input::Lost { .. }
                )
            }
            (None, Publisher::Renewing { ask_at: None, .. }) => matches!(input, Input::Producer(_)),
            (None, _) if self.is_membership_asked => matches!(input, Input::Membership(_)),
            (None, _) => !matches!(input, Input::Ended(_) | Input::Producer(_) | Input::Membership(_)),
        };
        assert!(
            is_expected,
            "{} came while the worker was {}",
            input.name(),
            self.worker_state()
        );
    }
}
