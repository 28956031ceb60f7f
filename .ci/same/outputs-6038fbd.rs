//! Every record that a service would write, as lines to compare: `cargo run --release --example outputs -- INPUT..`.
//!
//! Documents go through a router into the in-process log and through a correlator worker out of it. Nothing is left to
//! chance or to a clock: partitions follow from keys, append times from event times, and ticks, commits and crashes from
//! the order of the documents. So two versions of the program that behave alike print the same lines.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use pipewarden::config::Settings;
use pipewarden::event::{Event, Sighting, read_evtx};
use pipewarden::engine::{DeadLetter, NoEvent, ObservationRecord, Origin, Program, Routed, Router};
use pipewarden::time::AppendTime;
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
    program: Arc<Program>,
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
        let program = Arc::new(settings.program()?);
        let mut router = Router::new(&program).with_identities(settings.identities.clone());
        router.identity().learned().begin_telling();
        Ok(Self {
            driven: Driven::new(&program, PARTITIONS),
            router,
            program,
            now: AppendTime::MIN,
            written: 0,
            lines: Vec::new(),
        })
    }

    /// What the service does with a message.
    fn take(&mut self, topic: &str, offset: i64, message: &[u8]) {
        let origin = Origin {
            topic,
            partition: 0,
            offset,
        };
        match self.router.read(message, origin) {
            Ok(event) => self.route(event),
            Err(NoEvent::DeadLetter(letter)) => self.lines.push(dead("router", 0, &letter)),
            Err(NoEvent::Skipped(_)) => {}
        }
        let identities = self.router.identity().learned().take_records();
        let told = identities
            .iter()
            .map(|record| line("identities", 0, &record.key(), record.encode().as_deref()));
        self.lines.extend(told);
    }

    fn route(&mut self, event: Event) {
        self.pass(AppendTime::at_event(event.time));
        let Routed::Observation(routed) = self.router.resolve(event) else {
            return;
        };
        if let Some(sighting) = routed.sighting().filter(|_| self.program.join.sweep.enabled) {
            self.write_sighting(sighting);
        }
        let key = routed.key().to_string();
        self.write(&key, &routed.encode());
    }

    fn write_sighting(&mut self, sighting: Sighting) {
        let key = sighting.key();
        self.write(&key, &ObservationRecord::Sighting(sighting).encode());
    }

    /// Time goes on to `at`, if that is not past.
    fn pass(&mut self, at: AppendTime) {
        self.now = self.now.max(at);
        self.router.identity().learned().advance(self.now);
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
        self.driven.tell(&mut self.lines);
        self.lines
    }
}

