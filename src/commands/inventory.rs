//! `pipewarden inventory import`: asset lists of other tools as an inventory.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use owo_colors::OwoColorize as _;

use super::replay::clean;
use super::{UNREADABLE, report};
use crate::cli::{ImportArgs, InventoryAction, InventoryArgs};
use crate::inventory::import::{Import, ImportError, WithoutRole};

/// How many rows that cannot be used are listed one by one.
const LISTED: usize = 20;

/// Does what is to be done with an inventory.
///
/// # Errors
/// What cannot be written.
pub fn run(args: &InventoryArgs) -> anyhow::Result<ExitCode> {
    match &args.action {
        InventoryAction::Import(args) => import(args),
    }
}

fn import(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let mut import = Import::default();
    let mut is_whole = true;
    for path in &args.files {
        let name = path.display();
        let added = std::fs::read(path)
            .map_err(anyhow::Error::from)
            .and_then(|bytes| Ok(import.add(&bytes, &name.to_string())?));
        if let Err(error) = added.with_context(|| format!("cannot read {name}")) {
            is_whole = false;
            report(&error);
        }
    }
    let without_role = match args.default_role {
        Some(role) => WithoutRole::Give(role),
        None if args.only_with_role => WithoutRole::Drop,
        None => WithoutRole::Keep,
    };
    let imported = match import.finish(without_role) {
        Ok(imported) => imported,
        Err(error @ ImportError::Empty) => {
            report(&error.into());
            return Ok(ExitCode::from(UNREADABLE));
        }
        Err(error) => return Err(error.into()),
    };
    std::io::stdout().write_all(imported.yaml.as_bytes())?;
    for problem in imported.problems.iter().take(LISTED) {
        anstream::eprintln!("{} {}", "not used:".yellow(), clean(&problem.to_string()));
    }
    if imported.problems.len() > LISTED {
        anstream::eprintln!(
            "{} and {} more",
            "not used:".yellow(),
            imported.problems.len() - LISTED
        );
    }
    for note in &imported.notes {
        anstream::eprintln!("{} {}", "note:".yellow(), clean(note));
    }
    anstream::eprintln!(
        "assets: {}, rows: {}, not used or not whole: {}",
        imported.assets,
        imported.rows,
        imported.problems.len()
    );
    let failed = !is_whole || (args.strict && !imported.problems.is_empty());
    Ok(if failed {
        ExitCode::from(UNREADABLE)
    } else {
        ExitCode::SUCCESS
    })
}
