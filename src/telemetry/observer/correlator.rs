//! A correlator worker's protocol.

use std::time::Instant;

use pipewarden_core::log::Offset;
use tracing::{debug, error, info, warn};

use crate::engine::{AlertRecord, DeadLetter, DeadLetterReason};
use crate::telemetry::metrics::{RebalanceEvent, TransactionOutcome};
use crate::telemetry::status::Worker;
use crate::telemetry::{Metrics, Readiness, Status, wall_clock};
use crate::time::AppendTime;
use crate::worker::{
    AppliedRecord, Batch, Fact, Loss, PartitionId, PartitionReport, RenewalReason, Replacement, Topic,
    WorkerState,
};

/// The log line about a record that the broker rejects for good.
pub(super) const REJECTED: &str = "the broker rejects a record, and a shorter one takes its place: compare max.message.bytes of the topic with what \
     pipewarden topics check asks for";

/// Where facts of a worker go. Each fact that is more than one call has a function of its own.
pub(super) struct Reported<'a> {
    pub(super) metrics: &'a Metrics,
    pub(super) status: &'a Status,
    pub(super) worker: &'a str,
}

impl Reported<'_> {
    pub(super) fn report(&self, fact: Fact) {
        let worker = self.worker;
        match fact {
            Fact::Applied(record) => self.applied(&record),
            Fact::Published(batch) => self.published(&batch),
            Fact::Aborted { problem, is_repeated } => self.aborted(&problem, is_repeated),
            Fact::Replaced(records) => self.replaced(&records),
            Fact::ProducerReplaced(reason) => self.producer_replaced(reason),
            Fact::NoProducer { problem } => self.no_producer(&problem),
            Fact::Recovered => info!(
                worker,
                "a new transactional producer is ready: fetching is resumed"
            ),
            Fact::Explained(all) => all.into_iter().for_each(|one| self.status.explain(one)),
            Fact::Ticked => self.metrics.tick(),
            Fact::TickFailed { partition, problem } => not_ticked(partition, &problem),

            Fact::Worker(state) => self.state(state),
            Fact::Partition(report) => self.partition(*report),
            Fact::Assigned(_) => self.metrics.rebalance(RebalanceEvent::Assigned),
            Fact::Revoked(partitions) => self.revoked(partitions),
            Fact::Lost(partitions) => self.lost(partitions),
            Fact::NotTakenOver(partitions) => {
                info!(
                    worker,
                    partitions, "partitions are not taken over, because the service ends"
                );
            }

            Fact::NotLocated { partition, problem } => self.not_located(partition, &problem),
            Fact::SeekFailed { partition, problem } => {
                debug!(worker, %partition, "cannot seek yet; retrying: {problem}");
            }
            Fact::Loss { partition, loss } => self.loss(partition, &loss),
            Fact::PolicyDiffers { partition } => policy_differs(partition),
            Fact::Reloading { partitions, policy } => self.reloading(partitions, &policy),
            Fact::Restoring { partition, from, to } => restoring(partition, from, to),
            Fact::RestoredRecord => self.metrics.restored_record(),
            Fact::Progress { partitions, records } => {
                info!(worker, partitions, records, "partitions are being restored");
            }
            Fact::Restored {
                partition,
                offset,
                records,
                took,
            } => self.restored(partition, offset, records, took.as_secs_f64()),
        }
    }
}

/// Records, and the transactions that publish what comes of them.
impl Reported<'_> {
    fn applied(&self, record: &AppliedRecord) {
        self.metrics.applied(record);
        if record.disposition.is_none() {
            self.metrics.dead_letter(DeadLetterReason::UndecodableObservation);
        }
    }

    fn published(&self, batch: &Batch) {
        self.metrics.transaction(TransactionOutcome::Committed);
        self.status.note(self.worker, Worker::nothing_waits);
        for record in &batch.replaced {
            self.metrics.rejected(record.destination.as_str(), record.cause);
        }
        let rejected = |letter: &&DeadLetter| letter.reason == DeadLetterReason::RecordRejected;
        for letter in batch.parts().flat_map(|part| &part.dead_letters).filter(rejected) {
            self.metrics.dead_letter(letter.reason);
        }
        let now = wall_clock();
        for pending in batch.parts().flat_map(|part| &part.alerts) {
            alerted(self.metrics, self.status, (&pending.alert, pending.appended), now);
        }
    }

    /// They are counted once they are committed: after a crash another worker replaces them anew.
    fn replaced(&self, records: &[Replacement]) {
        for record in records {
            let (topic, cause) = (record.destination.as_str(), record.cause.as_str());
            let is_kept = !record.is_left_out;
            let (worker, key, bytes) = (self.worker, record.key.as_str(), record.bytes);
            error!(worker, topic, key, bytes, cause, is_kept, "{REJECTED}");
        }
    }

    fn producer_replaced(&self, reason: RenewalReason) {
        self.metrics.producer_replaced(reason);
        // What is aborted counts in a row, and what is rejected stands in the log on its own: a group that forgot its members
        // aborts some transactions within a second, and all is well again.
        if matches!(reason, RenewalReason::Slow | RenewalReason::Repeated) {
            self.status
                .note(self.worker, |worker| worker.commit_was_slow(Instant::now()));
            let (worker, reason) = (self.worker, reason.as_str());
            warn!(
                worker,
                reason,
                "a commit took long, so that a request of it may still arrive: the transactional producer is replaced"
            );
        }
    }

    fn no_producer(&self, problem: &str) {
        let worker = self.worker;
        self.status.note(worker, |worker| worker.aborted(problem));
        warn!(
            worker,
            "no new transactional producer yet; retrying until the broker accepts it: {problem}"
        );
    }

    fn aborted(&self, problem: &str, is_repeated: bool) {
        self.metrics.transaction(TransactionOutcome::Aborted);
        let worker = self.worker;
        if is_repeated {
            self.status.note(worker, |worker| worker.aborted(problem));
            warn!(
                worker,
                "a transaction was aborted and will be repeated: {problem}"
            );
        } else {
            self.status.note(worker, Worker::nothing_waits);
            warn!(
                worker,
                "a transaction was aborted as its partitions were revoked; their new owner repeats it: {problem}"
            );
        }
    }
}

