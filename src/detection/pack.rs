//! The rules that are built in, each as its files in `rules/` say it.

/// One built-in rule: its text and the text of its cases.
#[derive(Clone, Copy, Debug)]
pub struct PackedRule {
    /// The rule file's name, from the root of the project.
    pub file: &'static str,
    /// The rule file.
    pub rule: &'static str,
    /// The test file beside it.
    pub tests: &'static str,
}

macro_rules! pack {
    ($($name:literal),+ $(,)?) => {
        &[$(PackedRule {
            file: concat!("rules/", $name, ".yaml"),
            rule: include_str!(concat!("../../rules/", $name, ".yaml")),
            tests: include_str!(concat!("../../rules/", $name, ".tests.yaml")),
        }),+]
    };
}

/// Every built-in rule. Which of them are on is a setting.
pub const PACK: &[PackedRule] = pack![
    "detect-8", "atsvc", "efsrpc", "lsarpc", "lsass", "netdfs", "samr", "spoolss", "svcctl",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::{RuleSet, rule_files};

    #[test]
    fn every_file_in_rules_is_packed_under_the_id_it_has_and_only_detect_8_is_on() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let mut packed: Vec<String> = PACK.iter().map(|packed| packed.file.to_owned()).collect();
        packed.sort();
        let files: Vec<String> = rule_files(&folder)
            .unwrap()
            .iter()
            .map(|path| format!("rules/{}", path.file_name().unwrap().to_string_lossy()))
            .collect();
        assert_eq!(packed, files);
        for rule in RuleSet::pack().rules() {
            assert!(packed.contains(&format!("rules/{}.yaml", rule.id)));
            assert_eq!(rule.enabled, &*rule.id == "detect-8");
            let description = rule.description.as_deref().unwrap_or_default();
            assert!(
                description.contains("Check") && description.contains("Benign"),
                "{}",
                rule.id
            );
        }
    }
}
