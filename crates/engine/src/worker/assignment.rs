//! Assignment and revocation of partitions in the group's callbacks. A takeover continues after the callback where it
//! takes too long.

use std::sync::Arc;
use std::time::Duration;

use super::fact::{Fact, Loss};
use super::io::{At, CommittedOffset, End, Output, PartitionId};
use super::machine::{Callback, Life, Machine};
use super::partition::{Locating, Phase, Reader, Seeking};
use crate::{Correlator, Recovery, Seek};
use pipewarden_core::log::Offset;

/// The time limit of one request to the broker, after which it is repeated. The broker returns committed offsets only when
/// the predecessor's open transaction has ended: that takes its timeout of 10 s, and up to 10 s until the broker checks.
const REQUEST: Duration = Duration::from_secs(10);

/// How long to wait before a request that failed is repeated.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// How long a seek may take, and how long to wait before it is tried again.
const SEEK: Duration = Duration::from_secs(5);
const SEEK_AGAIN: Duration = Duration::from_millis(50);

/// The message of an assertion.
const NOT_ASKED: &str = "an answer came that nothing asked for, about";

impl<M: Clone> Machine<M> {
    pub(super) fn assigned(&mut self, partitions: Vec<PartitionId>, membership: M, at: At) {
        self.observe(Fact::Assigned(partitions.len()));
        self.membership = Some(membership);
        self.callback = Some(Callback::Assigning {
            until: at.monotonic + self.settings.budget,
        });
        if !partitions.is_empty() {
            self.take_over(partitions, at);
        }
        self.report_state();
    }

    fn take_over(&mut self, partitions: Vec<PartitionId>, at: At) {
        match self.life {
            Life::Running => {}
            Life::Stopping => return self.observe(Fact::NotTakenOver(partitions.len())),
            Life::Ended => return,
        }
        // The client remembers a pause even after the partition was lost.
        self.push(if self.publisher.pauses_fetching() {
            Output::Pause(partitions.clone())
        } else {
            Output::Resume(partitions.clone())
        });
        self.locate(partitions, at);
    }

    pub(super) fn revoked(&mut self, partitions: Vec<PartitionId>, membership: M, at: At) {
        self.observe(Fact::Revoked(partitions.len()));
        // A revocation by the cooperative protocol belongs to a newer generation. The worker owns the partitions until the
        // callback returns, so here a fresh reading is safe, and the only one that the broker accepts.
        self.membership = Some(membership);
        self.callback = Some(Callback::Revoking {
            partitions,
            until: at.monotonic + self.settings.budget,
        });
        self.publish_before_revocation(at);
    }

    /// Not where the assignment is lost: the callback that says so is still to come, and until then the old membership only
    /// costs aborts.
    pub(super) fn membership_read(&mut self, membership: Option<M>) {
        self.is_membership_asked = false;
        if membership.is_some() {
            self.membership = membership;
        }
    }

    pub(super) fn lost(&mut self, partitions: &[PartitionId]) {
        self.observe(Fact::Lost(partitions.len()));
        // Nothing is published before the worker is in the group again.
        self.membership = None;
        self.forget(partitions);
        self.push(Output::CallbackDone);
    }

    /// Drops the state of partitions that the worker no longer owns, and what is pending of them.
    pub(super) fn forget(&mut self, partitions: &[PartitionId]) {
        for partition in partitions {
            self.partitions.remove(partition);
        }
        self.drop_from_batch(partitions);
        self.push(Output::Forget(partitions.to_vec()));
        self.report_state();
    }

    /// The service ends: partitions that are not located yet are dropped.
    pub(super) fn abandon_unlocated(&mut self) {
        let is_unlocated = |phase: &Phase| !matches!(phase, Phase::Reading(_));
        let unlocated = self
            .partitions
            .values()
            .filter(|phase| is_unlocated(phase))
            .count();
        if unlocated > 0 {
            self.partitions.retain(|_, phase| !is_unlocated(phase));
            self.observe(Fact::NotTakenOver(unlocated));
            self.report_state();
        }
    }

