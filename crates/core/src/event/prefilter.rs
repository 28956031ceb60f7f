//! Is this message worth parsing?
//!
//! Two gates, each sound by itself: what does not pass cannot be one of ours, and hostile text can only cost a parse,
//! never hide an event. Both rest on how JSON may be written: an ASCII letter, digit, `_` or `#` inside a string stands
//! there as itself or as `\u00XX` and in no other way.
//!
//! **The id.** An event of ours has the id 3, 18 or 5145 under one of the names `event_id`, `code`, `EventID` and
//! `#text`, as a number or as digits in a string. So each place where such a name ends is looked at, wherever in the
//! message it stands: if no value behind one can be such a number, and no letter is escaped, the message is none of ours.
//! A look at the *first* such name alone would not be sound: values may hold it too, and order is free.
//!
//! **The words.** Our events come from providers named `Microsoft-Windows-Sysmon` or carry the id 5145, so one that
//! holds none of `Sysmon`, `5145` and `\u00` cannot be one of ours. This one is for the few that pass the first, and for
//! what is cut off: that is to be told as undecodable, not to be skipped for want of an id.

use aho_corasick::packed::Searcher;
use memchr::memmem::Finder;

/// Ends of the names behind which an id may stand, and the beginning of an escaped ASCII character. Four bytes each:
/// what the vector search compares at once.
const ENDS: [&[u8]; 5] = [b"_id\"", b"ode\"", b"tID\"", b"ext\"", b"\\u00"];

/// What stands before each end in the names themselves.
const BEGINNINGS: [&[u8]; 4] = [b"event", b"c", b"Even", b"#t"];

/// Looks for what every event of ours holds.
#[derive(Debug)]
pub(super) struct Prefilter {
    /// Missing on machines without vector instructions; the words must do there.
    ends: Option<Searcher>,
    words: [Finder<'static>; 3],
}

impl Prefilter {
    pub(super) fn new() -> Self {
        Self {
            ends: Searcher::new(ENDS),
            words: ["Sysmon", "5145", "\\u00"].map(Finder::new),
        }
    }

    /// False only if the message cannot be one of ours.
    pub(super) fn can_matter(&self, message: &[u8]) -> bool {
        // The end last: another core wrote the message, and a look ahead of the scan would wait for its memory.
        let can_be_ours = self.can_have_our_id(message) || is_cut_off(message);
        can_be_ours && self.has_our_words(message)
    }

    fn has_our_words(&self, message: &[u8]) -> bool {
        self.words.iter().any(|word| word.find(message).is_some())
    }

    fn can_have_our_id(&self, message: &[u8]) -> bool {
        let Some(ends) = &self.ends else { return true };
        ends.find_iter(message).any(|found| {
            let (before, behind) = (&message[..found.start()], &message[found.end()..]);
            match BEGINNINGS.get(found.pattern().as_usize()) {
                Some(beginning) => before.ends_with(beginning) && can_be_our_id(behind),
                None => is_escape_of_a_name(behind),
            }
        })
    }
}

fn is_cut_off(message: &[u8]) -> bool {
    !message.trim_ascii_end().ends_with(b"}")
}

/// Whether what stands behind a name can be a colon and one of our ids.
fn can_be_our_id(behind: &[u8]) -> bool {
    let Some(value) = behind.trim_ascii_start().strip_prefix(b":") else {
        return false;
    };
    let value = value.trim_ascii_start();
    let (digits, is_text) = match value.strip_prefix(b"\"") {
        Some(text) => (text, true),
        None => (value, false),
    };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at(length);
    let next = rest.first().copied();
    if is_text && next != Some(b'"') {
        // A sign, blanks of any alphabet and escapes may stand around the digits of a text; anything else may not.
        return next.is_some_and(|next| {
            matches!(next, b'+' | b'\\') || next.is_ascii_whitespace() || !next.is_ascii()
        });
    }
    let zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
    matches!(&digits[zeros..], b"3" | b"18" | b"5145")
}

/// Whether the two digits of an escape name a character that stands in one of the names.
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
        let prefilter = Prefilter::new();
        assert!(prefilter.ends.is_some(), "this machine has vector instructions");
        prefilter.can_matter(text.as_bytes())
    }

    fn sysmon(id: &str) -> String {
        format!(
            r#"{{"winlog":{{"provider_name":"Microsoft-Windows-Sysmon","task":"a text of some length",{id}}},"message":"more text"}}"#
        )
    }

    #[test]
    fn every_way_to_write_an_id_of_ours_passes() {
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
            r#""event_id":12,"note":"event_id\":3""#,
            r#""event_id":12,"note":"\u003cunknown process\u003e""#,
            r#""event_id":[3]"#,
        ] {
            assert!(!can_matter(&sysmon(id)), "{id}");
        }
    }

    #[test]
    fn what_is_cut_off_is_not_skipped_for_want_of_an_id() {
        let whole = sysmon(r#""event_id":10"#);
        assert!(can_matter(&whole[..whole.len() - 1]));
        assert!(!can_matter(&whole[..40].replace("Sysmon", "Syslog")));
    }
}
