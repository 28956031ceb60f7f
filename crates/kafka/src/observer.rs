//! Facts that the service reports, for metrics, a status and log lines.
//!
//! Everything that an operator can count or look up is reported here, once. What only a log needs, librdkafka's own
//! messages and requests that are repeated, is logged directly.

use std::time::Duration;

use pipewarden_core::inventory::{BindingRecord, BindingRecordError, BindingsSize, Dropped};
use pipewarden_engine::worker::{Fact, RejectionCause, RouterFact};
use pipewarden_engine::{DeadLetterReason, Origin, Routed, Topic, UnknownInput};
use serde::{Deserialize, Serialize};

use super::error::DriverError;
use super::gzip::BatchLossReason;

/// Takes facts, on the thread of the worker that they are about: what it does delays that worker.
pub trait Observer: Send + Sync {
    /// A router worker has read a message of this topic. Called for every message.
    fn consumed(&self, topic: &str);

    /// A router worker has routed a document; a message may hold several. Called for every document.
    fn routed(&self, routed: &Routed);

    /// A router worker's protocol.
    fn router(&self, worker: &str, fact: RouterFact);

    /// A correlator worker's protocol.
    fn correlator(&self, worker: &str, fact: Fact);

    /// A router worker's reading of the bindings topic, and its records for it.
    fn bindings(&self, worker: &str, fact: BindingFact<'_>);

    /// The thread and the client of a worker of either role.
    fn worker(&self, worker: &str, fact: WorkerFact<'_>);

    /// What keeps the service from working beside what its workers report, in words: brokers that do not answer, topics that
    /// are not there. Nothing where all is well. Called every few seconds.
    fn cluster(&self, problems: &[String]);
}

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerRole {
    /// It routes messages.
    Router,
    /// It correlates observations.
    Correlator,
}

impl WorkerRole {
    /// The word in names of workers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Correlator => "correlator",
        }
    }
}

/// What happens to the thread of a worker, or is reported by its client.
#[derive(Clone, Copy, Debug)]
pub enum WorkerFact<'a> {
    /// It is about to start.
    Started(WorkerRole),
    /// This ends it.
    Failed(&'a DriverError),
    /// It has ended, for whatever reason; so will all others.
    Ended,
    /// It is not stuck: reported often, from wherever it may stay long.
    Beat,
    /// One of its partitions is this far behind.
    Lag {
        /// Its topic.
        topic: &'a str,
        /// Its number.
        partition: u32,
        /// How many records there are between the next to read and the end.
        records: i64,
        /// Where reading is, while there is something to read.
        position: Option<i64>,
    },
    /// Of so many of its partitions the client has no connection to the broker that leads them: nothing can be read there.
    Unconnected {
        /// How many.
        partitions: usize,
    },
    /// A partition is no longer the worker's: what was reported of it holds no more.
    Forgotten {
        /// Its topic.
        topic: &'a str,
        /// Its number.
        partition: u32,
        /// Which state it came with, as the partitions of correlators do.
        state: Option<Topic>,
    },
    /// A batch could not be inflated: none of its records was read.
    BatchLost {
        /// Where it begins.
        origin: Origin<'a>,
        /// Why.
        reason: BatchLossReason,
        /// What is wrong with it.
        message: &'a str,
        /// Whether its records were a correlator's state.
        is_state: bool,
    },
    /// Fields of documents that could not be read, which count without them.
    OddFields {
        /// The field, as Winlogbeat names it.
        field: &'static str,
        /// How often.
        times: u64,
    },
    /// The broker rejects a record for good.
    Rejected {
        /// Its topic, by the key in `kafka.topics`.
        topic: &'static str,
        /// Why.
        cause: RejectionCause,
        /// Whether nothing takes its place; otherwise a dead letter does.
        is_left_out: bool,
    },
    /// A message was read: one of every few.
    InputRead {
        /// The time that it bears, in milliseconds since 1970: Winlogbeat's `@timestamp`, or that of its append.
        written: i64,
    },
    /// Messages were looked at for their shape.
    InputShape {
        /// A word of [`Shape`](pipewarden_core::event::Shape).
        shape: &'static str,
        /// How many had it.
        messages: u64,
    },
    /// Input flows, and nothing in it is a document of a shape that is read. At most once for each worker.
    UnknownInput(&'a UnknownInput),
    /// So many of the input topics that the settings name do not exist.
    MissingInput {
        /// How many.
        topics: usize,
    },
    /// A record goes to the dead letters though [its message](Observer::routed) could be decoded.
    DeadLetter {
        /// The reason that the letter gives.
        reason: DeadLetterReason,
    },
}

/// What happens on the bindings topic.
#[derive(Clone, Copy, Debug)]
pub enum BindingFact<'a> {
    /// The worker begins to read the topic from its beginning, and routes nothing before its end.
    ReadingBegan,
    /// The topic is being read.
    Progress {
        /// How many records have been read.
        records: u64,
        /// How many partitions have not been read to their end.
        partitions: usize,
    },
    /// The topic has been read to the end that it had at the beginning.
    ReadingEnded {
        /// How many records.
        records: u64,
        /// How large the table is.
        size: BindingsSize,
        /// How long it took.
        took: Duration,
    },
    /// A record was read and applied to the table.
    Read(&'a BindingRecord),
    /// A record cannot be read.
    Undecodable {
        /// Its topic.
        topic: &'a str,
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
        /// What is wrong with it.
        problem: &'a BindingRecordError,
        /// Whether it is the first of this worker.
        is_first: bool,
    },
    /// A record goes to the topic.
    Published(&'a BindingRecord),
    /// The worker's table, from time to time.
    Table {
        /// How large it is.
        size: BindingsSize,
        /// What was dropped since the last time.
        dropped: Dropped,
        /// Claims about addresses of the inventory since the last time.
        conflicts: u64,
    },
}
