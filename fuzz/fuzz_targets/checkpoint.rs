//! Any text as the metadata of a committed offset: refused, or read and written alike.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pipewarden_engine::Checkpoint;

fuzz_target!(|text: &str| {
    if let Ok(checkpoint) = text.parse::<Checkpoint>() {
        assert_eq!(checkpoint.to_string().parse::<Checkpoint>(), Ok(checkpoint));
    }
});
