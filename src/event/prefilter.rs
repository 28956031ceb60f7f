//! Is this message worth parsing?
//!
//! In valid JSON an ASCII letter or digit inside a string is written as itself or as `\u00XX` and in no other way. Our
//! events come from providers named `Microsoft-Windows-Sysmon` or carry the id 5145, so a message that holds none of
//! `Sysmon`, `5145` and `\u00` cannot be one of ours: it is skipped unparsed with no false negative. Hostile text can
//! only cost a parse, never hide an event. (A look at a field name such as `"event_id":` would not be sound: values
//! may hold it too, and order is free.)

use memchr::memmem::Finder;

/// Looks for the words that every event of ours holds.
#[derive(Debug)]
pub(super) struct Prefilter {
    needles: [Finder<'static>; 3],
}

impl Prefilter {
    pub(super) fn new() -> Self {
        Self {
            needles: ["Sysmon", "5145", "\\u00"].map(Finder::new),
        }
    }

    /// False only if the message cannot be one of ours.
    pub(super) fn can_matter(&self, message: &[u8]) -> bool {
        self.needles.iter().any(|needle| needle.find(message).is_some())
    }
}
