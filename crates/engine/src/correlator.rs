//! The correlator of one partition: records of the log in, whole alert documents out.
//!
//! It adds to the [join](pipewarden_core::detection::Join) what a replayable log requires. *Recovery*: the state is rebuilt
//! by replaying the log from the offset that the last commit's [`Checkpoint`] names; what a record below the
//! committed offset causes has been published already and is not published again. *A changed policy*: where settings,
//! rules or inventory are not those of the checkpoint, every alert that is open and published is published
//! once more at the first live record: a repeat is an upsert, a loss is not.

use std::collections::BTreeSet;
use std::sync::Arc;

use pipewarden_core::detection::{
    AlertId, Attribution, ClockState, Confidence, Counters, Disposition, Exception, Explanation, Join,
    Revision, SensorState, StateSize, Status,
};
use pipewarden_core::event::Kind;
use pipewarden_core::log::{At, Offset};
use pipewarden_core::time::{AppendTime, EventTime};

use super::checkpoint::Marks;
use super::{Checkpoint, CheckpointError, ObservationRecord, Policy};

/// One record of a partition that a correlator owns.
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    /// Its offset. Offsets rise, with gaps.
    pub offset: Offset,
    /// The broker's LogAppendTime.
    pub append_time: AppendTime,
    /// An [`ObservationRecord`], as JSON.
    pub value: &'a [u8],
}

/// One revision for the alerts topics or the suppressed one, and what metrics count of it.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRecord {
    /// The Kafka key: the alert's id, so that a sink that upserts by key keeps one document per alert.
    pub key: String,
    /// The document in ECS, as JSON.
    pub value: Vec<u8>,
    /// The same revision as an OCSF finding, as JSON, where [`Policy::with_format`] asks for it.
    pub finding: Option<Vec<u8>>,
    /// The event time of the first access, which the document has as `event.start`.
    pub start: EventTime,
    /// The rule's id.
    pub rule: Arc<str>,
    /// How sure the alert is of its source.
    pub confidence: Confidence,
    /// How the source is known.
    pub attribution: Attribution,
    /// Whether the alert is active, superseded or suppressed.
    pub status: Status,
    /// Whether this is the first revision in which the alert is active.
    pub is_first: bool,
    /// The exception that covers it and did not cover its last revision.
    pub hit: Option<Arc<Exception>>,
    /// Whether it belongs on the alerts topic: the alert is active, or was when an earlier revision was published.
    pub is_published: bool,
}

impl AlertRecord {
    /// Whether it belongs on the suppressed topic: it is suppressed, or ends an alert that was only ever published there.
    /// So every record belongs on one of the two topics, and one that ends the life of an alert on both.
    pub fn is_suppressed(&self) -> bool {
        self.status == Status::Suppressed || !self.is_published
    }
}

/// The outcome of one record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Records to write, in order. Empty while the log is being replayed below the committed offset.
    pub alerts: Vec<AlertRecord>,
    /// How many of them repeat an alert because the policy changed.
    pub reemitted: usize,
    /// The kind of the observation, if it was one.
    pub kind: Option<Kind>,
    /// The disposition; `None` if its value could not be read.
    pub disposition: Option<Disposition>,
    /// What metrics count of it.
    pub counters: Counters,
    /// Why the value could not be read; such a record only lets time pass.
    pub undecodable: Option<String>,
}

/// Where a partition's owner must start to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// At this offset or, if the log starts later, at its start, which is reported as a loss.
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

/// The observations topic does not have the number of partitions it had when the offset was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the observations topic has {now} partitions and had {before} when its offsets were committed: keys have moved \
     between partitions; drain the old topic and switch to a new one"
)]
pub struct PartitionsChanged {
    /// The number in the checkpoint.
    pub before: u32,
    /// The number now.
    pub now: u32,
}

