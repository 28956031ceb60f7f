//! Where rules and their cases come from: the built-in pack, or a folder.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::TestFile;
use crate::detection::{PACK, Rule, RuleError, is_test_file, load_rule, parse_rule, rule_files};
use crate::problems::{self, FileError};

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
    PACK.iter()
        .map(|packed| Tested {
            rule: parse_rule(packed.rule, packed.file)
                .expect("the built-in rules are sound, as their tests show"),
            tests: parse(packed.tests, packed.file.replace(".yaml", ".tests.yaml")),
        })
        .collect()
}

/// The rules of a folder, each with the test file beside it.
///
/// # Errors
/// [`RuleError`] for the first rule that cannot be read. Cases that cannot be read are told by their rule.
pub fn folder(folder: &Path) -> Result<Vec<Tested>, RuleError> {
    rule_files(folder)?
        .iter()
        .map(|path| {
            let rule = load_rule(path)?;
            let tests = load_tests(path, &rule);
            Ok(Tested { rule, tests })
        })
        .collect()
}

fn load_tests(rule_file: &Path, rule: &Rule) -> Result<TestFile, TestsError> {
    let beside: [PathBuf; 2] = ["tests.yaml", "tests.yml"].map(|ending| rule_file.with_extension(ending));
    debug_assert!(beside.iter().all(|path| is_test_file(path)));
    let path = beside.iter().find(|path| path.exists());
    let Some(path) = path else {
        return Err(TestsError::Missing {
            rule: rule.id.to_string(),
            file: beside[0].display().to_string(),
        });
    };
    let (text, origin) = problems::read(path, "cases")?;
    parse(&text, origin)
}

fn parse(text: &str, origin: String) -> Result<TestFile, TestsError> {
    TestFile::parse(text).map_err(|message| FileError::Syntax { origin, message }.into())
}
