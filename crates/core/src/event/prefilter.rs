//! Decides without parsing whether a message can be an event that matters.
//!
//! Two checks, each sound by itself: a message that fails one cannot be an event that matters, and hostile text can
//! only cost a parse, never hide an event. Both rest on how JSON may be written: an ASCII letter, digit, `_` or `#`
//! inside a string is written as itself or as `\u00XX` and in no other way.
//!
//! **The id.** An event that matters has the id 3, 18 or 5145, or that of session evidence (4624, 5140, 5156) where the
//! settings keep it, under one of the names `event_id`, `code`, `EventID` and `#text`, as a number or as digits in a string.
//! So every place in the message where such a name ends is examined: if no value after one can be such a number, and no
//! letter of a name is escaped, the message is skipped. To examine only the *first* such name would not be sound: it may
//! occur within a value too, and the order of fields is free. Session evidence has to pass a gate of its own: see `session`.
//!
//! **The words.** An event that matters has a provider named `Microsoft-Windows-Sysmon` or one of the ids of the Security
//! log, so a message without any of `Sysmon`, these ids and `\u00` is skipped. This check is for the few that pass the
//! first, and for truncated messages: whatever their id, those are to become dead letters.

mod session;

use std::collections::BTreeSet;

use aho_corasick::packed::Searcher;
use memchr::memmem::Finder;

use self::session::SessionGate;
use super::session_events::SessionEvents;

/// Ends of the names of an id, and the beginning of an escaped ASCII character behind its backslash. The vector search
/// compares the first three bytes of each at once, as many as the shortest has; a fourth would cost a fifth more. They are no
/// more than eight, or it compares twice, and hold the quote that ends a name, since the same letters are common within texts.
const ENDS: [&[u8]; 8] = [
    b"_id\"", b"ode\"", b"tID\"", b"ext\"", b"_id\\", b"ode\\", b"tID\\", b"u00",
];

/// From here on the names are those of a document within a text, where a backslash precedes the quote. There `#text` needs
/// no place: it stands below `EventID` only.
const WRAPPED: usize = 4;

/// The place of the escape among the ends.
const ESCAPE: usize = 7;

/// Searches for what every event that matters has.
#[derive(Debug)]
pub(super) struct Prefilter {
    /// Missing on machines without vector instructions, where the words alone decide.
    ends: Option<Searcher>,
    words: Vec<Finder<'static>>,
    session: SessionGate,
}

impl Prefilter {
    pub(super) fn new(session_events: SessionEvents, call_back_ports: &BTreeSet<u16>) -> Self {
        Self {
            ends: Searcher::new(ENDS),
            words: ["Sysmon", "5145", "\\u00"]
                .into_iter()
                .chain(SessionGate::words(&session_events))
                .map(Finder::new)
                .collect(),
            session: SessionGate::new(session_events, call_back_ports),
        }
    }

    /// False only if the message cannot be an event that matters.
    pub(super) fn can_matter(&self, message: &[u8]) -> bool {
        match self.ids(message) {
            Ids::Odd => self.has_a_word(message),
            Ids::Session(ids) if ids.any() && self.session.can_matter(ids, message) => true,
            // The end comes last: another core wrote the message, and to read ahead of the scan would stall on its memory.
            Ids::Session(_) => is_truncated(message) && self.has_a_word(message),
        }
    }

    fn has_a_word(&self, message: &[u8]) -> bool {
        self.words.iter().any(|word| word.find(message).is_some())
    }

    /// Which ids the message may have, as far as that decides.
    fn ids(&self, message: &[u8]) -> Ids {
        let Some(ends) = &self.ends else { return Ids::Odd };
        let mut session = session::Ids::default();
        for found in ends.find_iter(message) {
            let (before, after) = (&message[..found.start()], &message[found.end()..]);
            let end = found.pattern().as_usize();
            let is_odd = match end {
                ESCAPE => before.ends_with(b"\\") && is_escape_of_a_name(after),
                _ if !is_a_name(end, before) => false,
                WRAPPED.. => ends_a_name_within_a_text(after),
                _ => match value_after(after) {
                    Value::None => false,
                    Value::Number(3 | 18 | 5145) | Value::Odd => true,
                    Value::Number(id) => {
                        self.session.note(id, &mut session);
                        false
                    }
                },
            };
            if is_odd {
                return Ids::Odd;
            }
        }
        Ids::Session(session)
    }
}

/// The ids that a message may have.
enum Ids {
    /// One of an access or of Sysmon 3, or what may be any.
    Odd,
    /// None but these of session evidence, perhaps none at all.
    Session(session::Ids),
}

/// Whether what stands before this end makes a whole name of it.
fn is_a_name(end: usize, before: &[u8]) -> bool {
    match end % WRAPPED {
        0 => before.ends_with(b"event"),
        1 => before.ends_with(b"c"),
        2 => before.ends_with(b"Even"),
        _ => before.ends_with(b"#t"),
    }
}

/// What may follow a name.
#[derive(Clone, Copy, Debug)]
enum Value {
    /// No number.
    None,
    /// This number, or one that is at least as large as the largest.
    Number(u32),
    /// It may be any number.
    Odd,
}

