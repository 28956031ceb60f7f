//! `pipewarden ui`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{SettingsArgs, duration};

/// `pipewarden ui`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  pipewarden ui --config pipewarden.yaml         alerts of the last day from Kafka, then as they are published
  pipewarden ui --config pipewarden.yaml --since 7d --status pipewarden-0:9464 --status pipewarden-1:9464
  pipewarden ui --file alerts.ndjson             alerts of a file, as they are written
  pipewarden replay --format ndjson --explain samples/ > alerts.ndjson; pipewarden ui --file alerts.ndjson

Then open http://127.0.0.1:9465/. SIGTERM and SIGINT end it.")]
pub struct UiArgs {
    /// Where settings come from: the brokers and topics, and the windows that the timeline shows.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// File of alerts in ECS, one a line, as `replay --format ndjson` writes them, in place of Kafka; read from its beginning
    /// and then followed
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// From how long ago the topics of alerts are read
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration, conflicts_with = "file")]
    pub since: Duration,
    /// Ask this running service (HOST:PORT, also after http:// or https://) every ten seconds how it is, which sensors are
    /// blind, and why its last alerts say what they say. Several times, or with commas, for all replicas
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub status: Vec<String>,
    /// File with the token that these services ask for
    #[arg(long, value_name = "FILE", requires = "status")]
    pub status_token_file: Option<PathBuf>,
    /// PEM file with the certificate of these services or of its authority, for https
    #[arg(long, value_name = "FILE", requires = "status")]
    pub status_certificate_file: Option<PathBuf>,
    /// Where the page listens and what protects it.
    #[command(flatten)]
    pub server: ServerArgs,
    /// How much is held.
    #[command(flatten)]
    pub bounds: BoundsArgs,
}

/// A server of the page.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// Where the page listens; anything but loopback needs --token-file, or --without-token
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9465")]
    pub listen: SocketAddr,
    /// File with the token of at least 16 characters that the page asks for
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Ask for no token although others may reach the page: where something before it lets only the right ones through. It
    /// still answers to no other name than `localhost`, `127.0.0.1` and `[::1]`
    #[arg(long, conflicts_with = "token_file")]
    pub without_token: bool,
    /// PEM file with the certificate of the page: it speaks TLS. Read again as it changes
    #[arg(long, value_name = "FILE", requires = "key_file")]
    pub certificate_file: Option<PathBuf>,
    /// PEM file with the certificate's key
    #[arg(long, value_name = "FILE", requires = "certificate_file")]
    pub key_file: Option<PathBuf>,
}

/// How much the page holds.
#[derive(Debug, Args)]
pub struct BoundsArgs {
    /// The most alerts that are held; of more, those that were changed longest ago are forgotten
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub max_alerts: u32,
    /// The most MiB of documents that are held, likewise
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub max_mib: u32,
}