/// Where a key belongs.
fn partition(key: &str) -> u32 {
    let hash = key.bytes().fold(17u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    (hash >> 8) % PARTITIONS
}

/// One record as a line. What is JSON stays as it was written, byte for byte.
fn line(topic: &str, partition: u32, key: &str, value: Option<&[u8]>) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        topic: &'a str,
        partition: u32,
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
fn dead(by: &str, partition: u32, letter: &DeadLetter) -> String {
    let topic = format!("dead-letters of the {by}");
    line(&topic, partition, &letter.key(), Some(&letter.encode()))
}

/// Every message of a file, with its place from 1.
fn read(path: &Path, visit: &mut dyn FnMut(i64, &[u8])) -> anyhow::Result<()> {
    let name = path.to_string_lossy();
    let file = std::fs::File::open(path)?;
    if name.ends_with(".ndjson") {
        read_lines(BufReader::with_capacity(1 << 18, file), visit)?;
    } else if name.ends_with(".ndjson.zst") {
        read_lines(BufReader::new(zstd::Decoder::new(file)?), visit)?;
    } else if name.ends_with(".json") {
        let documents = serde_json::Deserializer::from_reader(file).into_iter::<Box<RawValue>>();
        for (place, document) in (1..).zip(documents) {
            visit(place, document?.get().as_bytes());
        }
    } else if name.ends_with(".evtx") {
        let mut bytes = Vec::new();
        BufReader::new(file).read_to_end(&mut bytes)?;
        let mut visit = |id, record: Result<&[u8], &str>| {
            let place = i64::try_from(id).unwrap_or(i64::MAX);
            visit(place, record.unwrap_or_else(|problem| problem.as_bytes()));
        };
        read_evtx(bytes, &mut visit).map_err(anyhow::Error::msg)?;
    } else {
        bail!("expected .ndjson, .ndjson.zst, .json or .evtx");
    }
    Ok(())
}

fn read_lines(mut from: impl BufRead, visit: &mut dyn FnMut(i64, &[u8])) -> io::Result<()> {
    let (mut text, mut place) = (Vec::new(), 0);
    while from.read_until(b'\n', &mut text)? > 0 {
        place += 1;
        visit(place, text.trim_ascii_end());
        text.clear();
    }
    Ok(())
}

/// All that knows how a worker is run: another way to run it is another such module.
mod drive {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use pipewarden::driver::memory::{Broker, Layout, TopicPartition, Worker};
    use pipewarden::engine::{DeadLetter, ObservationRecord, Origin, Program};
    use pipewarden::time::AppendTime;

    use super::{dead, line};

    /// The reason that a worker gives for what no router wrote.
    const UNDECODABLE: &str = "undecodable_observation";

    /// A log and the one worker that reads it.
    pub(crate) struct Driven {
        broker: Broker,
        layout: Layout,
        program: Arc<Program>,
        worker: Worker,
        /// By partition and offset: this worker keeps what it could not read to itself.
        dead_letters: BTreeMap<(u32, u64), DeadLetter>,
    }

    impl Driven {
        pub(crate) fn new(program: &Arc<Program>, partitions: u32) -> Self {
            let (mut broker, layout) = (Broker::new(), Layout::new(partitions));
            let worker = Worker::start(&mut broker, &layout, "worker");
            let mut driven = Self {
                broker,
                layout,
                program: Arc::clone(program),
                worker,
                dead_letters: BTreeMap::new(),
            };
            driven.take_over();
            driven
        }

        /// Appends a record to the observations topic.
        pub(crate) fn write(&mut self, partition: u32, at: AppendTime, key: &str, value: &[u8]) {
            let input = self.layout.input(partition);
            self.broker.append(&input, at, key.as_bytes(), value);
        }

        /// Leaves an offset out, as the end of a transaction does.
        pub(crate) fn leave_gap(&mut self, partition: u32) {
            self.broker.skip_offset(&self.layout.input(partition));
        }

        /// Lets everything be read and time go on: a tick is appended at each deadline up to `now`.
        pub(crate) fn pass(&mut self, now: AppendTime) {
            for partition in 0..self.layout.partitions {
                self.read(partition);
                while let Some(deadline) = self.worker.next_deadline(partition).filter(|due| *due <= now) {
                    self.write(partition, deadline, "", &ObservationRecord::Tick {}.encode());
                    self.read(partition);
                }
            }
        }

        fn read(&mut self, partition: u32) {
            while let Some(applied) = self.worker.step(&self.broker, partition) {
                let Some((message, correlator)) = applied.undecodable.zip(self.worker.correlator(partition))
                else {
                    continue;
                };
                let (input, offset) = (self.layout.input(partition), correlator.position() - 1);
                let Some(record) = self.broker.fetch(&input, offset) else {
                    continue;
                };
                let origin = Origin {
                    topic: &input.topic,
                    partition: partition.cast_signed(),
                    offset: offset.cast_signed(),
                };
                let letter = DeadLetter::of(UNDECODABLE, message, origin, &record.value);
                self.dead_letters.insert((partition, offset), letter);
            }
        }

        /// Commits all that has been read.
        pub(crate) fn commit(&mut self) {
            self.worker
                .commit(&mut self.broker)
                .expect("nobody else uses its name");
        }

        /// The worker ends in the midst of a commit, and a successor takes over.
        pub(crate) fn crash(&mut self) {
            self.worker
                .write(&mut self.broker)
                .expect("nobody else uses its name");
            self.worker = Worker::start(&mut self.broker, &self.layout, "worker");
            self.take_over();
        }

        fn take_over(&mut self) {
            for partition in 0..self.layout.partitions {
                self.worker
                    .take_over(&self.broker, partition, &self.program)
                    .expect("the number of partitions is fixed");
            }
        }

        /// Every record of every topic.
        pub(crate) fn tell(&self, lines: &mut Vec<String>) {
            for partition in 0..self.layout.partitions {
                self.tell_observations(partition, lines);
                let topics = [
                    self.layout.output(partition),
                    self.layout.findings(partition),
                    self.layout.suppressed_output(partition),
                ];
                for topic in topics {
                    let records = self.records(&topic).into_iter();
                    lines.extend(
                        records.map(|(_, key, value)| line(&topic.topic, partition, &key, Some(value))),
                    );
                }
            }
            let letters = self.dead_letters.iter();
            lines.extend(letters.map(|((partition, _), letter)| dead("correlator", *partition, letter)));
        }

        /// Ticks stand apart: when they come, and not only what stands on the topic, shows how time goes on.
        fn tell_observations(&self, partition: u32, lines: &mut Vec<String>) {
            let tick = ObservationRecord::Tick {}.encode();
            for (at, key, value) in self.records(&self.layout.input(partition)) {
                lines.push(if value == tick {
                    let at = at.as_millis().to_string();
                    line("ticks", partition, "", Some(at.as_bytes()))
                } else {
                    line(&self.layout.observations, partition, &key, Some(value))
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
}
