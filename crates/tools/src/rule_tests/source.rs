//! Rules beside their cases.

use pipewarden_core::detection::{BUILTIN_RULES, Rule, parse_rule};
use pipewarden_core::diagnostics::FileError;
use thiserror::Error;

use super::TestFile;

/// A rule and its cases.
#[derive(Debug)]
pub struct Tested {
    /// The rule.
    pub rule: Rule,
    /// Its cases, or why there are none to run.
    pub tests: Result<TestFile, TestsError>,
}

/// Why a rule's cases cannot be run. Every message names the file.
#[derive(Debug, Error)]
pub enum TestsError {
    /// There is no test file.
    #[error(
        "rule {rule} has no cases: put at least one that must raise an alert and one that must not into {file}"
    )]
    Missing {
        /// The rule's id.
        rule: String,
        /// Where they belong.
        file: String,
    },
    /// The file cannot be read, or is not of the right form.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why a rule does not count as tested.
#[derive(Debug, Error)]
pub enum Untested {
    /// There is nothing to run.
    #[error(transparent)]
    Tests(#[from] TestsError),
    /// No case must raise an alert.
    #[error("rule {0} has no case that must raise an alert: add one with an entry under `alerts`")]
    MustFire(String),
    /// No case must stay silent.
    #[error("rule {0} has no case that must not raise an alert: add one with `alerts: []`")]
    MustNotFire(String),
}

impl Tested {
    /// Demands a case that must raise an alert, and one that must not.
    ///
    /// # Errors
    /// [`Untested`], which names the rule and what to add.
    pub fn demand_both(self) -> Result<(), Untested> {
        let tests = self.tests?;
        let id = self.rule.id.to_string();
        if !tests.must_fire() {
            Err(Untested::MustFire(id))
        } else if !tests.must_not_fire() {
            Err(Untested::MustNotFire(id))
        } else {
            Ok(())
        }
    }
}

/// The built-in rules.
pub fn builtin() -> Vec<Tested> {
    BUILTIN_RULES
        .iter()
        .map(|packed| Tested {
            rule: parse_rule(packed.rule, packed.file)
                .expect("the built-in rules are sound, as their tests show"),
            tests: parse(packed.tests, packed.tests_file()),
        })
        .collect()
}

/// Reads a rule's cases from YAML; `origin` names them in errors.
///
/// # Errors
/// [`TestsError::File`], with what is wrong.
pub fn parse(text: &str, origin: String) -> Result<TestFile, TestsError> {
    TestFile::parse(text).map_err(|message| FileError::Syntax { origin, message }.into())
}
