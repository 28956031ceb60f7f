//! When pending alerts and offsets become a batch, and how it is published.
//!
//! ```text
//!              due: take a batch                 committed
//!     Ready -----------------------> Publishing -----------> Ready
//!       ^                             ^      |
//!       |            the pause is over|      | aborted: a new producer is needed in any case
//!       |  no partition of            |      v
//!       +-- the batch is -------- Waiting <--- Renewing
//!           owned any more                 ready
//! ```

use std::sync::Arc;
use std::time::Duration;

use super::batch::{Batch, Part};
use super::fact::Fact;
use super::io::{At, End, Ended, Output, PartitionId, RenewalReason, Renewed};
use super::machine::{Callback, Life, Machine};
use super::partition::{PendingSize, Phase};
use super::rejection::Rejection;
use pipewarden_core::detection::Explanation;

/// The pause before a failed batch is tried again: at first, and at most. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Alerts are published at once when nothing more has come for so long. While a backlog is being read this never happens.
const QUIET: Duration = Duration::from_millis(1);

/// A batch is taken before its time when this many alerts are pending, or when they and dead letters take this many bytes.
const MAX_ALERTS: usize = 1_000;
const MAX_BYTES: usize = 32 << 20;

/// The state of the transactional producer.
#[derive(Debug)]
pub(super) enum Publisher {
    /// No transaction is open. The last one was committed, or the producer is new.
    Ready,
    /// A transaction is open.
    Publishing {
        batch: Arc<Batch>,
        /// The pause after the last abort of this batch; `None` at the first try.
        paused: Option<Duration>,
    },
    /// The last transaction was not clean, and a late request of it could end the next one: a new producer is being made,
    /// which fences the old one.
    Renewing {
        batch: Arc<Batch>,
        retry: Retry,
        /// When to ask for it; `None` while the answer is outstanding.
        ask_at: Option<Duration>,
    },
    /// The producer is new and the batch waits.
    Waiting { batch: Arc<Batch>, retry: Retry },
}

/// When a batch is tried again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retry {
    not_before: Duration,
    pause: Duration,
}

impl Retry {
    fn after(paused: Option<Duration>, at: At) -> Self {
        let pause = paused.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
        Self {
            not_before: at.monotonic + pause,
            pause,
        }
    }
}

impl Publisher {
    /// While a batch can't be committed, nothing more is fetched: what is pending must not grow without bound.
    pub(super) fn pauses_fetching(&self) -> bool {
        match self {
            Self::Ready => false,
            Self::Publishing { paused, .. } => paused.is_some(),
            Self::Renewing { .. } | Self::Waiting { .. } => true,
        }
    }

    pub(super) fn awaits_answer(&self) -> bool {
        matches!(
            self,
            Self::Publishing { .. } | Self::Renewing { ask_at: None, .. }
        )
    }
}

impl<M: Clone> Machine<M> {
    /// Publishes at the deadline; earlier if alerts are pending and nothing more comes, or very many are pending. Not while
    /// an answer about a partition is outstanding: it must not come within a transaction.
    pub(super) fn publish_if_due(&mut self, is_quiet: bool, at: At) {
        let may_begin = !self.is_asking();
        match &mut self.publisher {
            Publisher::Ready => {
                if may_begin
                    && self.is_batch_due(is_quiet, at)
                    && let Some(batch) = self.take_batch()
                {
                    self.publish(Arc::new(batch), None, at);
                }
            }
            Publisher::Waiting { batch, retry } if may_begin && at.monotonic >= retry.not_before => {
                let (batch, pause) = (Arc::clone(batch), retry.pause);
                self.publish(batch, Some(pause), at);
            }
            Publisher::Renewing { batch, ask_at, .. }
                if may_begin && ask_at.is_some_and(|due| at.monotonic >= due) =>
            {
                *ask_at = None;
                let is_one_by_one = batch.is_one_by_one;
                self.push(Output::RenewProducer { is_one_by_one });
            }
            Publisher::Publishing { .. } | Publisher::Renewing { .. } | Publisher::Waiting { .. } => {}
        }
    }

    fn is_batch_due(&self, is_quiet: bool, at: At) -> bool {
        let Some(since) = self.batch_since else {
            return false;
        };
        let PendingSize { alerts, bytes } = self.pending();
        at.monotonic >= since + self.settings.commit_interval
            || (is_quiet && alerts > 0)
            || alerts >= MAX_ALERTS
            || bytes >= MAX_BYTES
    }

    /// When to publish or to renew the producer, if nothing more comes.
    pub(super) fn next_publication(&self, at: At) -> Option<Duration> {
        match &self.publisher {
            Publisher::Ready => {
                let deadline = self.batch_since? + self.settings.commit_interval;
                Some(if self.pending().alerts > 0 {
                    deadline.min(at.monotonic + QUIET)
                } else {
                    deadline
                })
            }
            Publisher::Waiting { retry, .. } => Some(retry.not_before),
            Publisher::Renewing { ask_at, .. } => *ask_at,
            Publisher::Publishing { .. } => None,
        }
    }

