//! `pipewarden replay`: the engine of the service over files.
//!
//! One pass over the input decodes and learns which host has which address, as a service that has been running would
//! have. The events of all inputs together are then resolved and delivered in order of event time, file and line, so
//! that recordings of different hosts and channels join whatever their order on the command line.

mod input;
mod lines;
mod pretty;
mod sorted;
mod summary;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use self::input::Input;
pub(crate) use self::pretty::clean;
use self::sorted::{Key, Sorter};
use self::summary::Summary;
use super::{UNREADABLE, settings};
use crate::alert::Document;
use crate::cli::{Format, ReplayArgs};
use crate::detection::Status;
use crate::driver::memory::{FinalView, Replayer};
use crate::event::{Event, Observation};
use crate::pipeline::{AlertRecord, Origin, Program, Routed, Router};
use crate::time::{AppendTime, EventTime};

/// Bytes of events held in memory before they are spilled to a temporary file.
const IN_MEMORY: usize = 32 << 20;

/// Replays files and prints the alerts.
///
/// # Errors
/// Settings, rules or inventory that are wrong.
pub fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let mut settings = settings(&args.settings)?;
    settings.alerts.format = args.alerts.unwrap_or(settings.alerts.format);
    let program = Arc::new(settings.program()?);
    let inputs = match input::find(&args.inputs) {
        Ok(inputs) => inputs,
        Err(error) => {
            super::report(&error.into());
            return Ok(ExitCode::from(UNREADABLE));
        }
    };
    let mut replay = Replay {
        args,
        router: Router::new(&program).with_identities(settings.identities),
        summary: Summary {
            files: inputs.len(),
            ..Summary::default()
        },
        began: Instant::now(),
    };
    let sorter = replay.read(&inputs)?;
    let is_pretty = match args.format {
        Some(format) => format == Format::Pretty,
        None => std::io::IsTerminal::is_terminal(&std::io::stdout()),
    };
    let mut printer = Printer {
        out: anstream::AutoStream::auto(std::io::stdout().lock()),
        is_pretty,
        has_ecs: settings.alerts.format.has_ecs(),
    };
    match replay.detect(&program, sorter, &mut printer) {
        // Whoever reads the alerts has seen enough, as `head` does.
        Err(error) if super::is_broken_pipe(&error) => {}
        other => other?,
    }
    replay.summary.elapsed = replay.began.elapsed();
    anstream::eprint!("{}", replay.summary);
    let failed = replay.summary.unreadable > 0 || (args.strict && replay.summary.undecodable > 0);
    Ok(if failed {
        ExitCode::from(UNREADABLE)
    } else {
        ExitCode::SUCCESS
    })
}

struct Replay<'a> {
    args: &'a ReplayArgs,
    router: Router,
    summary: Summary,
    began: Instant,
}

