//! `pipewarden test`: rules against their cases.

use std::io::Write as _;
use std::process::ExitCode;

use owo_colors::OwoColorize as _;

use super::replay::clean;
use crate::cli::TestArgs;
use crate::config::tested_rules;
use crate::diagnostics::with_causes;
use crate::rule_tests::{self, Tested};
use crate::text::plural;

/// One row of the table.
struct Row {
    rule: String,
    case: String,
    /// Why it failed, line by line; nothing where it passed.
    failure: Vec<String>,
}

/// Runs the cases of all rules and prints a table. Fails if a case fails or a rule has none.
///
/// # Errors
/// A rule that cannot be read.
pub fn run(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let tested = match &args.directory {
        Some(folder) => tested_rules(folder)?,
        None => rule_tests::builtin(),
    };
    let rules = tested.len();
    let rows: Vec<Row> = tested.into_iter().flat_map(rows).collect();
    let (rule_width, case_width) = rows.iter().fold((4, 4), |(rule, case), row| {
        (
            rule.max(row.rule.chars().count()),
            case.max(row.case.chars().count()),
        )
    });
    let mut out = anstream::stdout();
    writeln!(
        out,
        "{}",
        format!("{:rule_width$}  {:case_width$}  outcome", "rule", "case").bold()
    )?;
    for row in &rows {
        let outcome = if row.failure.is_empty() {
            "passed".green().to_string()
        } else {
            "FAILED".red().to_string()
        };
        writeln!(
            out,
            "{:rule_width$}  {:case_width$}  {outcome}",
            row.rule, row.case
        )?;
        for line in &row.failure {
            writeln!(out, "{:rule_width$}    {}", "", clean(line))?;
        }
    }
    let failed = rows.iter().filter(|row| !row.failure.is_empty()).count();
    writeln!(
        out,
        "\n{}: {} passed, {failed} failed",
        plural(rules, "rule"),
        rows.len() - failed
    )?;
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A row for each case, and one for whatever keeps the rule from counting as tested.
fn rows(tested: Tested) -> Vec<Row> {
    let row = |case: &str, failure| Row {
        rule: tested.rule.id.to_string(),
        case: clean(case),
        failure,
    };
    let mut rows = Vec::new();
    if let Ok(file) = &tested.tests {
        rows.extend(file.cases.iter().map(|case| {
            let outcome = rule_tests::run(&tested.rule, file, case);
            row(
                &case.name,
                outcome.err().map(|failure| failure.0).unwrap_or_default(),
            )
        }));
    }
    let whole = row("-", Vec::new());
    if let Err(untested) = tested.demand_both() {
        let failure = with_causes(&untested).lines().map(str::to_owned).collect();
        rows.push(Row { failure, ..whole });
    }
    rows
}
