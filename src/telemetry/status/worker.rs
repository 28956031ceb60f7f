//! What is known of one worker, and why it does not detect.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use pipewarden_kafka::WorkerRole;
use serde::Serialize;

/// A worker of which more commits than this are slow or repeated within [`SLOW_WITHIN`] is not ready: the cluster is too slow
/// for it, or requests get lost. Each costs a transactional producer.
const MOST_SLOW: usize = 3;
pub(super) const SLOW_WITHIN: Duration = Duration::from_secs(60);

/// A worker of which nothing was heard for so long is stuck: not ready, and by the second not healthy either. It calls
/// librdkafka for no longer than a third of `max.poll.interval.ms` at once, and after that whole time it is no member of its
/// group any more.
const SILENT: Duration = Duration::from_secs(120);
pub(super) const HUNG: Duration = Duration::from_secs(300);

/// How long there may be no connection to the leader of a partition: while a broker starts again another one leads.
pub(super) const UNCONNECTED: Duration = Duration::from_secs(30);

/// How long a partition may stay where it is though there is something to read.
pub(super) const UNMOVED: Duration = Duration::from_secs(120);

/// How long the producer of a router may take no more records.
const PAUSED: Duration = Duration::from_secs(30);

/// This many transactions in a row that were aborted are no accident.
const MOST_ABORTED: u32 = 3;

/// The state of one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkerStatus {
    /// What it does.
    pub role: WorkerRole,
    /// It runs; false once it has ended, for whatever reason.
    pub is_alive: bool,
    /// It is still reading the bindings topic, and has not joined its group yet.
    pub is_reading_bindings: bool,
    /// The group has assigned partitions to it, or none.
    pub is_assigned: bool,
    /// How many partitions it owns.
    pub partitions: usize,
    /// How many of those are still being restored from the log.
    pub restoring: usize,
    /// Records that are not read yet, by topic.
    pub lag: BTreeMap<String, i64>,
    /// Why nothing is written now, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
    /// Why it ended, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Transactions in a row that were aborted.
#[derive(Debug)]
struct Aborts {
    times: u32,
    problem: String,
}

/// Where the reading of a partition is, and since when.
#[derive(Debug)]
struct Place {
    records: i64,
    /// `None` at the end.
    waits_at: Option<(i64, Instant)>,
}

/// What is known of a worker, with the times that its readiness depends on.
#[derive(Debug)]
pub(in crate::telemetry) struct Worker {
    pub(super) status: WorkerStatus,
    /// When it was last heard of; `None` before it has begun to work.
    beat: Option<Instant>,
    unconnected: Option<(Instant, usize)>,
    paused: Option<Instant>,
    aborts: Option<Aborts>,
    /// By topic and partition.
    places: BTreeMap<(String, u32), Place>,
    /// When its commits were slow or repeated, the latest at the end.
    slow: VecDeque<Instant>,
}

impl Worker {
    pub(super) fn new(role: WorkerRole) -> Self {
        Self {
            status: WorkerStatus {
                role,
                is_alive: true,
                is_reading_bindings: false,
                is_assigned: false,
                partitions: 0,
                restoring: 0,
                lag: BTreeMap::new(),
                rejected: None,
                error: None,
            },
            beat: None,
            unconnected: None,
            paused: None,
            aborts: None,
            places: BTreeMap::new(),
            slow: VecDeque::new(),
        }
    }

    /// It is not stuck.
    pub(in crate::telemetry) fn beat(&mut self, now: Instant) {
        self.beat = Some(now);
    }

    /// Of so many of its partitions there is no connection to the leader.
    pub(in crate::telemetry) fn unconnected(&mut self, partitions: usize, now: Instant) {
        let since = self.unconnected.map_or(now, |(since, _)| since);
        self.unconnected = (partitions > 0).then_some((since, partitions));
    }

    /// Whether its producer takes no more records.
    pub(in crate::telemetry) fn paused(&mut self, is_paused: bool, now: Instant) {
        self.paused = is_paused.then_some(now);
    }

    /// A transaction was aborted, or no new producer could be made.
    pub(in crate::telemetry) fn aborted(&mut self, problem: &str) {
        let times = self.aborts.as_ref().map_or(0, |aborts| aborts.times);
        self.aborts = Some(Aborts {
            times: times.saturating_add(1),
            problem: problem.to_owned(),
        });
    }

    /// A transaction was committed, or there is nothing to commit any more.
    pub(in crate::telemetry) fn nothing_waits(&mut self) {
        self.aborts = None;
    }

    /// A commit took long, or a call of it was repeated.
    pub(in crate::telemetry) fn commit_was_slow(&mut self, now: Instant) {
        self.slow.push_back(now);
        if self.slow.len() > MOST_SLOW + 1 {
            self.slow.pop_front();
        }
    }

