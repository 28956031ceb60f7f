//! One command a file: arguments in, exit status out.

pub mod check;
mod exception_hits;
pub mod export;
pub mod generate;
pub mod health;
mod http_client;
pub mod inventory;
pub mod replay;
pub mod run;
pub mod test;
pub mod topics;

use std::process::ExitCode;

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

/// Prints an error and everything that led to it, as one line.
pub fn report(error: &anyhow::Error) {
    use owo_colors::OwoColorize as _;
    anstream::eprintln!("{} {error:#}", "error:".red().bold());
}

/// Whether whoever reads standard output has gone away.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
