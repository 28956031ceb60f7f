//! The service's own log.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat, log_filter};

/// Writes the log to stderr from now on, in the format and at the level that the settings ask for.
///
/// # Errors
/// What is wrong with the level.
pub fn init(settings: &Log) -> Result<(), String> {
    let level = log_filter(&settings.level)?;
    let filter = EnvFilter::try_new(level).map_err(|error| format!("log.level: {error}"))?;
    let is_terminal = std::io::stderr().is_terminal();
    let is_json = match settings.format {
        LogFormat::Auto => !is_terminal,
        LogFormat::Json => true,
        LogFormat::Pretty => false,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second call in one process keeps the first log; only tests do that.
    let _ = if is_json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_ansi(is_terminal).with_target(false).try_init()
    };
    Ok(())
}
