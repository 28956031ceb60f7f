//! Any text as a file of exceptions: refused or read, never a panic.

#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pipewarden_core::detection::Exceptions;
use pipewarden_core::inventory::Inventory;

fuzz_target!(|text: &str| {
    let none = Exceptions::none_for(Arc::new(Inventory::empty()));
    if let Ok(exceptions) = none.and(text, "fuzz") {
        let mut ids = BTreeSet::new();
        for entry in exceptions.entries() {
            assert!(ids.insert(&entry.id));
            assert!(!entry.reason.trim().is_empty() && !entry.owner.trim().is_empty());
            assert!(entry.expires.is_some());
        }
    }
});
