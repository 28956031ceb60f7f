//! `pipewarden ui`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::SettingsArgs;

/// `pipewarden ui`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  pipewarden ui --file alerts.ndjson             alerts of a file, as they are written
  pipewarden replay --format ndjson --explain samples/ > alerts.ndjson; pipewarden ui --file alerts.ndjson

Then open http://127.0.0.1:9465/. SIGTERM and SIGINT end it.")]
pub struct UiArgs {
    /// Where settings come from, for the windows that the timeline shows.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// File of alerts in ECS, one a line, as `replay --format ndjson` writes them; read from its beginning and then followed
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
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
    /// Where the page listens; anything but loopback needs --token-file
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9465")]
    pub listen: SocketAddr,
    /// File with the token of at least 16 characters that the page asks for
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
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
