//! The correlator of one partition: records of the log in, whole alert documents out.
//!
//! It adds to the [join](pipewarden_core::detection::Join) of an observations partition, and to the
//! [campaigns](pipewarden_core::detection::Campaigns) of a sightings partition, what a replayable log requires. *Recovery*: the state is rebuilt
//! by replaying the log from the offset that the last commit's [`Checkpoint`] names; what a record below the
//! committed offset causes has been published already and is not published again. *A changed policy*: where settings,
//! rules or inventory are not those of the checkpoint, every alert that is open and published is published
//! once more at the first live record: a repeat is an upsert, a loss is not.

use std::collections::BTreeSet;
use std::sync::Arc;

use pipewarden_core::detection::{AlertId, ClockState, Explanation, Revision, SensorState, StateSize};
use pipewarden_core::log::{At, Offset};
use pipewarden_core::time::AppendTime;

use super::applied::{AlertRecord, Applied, LogRecord};
use super::checkpoint::Marks;
use super::state::{State, StateRecord};
use super::{Checkpoint, CheckpointError, Policy, Topic};

/// Where a partition's owner must start to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// At this offset or, if the log starts later or ends before, at its start or its end, which is reported as a loss.
    Offset(Offset),
    /// At the start of the log.
    Beginning,
}

/// A correlator that is ready to replay the log.
#[derive(Debug)]
pub struct Recovery {
    /// The correlator, which causes nothing below the committed offset.
    pub correlator: Correlator,
    /// Where to start.
    pub seek: Seek,
    /// Why the log must be replayed from its start, if it must.
    pub problem: Option<CheckpointError>,
    /// Whether the policy is not the one that wrote the checkpoint.
    pub policy_changed: bool,
}

/// A topic does not have the number of partitions it had when the offset was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the {} topic has {now} partitions and had {before} when its offsets were committed: keys have moved between \
     partitions; drain the old topic and switch to a new one", topic.as_str()
)]
pub struct PartitionsChanged {
    /// Which topic.
    pub topic: Topic,
    /// The number in the checkpoint.
    pub before: u32,
    /// The number now.
    pub now: u32,
}

/// The correlator of one partition.
#[derive(Debug)]
pub struct Correlator {
    policy: Arc<Policy>,
    state: State,
    marks: Marks,
    partitions: u32,
    /// What records below this offset cause has been published by an earlier owner.
    committed: Offset,
    /// The next offset to apply.
    position: Offset,
    /// The id of the policy that decided what was written last. While it is not that of the policy in force,
    /// open alerts must be written once more at the first live record; until then the checkpoint keeps the old id, or
    /// the repeat would be lost in a crash before that record.
    decided_by: String,
    /// The first record that this policy decided.
    decided_since: Offset,
    /// Whether that is still to come, and with it that open alerts are written: what came before it does not show which of
    /// them the policy before had published.
    is_change_ahead: bool,
}

impl Correlator {
    /// For a partition of a topic with so many, that nobody has committed anything for: live from its first record.
    pub fn fresh(policy: Arc<Policy>, topic: Topic, partitions: u32) -> Self {
        Self {
            decided_by: policy.checkpoint_id().to_owned(),
            state: State::new(topic, &policy),
            marks: Marks::new(State::rewind(topic, &policy)),
            policy,
            partitions,
            committed: Offset::ZERO,
            position: Offset::ZERO,
            decided_since: Offset::ZERO,
            is_change_ahead: false,
        }
    }

    /// For a partition whose offset `committed` carries `metadata`.
    ///
    /// Metadata that cannot be read is not guessed at: the log is replayed from its start, which gives the same
    /// state as long as the log holds all that a state is rebuilt from.
    ///
    /// # Errors
    /// [`PartitionsChanged`] if the topic has another number of partitions than the checkpoint names.
    pub fn recover(
        policy: Arc<Policy>,
        topic: Topic,
        (committed, metadata): (Offset, &str),
        partitions: u32,
    ) -> Result<Recovery, PartitionsChanged> {
        let checkpoint: Result<Checkpoint, CheckpointError> = metadata.parse();
        if let Ok(checkpoint) = &checkpoint
            && checkpoint.partitions != partitions
        {
            return Err(PartitionsChanged {
                topic,
                before: checkpoint.partitions,
                now: partitions,
            });
        }
        let mut correlator = Self::fresh(policy, topic, partitions);
        correlator.committed = committed;
        Ok(match checkpoint {
            Err(problem) => Recovery {
                correlator,
                seek: Seek::Beginning,
                problem: Some(problem),
                policy_changed: false,
            },
            Ok(checkpoint) => {
                correlator.position = checkpoint.rewind;
                correlator.state.advance_to(checkpoint.before);
                correlator.decided_by = checkpoint.policy;
                correlator.decided_since = checkpoint.since;
                correlator.is_change_ahead =
                    !correlator.must_reemit() && checkpoint.since >= checkpoint.rewind;
                Recovery {
                    policy_changed: correlator.must_reemit(),
                    correlator,
                    seek: Seek::Offset(checkpoint.rewind),
                    problem: None,
                }
            }
        })
    }

    /// Sets the offset from which the log is read: one below it can neither be read nor be committed.
    pub fn begin_at(&mut self, offset: Offset) {
        self.position = offset;
    }

    /// Notes that the log ends at [`Correlator::position`]. Whatever was committed beyond it is gone, so the next
    /// record, whatever its offset, is a new one.
    pub fn reach_end(&mut self) {
        self.committed = self.committed.min(self.position);
    }

