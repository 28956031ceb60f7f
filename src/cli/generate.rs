//! `pipewarden generate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::duration;

/// `pipewarden generate`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  pipewarden generate --events 300000 --truth truth.ndjson --output events.ndjson
  pipewarden replay events.ndjson                one alert for each line of truth.ndjson
  pipewarden generate --seed 7 --duration 1h --output - | gzip > hour.ndjson.gz
  pipewarden generate --config pipewarden.yaml --to-kafka --rate 10000 --duration 10min --truth truth.ndjson
  pipewarden generate --mix sysmon-3=50,sysmon-18=25,security-5145=25 --output smb.ndjson

Every attack opens the pipe winreg. The same seed and options give the same bytes. What goes to Kafka bears the time at which it is written.")]
pub struct GenerateArgs {
    /// Settings file: the broker and kafka.topics.input (the first is written to), the inventory to attack
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Inventory of hosts to attack (YAML); without one, made-up ones
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// Everything that is left to chance follows from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How many documents; 100000 if no duration is given
    #[arg(long, value_name = "N", conflicts_with = "duration")]
    pub events: Option<u64>,
    /// How much time the documents span
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Documents a second, by the times that stand in them; --to-kafka keeps this pace. Default 1000, and for
    /// --to-kafka as fast as the broker takes them
    #[arg(long, value_name = "EVENTS_PER_SECOND", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub rate: Option<u64>,
    /// How often an attack begins (one takes up to 10 s, and its host rests for a minute); 0s for none
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub attack_every: Duration,
    /// Write to a file (.ndjson; with --compression .ndjson.gz or .ndjson.zst), or - for standard output
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "to_kafka",
        conflicts_with = "to_kafka"
    )]
    pub output: Option<PathBuf>,
    /// Write to the first of kafka.topics.input
    #[arg(long)]
    pub to_kafka: bool,
    /// How it is compressed. Default none for files, gzip for Kafka, as Winlogbeat does
    #[arg(long, value_enum)]
    pub compression: Option<Compression>,
    /// Write what must be found, one JSON object per attack
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// How often each kind occurs, as sysmon-10=24,sysmon-3=2.5; kinds that are not named do not occur. Default: as in
    /// recordings of Windows domains. Kinds: sysmon-1, sysmon-3, sysmon-7, sysmon-10, sysmon-11, sysmon-12, sysmon-13,
    /// sysmon-18, security-4624, security-4634, security-4658, security-5140, security-5145, security-5156, powershell-800,
    /// powershell-4103
    #[arg(long, value_name = "KIND=WEIGHT,..")]
    pub mix: Option<crate::generator::Mix>,
    /// Made-up hosts to protect, where there is no inventory
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub assets: u16,
    /// Workstations, among which are the attackers
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub workstations: u16,
    /// How late a document may be published; most are much sooner
    #[arg(long, value_name = "TIME", default_value = "1min", value_parser = duration)]
    pub lateness: Duration,
    /// How far hosts' clocks are off, at most 2s
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub clock_skew: Duration,
    /// Documents that are published twice
    #[arg(long, value_name = "PERCENT", default_value_t = 1, value_parser = percent())]
    pub duplicates: u8,
    /// Hosts that publish through a collector
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = percent())]
    pub collected: u8,
    /// Attacks without Security 5145
    #[arg(long, value_name = "PERCENT", default_value_t = 30, value_parser = percent())]
    pub without_share_access: u8,
    /// Attacks without Sysmon 18, of those with Security 5145
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = percent())]
    pub without_pipe_connected: u8,
    /// Attacks without Sysmon 3
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = percent())]
    pub without_network_connection: u8,
}

/// How documents are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    /// Not at all
    None,
    /// Level 4, as Winlogbeat does
    Gzip,
    /// For Kafka only
    Lz4,
    /// Level 3
    Zstd,
}

impl Compression {
    /// As librdkafka names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

fn percent() -> clap::builder::RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(0..=100)
}