    /// Continues what must be done before a callback returns.
    pub(super) fn continue_callback(&mut self, at: At) {
        match &self.callback {
            None => {}
            Some(Callback::Revoking { .. }) => self.publish_before_revocation(at),
            Some(Callback::Assigning { until }) => {
                let is_over = at.monotonic >= *until || self.life != Life::Running;
                let is_located = |phase: &Phase| matches!(phase, Phase::Reading(_));
                if is_over || self.partitions.values().all(is_located) {
                    self.callback = None;
                    self.push(Output::CallbackDone);
                } else {
                    self.ask_again(at);
                }
            }
        }
    }

    /// When a callback has something to do next, if no answer comes.
    pub(super) fn callback_due(&self, callback: &Callback) -> Option<Duration> {
        match callback {
            Callback::Assigning { until } => {
                let again = self.partitions.values().filter_map(Phase::due);
                Some(again.min().map_or(*until, |again| again.min(*until)))
            }
            Callback::Revoking { .. } => None,
        }
    }

    /// Begins to build partitions from the log.
    pub(super) fn locate(&mut self, partitions: Vec<PartitionId>, at: At) {
        for partition in &partitions {
            self.partitions
                .insert(*partition, Phase::Locating(Locating::asked()));
        }
        let within = self.request_timeout(at);
        self.push(Output::AskCommitted { partitions, within });
        self.report_state();
    }

    /// Rebuilds one partition, because its state may no longer follow from the log.
    pub(super) fn locate_again(&mut self, partition: PartitionId, at: At) {
        self.drop_from_batch(&[partition]);
        self.locate(vec![partition], at);
    }

    pub(super) fn committed(&mut self, partition: PartitionId, committed: Option<CommittedOffset>, at: At) {
        let within = self.request_timeout(at);
        let Some(Phase::Locating(locating)) = self.partitions.get_mut(&partition) else {
            panic!("{NOT_ASKED} {partition}");
        };
        locating.committed = Some(committed);
        self.push(Output::AskLog { partition, within });
    }

    pub(super) fn ask_failed(&mut self, partition: PartitionId, problem: String, at: At) {
        let Some(Phase::Locating(locating)) = self.partitions.get_mut(&partition) else {
            panic!("{NOT_ASKED} {partition}");
        };
        locating.ask_at = Some(at.monotonic + ASK_AGAIN);
        self.observe(Fact::NotLocated { partition, problem });
    }

    pub(super) fn log(&mut self, partition: PartitionId, low: Offset, high: Offset, at: At) {
        let committed = match self.partitions.get_mut(&partition) {
            Some(Phase::Locating(locating)) => locating.committed.take(),
            _ => panic!("{NOT_ASKED} {partition}"),
        };
        let committed = committed.expect("the log is asked for after the committed offset");
        let log = Log { partition, low, high };
        let Some((correlator, offset)) = self.correlator_for(committed.as_ref(), log) else {
            return;
        };
        let seeking = Seeking {
            reader: Box::new(Reader::new(correlator, at)),
            offset,
            seek_at: None,
        };
        self.partitions.insert(partition, Phase::Seeking(seeking));
        self.push(Output::Seek {
            partition,
            offset,
            within: SEEK,
        });
    }

    pub(super) fn seek_done(&mut self, partition: PartitionId) {
        let Some(Phase::Seeking(seeking)) = self.partitions.remove(&partition) else {
            panic!("{NOT_ASKED} {partition}");
        };
        self.partitions.insert(partition, Phase::Reading(seeking.reader));
    }

    pub(super) fn seek_failed(&mut self, partition: PartitionId, problem: String, at: At) {
        let Some(Phase::Seeking(seeking)) = self.partitions.get_mut(&partition) else {
            panic!("{NOT_ASKED} {partition}");
        };
        seeking.seek_at = Some(at.monotonic + SEEK_AGAIN);
        self.observe(Fact::SeekFailed { partition, problem });
    }

