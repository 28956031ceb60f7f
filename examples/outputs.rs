//! Every record that a service would write, as lines to compare: `cargo run --release --example outputs -- INPUT..`.
//!
//! Documents go through a router into the in-process log and through a correlator worker out of it. Nothing is left to
//! chance or to a clock: partitions follow from keys, append times from event times, and ticks, commits and crashes from
//! the order of the documents. So two versions of the program that behave alike print the same lines. Campaigns are left out: they
//! follow from sightings, which are not.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use pipewarden::config::Settings;
use pipewarden_core::event::{Received, read_evtx};
use pipewarden_core::log::{Offset, Partition};
use pipewarden_core::time::AppendTime;
use pipewarden_engine::{DeadLetter, NoEvent, Origin, Routed, Router};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::drive::Driven;

/// Prints every record of all output topics, a JSON object a line: topic, partition, key, value.
#[derive(Parser)]
struct Arguments {
    /// .ndjson or .ndjson.zst, .json, .evtx
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// Settings file
    #[arg(long)]
    config: Option<PathBuf>,
    /// Inventory, in place of that of the settings
    #[arg(long)]
    inventory: Option<PathBuf>,
    /// Exceptions, in place of those of the settings
    #[arg(long)]
    exceptions: Option<PathBuf>,
}

/// Partitions of the observations topic.
const PARTITIONS: u32 = 4;

/// Records of the observations topic between two commits.
const COMMIT_EVERY: u64 = 32;

/// Records between two crashes of the worker: no multiple of the above, so that each loses something.
const CRASH_EVERY: u64 = 4_999;

/// Records between two that no router wrote.
const NONSENSE_EVERY: u64 = 1_009;

/// Records between two gaps in the offsets of a partition.
const GAP_EVERY: u64 = 13;