    /// The size of what is in no batch yet.
    fn pending(&self) -> PendingSize {
        let mut all = PendingSize::default();
        for (_, reader) in self.readers() {
            let pending = reader.pending();
            all.alerts += pending.alerts;
            all.bytes += pending.bytes;
        }
        all
    }

    /// Takes out what is pending in all live partitions; `None` if that is nothing.
    pub(super) fn take_batch(&mut self) -> Option<Batch> {
        self.membership.as_ref()?;
        self.batch_since = None;
        let parts: Vec<Part> = (self.partitions.iter_mut())
            .filter_map(|(partition, phase)| match phase {
                Phase::Reading(reader) => reader.take_part(*partition),
                Phase::Locating(_) | Phase::Seeking(_) => None,
            })
            .collect();
        (!parts.is_empty()).then(|| Batch::new(parts))
    }

    pub(super) fn publish(&mut self, batch: Arc<Batch>, paused: Option<Duration>, at: At) {
        assert!(
            !self.publisher.awaits_answer() && !matches!(self.publisher, Publisher::Renewing { .. }),
            "no transaction begins before the last one has ended, and after an abort none before there is a new producer"
        );
        assert!(
            self.life != Life::Ended,
            "nothing is published by a worker that has failed"
        );
        assert!(!batch.is_empty(), "a transaction has something to commit");
        for part in batch.parts() {
            assert!(
                self.reader(part.partition).is_some_and(|reader| reader.is_live()),
                "{} is published and is not a live partition of the worker",
                part.partition
            );
        }
        let Some(membership) = self.membership.clone() else {
            panic!("nothing is published outside of the group");
        };
        self.publisher = Publisher::Publishing {
            batch: Arc::clone(&batch),
            paused,
        };
        let within = match self.callback {
            Some(Callback::Revoking { until, .. }) => until.saturating_sub(at.monotonic),
            Some(Callback::Assigning { .. }) | None => self.settings.budget,
        };
        self.push(Output::Publish {
            batch,
            membership,
            within,
        });
    }

    pub(super) fn ended(&mut self, ended: Ended, at: At) {
        let Publisher::Publishing { batch, paused } =
            std::mem::replace(&mut self.publisher, Publisher::Ready)
        else {
            panic!("a transaction ended that was not begun");
        };
        let problem = match ended {
            Ended::Committed(calls) => {
                self.published(batch, paused.is_some());
                return match calls.doubt() {
                    None => self.doubt_pause = None,
                    Some(reason) => self.renew_after_commit(reason, at),
                };
            }
            Ended::Fatal { problem } => return self.end(End::Producer { problem }),
            Ended::Aborted { problem } => problem,
            Ended::Rejected(rejection) => return self.rejected(&batch, paused, rejection, at),
            Ended::StaleMembership { problem } => {
                // Within a revocation the new owner repeats the batch. Outside of the group there is nothing to ask for.
                if self.callback.is_none() && self.membership.is_some() {
                    self.is_membership_asked = true;
                    self.push(Output::AskMembership);
                }
                problem
            }
            Ended::QueueFull => "the client's queue is full".to_owned(),
        };
        self.aborted(paused, problem);
        // What belongs to partitions that were lost in the meantime is repeated by their new owner.
        let batch = batch.without(|partition| !self.partitions.contains_key(&partition));
        self.publisher = Publisher::Renewing {
            batch: Arc::new(batch),
            retry: Retry::after(paused, at),
            ask_at: Some(at.monotonic),
        };
    }

    fn aborted(&mut self, paused: Option<Duration>, problem: String) {
        let is_repeated = !matches!(self.callback, Some(Callback::Revoking { .. }));
        self.observe(Fact::Aborted { problem, is_repeated });
        self.observe(Fact::ProducerReplaced(RenewalReason::Aborted));
        if paused.is_none() {
            self.push(Output::Pause(self.partitions().collect()));
        }
    }

    /// What is tried next is another batch, so there is no need to wait longer than before the first repetition.
    fn rejected(&mut self, batch: &Batch, paused: Option<Duration>, rejection: Rejection, at: At) {
        let settings = &self.settings;
        let batch = batch.without(|partition| !self.partitions.contains_key(&partition));
        let next = batch.after(&rejection, &|partition| settings.name(partition.topic).to_owned());
        let replaced = next.replaced[batch.replaced.len()..].to_vec();
        let is_progress = !batch.is_one_by_one || !replaced.is_empty();
        self.aborted(paused, rejection.problem);
        if !replaced.is_empty() {
            self.observe(Fact::Replaced(replaced));
        }
        self.publisher = Publisher::Renewing {
            batch: Arc::new(next),
            retry: Retry::after(paused.filter(|_| !is_progress), at),
            ask_at: Some(at.monotonic),
        };
    }

