//! One command a file: arguments in, exit status out.

pub mod check;
pub mod generate;
pub mod replay;
pub mod run;
pub mod topics;

use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::SettingsArgs;
use crate::config::{Settings, fingerprint};
use crate::detection::RuleSet;
use crate::inventory::{Inventory, UnlistedHosts};
use crate::pipeline::Program;

/// Usage or configuration.
pub const USAGE: ExitCode = ExitCode::FAILURE;

/// Settings from the file that the flags name, the environment and the flags themselves.
pub(crate) fn settings(args: &SettingsArgs) -> anyhow::Result<Settings> {
    let mut settings = Settings::load(args.config.as_deref(), std::env::vars())?;
    if let Some(file) = &args.inventory {
        settings.inventory.file = Some(file.clone());
    }
    if let Some(folder) = &args.rules {
        settings.rules.directory = Some(folder.clone());
    }
    Ok(settings)
}

/// What the settings make of rules and inventory.
pub(crate) fn program(settings: &Settings) -> anyhow::Result<Arc<Program>> {
    let rules = match &settings.rules.directory {
        Some(folder) => RuleSet::load(folder)?,
        None => RuleSet::builtin(),
    };
    let inventory = match &settings.inventory.file {
        Some(file) => Inventory::load(file)?,
        None => Inventory::empty(),
    };
    let unlisted = settings
        .inventory
        .unlisted_hosts
        .unwrap_or(UnlistedHosts::default_for(&inventory));
    let fingerprint = fingerprint(&settings.detection, &rules, &inventory, unlisted);
    Ok(Arc::new(Program::new(
        rules,
        Arc::new(inventory),
        unlisted,
        settings.detection.clone(),
        fingerprint,
    )))
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
