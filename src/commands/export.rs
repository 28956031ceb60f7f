//! `pipewarden export`: a rule's logic in the words of another system.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::anyhow;

use super::{program, settings};
use crate::cli::ExportArgs;
use crate::interchange;

/// Prints the rule on stdout.
///
/// # Errors
/// Settings or rules that are wrong, a rule that is not in force.
pub fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let settings = settings(&args.settings)?;
    let program = program(&settings)?;
    let rule = program.rules.get(&args.rule).ok_or_else(|| {
        let known: Vec<&str> = program.rules.rules().iter().map(|rule| &*rule.id).collect();
        anyhow!(
            "--rule: no rule {:?} is in force; there is {}",
            args.rule,
            known.join(", ")
        )
    })?;
    let text = interchange::export(args.to, rule, &program.join);
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
