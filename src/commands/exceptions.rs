//! `pipewarden exceptions`: entries for what recurs.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use pipewarden_kafka::{AlertReader, Polled};
use pipewarden_tools::propose::{Counts, Options, Proposer};

use super::{UNREADABLE, demand_sound_client, replay, settings};
use crate::cli::{ExceptionsAction, ExceptionsArgs, ProposeArgs};
use crate::config::{Settings, tested_rules};
use crate::generator::Truth;
use crate::rule_tests::{self, Tested};
use crate::telemetry::wall_clock;
use crate::text::plural;

/// How long to wait for a record before it is asked again whether that was all.
const WAIT: Duration = Duration::from_millis(200);

/// How long nothing at all may come before the brokers are given up.
const SILENCE: Duration = Duration::from_secs(60);

/// Does what is to be done with exceptions.
///
/// # Errors
/// Settings, rules, inventory, exceptions or truth that are wrong, or brokers that do not answer.
pub fn run(args: &ExceptionsArgs) -> anyhow::Result<ExitCode> {
    match &args.action {
        ExceptionsAction::Propose(args) => propose(args),
    }
}

fn propose(args: &ProposeArgs) -> anyhow::Result<ExitCode> {
    let settings = settings(&args.settings)?;
    let policy = settings.policy()?;
    let truths = args.truth.as_deref().map(truths).transpose()?;
    let tested = tested(&settings)?;
    let mut proposer = Proposer::new(Options {
        min_count: args.min_count.try_into().unwrap_or(usize::MAX),
        group_by: policy.join.group_by,
    });
    let mut is_whole = true;
    if args.from_kafka {
        from_kafka(&settings, args.since, &mut proposer)?;
    } else {
        let Some((alerts, all_read)) = replay::active_alerts(&args.inputs, &settings, &policy)? else {
            return Ok(ExitCode::from(UNREADABLE));
        };
        is_whole = all_read;
        alerts.iter().for_each(|alert| proposer.take(alert));
    }
    let proposals = proposer.propose(&policy.inventory, &truths.unwrap_or_default(), &tested);
    write!(std::io::stdout().lock(), "{proposals}")?;
    let Counts { alerts, proposed, .. } = proposals.counts();
    anstream::eprintln!(
        "{}: {} for {proposed} of them, {} not proposed",
        plural(alerts, "active alert"),
        match proposals.claims().len() {
            1 => "1 entry".to_owned(),
            entries => format!("{entries} entries"),
        },
        proposals.refusals().count()
    );
    Ok(if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(UNREADABLE)
    })
}

/// Attacks, an object a line.
fn truths(file: &Path) -> anyhow::Result<Vec<Truth>> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("--truth: cannot read {name}"))?;
    let lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line).with_context(|| {
                format!(
                    "--truth: line {number} of {name} is no attack as pipewarden generate --truth writes one"
                )
            })
        })
        .collect()
}

/// The rules that the settings know, with their cases.
fn tested(settings: &Settings) -> anyhow::Result<Vec<Tested>> {
    Ok(match &settings.rules.directory {
        Some(folder) => tested_rules(folder)?,
        None => rule_tests::builtin(),
    })
}

/// Reads what was published since then and is committed now.
fn from_kafka(settings: &Settings, since: Duration, proposer: &mut Proposer) -> anyhow::Result<()> {
    demand_sound_client(settings)?;
    let mut reader = AlertReader::without_suppressed(&settings.kafka, wall_clock().minus(since))?;
    reader.assign()?;
    let style = ProgressStyle::with_template("{spinner} reading alerts: {pos} {per_sec}");
    let progress =
        ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    let (mut ended, mut foreign) = (BTreeSet::new(), 0_u64);
    let mut heard = Instant::now();
    while ended.len() < reader.partitions() as usize {
        let polled = reader.poll(WAIT, &mut |_, value| {
            progress.inc(1);
            match serde_json::from_slice(value) {
                Ok(document) => proposer.take(&document),
                Err(_) => foreign += 1,
            }
        })?;
        match polled {
            Polled::Record => heard = Instant::now(),
            Polled::End(partition) => {
                heard = Instant::now();
                ended.insert(partition);
            }
            Polled::Nothing if heard.elapsed() > SILENCE => bail!(
                "{} of {} partitions of {} could not be read to their end: nothing has come for {SILENCE:?}",
                reader.partitions() as usize - ended.len(),
                reader.partitions(),
                settings.kafka.topics.alerts
            ),
            Polled::Nothing => {}
        }
    }
    progress.finish_and_clear();
    if foreign > 0 {
        anstream::eprintln!(
            "{} of {} are no alert in ECS and were left out",
            plural(usize::try_from(foreign).unwrap_or(usize::MAX), "record"),
            settings.kafka.topics.alerts
        );
    }
    Ok(())
}
