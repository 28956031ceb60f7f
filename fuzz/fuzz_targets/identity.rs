//! Any key and value as a record of the identities topic: refused, or read and written alike, and taken in.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pipewarden_core::inventory::{IdentityRecord, IdentitySettings, Learned};
use pipewarden_core::time::AppendTime;

fuzz_target!(|input: (&[u8], Option<&[u8]>)| {
    let (key, value) = input;
    if let Ok(record) = IdentityRecord::decode(key, value) {
        let written = (record.key(), record.encode());
        let again = IdentityRecord::decode(written.0.as_bytes(), written.1.as_deref());
        assert_eq!(again.ok().as_ref(), Some(&record));
        let mut learned = Learned::new(IdentitySettings::default());
        learned.begin_reading();
        learned.hear(&record, AppendTime::MIN);
        learned.begin_telling();
        assert_eq!(learned.take_records(), []);
        assert_eq!(learned.size().bindings, usize::from(record.seen.is_some()));
    }
});
