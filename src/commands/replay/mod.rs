//! `pipewarden replay`: the engine of the service over files.
//!
//! Two passes over the input: one learns which host has which address, as a service that has been running would
//! have; one decodes and resolves. The observations of all inputs together are then delivered in order of event
//! time, file and line, so that recordings of different hosts and channels join whatever their order on the command
//! line.

mod input;
mod lines;
mod pretty;
mod sorted;
mod summary;
mod why;

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
use self::why::Unresolved;
use super::{UNREADABLE, settings};
use crate::alert::Document;
use crate::cli::{Format, ReplayArgs};
use crate::detection::{Explanation, Status};
use crate::driver::memory::{FinalView, Replayer};
use crate::event::Observation;
use crate::pipeline::{AlertRecord, Origin, Program, Reason, Routed, Router};
use crate::time::AppendTime;

/// Bytes of observations held in memory before they are spilled to a temporary file.
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
        unresolved: Unresolved::default(),
        began: Instant::now(),
    };
    replay.learn(&inputs);
    let sorter = replay.route(&inputs)?;
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
        Err(error) if is_broken_pipe(&error) => {}
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

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

struct Replay<'a> {
    args: &'a ReplayArgs,
    router: Router,
    summary: Summary,
    /// Nothing, unless explanations are asked for.
    unresolved: Unresolved,
    began: Instant,
}

impl Replay<'_> {
    /// The first pass. What cannot be read is told by the second.
    fn learn(&mut self, inputs: &[Input]) {
        let progress = progress(inputs, "learning");
        for input in inputs {
            let _ = input.read(&progress, &mut |message| {
                if let Ok(content) = message.content {
                    self.router.learn(content);
                }
            });
        }
        self.router.stop_learning();
        progress.finish_and_clear();
    }

    /// The second pass.
    fn route(&mut self, inputs: &[Input]) -> anyhow::Result<Sorter> {
        let progress = progress(inputs, "decoding");
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
                match self.router.route(content, origin) {
                    Routed::Observation(routed) => {
                        *self.summary.observations.entry(routed.kind()).or_default() += 1;
                        self.summary.conflicts += u64::from(routed.conflict);
                        let key = self.key(&routed.observation, file, offset);
                        let payload = serde_json::to_vec(&routed.observation).unwrap_or_default();
                        if spilled.is_ok() {
                            spilled = sorter.push(key, payload);
                        }
                    }
                    Routed::DeadLetter(letter) => {
                        self.summary
                            .undecodable(&input.name, message.line, &letter.message);
                    }
                    Routed::Skipped(reason) => self.skipped(reason, content, &input.name, message.line),
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

    fn skipped(&mut self, reason: Reason, content: &[u8], file: &str, line: u64) {
        *self.summary.skipped.entry(reason.as_str()).or_default() += 1;
        if self.args.explain
            && why::could_matter(reason)
            && let Some(event) = self.router.event(content)
        {
            self.unresolved.note(&event, reason, file, line);
            if self.summary.wants_example(reason.as_str()) {
                let told = why::tell_skipped(&event, reason);
                self.summary.example(reason.as_str(), file, line, &told);
            }
        }
    }

    /// Append time, event time, file, line: the order of delivery.
    fn key(&self, observation: &Observation, file: i64, line: i64) -> Key {
        let time = observation.event.time;
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
        if self.args.explain {
            replayer = replayer.explaining();
        }
        let unresolved = &self.unresolved;
        let explain = |replayer: &Replayer, alert: &AlertRecord| {
            let mut explanation = replayer.explain(&alert.key)?;
            unresolved.complete(&mut explanation, program.join.tuple_window);
            Some(explanation)
        };
        let mut view = FinalView::default();
        let hits = &mut self.summary.exceptions;
        hits.extend(
            program
                .exceptions
                .entries()
                .iter()
                .map(|entry| (entry.id.to_string(), 0)),
        );
        let mut take = |alerts: Vec<AlertRecord>, replayer: &Replayer, printer: &mut Printer<_>| {
            alerts.into_iter().try_for_each(|alert| {
                if let Some(exception) = &alert.hit {
                    *hits.entry(exception.id.to_string()).or_default() += 1;
                }
                if self.args.revisions && (alert.is_told || self.args.show_suppressed) {
                    printer.print(&alert, explain(replayer, &alert).as_ref())?;
                }
                view.upsert(alert);
                Ok::<(), anyhow::Error>(())
            })
        };
        sorter.finish(|key, payload| {
            let observation: Observation = serde_json::from_slice(&payload)?;
            let applied = replayer.observe(AppendTime::from_millis(key[0]), observation);
            take(applied.alerts, &replayer, printer)
        })?;
        let applied = replayer.finish();
        take(applied.alerts, &replayer, printer)?;

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
                printer.print(alert, explain(&replayer, alert).as_ref())?;
            }
        }
        printer.out.flush()?;
        Ok(())
    }
}

/// A bar on stderr, if that is a terminal and there is enough to wait for.
fn progress(inputs: &[Input], what: &'static str) -> ProgressBar {
    const WORTH_A_BAR: u64 = 32 << 20;
    let size = inputs.iter().map(Input::size).sum();
    if size < WORTH_A_BAR {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{msg:>9} {bar:40} {bytes}/{total_bytes} {bytes_per_sec} eta {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(size).with_style(style).with_message(what)
}

/// Writes documents as they were asked for.
struct Printer<W: Write> {
    out: W,
    is_pretty: bool,
    has_ecs: bool,
}

impl<W: Write> Printer<W> {
    fn print(&mut self, alert: &AlertRecord, explanation: Option<&Explanation>) -> anyhow::Result<()> {
        if self.is_pretty {
            let document = serde_json::from_slice(&alert.value)?;
            pretty::write_alert(&mut self.out, &document, explanation)?;
            return Ok(());
        }
        let ecs = self.has_ecs.then_some(&alert.value);
        for document in ecs.into_iter().chain(&alert.finding) {
            self.out.write_all(document)?;
            self.out.write_all(b"\n")?;
        }
        if let Some(explanation) = explanation {
            let line = serde_json::json!({ "explanation": explanation });
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }
}
