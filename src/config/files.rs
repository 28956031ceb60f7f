//! The files that settings and arguments name: read here, parsed elsewhere.

use std::path::{Path, PathBuf};

use crate::detection::{Rule, RuleError, RuleSet, parse_rule};
use crate::diagnostics::FileError;
use crate::inventory::Inventory;
use crate::rule_tests::{TestFile, Tested, TestsError, parse_tests};

/// The text of a file that should hold `what`, and the name by which errors call it.
///
/// # Errors
/// [`FileError::Read`].
pub(crate) fn read(path: &Path, what: &'static str) -> Result<(String, String), FileError> {
    let origin = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((text, origin)),
        Err(source) => Err(FileError::Read { what, origin, source }),
    }
}

/// Reads an inventory file.
///
/// # Errors
/// [`FileError`], which names the file and the line.
pub fn inventory(path: &Path) -> Result<Inventory, FileError> {
    let (text, origin) = read(path, "inventory")?;
    Inventory::parse(&text, &origin)
}

/// Reads every rule of a folder, on or not. They replace the built-in rules.
///
/// # Errors
/// [`RuleError`] for the first file that cannot be used, in order of names.
pub fn rules(folder: &Path) -> Result<RuleSet, RuleError> {
    let files = rule_files(folder)?;
    RuleSet::collect(files.iter().map(|path| rule(path)), &folder.display().to_string())
}

/// What is wrong with each rule file of a folder, by itself.
pub(super) fn rule_errors(folder: &Path) -> Vec<RuleError> {
    let files = rule_files(folder).unwrap_or_default();
    files.iter().filter_map(|path| rule(path).err()).collect()
}

/// The rules of a folder, each with the test file beside it.
///
/// # Errors
/// [`RuleError`] for the first rule that cannot be read. Cases that cannot be read are an error of their rule.
pub fn tested_rules(folder: &Path) -> Result<Vec<Tested>, RuleError> {
    rule_files(folder)?
        .iter()
        .map(|path| {
            let rule = rule(path)?;
            let tests = tests(path, &rule);
            Ok(Tested { rule, tests })
        })
        .collect()
}

/// The rule files of a folder: every `.yaml` and `.yml` but test files, in order of names; at least one.
fn rule_files(folder: &Path) -> Result<Vec<PathBuf>, RuleError> {
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
fn is_test_file(path: &Path) -> bool {
    path.file_stem()
        .is_some_and(|stem| stem.to_string_lossy().ends_with(".tests"))
}

fn rule(path: &Path) -> Result<Rule, RuleError> {
    let (text, origin) = read(path, "rule")?;
    parse_rule(&text, &origin)
}

fn tests(rule_file: &Path, rule: &Rule) -> Result<TestFile, TestsError> {
    let beside: [PathBuf; 2] = ["tests.yaml", "tests.yml"].map(|ending| rule_file.with_extension(ending));
    debug_assert!(beside.iter().all(|path| is_test_file(path)));
    let path = beside.iter().find(|path| path.exists());
    let Some(path) = path else {
        return Err(TestsError::Missing {
            rule: rule.id.to_string(),
            file: beside[0].display().to_string(),
        });
    };
    let (text, origin) = read(path, "cases")?;
    parse_tests(&text, origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::BUILTIN_RULES;

    #[test]
    fn every_file_in_rules_is_packed_under_the_id_it_has_and_detections_of_the_catalogue_are_on() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let mut packed: Vec<String> = BUILTIN_RULES
            .iter()
            .map(|packed| packed.file.to_owned())
            .collect();
        packed.sort();
        let files: Vec<String> = rule_files(&folder)
            .unwrap()
            .iter()
            .map(|path| format!("rules/{}", path.file_name().unwrap().to_string_lossy()))
            .collect();
        assert_eq!(packed, files);
        for rule in RuleSet::builtin_rules().rules() {
            assert!(packed.contains(&format!("rules/{}.yaml", rule.id)));
            assert_eq!(rule.enabled, rule.id.starts_with("detect-"));
            let description = rule.description.as_deref().unwrap_or_default();
            let has_addresses = rule.references.iter().all(|reference| reference.url.is_some());
            assert!(description.contains("Benign") && has_addresses, "{}", rule.id);
            assert!(
                !rule.next.is_empty() && !rule.references.is_empty(),
                "{}",
                rule.id
            );
        }
    }
}
