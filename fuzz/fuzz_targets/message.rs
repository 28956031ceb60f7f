//! Any bytes as a message: no panic, and what the prefilter skips holds nothing of ours.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pipewarden_core::detection::RuleSet;
use pipewarden_core::event::{AssetId, Decoder, Observation, Skip};
use pipewarden_engine::ObservationRecord;

static DECODER: LazyLock<Decoder> =
    LazyLock::new(|| Decoder::new(RuleSet::builtin().watched(), Duration::from_secs(1_800)));

fuzz_target!(|message: &[u8]| {
    let (fast, plain) = (DECODER.decode(message), DECODER.decode_unfiltered(message));
    if matches!(&fast, Ok(decoded) if decoded.outcome == Err(Skip::Prefiltered)) {
        let holds_nothing = plain.map_or(true, |decoded| decoded.outcome.is_err() && decoded.claims.is_empty());
        assert!(holds_nothing);
        return;
    }
    assert_eq!(fast, plain);
    if let Ok(decoded) = plain
        && let Ok(event) = decoded.outcome
    {
        // What goes to the observations topic comes back as it was.
        let record = ObservationRecord::Observation(Observation::new(AssetId::new("asset"), event));
        assert_eq!(ObservationRecord::decode(&record.encode()).ok(), Some(record));
    }
});
