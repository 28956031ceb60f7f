//! Rules in a folder: one file a rule, its cases beside it.

use std::path::{Path, PathBuf};

use super::rule_set::parse;
use super::{Rule, RuleError};
use crate::problems::{self, FileError};

/// The rule files of a folder: every `.yaml` and `.yml` but test files, in order of names; at least one.
pub(crate) fn rule_files(folder: &Path) -> Result<Vec<PathBuf>, RuleError> {
    let origin = folder.display().to_string();
    let unreadable = |source| FileError::Read {
        what: "folder of rules",
        origin: origin.clone(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_yaml && !is_test_file(&path) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(RuleError::Empty { origin });
    }
    files.sort();
    Ok(files)
}

/// Whether a file holds the cases of the rule beside it: `detect-8.tests.yaml` those of `detect-8.yaml`.
pub(crate) fn is_test_file(path: &Path) -> bool {
    path.file_stem()
        .is_some_and(|stem| stem.to_string_lossy().ends_with(".tests"))
}

/// Reads one rule file.
pub(crate) fn load(path: &Path) -> Result<Rule, RuleError> {
    let (text, origin) = problems::read(path, "rule")?;
    parse(&text, &origin)
}