    /// How far behind a partition is, and where it stands unless at the end.
    pub(in crate::telemetry) fn lag(
        &mut self,
        topic: &str,
        partition: u32,
        records: i64,
        position: Option<i64>,
        now: Instant,
    ) {
        let place = self.places.entry((topic.to_owned(), partition)).or_insert(Place {
            records,
            waits_at: None,
        });
        place.records = records;
        let since = match (place.waits_at, position) {
            (Some((before, since)), Some(position)) if before == position => since,
            _ => now,
        };
        place.waits_at = position.map(|position| (position, since));
    }

    /// A partition is no longer the worker's.
    pub(in crate::telemetry) fn forget(&mut self, topic: &str, partition: u32) {
        self.places.remove(&(topic.to_owned(), partition));
    }

    /// The status as it is shown.
    pub(super) fn shown(&self) -> WorkerStatus {
        let mut status = self.status.clone();
        for ((topic, _), place) in &self.places {
            *status.lag.entry(topic.clone()).or_default() += place.records;
        }
        status.rejected = self.aborts.as_ref().map(|aborts| aborts.problem.clone());
        status
    }

    /// Why the worker, of this name, is of no more use.
    pub(super) fn unhealthy(&self, name: &str, now: Instant) -> Option<String> {
        if !self.status.is_alive {
            return Some(format!("{name} has ended"));
        }
        let silent = now.saturating_duration_since(self.beat?);
        (silent >= HUNG).then(|| format!("{name} is stuck: nothing was heard of it for {}", words(silent)))
    }

    /// Why the worker does not detect, or will soon not.
    pub(super) fn unready(&self, name: &str, now: Instant) -> Vec<String> {
        if let Some(reason) = self.unhealthy(name, now) {
            return vec![reason];
        }
        let reasons = [
            self.not_heard_of(name, now),
            self.not_caught_up(name),
            self.not_connected(name, now),
            self.not_moving(name, now),
            self.not_written(name, now),
            self.not_clean(name, now),
        ];
        reasons.into_iter().flatten().collect()
    }

    fn not_heard_of(&self, name: &str, now: Instant) -> Option<String> {
        let silent = now.saturating_duration_since(self.beat?);
        (silent >= SILENT).then(|| format!("nothing was heard of {name} for {}", words(silent)))
    }

    fn not_caught_up(&self, name: &str) -> Option<String> {
        let WorkerStatus {
            restoring,
            partitions,
            ..
        } = self.status;
        if self.status.is_reading_bindings {
            Some(format!("{name} is reading the bindings topic"))
        } else if !self.status.is_assigned {
            Some(format!("{name} waits for its partitions"))
        } else if restoring > 0 {
            Some(format!(
                "{name} is restoring {restoring} of {partitions} partitions"
            ))
        } else {
            None
        }
    }

    fn not_connected(&self, name: &str, now: Instant) -> Option<String> {
        let (since, partitions) = self.unconnected?;
        let span = now.saturating_duration_since(since);
        (span >= UNCONNECTED).then(|| {
            format!(
                "{name} has had no connection for {} to the brokers that lead {partitions} of its partitions",
                words(span)
            )
        })
    }

    fn not_moving(&self, name: &str, now: Instant) -> Option<String> {
        let places = self.places.iter();
        let unmoved = places.filter_map(|(partition, place)| {
            let (_, since) = place.waits_at?;
            let span = now.saturating_duration_since(since);
            (span >= UNMOVED).then_some((span, partition, place))
        });
        let (span, (topic, partition), Place { records, .. }) = unmoved.max_by_key(|(span, ..)| *span)?;
        Some(format!(
            "{name} has read nothing of partition {partition} of {topic} for {}, where {records} records wait",
            words(span)
        ))
    }

    fn not_written(&self, name: &str, now: Instant) -> Option<String> {
        if let Some(aborts) = self.aborts.as_ref().filter(|aborts| aborts.times >= MOST_ABORTED) {
            return Some(format!("{name} cannot write alerts: {}", aborts.problem));
        }
        let span = now.saturating_duration_since(self.paused?);
        (span >= PAUSED).then(|| {
            format!(
                "{name} reads nothing: the broker has taken no more records for {}",
                words(span)
            )
        })
    }

    fn not_clean(&self, name: &str, now: Instant) -> Option<String> {
        let is_recent = |time: &&Instant| now.saturating_duration_since(**time) < SLOW_WITHIN;
        let lately = self.slow.iter().filter(is_recent).count();
        (lately > MOST_SLOW).then(|| {
            format!("{name} has had more than {MOST_SLOW} commits within a minute that were slow or repeated")
        })
    }
}