/// Further ahead than any deadline.
const END: Duration = Duration::from_secs(1 << 32);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut settings = Settings::load(arguments.config.as_deref(), std::iter::empty())?;
    settings.inventory.file = arguments.inventory.or(settings.inventory.file);
    settings.exceptions.file = arguments.exceptions.or(settings.exceptions.file);
    let mut run = Run::new(&settings)?;
    for input in &arguments.inputs {
        let name = input.file_name().unwrap_or_default().to_string_lossy();
        read(input, &mut |line, message| run.take(&name, line, message))
            .with_context(|| format!("cannot read {}", input.display()))?;
    }
    let mut out = BufWriter::new(io::stdout().lock());
    for line in run.finish() {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

/// Router, log and worker, and what the router has written elsewhere.
struct Run {
    router: Router,
    driven: Driven,
    /// The time on the log's clock.
    now: AppendTime,
    /// Records of the observations topic, ticks apart.
    written: u64,
    lines: Vec<String>,
}

impl Run {
    fn new(settings: &Settings) -> anyhow::Result<Self> {
        let policy = Arc::new(settings.policy()?);
        let mut router = Router::new(&policy).with_bindings(settings.bindings.clone());
        router.resolver().bindings().begin_publishing();
        Ok(Self {
            driven: Driven::new(&policy, PARTITIONS),
            router,
            now: AppendTime::MIN,
            written: 0,
            lines: Vec::new(),
        })
    }

    /// What the service does with a message.
    fn take(&mut self, topic: &str, offset: Offset, message: &[u8]) {
        let origin = Origin {
            topic,
            partition: Partition::ZERO,
            offset,
        };
        let mut read = Vec::new();
        self.router
            .read_each(Some(message), origin, &mut |document| read.push(document));
        for document in read {
            match document {
                Ok(received) => self.route(received),
                Err(NoEvent::DeadLetter(letter)) => self.lines.push(dead("router", Partition::ZERO, &letter)),
                Err(NoEvent::Skipped(_)) => {}
            }
        }
        let bindings = self.router.resolver().bindings().take_records();
        let published = bindings.iter().map(|record| {
            line(
                "bindings",
                Partition::ZERO,
                &record.key(),
                record.encode().as_deref(),
            )
        });
        self.lines.extend(published);
    }

    fn route(&mut self, received: Received) {
        self.pass(AppendTime::at_event(received.event.time));
        let Routed::Observation(routed) = self.router.resolve(received) else {
            return;
        };
        let key = routed.key().to_string();
        self.write(&key, &routed.encode());
    }

    /// Time goes on to `at`, if that is not past.
    fn pass(&mut self, at: AppendTime) {
        self.now = self.now.max(at);
        self.router.resolver().bindings().advance(self.now);
        self.driven.pass(self.now);
    }

    fn write(&mut self, key: &str, value: &[u8]) {
        let partition = partition(key);
        self.written += 1;
        if self.written.is_multiple_of(GAP_EVERY) {
            self.driven.leave_gap(partition);
        }
        if self.written.is_multiple_of(NONSENSE_EVERY) {
            self.driven
                .write(partition, self.now, "", br#"{"observation":{"asset":7}}"#);
        }
        self.driven.write(partition, self.now, key, value);
        if self.written.is_multiple_of(COMMIT_EVERY) {
            self.driven.commit();
        }
        if self.written.is_multiple_of(CRASH_EVERY) {
            self.driven.crash();
        }
    }

    /// The end: every deadline is due.
    fn finish(mut self) -> Vec<String> {
        self.pass(self.now.plus(END));
        self.driven.commit();
        self.driven.collect(&mut self.lines);
        self.lines
    }
}

/// Where a key belongs.
fn partition(key: &str) -> Partition {
    let hash = key.bytes().fold(17u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    Partition::new((hash >> 8) % PARTITIONS)
}

/// One record as a line. What is JSON stays as it was written, byte for byte.
fn line(topic: &str, partition: Partition, key: &str, value: Option<&[u8]>) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        topic: &'a str,
        partition: Partition,
        key: &'a str,
        value: Option<Box<RawValue>>,
    }
    let as_it_is = |value: &[u8]| match serde_json::from_slice(value) {
        Ok(json) => json,
        Err(_) => to_raw_value(&String::from_utf8_lossy(value)).expect("text is JSON in quotes"),
    };
    let line = Line {
        topic,
        partition,
        key,
        value: value.map(as_it_is),
    };
    serde_json::to_string(&line).expect("strings and JSON are JSON together")
}

/// By who wrote it: which of the two writes first depends on when the worker commits.
fn dead(by: &str, partition: Partition, letter: &DeadLetter) -> String {
    let topic = format!("dead-letters of the {by}");
    line(&topic, partition, &letter.key(), Some(&letter.encode()))
}

/// Every message of a file, with its place from 1.
fn read(path: &Path, visit: &mut dyn FnMut(Offset, &[u8])) -> anyhow::Result<()> {
    let name = path.to_string_lossy();
    let file = std::fs::File::open(path)?;
    if name.ends_with(".ndjson") {
        read_lines(BufReader::with_capacity(1 << 18, file), visit)?;
    } else if name.ends_with(".ndjson.zst") {
        read_lines(BufReader::new(zstd::Decoder::new(file)?), visit)?;
    } else if name.ends_with(".json") {
        let documents = serde_json::Deserializer::from_reader(file).into_iter::<Box<RawValue>>();
        for (place, document) in (1..).map(Offset::new).zip(documents) {
            visit(place, document?.get().as_bytes());
        }
    } else if name.ends_with(".evtx") {
        let mut bytes = Vec::new();
        BufReader::new(file).read_to_end(&mut bytes)?;
        let mut visit = |id, record: Result<&[u8], &str>| {
            // The record ids of a damaged event log may be any numbers.
            let place = Offset::try_from(id).unwrap_or(Offset::MAX);
            visit(place, record.unwrap_or_else(|problem| problem.as_bytes()));
        };
        read_evtx(std::io::Cursor::new(bytes), &mut visit).map_err(anyhow::Error::msg)?;
    } else {
        bail!("expected .ndjson, .ndjson.zst, .json or .evtx");
    }
    Ok(())
}

fn read_lines(mut from: impl BufRead, visit: &mut dyn FnMut(Offset, &[u8])) -> io::Result<()> {
    let (mut text, mut place) = (Vec::new(), Offset::ZERO);
    while from.read_until(b'\n', &mut text)? > 0 {
        place = place.next();
        visit(place, text.trim_ascii_end());
        text.clear();
    }
    Ok(())
}

/// All that knows how a worker is run: another way to run it is another such module.
mod drive {
    use std::sync::Arc;

    use pipewarden_core::log::Partition;
    use pipewarden_core::time::AppendTime;
    use pipewarden_engine::local::{Broker, Fault, Layout, PollResult, TopicPartition, Worker};
    use pipewarden_engine::worker::PartitionId;
    use pipewarden_engine::{DeadLetter, ObservationRecord, Policy};

    use super::{dead, line};

    /// A log and the one worker that reads it.
    pub(crate) struct Driven {
        broker: Broker,
        layout: Layout,
        policy: Arc<Policy>,
        worker: Worker,
    }

    impl Driven {
        pub(crate) fn new(policy: &Arc<Policy>, partitions: u32) -> Self {
            let (mut broker, layout) = (Broker::new(), Layout::new(partitions));
            let worker = take_over(&mut broker, &layout, policy);
            Self {
                broker,
                layout,
                policy: Arc::clone(policy),
                worker,
            }
        }

        /// Appends a record to the observations topic.
        pub(crate) fn write(&mut self, partition: Partition, at: AppendTime, key: &str, value: &[u8]) {
            let input = self.layout.input(PartitionId::observations(partition));
            self.broker.append(&input, at, key.as_bytes(), value);
        }

        /// Leaves an offset out, as the end of a transaction does.
        pub(crate) fn leave_gap(&mut self, partition: Partition) {
            self.broker
                .skip_offset(&self.layout.input(PartitionId::observations(partition)));
        }

        /// Lets everything be read and time go on: a tick is appended at each deadline up to `now`. The clock of the
        /// worker's host stays where it is, so that it appends none itself.
        pub(crate) fn pass(&mut self, now: AppendTime) {
            for number in numbers(&self.layout) {
                let partition = PartitionId::observations(number);
                self.read(partition);
                let next_deadline = |worker: &Worker| worker.machine().next_deadline(partition);
                while let Some(deadline) = next_deadline(&self.worker).filter(|due| *due <= now) {
                    self.write(number, deadline, "", &ObservationRecord::Tick {}.encode());
                    self.read(partition);
                }
            }
        }

        fn read(&mut self, partition: PartitionId) {
            while self.worker.poll(&mut self.broker, partition) == PollResult::Record {}
            self.worker.take_facts();
        }

        /// Commits all that has been read.
        pub(crate) fn commit(&mut self) {
            self.worker.commit(&mut self.broker);
        }

        /// The worker crashes within a commit, and a successor takes over.
        pub(crate) fn crash(&mut self) {
            self.worker.faults.inject(Fault::TornCommit, 1);
            self.worker.commit(&mut self.broker);
            self.worker = take_over(&mut self.broker, &self.layout, &self.policy);
        }

        /// Every record of every topic.
        pub(crate) fn collect(&self, lines: &mut Vec<String>) {
            for number in numbers(&self.layout) {
                let partition = PartitionId::observations(number);
                self.collect_observations(partition, lines);
                let topics = [
                    self.layout.output(partition),
                    self.layout.findings(partition),
                    self.layout.suppressed_output(partition),
                ];
                for topic in topics {
                    let records = self.records(&topic).into_iter();
                    lines
                        .extend(records.map(|(_, key, value)| line(&topic.topic, number, &key, Some(value))));
                }
            }
            let sightings = self.layout.input(PartitionId::sightings(Partition::ZERO));
            let records = self.records(&sightings).into_iter();
            lines.extend(
                records.map(|(_, key, value)| line(&sightings.topic, sightings.partition, &key, Some(value))),
            );
            for number in numbers(&self.layout) {
                let topic = self.layout.dead_letters(PartitionId::observations(number));
                for (_, _, value) in self.records(&topic) {
                    let letter: DeadLetter = serde_json::from_slice(value).expect("a worker wrote it");
                    lines.push(dead("correlator", number, &letter));
                }
            }
        }

        /// Ticks are listed apart, with the time at which they were appended.
        fn collect_observations(&self, partition: PartitionId, lines: &mut Vec<String>) {
            let tick = ObservationRecord::Tick {}.encode();
            for (at, key, value) in self.records(&self.layout.input(partition)) {
                lines.push(if value == tick {
                    let at = at.as_millis().to_string();
                    line("ticks", partition.number, "", Some(at.as_bytes()))
                } else {
                    line(&self.layout.observations, partition.number, &key, Some(value))
                });
            }
        }

        fn records(&self, topic: &TopicPartition) -> Vec<(AppendTime, String, &[u8])> {
            let records = self.broker.read_committed(topic);
            let key = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
            records
                .map(|record| (record.append_time, key(&record.key), record.value.as_slice()))
                .collect()
        }
    }

    fn numbers(layout: &Layout) -> impl Iterator<Item = Partition> + use<> {
        (0..layout.partitions).map(Partition::new)
    }

    /// A new process of the only worker there is.
    fn take_over(broker: &mut Broker, layout: &Layout, policy: &Arc<Policy>) -> Worker {
        let mut worker = Worker::start(broker, layout, "worker", policy);
        let partitions: Vec<_> = numbers(layout).map(PartitionId::observations).collect();
        worker.assign(broker, &partitions, 0);
        worker
    }
}
