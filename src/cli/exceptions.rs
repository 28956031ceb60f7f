//! `pipewarden exceptions`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{SettingsArgs, duration};

/// `pipewarden exceptions`
#[derive(Debug, Args)]
pub struct ExceptionsArgs {
    /// What to do with exceptions.
    #[command(subcommand)]
    pub action: ExceptionsAction,
}

/// What to do with exceptions.
#[derive(Debug, Subcommand)]
pub enum ExceptionsAction {
    /// Write entries for what recurs in recordings, or in the alerts of a running service, to fill in
    Propose(ProposeArgs),
}

/// `pipewarden exceptions propose`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  pipewarden exceptions propose --inventory hosts.yaml recordings/ > proposed.yaml
  pipewarden exceptions propose --config pipewarden.yaml --from-kafka --since 14d > proposed.yaml
  pipewarden exceptions propose --exceptions exceptions.yaml --min-count 20 recordings/   what is not covered yet
  pipewarden exceptions propose --truth truth.ndjson events.ndjson   nothing that would cover these attacks

Then put a reason, an owner and an expiry where FILL-IN stands, delete what nobody answers for, and:
  pipewarden check --exceptions proposed.yaml
  pipewarden replay --exceptions proposed.yaml --show-suppressed recordings/

An entry names the very sources, accounts, pipes and hosts that were seen. It suppresses only where a 5145 of the host names the
source of every access, and downgrades otherwise. Not proposed is what would cover an attack of --truth or an alert that the cases of
a rule must raise, what uses an account from elsewhere, connects back, or goes along a chain.

Exit status: 0 done, 1 usage or configuration, or no broker, 2 input that could not be read.")]
pub struct ProposeArgs {
    /// Files (.ndjson .jsonl .json .evtx, each also .gz or .zst), folders of them, or - for standard input
    #[arg(
        value_name = "INPUT",
        required_unless_present = "from_kafka",
        conflicts_with = "from_kafka"
    )]
    pub inputs: Vec<PathBuf>,
    /// Read the alerts that a service has published (kafka.topics.alerts, what is committed) in place of recordings
    #[arg(long)]
    pub from_kafka: bool,
    /// From how long ago they are read, to what is there now
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration, requires = "from_kafka")]
    pub since: Duration,
    /// In how many different intervals of detection.group_by (10 minutes) something is seen at least
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub min_count: u32,
    /// Attacks that no entry may cover, as `pipewarden generate --truth` writes them: one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Where settings come from; what their exceptions cover is not proposed again
    #[command(flatten)]
    pub settings: SettingsArgs,
}