    /// The commit holds, but a request of it may still be on its way: nothing begins before there is a new producer. Where
    /// the first transaction of each new producer is in doubt again, the pauses before the next grow.
    fn renew_after_commit(&mut self, reason: RenewalReason, at: At) {
        let mut pause = Duration::ZERO;
        if reason != RenewalReason::Rejected {
            if let Some(last) = self.doubt_pause {
                pause = (last * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            }
            self.doubt_pause = Some(pause);
        }
        self.observe(Fact::ProducerReplaced(reason));
        self.push(Output::Pause(self.partitions().collect()));
        self.publisher = Publisher::Renewing {
            batch: Arc::default(),
            retry: Retry::after(None, at),
            ask_at: Some(at.monotonic + pause),
        };
    }

    fn published(&mut self, batch: Arc<Batch>, was_paused: bool) {
        for part in batch.parts() {
            if let Some(Phase::Reading(reader)) = self.partitions.get_mut(&part.partition) {
                reader.committed(part.offset);
            }
        }
        let explanations = self.explain(&batch);
        if !explanations.is_empty() {
            self.observe(Fact::Explained(explanations));
        }
        self.observe(Fact::Published(batch));
        if was_paused {
            self.resume_fetching();
        }
    }

    /// Explains the last alerts of a batch, as many as the settings ask for, so that a flood of alerts costs no more than a
    /// few.
    fn explain(&self, batch: &Batch) -> Vec<Explanation> {
        if self.settings.explanations == 0 {
            return Vec::new();
        }
        let mut alerts: Vec<_> = (batch.parts())
            .filter_map(|part| Some((part, self.reader(part.partition)?.correlator())))
            .flat_map(|(part, correlator)| {
                let on_alerts_topic = part.alerts.iter().filter(|pending| pending.alert.is_published);
                on_alerts_topic.map(move |pending| (pending, correlator))
            })
            .collect();
        alerts.sort_by_key(|(pending, _)| pending.appended);
        let last = &alerts[alerts.len().saturating_sub(self.settings.explanations)..];
        last.iter()
            .filter_map(|(pending, correlator)| correlator.explain(&pending.alert.key))
            .collect()
    }

    pub(super) fn renewed(&mut self, renewed: Renewed, at: At) {
        let Publisher::Renewing {
            batch,
            retry,
            ask_at: None,
        } = std::mem::replace(&mut self.publisher, Publisher::Ready)
        else {
            panic!("a producer was made that nothing asked for");
        };
        match renewed {
            Renewed::Ready if batch.is_empty() => self.resume_fetching(),
            Renewed::Ready => self.publisher = Publisher::Waiting { batch, retry },
            Renewed::Failed { problem } => {
                self.observe(Fact::NoProducer { problem });
                let retry = Retry::after(Some(retry.pause), at);
                self.publisher = Publisher::Renewing {
                    batch,
                    retry,
                    ask_at: Some(retry.not_before),
                };
            }
            Renewed::Fatal { problem } => self.end(End::Producer { problem }),
        }
    }

    /// Drops these partitions from the batch that waits: their new owner repeats it, or a replay causes it again.
    pub(super) fn drop_from_batch(&mut self, gone: &[PartitionId]) {
        let (Publisher::Renewing { batch, .. } | Publisher::Waiting { batch, .. }) = &mut self.publisher
        else {
            return;
        };
        *batch = Arc::new(batch.without(|partition| gone.contains(&partition)));
        if batch.is_empty() && matches!(self.publisher, Publisher::Waiting { .. }) {
            self.publisher = Publisher::Ready;
            self.resume_fetching();
        }
    }

    /// Ends the pause of fetching after a batch could not be committed.
    fn resume_fetching(&mut self) {
        self.push(Output::Resume(self.partitions().collect()));
        self.observe(Fact::Recovered);
    }

    /// Commits what is pending before partitions are revoked, if the producer is ready and there is time; then forgets
    /// them.
    pub(super) fn publish_before_revocation(&mut self, at: At) {
        let Some(Callback::Revoking { until, .. }) = &self.callback else {
            return;
        };
        let may_begin = self.life != Life::Ended && at.monotonic < *until;
        match &self.publisher {
            Publisher::Publishing { .. } => return,
            Publisher::Ready if may_begin => {
                if let Some(batch) = self.take_batch() {
                    return self.publish(Arc::new(batch), None, at);
                }
            }
            Publisher::Waiting { batch, retry } if may_begin => {
                let (batch, pause) = (Arc::clone(batch), retry.pause);
                return self.publish(batch, Some(pause), at);
            }
            // The new owner repeats it.
            Publisher::Ready | Publisher::Waiting { .. } | Publisher::Renewing { .. } => {}
        }
        if let Some(Callback::Revoking { partitions, .. }) = self.callback.take() {
            self.forget(&partitions);
            self.push(Output::CallbackDone);
        }
    }
}