    /// Repeats requests and seeks whose time has come.
    pub(super) fn ask_again(&mut self, at: At) {
        let is_due = |due: Option<Duration>| due.is_some_and(|due| at.monotonic >= due);
        let within = self.request_timeout(at);
        let (mut committed, mut outputs) = (Vec::new(), Vec::new());
        for (&partition, phase) in &mut self.partitions {
            match phase {
                Phase::Locating(locating) if is_due(locating.ask_at) => {
                    locating.ask_at = None;
                    match locating.committed {
                        None => committed.push(partition),
                        Some(_) => outputs.push(Output::AskLog { partition, within }),
                    }
                }
                Phase::Seeking(seeking) if is_due(seeking.seek_at) => {
                    seeking.seek_at = None;
                    outputs.push(Output::Seek {
                        partition,
                        offset: seeking.offset,
                        within: SEEK,
                    });
                }
                Phase::Locating(_) | Phase::Seeking(_) | Phase::Reading(_) => {}
            }
        }
        if !committed.is_empty() {
            self.push(Output::AskCommitted {
                partitions: committed,
                within,
            });
        }
        outputs.into_iter().for_each(|output| self.push(output));
    }

    /// Whether an answer about a partition is outstanding.
    pub(super) fn is_asking(&self) -> bool {
        self.ticks_asked > 0
            || self.is_membership_asked
            || self.partitions.values().any(|phase| match phase {
                Phase::Locating(locating) => locating.ask_at.is_none(),
                Phase::Seeking(seeking) => seeking.seek_at.is_none(),
                Phase::Reading(_) => false,
            })
    }

    /// The time limit of a request: within a callback, no more than is left of its budget.
    fn request_timeout(&self, at: At) -> Duration {
        match self.callback {
            Some(Callback::Assigning { until }) => until.saturating_sub(at.monotonic).min(REQUEST),
            Some(Callback::Revoking { .. }) | None => REQUEST,
        }
    }

    /// The correlator of one partition, and the first offset it must read. `None` if the worker must end.
    fn correlator_for(
        &mut self,
        committed: Option<&CommittedOffset>,
        log: Log,
    ) -> Option<(Correlator, Offset)> {
        let Log { partition, low, high } = log;
        let topic = partition.topic;
        let (policy, partitions) = (Arc::clone(&self.policy), self.settings.partitions(topic));
        let Some(CommittedOffset {
            offset: next,
            metadata,
        }) = committed
        else {
            if high > low {
                self.report_loss(partition, Loss::NoCommittedOffset { low, high });
            }
            let mut correlator = Correlator::fresh(policy, topic, partitions);
            correlator.begin_at(low);
            return Some((correlator, low));
        };
        // What was committed beyond the end is gone with its records: what comes there is new.
        let kept = (*next).min(high);
        let recovery = match Correlator::recover(policy, topic, (kept, metadata), partitions) {
            Ok(recovery) => recovery,
            Err(changed) => {
                self.end(End::PartitionsChanged(changed));
                return None;
            }
        };
        let Recovery {
            mut correlator,
            seek,
            problem,
            policy_changed,
        } = recovery;
        if let Some(problem) = problem {
            self.report_loss(partition, Loss::UnreadableCheckpoint { low, problem });
        }
        if policy_changed {
            self.observe(Fact::PolicyDiffers { partition });
        }
        if *next > high {
            let committed = *next;
            self.report_loss(partition, Loss::LogTruncated { committed, high });
        }
        let from = match seek {
            Seek::Offset(rewind) if rewind < low => {
                self.report_loss(partition, Loss::RewindBelowLogStart { rewind, low });
                low
            }
            // Behind the end there is nothing to seek to: the consumer would be reset to the start of the log, for ever.
            Seek::Offset(rewind) => rewind.min(high),
            Seek::Beginning => low,
        };
        self.observe(Fact::Restoring {
            partition,
            from,
            to: kept,
        });
        correlator.begin_at(from);
        Some((correlator, from))
    }

    fn report_loss(&mut self, partition: PartitionId, loss: Loss) {
        self.observe(Fact::Loss { partition, loss });
    }
}

impl Phase {
    /// When its request is to be repeated.
    fn due(&self) -> Option<Duration> {
        match self {
            Self::Locating(locating) => locating.ask_at,
            Self::Seeking(seeking) => seeking.seek_at,
            Self::Reading(_) => None,
        }
    }
}

/// The watermarks of a partition's log.
#[derive(Clone, Copy)]
struct Log {
    partition: PartitionId,
    /// The offset of its first record.
    low: Offset,
    /// One more than the offset of its last.
    high: Offset,
}