/// A span in whole seconds.
fn words(span: Duration) -> String {
    format!("{} s", span.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "correlator-0";

    fn worker() -> Worker {
        let mut worker = Worker::new(WorkerRole::Correlator);
        worker.status.is_assigned = true;
        worker.status.partitions = 2;
        worker
    }

    #[test]
    fn a_worker_of_which_more_than_three_commits_are_slow_within_a_minute_is_not_ready() {
        let (mut worker, began) = (worker(), Instant::now());
        for _ in 0..4 {
            worker.commit_was_slow(began);
        }
        let reason = "correlator-0 has had more than 3 commits within a minute that were slow or repeated";
        assert_eq!(worker.unready(NAME, began), [reason]);
        assert!(worker.unready(NAME, began + SLOW_WITHIN).is_empty());
        worker.commit_was_slow(began + SLOW_WITHIN);
        assert!(worker.unready(NAME, began + SLOW_WITHIN).is_empty());
    }

    #[test]
    fn a_worker_is_stuck_when_nothing_is_heard_of_it_and_only_after_it_has_begun() {
        let (mut worker, began) = (worker(), Instant::now());
        assert!(
            worker.unready(NAME, began + HUNG).is_empty(),
            "it waits for its start"
        );
        worker.beat(began);
        assert!(worker.unhealthy(NAME, began + SILENT).is_none());
        assert_eq!(
            worker.unready(NAME, began + SILENT),
            ["nothing was heard of correlator-0 for 120 s"]
        );
        assert_eq!(
            worker.unhealthy(NAME, began + HUNG).as_deref(),
            Some("correlator-0 is stuck: nothing was heard of it for 300 s")
        );
        worker.beat(began + HUNG);
        assert!(worker.unready(NAME, began + HUNG).is_empty());
    }

    #[test]
    fn partitions_without_a_connection_to_their_leader_make_a_worker_unready_after_a_while() {
        let (mut worker, began) = (worker(), Instant::now());
        worker.unconnected(2, began);
        worker.unconnected(1, began + UNCONNECTED);
        assert_eq!(
            worker.unready(NAME, began + UNCONNECTED),
            ["correlator-0 has had no connection for 30 s to the brokers that lead 1 of its partitions"]
        );
        worker.unconnected(0, began + UNCONNECTED);
        assert!(worker.unready(NAME, began + UNCONNECTED * 2).is_empty());
    }

    #[test]
    fn a_partition_must_move_while_something_waits_in_it_and_not_at_its_end() {
        let (mut worker, began) = (worker(), Instant::now());
        let later = began + UNMOVED;
        worker.lag("observations", 0, 0, None, began);
        worker.lag("observations", 1, 5, Some(7), began);
        worker.lag("observations", 1, 9, Some(7), later);
        worker.lag("observations", 0, 0, None, later);
        assert_eq!(
            worker.unready(NAME, later),
            ["correlator-0 has read nothing of partition 1 of observations for 120 s, where 9 records wait"]
        );
        assert_eq!(worker.shown().lag["observations"], 9);
        worker.lag("observations", 1, 8, Some(8), later);
        assert!(worker.unready(NAME, later).is_empty());
        worker.lag("observations", 1, 8, Some(8), later + UNMOVED);
        assert!(!worker.unready(NAME, later + UNMOVED).is_empty());
        worker.forget("observations", 1);
        assert!(worker.unready(NAME, later + UNMOVED).is_empty());
    }

    #[test]
    fn transactions_that_are_aborted_one_after_the_other_are_told_with_the_reason_until_one_commits() {
        let (mut worker, now) = (worker(), Instant::now());
        worker.aborted("first");
        worker.aborted("second");
        assert!(worker.unready(NAME, now).is_empty());
        worker.aborted("the topic is gone");
        assert_eq!(
            worker.unready(NAME, now),
            ["correlator-0 cannot write alerts: the topic is gone"]
        );
        assert_eq!(worker.shown().rejected.as_deref(), Some("the topic is gone"));
        worker.nothing_waits();
        assert!(worker.unready(NAME, now).is_empty());
    }

    #[test]
    fn a_router_whose_producer_takes_nothing_for_long_is_not_ready() {
        let (mut worker, began) = (worker(), Instant::now());
        worker.paused(true, began);
        assert!(worker.unready(NAME, began).is_empty());
        assert!(worker.unready(NAME, began + PAUSED)[0].contains("taken no more records for 30 s"));
        worker.paused(false, began + PAUSED);
        assert!(worker.unready(NAME, began + PAUSED).is_empty());
    }
}
