//! Measures Pipewarden beside what bounds it and beside its peers, and prints one table.
//!
//! `cargo bench --bench macro` measures everything in a few minutes; `-- --help` tells how to measure more. Every figure
//! stands beside another of the same run, since a machine's speed changes from hour to hour; ratios do not.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, missing_docs)]

mod against;
mod consume;
mod firehose;
mod generated;
mod latency;
mod probe;
mod process;
mod producer;
mod replay;
mod restore;
mod scale;
mod table;
mod whole;

#[allow(dead_code)]
#[path = "../micro/fixtures.rs"]
mod observations;

#[allow(unreachable_pub, reason = "shared with the tests")]
// Some of what the tests beside a broker have.
#[allow(dead_code)]
#[path = "../../tests/broker/support"]
mod support {
    pub(crate) mod broker;
    mod libraries;
    pub(crate) mod service;
    pub(crate) mod topics;
}

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Parser, Subcommand};

/// Measures Pipewarden beside what bounds it and beside its peers.
#[derive(Parser)]
struct Arguments {
    /// What to measure; by default everything
    #[arg(value_parser = ["replay", "firehose", "whole", "latency", "producer", "restore", "scale"])]
    what: Vec<String>,
    /// Size of the file that `replay` reads, in bytes
    #[arg(long, default_value_t = 300_000_000)]
    bytes: u64,
    /// Messages on the topic that the router reads
    #[arg(long, default_value_t = 300_000)]
    messages: u64,
    /// Messages on the topic that goes through the whole path
    #[arg(long, default_value_t = 300_000)]
    whole_messages: u64,
    /// Seconds at the steady rate
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The steady rate, in messages a second
    #[arg(long, default_value_t = 10_000)]
    rate: u64,
    /// How often each is run; medians are told
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Another build of the program, measured in turn with this one and in place of what else stands beside it
    #[arg(long, value_name = "PROGRAM")]
    against: Option<PathBuf>,
    /// Of what is generated
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What `cargo bench` passes
    #[arg(long, hide = true)]
    bench: bool,
}

/// What a process of this program is asked to be, that others are measured beside.
#[derive(Parser)]
struct Probe {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Scan {
        file: PathBuf,
    },
    Parse {
        file: PathBuf,
    },
    Hold {
        retained: u32,
        assets: u32,
    },
    Consume {
        servers: String,
        topic: String,
        group: String,
        count: u64,
    },
}

/// The program that is measured.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_pipewarden"))
}

/// A command that runs this very program.
fn itself() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

fn main() {
    if let Ok(probe) = Probe::try_parse() {
        match probe.what {
            What::Scan { file } => probe::scan(&file),
            What::Parse { file } => probe::parse(&file),
            What::Hold { retained, assets } => scale::hold(retained, assets),
            What::Consume {
                servers,
                topic,
                group,
                count,
            } => consume::consume(&servers, &topic, &group, count),
        }
        return;
    }
    let arguments = Arguments::parse();
    // What Kafka's own scripts start a broker with.
    let as_kafka_does =
        "-Xmx1g -Xms1g -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35";
    let _ = support::broker::JAVA.set(as_kafka_does);
    let is_asked = |what: &str| arguments.what.is_empty() || arguments.what.iter().any(|asked| asked == what);
    let mut table = table::Table::default();
    if let Some(other) = &arguments.against {
        let is_even = against::run(&arguments, other, &is_asked, &mut table);
        table.print();
        std::process::exit(i32::from(!is_even));
    }
    if is_asked("replay") {
        replay::run(&arguments, &mut table);
    }
    if is_asked("firehose") {
        firehose::run(&arguments, &mut table);
    }
    if is_asked("whole") {
        whole::throughput(&arguments, &mut table);
    }
    if is_asked("latency") {
        latency::run(&arguments, &mut table);
    }
    if is_asked("producer") {
        producer::run(&mut table);
    }
    if is_asked("restore") {
        restore::run(&mut table);
    }
    if is_asked("scale") {
        scale::run(&arguments, &mut table);
    }
    table.print();
}
