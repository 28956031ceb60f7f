//! Any key and value as a record of the bindings topic: refused, or read and written alike, and taken in.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pipewarden_core::inventory::{BindingRecord, BindingSettings, Bindings};
use pipewarden_core::time::AppendTime;

fuzz_target!(|input: (&[u8], Option<&[u8]>)| {
    let (key, value) = input;
    if let Ok(record) = BindingRecord::decode(key, value) {
        let written = (record.key(), record.encode());
        let again = BindingRecord::decode(written.0.as_bytes(), written.1.as_deref());
        assert_eq!(again.ok().as_ref(), Some(&record));
        let mut bindings = Bindings::new(BindingSettings::default());
        bindings.begin_reading();
        bindings.apply_record(&record, AppendTime::MIN);
        bindings.begin_publishing();
        assert_eq!(bindings.take_records(), []);
        assert_eq!(bindings.size().bindings, usize::from(record.seen.is_some()));
    }
});
