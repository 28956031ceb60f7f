//! The text for humans that a document carries beside its fields: a quarter of it and more, and nobody reads it. It is full of
//! line ends and tabs, each an escape that a parser stops at. So it is cut out before a document is parsed.
//!
//! What is cut is the inside of a string behind `"message":`. A text without what was cut is read exactly as the whole would
//! be, or not at all, and then the whole is read:
//!
//! - The quote that begins `"message":"` either begins a name, or ends a string, behind which `message` is no JSON, or is
//!   escaped, and then it belongs to a longer name. In the first case and the last a string follows as a value of a name that
//!   ends in `message`, and no field that is read has such a name.
//! - Such a value is skipped by the parser, which only asks that it be UTF-8 without control characters and that every escape
//!   be one. So is what is cut. Halves of characters, which matter where a text is not skipped, are left to the whole.

use memchr::memchr;
use memchr::memmem::Finder;

/// Searched for without its quotes, which are all over a document.
const NAME: &str = "message";

/// Below this a cut gains nothing.
const SHORTEST: usize = 64;

/// Cuts out texts for humans.
#[derive(Debug)]
pub(super) struct MessageText(Finder<'static>);

impl Default for MessageText {
    fn default() -> Self {
        Self(Finder::new(NAME))
    }
}

impl MessageText {
    /// The document without its text for humans; `None` where it has none that can be cut.
    pub(super) fn cut_from(&self, document: &[u8]) -> Option<Vec<u8>> {
        let mut names = self.0.find_iter(document);
        let begin = names.find_map(|at| {
            let (before, after) = (&document[..at], &document[at + NAME.len()..]);
            let is_field = before.ends_with(b"\"") && after.starts_with(b"\":\"");
            is_field.then_some(at + NAME.len() + 3)
        })?;
        let text = inside(&document[begin..])?;
        if text.len() < SHORTEST || !is_skipped_as_it_is(text) {
            return None;
        }
        Some([&document[..begin], &document[begin + text.len()..]].concat())
    }
}

/// What stands before the quote that ends the string.
fn inside(text: &[u8]) -> Option<&[u8]> {
    let mut from = 0;
    loop {
        let quote = from + memchr(b'"', &text[from..])?;
        let backslashes = text[..quote].iter().rev().take_while(|&&byte| byte == b'\\');
        if backslashes.count() % 2 == 0 {
            return Some(&text[..quote]);
        }
        from = quote + 1;
    }
}

/// Whether a parser that skips this text could find nothing wrong with it.
fn is_skipped_as_it_is(text: &[u8]) -> bool {
    // Without an early end, so that many bytes are compared at once.
    let has_control = text.iter().fold(false, |has, &byte| has | (byte < b' '));
    let all_bits = text.iter().fold(0, |bits, &byte| bits | byte);
    !has_control && (all_bits.is_ascii() || str::from_utf8(text).is_ok()) && has_sound_escapes(text)
}

fn has_sound_escapes(text: &[u8]) -> bool {
    // Most have line ends, tabs and quotes and no others. Without an early end as well.
    let pairs = text.iter().zip(text.get(1..).unwrap_or_default());
    let has_others = pairs.fold(false, |has, (&first, &second)| {
        has | ((first == b'\\') & (second != b'n') & (second != b't') & (second != b'r') & (second != b'"'))
    });
    if !has_others && text.last() != Some(&b'\\') {
        return true;
    }
    let mut rest = text;
    while let Some(backslash) = memchr(b'\\', rest) {
        rest = &rest[backslash..];
        // They come in flocks.
        while let [b'\\', escaped @ ..] = rest {
            rest = match escaped {
                [
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                    behind @ ..,
                ] => behind,
                [b'u', code @ ..] if is_a_character(code) => &code[4..],
                _ => return false,
            };
        }
    }
    true
}

/// Whether four digits are a character, or may be: all that begin with a `d` count as halves of one.
fn is_a_character(code: &[u8]) -> bool {
    let is_half = matches!(code.first(), Some(b'd' | b'D'));
    !is_half && code.len() >= 4 && code[..4].iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;

    use super::*;

    const LONG: &str =
        r"A connection:\n\tSource:\t\t10.1.0.101\n\tPath:\t\tC:\\Windows\\System32\\lsass.exe\n";

    fn cut(document: &str) -> Option<String> {
        let cut = MessageText::default().cut_from(document.as_bytes())?;
        Some(String::from_utf8(cut).unwrap())
    }

    fn document(text: &str) -> String {
        format!(r#"{{"winlog":{{"event_id":3}},"message":"{LONG}{text}","x":1}}"#)
    }

    #[test]
    fn a_text_for_humans_is_cut_out_up_to_its_end() {
        for text in ["", r#"\""#, r"\\", r#"\\\""#, r"\u003c\/", "Gr\u{fc}\u{df}e"] {
            let short = r#"{"winlog":{"event_id":3},"message":"","x":1}"#;
            assert_eq!(cut(&document(text)).as_deref(), Some(short), "{text}");
        }
    }

    #[test]
    fn what_a_parser_might_not_skip_is_left_to_it() {
        for text in [
            "\n", "\u{1}", r"\x", r"\u12", r"\u12g4", r"\ud83d", r"\uDE00", r"\u",
        ] {
            assert_eq!(cut(&document(text)), None, "{text}");
        }
        let mut document = document("x").into_bytes();
        let last = document.len() - 9;
        document[last] = 0xff;
        assert_eq!(MessageText::default().cut_from(&document), None);
        assert_eq!(cut(&format!(r#"{{"message":"{LONG}\""#)), None);
        assert_eq!(cut(r#"{"message":"short"}"#), None);
    }

    #[test]
    fn what_is_cut_is_what_serde_would_skip() {
        let pieces = [
            "\\", "\"", "u", "0", "d", "n", "x", "\u{7f}", "\u{e9}", "\t", "00e9", "\\u",
        ];
        let count = pieces.len();
        for number in 0..count.pow(4) {
            let text: String = (0..4)
                .map(|place| pieces[number / count.pow(place) % count])
                .collect();
            let is_sound = serde_json::from_str::<IgnoredAny>(&format!("\"{text}\"")).is_ok();
            let has_half = text.contains("\\ud");
            let whole =
                inside(format!("{text}\"").as_bytes()).is_some_and(|inside| inside == text.as_bytes());
            let found = whole && is_skipped_as_it_is(text.as_bytes());
            assert!(is_sound || !found, "{text:?}");
            assert!(found || !is_sound || has_half, "{text:?}");
        }
    }
}