impl Replay<'_> {
    /// Reads everything there is.
    fn read(&mut self, inputs: &[Input]) -> anyhow::Result<Sorter> {
        let progress = progress(inputs);
        let mut sorter = Sorter::new(IN_MEMORY);
        let mut spilled = Ok(());
        for (file, input) in (0..).zip(inputs) {
            let read = input.read(&progress, &mut |message| {
                self.summary.events += 1;
                let content = match message.content {
                    Ok(content) => content,
                    Err(reason) => return self.summary.undecodable(&input.name, message.line, reason),
                };
                let offset = i64::try_from(message.line).unwrap_or(i64::MAX);
                let origin = Origin {
                    topic: &input.name,
                    partition: 0,
                    offset,
                };
                match self.router.read(content, origin) {
                    Ok(event) => {
                        let key = self.key(event.time, file, offset);
                        let payload = serde_json::to_vec(&event).unwrap_or_default();
                        if spilled.is_ok() {
                            spilled = sorter.push(key, payload);
                        }
                    }
                    Err(none) => self.unobserved(&input.name, none.into()),
                }
            });
            if let Err(error) = read {
                self.summary.unreadable += 1;
                super::report(&error.into());
            }
        }
        progress.finish_and_clear();
        spilled?;
        Ok(sorter)
    }

    /// Counts what gives no observation.
    fn unobserved(&mut self, file: &str, routed: Routed) {
        match routed {
            Routed::Skipped(reason) => self.summary.skipped(reason.as_str()),
            Routed::DeadLetter(letter) => {
                let line = u64::try_from(letter.offset).unwrap_or_default();
                self.summary.undecodable(file, line, &letter.message);
            }
            Routed::Observation(_) => {}
        }
    }

    /// Resolves an event by all that was learned.
    fn resolve(&mut self, event: Event) -> Option<Observation> {
        match self.router.resolve(event) {
            Routed::Observation(routed) => {
                *self.summary.observations.entry(routed.kind()).or_default() += 1;
                self.summary.conflicts += u64::from(routed.conflict);
                Some(routed.observation)
            }
            other => {
                self.unobserved("", other);
                None
            }
        }
    }

    /// Append time, event time, file, line: the order of delivery.
    fn key(&self, time: EventTime, file: i64, line: i64) -> Key {
        let mut at = AppendTime::at_event(time);
        if let Some(seed) = self.args.shuffle {
            let longest = u64::try_from(self.args.max_delay.as_millis()).unwrap_or(u64::MAX);
            let chance = xxh3_64_with_seed(&[file.to_le_bytes(), line.to_le_bytes()].concat(), seed);
            at = at.plus(Duration::from_millis(chance % longest.saturating_add(1)));
        }
        [at.as_millis(), time.as_micros(), file, line]
    }

    fn detect(
        &mut self,
        program: &Arc<Program>,
        sorter: Sorter,
        printer: &mut Printer<impl Write>,
    ) -> anyhow::Result<()> {
        let mut replayer = Replayer::new(program);
        let mut view = FinalView::default();
        let entries = program.exceptions.entries().iter();
        let mut hits: BTreeMap<String, u64> = entries.map(|entry| (entry.id.to_string(), 0)).collect();
        let (revisions, show_suppressed) = (self.args.revisions, self.args.show_suppressed);
        let mut take = |alerts: Vec<AlertRecord>, printer: &mut Printer<_>| {
            alerts.into_iter().try_for_each(|alert| {
                if let Some(exception) = &alert.hit {
                    *hits.entry(exception.id.to_string()).or_default() += 1;
                }
                if revisions && (alert.is_told || show_suppressed) {
                    printer.print(&alert)?;
                }
                view.upsert(alert);
                Ok::<(), anyhow::Error>(())
            })
        };
        sorter.finish(|key, payload| {
            let Some(observation) = self.resolve(serde_json::from_slice(&payload)?) else {
                return Ok(());
            };
            let append_time = AppendTime::from_millis(key[0]);
            take(replayer.observe(append_time, observation).alerts, printer)
        })?;
        take(replayer.finish().alerts, printer)?;
        self.summary.exceptions = hits;

        self.summary.suppressed = view.with_status(Status::Suppressed).count();
        let shown = self
            .args
            .show_suppressed
            .then(|| view.with_status(Status::Suppressed));
        let mut standing = (view.active())
            .chain(shown.into_iter().flatten())
            .map(|alert| Ok((serde_json::from_slice::<Document>(&alert.value)?, alert)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        standing.sort_by_key(|(document, _)| (document.event.start, document.pipewarden.alert_id));
        for (document, alert) in &standing {
            if alert.status == Status::Active {
                *self
                    .summary
                    .alerts
                    .entry(document.pipewarden.confidence)
                    .or_default() += 1;
            }
            if !self.args.revisions {
                printer.print(alert)?;
            }
        }
        printer.out.flush()?;
        Ok(())
    }
}

/// A bar on stderr, if that is a terminal and there is enough to wait for.
fn progress(inputs: &[Input]) -> ProgressBar {
    const WORTH_A_BAR: u64 = 32 << 20;
    let size = inputs.iter().map(Input::size).sum();
    if size < WORTH_A_BAR {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{msg:>9} {bar:40} {bytes}/{total_bytes} {bytes_per_sec} eta {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(size).with_style(style).with_message("reading")
}

/// Writes documents as they were asked for.
struct Printer<W: Write> {
    out: W,
    is_pretty: bool,
    has_ecs: bool,
}

impl<W: Write> Printer<W> {
    fn print(&mut self, alert: &AlertRecord) -> anyhow::Result<()> {
        if self.is_pretty {
            pretty::write_alert(&mut self.out, &serde_json::from_slice(&alert.value)?)?;
            return Ok(());
        }
        let ecs = self.has_ecs.then_some(&alert.value);
        for document in ecs.into_iter().chain(&alert.finding) {
            self.out.write_all(document)?;
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }
}