/// An alert is published that a record appended then has caused.
pub(super) fn alerted(
    metrics: &Metrics,
    status: &Status,
    (alert, appended): (&AlertRecord, AppendTime),
    now: AppendTime,
) {
    metrics.alert(alert, appended, now);
    if let Some(exception) = &alert.hit {
        status.hit(exception);
    }
}

fn not_ticked(partition: PartitionId, problem: &str) {
    warn!(%partition, "a tick was not sent and will be repeated: {problem}");
}

/// The worker's share of the partitions.
impl Reported<'_> {
    fn state(&self, state: WorkerState) {
        self.status.update(self.worker, |status| {
            status.is_assigned = state.is_assigned;
            status.partitions = state.partitions;
            status.restoring = state.restoring;
        });
    }

    fn partition(&self, report: PartitionReport) {
        let PartitionId { topic, number } = report.partition;
        let partition = number.get();
        self.metrics.state(topic, partition, report.size);
        if topic == Topic::Sightings {
            return;
        }
        let readiness = Readiness {
            sensors: report.sensors,
            clocks: report.clocks,
        };
        self.status.set_readiness(partition, readiness);
    }

    fn revoked(&self, partitions: usize) {
        self.metrics.rebalance(RebalanceEvent::Revoked);
        info!(worker = self.worker, partitions, "partitions are handed over");
    }

    fn lost(&self, partitions: usize) {
        self.metrics.rebalance(RebalanceEvent::Lost);
        self.status.note(self.worker, Worker::nothing_waits);
        warn!(
            worker = self.worker,
            partitions, "partitions were lost; their new owner repeats what was not committed"
        );
    }
}

/// Taking partitions over, and rebuilding them from the log.
impl Reported<'_> {
    fn not_located(&self, partition: PartitionId, problem: &str) {
        warn!(
            worker = self.worker,
            %partition,
            "cannot read the committed offset or the log's ends; retrying: {problem}"
        );
    }

    fn loss(&self, partition: PartitionId, loss: &Loss) {
        self.metrics.loss(loss.as_str());
        let (topic, partition) = (partition.topic.as_str(), partition.number.get());
        match loss {
            Loss::NoCommittedOffset { low, high } => warn!(
                topic,
                partition,
                low = low.get(),
                high = high.get(),
                "no offset is committed though the log has records: all of them are read, and alerts of an earlier run \
                 may be written once more"
            ),
            Loss::UnreadableCheckpoint { low, problem } => {
                warn!(
                    topic,
                    partition,
                    low = low.get(),
                    "the checkpoint cannot be read and the log is replayed from its start: {problem}"
                );
            }
            Loss::LogTruncated { committed, high } => error!(
                topic,
                partition,
                committed = committed.get(),
                high = high.get(),
                "the log ends before the committed offset: records were lost"
            ),
            Loss::RewindBelowLogStart { rewind, low } => error!(
                topic,
                partition,
                rewind = rewind.get(),
                low = low.get(),
                "the log no longer reaches back to where the state begins, which is incomplete; raise retention.ms of the topic"
            ),
        }
    }

    fn reloading(&self, partitions: usize, policy: &str) {
        info!(
            worker = self.worker,
            partitions,
            policy,
            "partitions are rebuilt from the log under the policy now in force; open alerts are written once more"
        );
    }

    fn restored(&self, partition: PartitionId, offset: Offset, records: u64, seconds: f64) {
        self.metrics.restored(seconds);
        let (topic, partition) = (partition.topic.as_str(), partition.number.get());
        let offset = offset.get();
        info!(
            topic,
            partition, offset, records, seconds, "a partition is restored"
        );
    }
}

fn policy_differs(partition: PartitionId) {
    info!(
        topic = partition.topic.as_str(),
        partition = partition.number.get(),
        "settings, rules or inventory have changed: open alerts are written once more"
    );
}

fn restoring(partition: PartitionId, from: Offset, to: Offset) {
    let (topic, partition) = (partition.topic.as_str(), partition.number.get());
    let (from, to, records) = (from.get(), to.get(), to.since(from));
    info!(
        topic,
        partition, from, to, records, "a partition is restored from the log"
    );
}
