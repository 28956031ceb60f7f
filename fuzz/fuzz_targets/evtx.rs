//! Any bytes as an event log, and its records as messages: never a panic.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pipewarden_core::detection::RuleSet;
use pipewarden_core::event::{Decoder, read_evtx};

static DECODER: LazyLock<Decoder> =
    LazyLock::new(|| Decoder::new(RuleSet::builtin().watched(), Duration::from_secs(1_800)));

fuzz_target!(|bytes: &[u8]| {
    let _ = read_evtx(bytes.to_vec(), &mut |_, content| {
        if let Ok(content) = content {
            let _ = DECODER.decode(content);
        }
    });
});
