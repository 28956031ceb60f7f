//! `pipewarden export`: a rule's logic in the words of another system.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::anyhow;

use super::settings;
use crate::cli::ExportArgs;
use crate::export;

/// Prints the rule on stdout.
///
/// # Errors
/// Settings, rules or inventory that are wrong, a rule that there is not.
pub fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let settings = settings(&args.settings)?;
    let rules = settings.known_rules()?;
    let rule = rules.get(&args.rule).ok_or_else(|| {
        let known: Vec<&str> = rules.rules().iter().map(|rule| &*rule.id).collect();
        anyhow!(
            "--rule: there is no rule {:?}; there is {}",
            args.rule,
            known.join(", ")
        )
    })?;
    let inventory = settings.read_inventory()?;
    let text = export::export(args.to, rule, &settings.detection, &inventory)?;
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
