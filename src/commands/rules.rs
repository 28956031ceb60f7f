//! `pipewarden rules`: the built-in rules, listed or written to a folder.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use owo_colors::OwoColorize as _;

use crate::cli::RulesArgs;
use crate::detection::{BUILTIN_RULES, RuleSet};
use crate::text::plural;

/// Lists the built-in rules, or writes their files.
///
/// # Errors
/// A folder or a file that cannot be made, or that is there already: then nothing is written.
pub fn run(args: &RulesArgs) -> anyhow::Result<ExitCode> {
    match &args.write {
        Some(folder) => write(folder)?,
        None => list()?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list() -> std::io::Result<()> {
    let rules = RuleSet::builtin_rules();
    let width = rules.rules().iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    let mut out = anstream::stdout();
    for rule in rules.rules() {
        let state = if rule.enabled {
            "on ".green().to_string()
        } else {
            "off".dimmed().to_string()
        };
        writeln!(
            out,
            "{:width$}  {state}  risk {:>2}  {}",
            &*rule.id, rule.risk, rule.name
        )?;
    }
    Ok(())
}

fn write(folder: &Path) -> anyhow::Result<()> {
    let files: Vec<(String, &str)> = BUILTIN_RULES
        .iter()
        .flat_map(|builtin| {
            let (rule, tests) = (builtin.file.to_owned(), builtin.tests_file());
            [(rule, builtin.rule), (tests, builtin.tests)]
        })
        .map(|(file, text)| (file.trim_start_matches("rules/").to_owned(), text))
        .collect();
    let mut paths = files.iter().map(|(name, _)| folder.join(name));
    if let Some(there) = paths.find(|path| path.exists()) {
        anyhow::bail!(
            "{} is there already, so nothing is written: name a new folder",
            there.display()
        );
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for (name, text) in &files {
        let path = folder.join(name);
        let file = File::create_new(&path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    eprintln!(
        "{rules} with their cases are in {folder}: --rules {folder} takes them in place of the built-in ones",
        rules = plural(BUILTIN_RULES.len(), "rule"),
        folder = folder.display()
    );
    Ok(())
}
