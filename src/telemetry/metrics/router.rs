//! What the router counts.

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};

use super::Metrics;
use super::make::{Make, at_zero, seconds_between};
use crate::engine::{DeadLetterReason, Reason, Routed};
use crate::event::{Kind, ODD_FIELDS, Shape, Skip, TimeSource};
use crate::time::AppendTime;

/// The router: from a message to an observation.
#[derive(Debug)]
pub(super) struct Router {
    consumed: IntCounterVec,
    skipped: IntCounterVec,
    prefiltered: IntCounter,
    observations: IntCounterVec,
    resolutions: IntCounterVec,
    destination_conflicts: IntCounter,
    created_times: IntCounter,
    dead_letters: IntCounterVec,
    odd_fields: IntCounterVec,
    input_age: Histogram,
    input_shapes: IntCounterVec,
    commits: IntCounter,
    missing_input: IntGauge,
}

impl Router {
    pub(super) fn new(make: &Make<'_>) -> Self {
        let skipped = make.counters(
            "messages_skipped_total",
            "Messages that do not matter, by reason.",
            &["reason"],
        );
        let router = Self {
            consumed: make.counters("messages_consumed_total", "Messages read from Kafka.", &["topic"]),
            prefiltered: skipped.with_label_values(&[Skip::Prefiltered.as_str()]),
            skipped,
            observations: make.counters("observations_total", "Observations written, by kind.", &["kind"]),
            resolutions: make.counters(
                "destinations_resolved_total",
                "Observations by what named their destination; `binding` ones are outside the promise of order-freedom.",
                &["resolved_by"],
            ),
            destination_conflicts: make.counter(
                "destination_conflicts_total",
                "Destinations whose address and name belong to different assets; the address won.",
            ),
            created_times: make.counter(
                "event_created_times_total",
                "Connections whose time was taken from event.created, because @timestamp held a drifting clock.",
            ),
            dead_letters: make.counters(
                "dead_letters_total",
                "Messages that could not be decoded, by reason.",
                &["reason"],
            ),
            odd_fields: make.counters(
                "odd_fields_total",
                "Fields that cannot be what they should, by name; their events count without them.",
                &["field"],
            ),
            input_age: make.histogram(
                "input_age_seconds",
                "Time from the timestamp that a message bears until it is read, of one in 64 messages.",
                &[1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1_800.0, 3_600.0, 14_400.0, 86_400.0],
            ),
            input_shapes: make.counters(
                "input_shapes_total",
                "Messages that were looked at for their shape: all that pass the gates, and a sample of the others.",
                &["shape"],
            ),
            commits: make.counter("router_commits_total", "Commits of input offsets."),
            missing_input: make.gauge(
                "input_topics_missing",
                "Topics of kafka.topics.input that do not exist, or that this user may not see.",
            ),
        };
        at_zero(&router.observations, Kind::ALL.iter().map(|kind| kind.as_str()));
        at_zero(&router.odd_fields, ODD_FIELDS);
        at_zero(&router.input_shapes, Shape::WORDS);
        at_zero(
            &router.dead_letters,
            DeadLetterReason::ALL.map(DeadLetterReason::as_str),
        );
        router
    }
}

/// Counts messages read. The counter of each input topic is looked up beforehand: this is done for every message.
#[derive(Debug)]
pub struct Consumed {
    known: Vec<(String, IntCounter)>,
    all: IntCounterVec,
}

impl Consumed {
    /// A message was read.
    pub fn count(&self, topic: &str) {
        match self.known.iter().find(|(known, _)| known == topic) {
            Some((_, counter)) => counter.inc(),
            None => self.all.with_label_values(&[topic]).inc(),
        }
    }
}

impl Metrics {
    /// The service is about to read these topics.
    pub fn consumed(&self, topics: impl IntoIterator<Item = impl AsRef<str>>) -> Consumed {
        let all = self.router.consumed.clone();
        let counter = |topic: &str| (topic.to_owned(), all.with_label_values(&[topic]));
        let known = topics.into_iter().map(|topic| counter(topic.as_ref())).collect();
        Consumed { known, all }
    }

    /// The router has dealt with a message.
    pub fn routed(&self, routed: &Routed) {
        match routed {
            Routed::Observation(observation) => {
                self.router
                    .observations
                    .with_label_values(&[observation.kind().as_str()])
                    .inc();
                self.router
                    .resolutions
                    .with_label_values(&[observation.resolved_by.as_str()])
                    .inc();
                self.router
                    .destination_conflicts
                    .inc_by(u64::from(observation.conflict));
                self.router
                    .created_times
                    .inc_by(u64::from(observation.time_source() == TimeSource::Created));
            }
            Routed::DeadLetter(letter) => self.dead_letter(letter.reason),
            // Nearly every message: not looked up by its label.
            Routed::Skipped(Reason::Event(Skip::Prefiltered)) => self.router.prefiltered.inc(),
            Routed::Skipped(reason) => self.router.skipped.with_label_values(&[reason.as_str()]).inc(),
        }
    }

    /// A message went to the dead letters.
    pub fn dead_letter(&self, reason: DeadLetterReason) {
        self.router
            .dead_letters
            .with_label_values(&[reason.as_str()])
            .inc();
    }

    /// Fields could not be read, and their events count without them.
    pub fn odd_fields(&self, field: &str, times: u64) {
        self.router.odd_fields.with_label_values(&[field]).inc_by(times);
    }

    /// A message was read that bears this time.
    pub fn input_read(&self, written: AppendTime, now: AppendTime) {
        self.router.input_age.observe(seconds_between(written, now));
    }

    /// Messages of this shape were looked at.
    pub fn input_shape(&self, shape: &str, messages: u64) {
        self.router
            .input_shapes
            .with_label_values(&[shape])
            .inc_by(messages);
    }

    /// So many input topics do not exist.
    pub fn missing_input(&self, topics: usize) {
        self.router
            .missing_input
            .set(i64::try_from(topics).unwrap_or(i64::MAX));
    }

    /// The router has committed.
    pub fn router_commit(&self) {
        self.router.commits.inc();
    }
}
