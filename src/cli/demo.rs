//! `pipewarden demo`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use super::{BoundsArgs, ServerArgs, duration};

/// `pipewarden demo`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  pipewarden demo                          then open http://127.0.0.1:9465/
  pipewarden demo --seed 7 --attack-every 5s
  pipewarden demo --history 1h --speed 600 --for 10min

A made-up fleet, whose documents the engine of the service reads within this process: neither Windows nor Kafka is needed, and
nothing is written. It begins some time ago and catches up with the clock. SIGTERM and SIGINT end it.")]
pub struct DemoArgs {
    /// Everything that is left to chance follows from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How long ago it begins
    #[arg(long, value_name = "TIME", default_value = "10min", value_parser = duration)]
    pub history: Duration,
    /// How many times faster than the clock it is until it has caught up
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub speed: u32,
    /// Ends after this time, by the clock; without it, with a signal
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub lasts: Option<Duration>,
    /// Documents a second
    #[arg(long, value_name = "EVENTS_PER_SECOND", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub rate: u64,
    /// How often an attack begins
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub attack_every: Duration,
    /// Where `/metrics`, `/healthz`, `/readyz` and `/status` listen
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9464")]
    pub metrics: SocketAddr,
    /// Where the page listens and what protects it, and the metrics.
    #[command(flatten)]
    pub server: ServerArgs,
    /// How much is held.
    #[command(flatten)]
    pub bounds: BoundsArgs,
}
