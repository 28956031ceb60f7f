//! One command a file: arguments in, exit status out.

pub mod check;
pub mod demo;
mod exception_hits;
pub mod exceptions;
pub mod export;
pub mod generate;
pub mod health;
mod http_client;
pub mod inventory;
pub mod replay;
pub mod rules;
pub mod run;
pub mod test;
pub mod topics;
pub mod ui;

use std::process::ExitCode;

use pipewarden_kafka::client_problems;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::SettingsArgs;
use crate::config::Settings;

/// Usage or configuration.
pub const USAGE: ExitCode = ExitCode::FAILURE;

/// The status of input that could not be read.
pub(crate) const UNREADABLE: u8 = 2;

/// Settings from the file that the flags name, the environment and the flags themselves.
pub(crate) fn settings(args: &SettingsArgs) -> anyhow::Result<Settings> {
    let mut settings = Settings::load(args.config.as_deref(), std::env::vars())?;
    if let Some(file) = &args.inventory {
        settings.inventory.file = Some(file.clone());
    }
    if let Some(folder) = &args.rules {
        settings.rules.directory = Some(folder.clone());
    }
    if let Some(file) = &args.exceptions {
        settings.exceptions.file = Some(file.clone());
    }
    settings.rules.enabled.extend(args.enable.iter().cloned());
    Ok(settings)
}

/// # Errors
/// Everything that is wrong with `kafka.client`, found without a broker.
pub(crate) fn demand_sound_client(settings: &Settings) -> anyhow::Result<()> {
    let problems = client_problems(&settings.kafka);
    several(problems.into_iter().map(anyhow::Error::msg))
}

/// # Errors
/// All of these, a line each, if there are any.
pub(crate) fn several(errors: impl IntoIterator<Item = anyhow::Error>) -> anyhow::Result<()> {
    let lines: Vec<String> = errors.into_iter().map(|error| format!("{error:#}")).collect();
    if lines.is_empty() {
        return Ok(());
    }
    Err(anyhow::Error::msg(lines.join("\n")))
}

/// Prints an error and everything that led to it, as one line; several errors have a line each.
pub fn report(error: &anyhow::Error) {
    use owo_colors::OwoColorize as _;
    for line in format!("{error:#}").lines() {
        anstream::eprintln!("{} {line}", "error:".red().bold());
    }
}

/// Whether whoever reads standard output has gone away.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_it = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(is_it))
}

/// The name of the next signal that asks to end.
pub(crate) async fn signalled() -> std::io::Result<&'static str> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
