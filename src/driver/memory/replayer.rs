//! Observations in order of append time in, alerts out: the engine of `replay`.

use std::sync::Arc;

use super::broker::{Broker, TopicPartition};
use super::worker::{Layout, Worker};
use crate::event::Observation;
use crate::pipeline::{AlertRecord, Applied, ObservationRecord, Program};
use crate::time::AppendTime;

/// How many records are applied before a commit, after which the log forgets them.
const BATCH: usize = 1_000;

/// Runs a correlator over one partition of an in-process log that keeps only what is still needed.
#[derive(Debug)]
pub struct Replayer {
    broker: Broker,
    layout: Layout,
    input: TopicPartition,
    worker: Worker,
    uncommitted: usize,
}

impl Replayer {
    /// An empty log.
    pub fn new(program: &Arc<Program>) -> Self {
        let layout = Layout::new(1);
        let mut broker = Broker::new();
        let worker = Worker::take_over(&mut broker, &layout, 0, program)
            .expect("a new log has no checkpoint that could disagree about partitions");
        let input = layout.input(0);
        Self {
            broker,
            layout,
            input,
            worker,
            uncommitted: 0,
        }
    }

    /// Appends an observation and applies it.
    pub fn observe(&mut self, append_time: AppendTime, observation: Observation) -> Applied {
        self.append(append_time, &ObservationRecord::Observation(observation))
    }

    /// The end of input: every deadline is due.
    pub fn finish(&mut self) -> Applied {
        self.append(AppendTime::MAX, &ObservationRecord::Tick {})
    }

    fn append(&mut self, append_time: AppendTime, record: &ObservationRecord) -> Applied {
        let key: &[u8] = match record {
            ObservationRecord::Observation(observation) => observation.asset.as_str().as_bytes(),
            ObservationRecord::Tick {} => b"",
        };
        self.broker
            .append(&self.input, append_time, key, &record.encode());
        let applied = self.step();
        self.uncommitted += 1;
        if self.uncommitted >= BATCH {
            self.commit();
        }
        applied
    }

    fn step(&mut self) -> Applied {
        self.worker
            .step(&mut self.broker)
            .expect("nobody else uses this log's transactional id")
            .expect("a record has just been appended")
    }

    fn commit(&mut self) {
        self.worker
            .commit(&mut self.broker)
            .expect("nobody else uses this log's transactional id");
        self.uncommitted = 0;
        for topic in [&self.input, &self.layout.alerts] {
            let end = self.broker.end_offset(topic);
            self.broker.delete_before(topic, end);
        }
    }
}

/// The last revision of every alert, by its Kafka key.
#[derive(Debug, Default)]
pub struct FinalView {
    last: std::collections::BTreeMap<String, AlertRecord>,
}

impl FinalView {
    /// Takes in a revision, which replaces the one before it.
    pub fn upsert(&mut self, record: AlertRecord) {
        self.last.insert(record.key.clone(), record);
    }

    /// The alerts that stand, by key.
    pub fn active(&self) -> impl Iterator<Item = &AlertRecord> {
        self.last
            .values()
            .filter(|record| record.status == crate::detection::Status::Active)
    }
}
