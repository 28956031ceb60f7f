//! `pipewarden replay`: the engine of the service over files.
//!
//! One pass over the input decodes and learns which host has which address, as a service that has been running would
//! have. The events of all inputs together are then resolved and delivered in order of event time, file and line, so
//! that recordings of different hosts and channels join whatever their order on the command line.

mod campaign;
mod crowd;
mod detection;
mod documents;
mod explain_text;
mod guide;
mod input;
mod kept;
mod lines;
mod lost;
mod noise;
mod page;
mod pretty;
mod sensor;
mod sorted;
mod summary;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use pipewarden_core::log::{Offset, Partition};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use self::detection::Detection;
use self::input::Input;
use self::kept::Kept;
pub(crate) use self::pretty::clean;
use self::sorted::{Key, Sorter};
use self::summary::Summary;
use super::{UNREADABLE, settings};
use crate::alert::{AlertFormat, Document};
use crate::cli::{Format, ReplayArgs, SettingsArgs};
use crate::config::Settings;
use crate::detection::Explanation;
use crate::engine::{AlertRecord, NoEvent, Origin, Policy, Router};
use crate::event::Skip;
use crate::inventory::Tuples;
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
    let is_pretty = match args.format {
        Some(format) => format == Format::Pretty,
        None => std::io::IsTerminal::is_terminal(&std::io::stdout()),
    };
    let mut printer = Printer {
        out: anstream::AutoStream::auto(std::io::stdout().lock()),
        is_pretty,
        has_ecs: settings.alerts.format.has_ecs(),
        guide: guide::Guide::default(),
    };
    let policy = Arc::new(settings.policy()?);
    let Some(summary) = replay(args, &settings, &policy, &mut printer)? else {
        return Ok(ExitCode::from(UNREADABLE));
    };
    anstream::eprint!("{summary}");
    let failed = summary.unreadable > 0 || (args.strict && summary.undecodable > 0);
    Ok(if failed {
        ExitCode::from(UNREADABLE)
    } else {
        ExitCode::SUCCESS
    })
}

/// The active alerts in these inputs, and whether all of these could be read; `None` where they are not there, which has been
/// reported.
///
/// # Errors
/// Temporary files that cannot be written.
pub(super) fn active_alerts(
    inputs: &[PathBuf],
    settings: &Settings,
    policy: &Policy,
) -> anyhow::Result<Option<(Vec<Document>, bool)>> {
    let policy = Arc::new(policy.clone().with_format(AlertFormat::Ecs));
    let args = ReplayArgs {
        inputs: inputs.to_vec(),
        settings: SettingsArgs::default(),
        format: Some(Format::Ndjson),
        alerts: None,
        revisions: false,
        show_suppressed: false,
        explain: false,
        html: None,
        shuffle: None,
        max_delay: Duration::ZERO,
        strict: false,
    };
    let mut printer = Printer {
        out: Vec::new(),
        is_pretty: false,
        has_ecs: true,
        guide: guide::Guide::default(),
    };
    let Some(summary) = replay(&args, settings, &policy, &mut printer)? else {
        return Ok(None);
    };
    let documents = serde_json::Deserializer::from_slice(&printer.out).into_iter();
    Ok(Some((
        documents.collect::<Result<_, _>>()?,
        summary.unreadable == 0,
    )))
}

/// Replays all inputs; `None` where they are not there, which has been reported.
fn replay(
    args: &ReplayArgs,
    settings: &Settings,
    policy: &Arc<Policy>,
    printer: &mut Printer<impl Write>,
) -> anyhow::Result<Option<Summary>> {
    let inputs = match input::find(&args.inputs) {
        Ok(inputs) => inputs,
        Err(error) => {
            super::report(&error.into());
            return Ok(None);
        }
    };
    let mut replay = Replay {
        args,
        router: Router::new(policy).with_bindings(settings.bindings.clone()),
        window: policy.join.attribution_window,
        summary: Summary {
            files: inputs.len(),
            idle: idle(policy),
            ..Summary::default()
        },
        began: Instant::now(),
    };
    let sorter = replay.read(&inputs)?;
    let Replay { router, summary, .. } = &mut replay;
    let names: Vec<Arc<str>> = inputs.iter().map(|input| Arc::from(&*input.name)).collect();
    let page = args
        .html
        .as_deref()
        .map(|file| page::Page::new(file, &names, &settings.detection));
    let mut detection = Detection::new(args, policy, router, &names, summary, page);
    let detected = sorter
        .finish(|key, kept| detection.deliver(key, *kept, printer))
        .and_then(|()| detection.finish(printer));
    match detected {
        // Whoever reads the alerts has seen enough, as `head` does.
        Err(error) if super::is_broken_pipe(&error) => {}
        other => other?,
    }
    replay.summary.elapsed = replay.began.elapsed();
    Ok(Some(replay.summary))
}

