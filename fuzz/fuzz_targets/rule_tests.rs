//! Any text as the cases of a rule: refused, or run to an end.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pipewarden_core::detection::RuleSet;
use pipewarden_tools::rule_tests::{self, TestFile};

fuzz_target!(|text: &str| {
    if let Ok(file) = TestFile::parse(text) {
        let rules = RuleSet::builtin();
        for case in &file.cases {
            let _ = rule_tests::run(&rules.rules()[0], &file, case);
        }
    }
});