/// The correlator of one observations partition.
#[derive(Debug)]
pub struct Correlator {
    policy: Arc<Policy>,
    join: Join,
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
    /// For a partition that nobody has committed anything for: live from its first record.
    pub fn fresh(policy: Arc<Policy>, partitions: u32) -> Self {
        let join = Join::new(policy.rules.rules(), policy.join.clone())
            .with_exceptions(Arc::clone(&policy.exceptions))
            .with_inventory(Arc::clone(&policy.inventory));
        let marks = Marks::new(policy.join.rewind());
        Self {
            decided_by: policy.checkpoint_id().to_owned(),
            policy,
            join,
            marks,
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
        committed: Offset,
        metadata: &str,
        partitions: u32,
    ) -> Result<Recovery, PartitionsChanged> {
        let checkpoint: Result<Checkpoint, CheckpointError> = metadata.parse();
        if let Ok(checkpoint) = &checkpoint
            && checkpoint.partitions != partitions
        {
            return Err(PartitionsChanged {
                before: checkpoint.partitions,
                now: partitions,
            });
        }
        let mut correlator = Self::fresh(policy, partitions);
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
                correlator.join.advance_to(checkpoint.before);
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

    /// Sets the start of the log: an offset below it can neither be read nor be committed.
    pub fn set_log_start(&mut self, offset: Offset) {
        self.position = self.position.max(offset);
    }

    /// Notes that the log ends at [`Correlator::position`]. Whatever was committed beyond it is gone, so the next
    /// record, whatever its offset, is a new one.
    pub fn reach_end(&mut self) {
        self.committed = self.committed.min(self.position);
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
        match ObservationRecord::decode(record.value) {
            Ok(record) => self.apply_decoded(at, record),
            Err(error) => Applied {
                disposition: None,
                undecodable: Some(error.to_string()),
                ..self.apply_decoded(at, ObservationRecord::Tick {})
            },
        }
    }

    /// The same for a record that need not be read, because whoever made it has it.
    pub fn apply_decoded(&mut self, at: At, record: ObservationRecord) -> Applied {
        let offset = at.offset;
        let kind = match &record {
            ObservationRecord::Observation(observation) => Some(observation.kind()),
            ObservationRecord::Sighting(_) | ObservationRecord::Tick {} => None,
        };
        let before = self.join.stream_time();
        if self.must_reemit() && self.is_new(offset) {
            self.policy.checkpoint_id().clone_into(&mut self.decided_by);
            self.decided_since = offset;
            self.is_change_ahead = true;
        }
        // Before the record closes what is open: what was due under the old settings may never have been written.
        let again = if self.is_change_ahead && offset >= self.decided_since {
            self.is_change_ahead = false;
            self.join.publish_open(at)
        } else {
            Vec::new()
        };
        let step = self.join.apply(at, record);
        self.marks.pass(offset, before, self.join.stream_time());
        self.position = offset.next();

        let mut applied = Applied {
            kind,
            disposition: Some(step.disposition),
            counters: step.counters,
            ..Applied::default()
        };
        if self.is_new(offset) {
            let revised: BTreeSet<AlertId> = step.revisions.iter().map(|revision| revision.id).collect();
            let again = again.iter().filter(|revision| !revised.contains(&revision.id));
            let again: Vec<AlertRecord> = again.map(|revision| self.alert_record(revision)).collect();
            applied.reemitted = again.len();
            applied.alerts = again;
            let revisions = step.revisions.iter();
            applied
                .alerts
                .extend(revisions.map(|revision| self.alert_record(revision)));
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
        let (rewind, before) = self.marks.rewind(self.position, self.join.stream_time());
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
        self.join.next_deadline()
    }

    /// The same, alerts about sensors aside.
    pub fn next_deadline_of_accesses(&self) -> Option<AppendTime> {
        self.join.next_deadline_of_accesses()
    }

    /// The greatest append time seen.
    pub fn stream_time(&self) -> AppendTime {
        self.join.stream_time()
    }

    /// The sensors of the inventory's assets, as far as they are known.
    pub fn sensors(&self) -> impl Iterator<Item = SensorState> {
        self.join.sensors()
    }

    /// The clocks of the inventory's assets, as far as sessions show them.
    pub fn clocks(&self) -> impl Iterator<Item = ClockState> {
        self.join.clocks()
    }

    /// How much is in state.
    pub fn state_size(&self) -> StateSize {
        self.join.state_size()
    }

    /// Why the alert with this [key](AlertRecord::key) has its present content, by the present state. It is no part of the
    /// alert. `None` unless the alert is open and has accesses.
    pub fn explain(&self, key: &str) -> Option<Explanation> {
        self.join.explain(AlertId(key.parse().ok()?))
    }

    /// The same for every alert that closes with a record of this append time: afterwards their state is gone.
    pub fn explain_closing_by(&self, append_time: AppendTime) -> impl Iterator<Item = Explanation> {
        let closing = self.join.closing_by(append_time);
        closing.filter_map(|id| self.join.explain(id))
    }

    fn alert_record(&self, revision: &Revision) -> AlertRecord {
        let (value, finding) = self.policy.documents(revision);
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
        }
    }
}
