//! Any text as a rule: refused or read, never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pipewarden_core::detection::RuleSet;

fuzz_target!(|text: &str| {
    if let Ok(rules) = RuleSet::parse(text, "fuzz") {
        let watched = rules.watched();
        assert!(!watched.pipe_connected.is_empty() || !watched.share_access.is_empty());
    }
});