/// What follows a name, and a colon.
#[inline]
fn value_after(after: &[u8]) -> Value {
    let value = match after {
        [b':', value @ ..] => value,
        _ => match after.trim_ascii_start() {
            [b':', value @ ..] => value,
            _ => return Value::None,
        },
    };
    let (digits, is_text) = match value {
        [b'"', text @ ..] => (text, true),
        [b'0'..=b'9', ..] => (value, false),
        _ => behind_blanks(value),
    };
    let (mut number, mut length) = (0_u32, 0);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number.saturating_mul(10).saturating_add(digit.into());
        length += 1;
    }
    match digits.get(length) {
        Some(b'"') if is_text => Value::Number(number),
        // Only a sign, blanks of any alphabet and escapes may surround the digits of a text.
        Some(b'+' | b'\\') if is_text => Value::Odd,
        Some(next) if is_text && (next.is_ascii_whitespace() || !next.is_ascii()) => Value::Odd,
        _ if is_text => Value::None,
        // Some shippers turn whole numbers into doubles.
        Some(b'.' | b'e' | b'E') => Value::Odd,
        _ => Value::Number(number),
    }
}

/// Where the digits of a value may begin, and whether within a text. A list of one is read as its element.
fn behind_blanks(value: &[u8]) -> (&[u8], bool) {
    let value = value.trim_ascii_start();
    let value = value.strip_prefix(b"[").unwrap_or(value).trim_ascii_start();
    match value {
        [b'"', text @ ..] => (text, true),
        _ => (value, false),
    }
}

fn is_truncated(message: &[u8]) -> bool {
    !message.trim_ascii_end().ends_with(b"}")
}

/// Whether what follows a backslash ends a name of a document within a text, or within a text of that.
fn ends_a_name_within_a_text(after: &[u8]) -> bool {
    after.iter().find(|byte| **byte != b'\\') == Some(&b'"')
}

/// Whether the two digits of an escape can be those of a character in one of the names.
fn is_escape_of_a_name(digits: &[u8]) -> bool {
    let code = digits
        .get(..2)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| u8::from_str_radix(digits, 16).ok());
    code.is_none_or(|code| code.is_ascii_alphabetic() || matches!(code, b'_' | b'#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn can_matter(text: &str) -> bool {
        let prefilter = Prefilter::new(SessionEvents::default(), &BTreeSet::new());
        assert!(prefilter.ends.is_some(), "this machine has vector instructions");
        prefilter.can_matter(text.as_bytes())
    }

    fn sysmon(id: &str) -> String {
        format!(
            r#"{{"winlog":{{"provider_name":"Microsoft-Windows-Sysmon","task":"a text of some length",{id}}},"message":"more text"}}"#
        )
    }

    #[test]
    fn every_way_to_write_an_id_that_matters_passes() {
        for id in [
            r#""event_id":3"#,
            r#""event_id" : "18""#,
            r#""event_id":"5145""#,
            "\"event_id\"\n:\t3",
            r#""event_id":" 3""#,
            r#""event_id":"+3""#,
            r#""event_id":"003""#,
            r#""event_id":"\u0033""#,
            r#""event_id":"1\u0038""#,
            r#""event_id":"3\n""#,
            "\"event_id\":\"\u{2003}3\"",
            "\"event_id\":\"3\u{2003}\"",
            r#""event\u005fid":3"#,
            r#""event\u005Fid":3"#,
            r#""\u0065vent_id":3"#,
            r#""event_id":10,"x":{"code":"3"}"#,
            r##""EventID":{"#text":3}"##,
            r#""event_id":[3]"#,
            r#""event_id" : [ "18" ]"#,
            r#""event_id":3.0"#,
            r#""event_id":1.8e1"#,
            r#""event_id":10,"x":"{\"event_id\":\"3\"}""#,
            r#""event_id":10,"x":"{\"event_id\" : 3}""#,
            r##""event_id":10,"x":"{\"EventID\":{\"#text\":3}}""##,
            r#""EventID":{"\u0023text":3}"#,
        ] {
            assert!(can_matter(&sysmon(id)), "{id}");
        }
    }

    #[test]
    fn other_ids_are_skipped_whatever_provider_they_come_from() {
        for id in [
            r#""event_id":10"#,
            r#""event_id":"13""#,
            r#""event_id":"30","record_id":3"#,
            r#""event_id":null,"code":"x3""#,
            r#""event_id":12,"note":"\u003cunknown process\u003e""#,
            r#""event_id":[30]"#,
            r#""note":"C:\\code\\3""#,
        ] {
            assert!(!can_matter(&sysmon(id)), "{id}");
        }
    }

    #[test]
    fn a_truncated_message_is_not_skipped_for_want_of_an_id() {
        let whole = sysmon(r#""event_id":10"#);
        assert!(can_matter(&whole[..whole.len() - 1]));
        assert!(!can_matter(&whole[..40].replace("Sysmon", "Syslog")));
    }
}
