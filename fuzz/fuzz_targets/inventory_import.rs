//! Any bytes as an export of another tool: refused or read, and what comes out passes its own check.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pipewarden_tools::import::{Import, ImportError, WithoutRole};

fuzz_target!(|bytes: &[u8]| {
    let mut import = Import::default();
    if import.add(bytes, "fuzz").is_ok() {
        let outcome = import.finish(WithoutRole::Keep);
        assert!(!matches!(outcome, Err(ImportError::Unsound(_))), "{outcome:?}");
    }
});
