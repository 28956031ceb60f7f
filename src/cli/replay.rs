//! `pipewarden replay`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{SettingsArgs, choices, duration};
use crate::alert::AlertFormat;

/// `pipewarden replay`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  pipewarden replay samples/
  pipewarden replay --inventory samples/inventory.yaml samples/detect-8.ndjson
  pipewarden replay security.evtx sysmon.evtx --format ndjson | jq .message
  pipewarden replay --format ndjson --alerts ocsf samples/   OCSF Detection Findings instead of ECS
  zcat winlogbeat.json.gz | pipewarden replay -
  pipewarden replay --explain samples/             why each alert says what it says, and what nearly joined
  pipewarden replay --html report.html samples/    the same as a page: one file, to look at and to pass on
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
    /// In which words alerts are written in ndjson; by default as alerts.format says. With both, the ECS document of an
    /// alert comes first, then the OCSF one
    #[arg(long, value_parser = choices::alert_format(), value_name = "FORMAT")]
    pub alerts: Option<AlertFormat>,
    /// Print every revision as it is written, not only the last of each alert
    #[arg(long)]
    pub revisions: bool,
    /// Print suppressed alerts too, with the exception that covers each
    #[arg(long)]
    pub show_suppressed: bool,
    /// Say of each access how its source is known, what nearly joined and by how much it failed, and give examples of
    /// skipped events that could have mattered. In ndjson a line {"explanation": ..} follows the documents of its alert
    #[arg(long)]
    pub explain: bool,
    /// Write the alerts with all their revisions, suppressed ones, and what nearly joined as a page, one file without requests
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
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
