//! Any text as a rule: refused or read, never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pipewarden_core::detection::RuleSet;

fuzz_target!(|text: &str| {
    if let Ok(rules) = RuleSet::parse(text, "fuzz") {
        let watched = rules.watched();
        let has_pipes = !watched.pipe_connected.is_empty() || !watched.share_access.is_empty();
        let has_others = !watched.shares.is_empty() || !rules.account_purposes().is_empty();
        assert!(has_pipes || has_others);
    }
});
