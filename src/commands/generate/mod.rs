//! `pipewarden generate`: made-up documents with attacks of known truth.

mod sink;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use self::sink::{FileSink, KafkaSink, Sink};
use super::settings;
use crate::cli::{Compression, GenerateArgs, SettingsArgs};
use crate::config::{Settings, read_inventory};
use crate::generator::{Fleet, Generator, Missing, Plan};
use crate::telemetry::wall_clock;
use crate::time::EventTime;

/// Documents where neither a number nor a duration is given.
const EVENTS: u64 = 100_000;

/// Generates.
///
/// # Errors
/// Options that do not fit together, settings that are wrong, a file or a broker that cannot be written to.
pub fn run(args: &GenerateArgs) -> anyhow::Result<ExitCode> {
    let settings = settings(&SettingsArgs {
        config: args.config.clone(),
        inventory: args.inventory.clone(),
        ..SettingsArgs::default()
    })?;
    let plan = plan(args, &settings)?;
    let fleet = match &settings.inventory.file {
        Some(file) => {
            let inventory = read_inventory(file)?;
            ensure!(
                !inventory.is_empty(),
                "{} lists no host to attack",
                file.display()
            );
            Fleet::of(&inventory, args.workstations)
        }
        None => Fleet::invented(args.assets, args.workstations),
    };
    let mut sink: Box<dyn Sink> = match &args.output {
        Some(path) => Box::new(FileSink::create(
            path,
            args.compression.unwrap_or(Compression::None),
        )?),
        None => Box::new(KafkaSink::new(
            &settings.kafka,
            args.compression.unwrap_or(Compression::Gzip),
            args.rate.map(|_| plan.start),
        )?),
    };
    let mut truths = args.truth.as_deref().map(create).transpose()?;
    let began = Instant::now();
    let mut generator = Generator::new(&plan, fleet);
    let (mut document, mut bytes, mut attacks) = (Vec::new(), 0, 0);
    while let Some(due) = generator.write_next(&mut document) {
        bytes += document.len() as u64;
        let written = sink.write(due, &document);
        document.clear();
        match written {
            // Whoever reads has seen enough, as `head` does.
            Err(error) if super::is_broken_pipe(&error) => return Ok(ExitCode::SUCCESS),
            other => other?,
        }
        for truth in generator.take_truths() {
            attacks += 1;
            if let Some(out) = &mut truths {
                serde_json::to_writer(&mut *out, &truth)?;
                out.write_all(b"\n")?;
            }
        }
    }
    sink.finish()?;
    if let Some(mut out) = truths {
        out.flush()?;
    }
    eprintln!(
        "{}",
        summary(plan.events, bytes, attacks, began.elapsed(), &sink.name())
    );
    Ok(ExitCode::SUCCESS)
}

fn plan(args: &GenerateArgs, settings: &Settings) -> anyhow::Result<Plan> {
    let usual = Plan::new(args.seed, EVENTS);
    let rate = args.rate.unwrap_or(usual.rate);
    let events = match (args.events, args.duration) {
        (Some(events), _) => events,
        (None, Some(duration)) => {
            let events = duration.as_micros() * u128::from(rate) / 1_000_000;
            u64::try_from(events).context("--duration: too many documents")?
        }
        (None, None) => EVENTS,
    };
    ensure!(
        args.clock_skew <= Plan::MOST_SKEW,
        "--clock-skew: at most {:?}, or what happened together would no longer be seen together",
        Plan::MOST_SKEW
    );
    let join = &settings.detection;
    ensure!(
        args.lateness <= join.allowed_lateness,
        "--lateness: at most detection.allowed_lateness, {:?}, or the attacks would not count in full",
        join.allowed_lateness
    );
    if join.group_by < Duration::from_secs(60) {
        bail!("detection.group_by: at least 1min, or an attack would not fit one alert");
    }
    let mut plan = Plan {
        events,
        rate,
        mix: args.mix.clone().unwrap_or_default(),
        attack_every: Some(args.attack_every).filter(|every| !every.is_zero()),
        lateness: args.lateness,
        clock_skew: args.clock_skew,
        duplicates: args.duplicates,
        collected: args.collected,
        missing: Missing {
            share_access: args.without_share_access,
            pipe_connected: args.without_pipe_connected,
            network_connection: args.without_network_connection,
        },
        group_by: join.group_by,
        ..usual
    };
    if args.to_kafka {
        let now = EventTime::from_micros(wall_clock().as_millis().saturating_mul(1_000));
        // At a pace, from now on; else what has just been.
        plan.start = if args.rate.is_some() {
            now
        } else {
            now.minus(plan.span())
        };
    }
    Ok(plan)
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(BufWriter::new(file))
}

fn summary(events: u64, bytes: u64, attacks: u64, elapsed: Duration, to: &str) -> String {
    #[expect(clippy::cast_precision_loss, reason = "rates are read by people")]
    let (megabytes, count) = (bytes as f64 / 1e6, events as f64);
    let seconds = elapsed.as_secs_f64().max(1e-9);
    format!(
        "{events} documents, {megabytes:.1} MB, {attacks} attacks to {to}; {seconds:.2} s, {:.0} documents/s, {:.0} MB/s",
        count / seconds,
        megabytes / seconds
    )
}
