//! The rules that are built in, each as its files in `rules/` say it.

/// One built-in rule: its text and the text of its cases.
#[derive(Clone, Copy, Debug)]
pub struct BuiltinRule {
    /// The rule file's name, from the root of the project.
    pub file: &'static str,
    /// The rule file.
    pub rule: &'static str,
    /// The test file beside it.
    pub tests: &'static str,
}

macro_rules! pack {
    ($($name:literal),+ $(,)?) => {
        &[$(BuiltinRule {
            file: concat!("rules/", $name, ".yaml"),
            rule: include_str!(concat!("../../../../rules/", $name, ".yaml")),
            tests: include_str!(concat!("../../../../rules/", $name, ".tests.yaml")),
        }),+]
    };
}

/// Every built-in rule. Which of them are on is a setting.
pub const BUILTIN_RULES: &[BuiltinRule] = pack![
    "detect-8", "atsvc", "efsrpc", "lsarpc", "lsass", "netdfs", "samr", "spoolss", "svcctl",
];
