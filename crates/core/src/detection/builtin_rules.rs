//! The built-in rules, from their files in `rules/`.

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

impl BuiltinRule {
    /// The test file's name, from the root of the project.
    pub fn tests_file(&self) -> String {
        self.file.replace(".yaml", ".tests.yaml")
    }
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

/// Every built-in rule. A setting decides which of them are on.
pub const BUILTIN_RULES: &[BuiltinRule] = pack![
    "detect-8", "detect-1", "detect-3", "detect-7", "atsvc", "efsrpc", "lsarpc", "lsass", "netdfs", "samr",
    "spoolss", "svcctl",
];