/// The rules that find nothing by the inventory.
fn idle(policy: &Policy) -> Vec<String> {
    let rules = policy.rules.rules().iter();
    let idle = rules.filter(|rule| !super::check::never_fires(rule, &policy.inventory).is_empty());
    idle.map(|rule| rule.id.to_string()).collect()
}

struct Replay<'a> {
    args: &'a ReplayArgs,
    router: Router,
    /// How far a share access and its connection may be apart to show whose an address is.
    window: Duration,
    summary: Summary,
    began: Instant,
}

impl Replay<'_> {
    /// Reads everything there is.
    fn read(&mut self, inputs: &[Input]) -> anyhow::Result<Sorter<Box<Kept>>> {
        let progress = progress(inputs);
        let mut sorter = Sorter::new(IN_MEMORY);
        let mut spilled = Ok(());
        let mut tuples = Tuples::default();
        // Nine of ten messages: counted without a look at their name.
        let mut prefiltered = 0;
        let Self {
            args,
            router,
            summary,
            ..
        } = self;
        for (file, input) in (0..).zip(inputs) {
            let read = input.read(&progress, &mut |message| {
                let content = match message.content {
                    Ok(content) => content,
                    Err(reason) => {
                        summary.events += 1;
                        return summary.undecodable(&input.name, message.line, reason);
                    }
                };
                // The record ids of a damaged event log may be any numbers.
                let offset = Offset::try_from(message.line).unwrap_or(Offset::MAX);
                let origin = Origin {
                    topic: &input.name,
                    partition: Partition::ZERO,
                    offset,
                };
                let before = summary.events;
                router.read_each(Some(content), origin, &mut |document| {
                    summary.events += 1;
                    match document {
                        Ok(received) => {
                            tuples.note(&received.event);
                            let key = key(args, received.event.time, file, offset.to_wire());
                            if spilled.is_ok() {
                                spilled = sorter.push(key, Box::new(Kept::of(received)));
                            }
                        }
                        Err(NoEvent::Skipped(Skip::Prefiltered)) => prefiltered += 1,
                        Err(none) => no_event(summary, &input.name, none),
                    }
                });
                // A message is an event, however few documents are in it.
                summary.events = summary.events.max(before + 1);
            });
            if let Err(error) = read {
                summary.unreadable += 1;
                super::report(&error.into());
            }
        }
        if prefiltered > 0 {
            summary.skipped.insert(Skip::Prefiltered.as_str(), prefiltered);
        }
        progress.finish_and_clear();
        self.router.resolver().apply_tuples(tuples, self.window);
        self.summary.odd_fields = self.router.take_odd_fields();
        self.summary.unknown = self.router.unknown_input();
        spilled?;
        Ok(sorter)
    }
}

/// Counts what gives no event.
fn no_event(summary: &mut Summary, file: &str, none: NoEvent) {
    match none {
        NoEvent::Skipped(skip) => summary.skipped(skip.as_str()),
        NoEvent::DeadLetter(letter) => {
            let line = letter.offset.get();
            match letter.element {
                None => summary.undecodable(file, line, &letter.message),
                Some(element) => {
                    let message = format!("element {element}: {}", letter.message);
                    summary.undecodable(file, line, &message);
                }
            }
        }
    }
}

/// Append time, event time, file, line: the order of delivery.
fn key(args: &ReplayArgs, time: EventTime, file: i64, line: i64) -> Key {
    let mut at = AppendTime::at_event(time);
    if let Some(seed) = args.shuffle {
        let longest = u64::try_from(args.max_delay.as_millis()).unwrap_or(u64::MAX);
        let rng = xxh3_64_with_seed(&[file.to_le_bytes(), line.to_le_bytes()].concat(), seed);
        at = at.plus(Duration::from_millis(rng % longest.saturating_add(1)));
    }
    [at.as_millis(), time.as_micros(), file, line]
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
    guide: guide::Guide,
}

impl<W: Write> Printer<W> {
    fn print(&mut self, alert: &AlertRecord, explanation: Option<&Explanation>) -> anyhow::Result<()> {
        if self.is_pretty {
            let document = serde_json::from_slice(&alert.value)?;
            pretty::write_alert(&mut self.out, &document, explanation, &mut self.guide)?;
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
