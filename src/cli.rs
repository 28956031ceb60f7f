//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Finds remote use of sensitive named pipes on protected Windows hosts, and says who did it.
#[derive(Debug, Parser)]
#[command(name = "pipewarden", version, about, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  pipewarden replay samples/                     who touched winreg in these recordings
  pipewarden replay --inventory hosts.yaml *.evtx
  pipewarden check --config pipewarden.yaml      what is in force, and what is wrong with it
  pipewarden topics create --config pipewarden.yaml
  pipewarden run --config pipewarden.yaml        the service

Exit status: 0 done, 1 usage or configuration, 2 input that could not be read.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service: read Winlogbeat's topics, write alerts
    Run(RunArgs),
    /// Run the same detection over files and print the alerts
    Replay(ReplayArgs),
    /// Create or check the topics that the service needs
    Topics(TopicsArgs),
    /// Validate settings, inventory and rules, and print what is in force
    Check(CheckArgs),
    /// Ask a running service whether it is healthy
    Health(HealthArgs),
}

/// Where settings come from.
#[derive(Clone, Debug, Default, Args)]
pub struct SettingsArgs {
    /// Settings file (YAML, TOML or JSON); the environment (PIPEWARDEN_SECTION__KEY) comes after it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Inventory of protected hosts (YAML); without one, every host is watched
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// Folder of rules, in place of the built-in DETECT-8
    #[arg(long, value_name = "DIR")]
    pub rules: Option<PathBuf>,
}

/// `pipewarden run`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  pipewarden run --config pipewarden.yaml
  PIPEWARDEN_KAFKA__BROKERS=kafka:9092 pipewarden run

SIGTERM and SIGINT end it in order: what has been read is committed, the group is left.")]
pub struct RunArgs {
    /// Where settings come from.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// `pipewarden replay`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  pipewarden replay samples/
  pipewarden replay --inventory samples/inventory.yaml samples/detect-8.ndjson
  pipewarden replay security.evtx sysmon.evtx --format ndjson | jq .message
  zcat winlogbeat.json.gz | pipewarden replay -
  pipewarden replay --shuffle 7 --max-delay 45s samples/   the same alerts, delivered in another order

Exit status: 0 done, 1 usage or configuration, 2 input that could not be read (with --strict, any bad line).")]
pub struct ReplayArgs {
    /// Files (.ndjson .jsonl .json .evtx, each also .gz or .zst), folders of them, or - for standard input
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Where settings come from.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// How alerts are printed; by default pretty on a terminal, ndjson otherwise
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Print every revision as it is written, not only the last of each alert
    #[arg(long)]
    pub revisions: bool,
    /// Deliver the observations in another order, made from this seed; the final alerts must be the same
    #[arg(long, value_name = "SEED")]
    pub shuffle: Option<u64>,
    /// The longest delay that --shuffle gives an observation
    #[arg(long, value_name = "TIME", default_value = "45s", value_parser = duration, requires = "shuffle")]
    pub max_delay: Duration,
    /// Fail on any line that cannot be decoded
    #[arg(long)]
    pub strict: bool,
}

/// How alerts are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A block per alert, for people
    Pretty,
    /// A JSON document a line, for pipes
    Ndjson,
}

/// `pipewarden topics`
#[derive(Debug, Args)]
pub struct TopicsArgs {
    /// What to do with the topics.
    #[command(subcommand)]
    pub action: TopicsAction,
}

/// What to do with the topics.
#[derive(Debug, Subcommand)]
pub enum TopicsAction {
    /// Create the topics that are missing, with the right settings
    Create {
        /// Where settings come from.
        #[command(flatten)]
        settings: SettingsArgs,
        /// Create missing input topics too (Winlogbeat's own topics, for trying things out)
        #[arg(long)]
        with_input: bool,
    },
    /// Say how the topics differ from what the service needs
    Check {
        /// Where settings come from.
        #[command(flatten)]
        settings: SettingsArgs,
    },
}

/// `pipewarden check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Where settings come from.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// `pipewarden health`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  pipewarden health                              the service of this machine, at http.listen
  pipewarden health --ready --address pipewarden:9464

Prints what the service answers. Exit status: 0 well, 1 not, or no answer.")]
pub struct HealthArgs {
    /// Settings file of the service, for http.listen; the environment comes after it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the service listens, in place of http.listen of the settings
    #[arg(long, value_name = "HOST:PORT")]
    pub address: Option<String>,
    /// Ask whether it is ready, too: every worker has its partitions and has caught up
    #[arg(long)]
    pub ready: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|_| format!("{text:?} is not a duration; write 45s, 5min or 1h 30m"))?;
    Duration::try_from(span).map_err(|_| "a delay cannot be negative".to_owned())
}