    /// The offset below which what a record causes was published before the replay.
    pub fn committed(&self) -> Offset {
        self.committed
    }

    /// Whether what the record at this offset causes is still to be published.
    pub fn is_new(&self, offset: Offset) -> bool {
        offset >= self.committed
    }

    /// Applies the next record of the partition.
    pub fn apply(&mut self, record: LogRecord<'_>) -> Applied {
        let at = At {
            now: record.append_time,
            offset: record.offset,
        };
        let topic = self.state.topic();
        match StateRecord::decode(topic, record.value) {
            Ok(record) => self.apply_decoded(at, record),
            Err(error) => Applied {
                disposition: None,
                undecodable: Some(error.to_string()),
                ..self.apply_decoded(at, StateRecord::tick(topic))
            },
        }
    }

    /// The same for a record that need not be read, because whoever made it has it.
    pub fn apply_decoded(&mut self, at: At, record: impl Into<StateRecord>) -> Applied {
        let (offset, record) = (at.offset, record.into());
        let kind = record.kind();
        let before = self.state.stream_time();
        if self.must_reemit() && self.is_new(offset) {
            self.policy.checkpoint_id().clone_into(&mut self.decided_by);
            self.decided_since = offset;
            self.is_change_ahead = true;
        }
        // Before the record closes what is open: what was due under the old settings may never have been written.
        let again = if self.is_change_ahead && offset >= self.decided_since {
            self.is_change_ahead = false;
            self.state.publish_open(at)
        } else {
            Vec::new()
        };
        let mut step = self.state.apply(at, record);
        self.marks.pass(offset, before, self.state.stream_time());
        self.position = offset.next();

        let mut applied = Applied {
            kind,
            disposition: Some(step.disposition),
            counters: step.counters,
            ..Applied::default()
        };
        if self.is_new(offset) {
            let again = instead_of(again, &mut step.revisions);
            applied.reemitted = again.len();
            let revisions = again.iter().chain(&step.revisions);
            applied.alerts = revisions.map(|revision| self.alert_record(revision)).collect();
        }
        applied
    }

    fn must_reemit(&self) -> bool {
        self.decided_by != self.policy.checkpoint_id()
    }

    /// The next offset to apply, which is also the one to commit.
    pub fn position(&self) -> Offset {
        self.position
    }

    /// Whether everything below the committed offset has been replayed.
    pub fn is_caught_up(&self) -> bool {
        self.position >= self.committed
    }

    /// The checkpoint to commit with [`Correlator::position`].
    pub fn checkpoint(&self) -> Checkpoint {
        let (rewind, before) = self.marks.rewind(self.position, self.state.stream_time());
        Checkpoint {
            rewind,
            before,
            partitions: self.partitions,
            policy: self.decided_by.clone(),
            since: self.decided_since,
        }
    }

    /// When the next revision is due, if one is pending: an idle partition needs a tick by then.
    pub fn next_deadline(&self) -> Option<AppendTime> {
        self.state.next_deadline()
    }

    /// The same, alerts about sensors aside.
    pub fn next_deadline_of_accesses(&self) -> Option<AppendTime> {
        self.state.next_deadline_of_accesses()
    }

    /// The greatest append time seen.
    pub fn stream_time(&self) -> AppendTime {
        self.state.stream_time()
    }

    /// The sensors of the inventory's assets, as far as they are known.
    pub fn sensors(&self) -> impl Iterator<Item = SensorState> {
        self.state.sensors()
    }

    /// The clocks of the inventory's assets, as far as sessions show them.
    pub fn clocks(&self) -> impl Iterator<Item = ClockState> {
        self.state.clocks()
    }

    /// How much is in state.
    pub fn state_size(&self) -> StateSize {
        self.state.size()
    }

    /// Why the alert with this [key](AlertRecord::key) has its present content, by the present state. It is no part of the
    /// alert. `None` unless the alert is open and has accesses.
    pub fn explain(&self, key: &str) -> Option<Explanation> {
        self.state.explain(AlertId(key.parse().ok()?))
    }

    /// The same for every alert that closes with a record of this append time: afterwards their state is gone.
    pub fn explain_closing_by(&self, append_time: AppendTime) -> impl Iterator<Item = Explanation> {
        let closing = self.state.closing_by(append_time);
        closing.filter_map(|id| self.state.explain(id))
    }

    fn alert_record(&self, revision: &Revision) -> AlertRecord {
        let (value, finding) = self.policy.documents(revision);
        let sighting = self.policy.sighting(revision);
        AlertRecord {
            key: revision.id.to_string(),
            value,
            finding,
            start: revision.start(),
            rule: revision.rule_id(),
            confidence: revision.confidence(),
            attribution: revision.attribution(),
            status: revision.status(),
            is_first: revision.is_first,
            hit: revision.newly_excepted_by().cloned(),
            is_published: revision.is_published,
            sighting,
        }
    }
}

/// What is written once more, but for what the record revises anyway. That takes the sighting over.
fn instead_of(mut again: Vec<Revision>, revised: &mut [Revision]) -> Vec<Revision> {
    let ids: BTreeSet<AlertId> = revised.iter().map(|revision| revision.id).collect();
    let repeated: BTreeSet<AlertId> = again.iter().map(|revision| revision.id).collect();
    again.retain(|revision| !ids.contains(&revision.id));
    for revision in revised
        .iter_mut()
        .filter(|revision| repeated.contains(&revision.id))
    {
        revision.repeat_sighting();
    }
    again
}
