//! Lone surrogates: what a shipper writes for half a character.
//!
//! Windows' strings are UTF-16 that nobody has checked, and JSON may escape any half of a pair. A string with one half alone
//! is JSON by its grammar and no text by Unicode, so a parser refuses the whole document for one character of one field.

/// The text with `\ufffd` in place of each escaped surrogate that has no partner; `None` if there is none.
pub(super) fn mended(json: &str) -> Option<String> {
    let mut mended: Option<String> = None;
    // What stands before this place has been copied, once anything has.
    let mut copied = 0;
    let mut place = 0;
    while let Some(found) = memchr::memchr(b'\\', &json.as_bytes()[place..]) {
        let at = place + found;
        let Some(unit) = escaped_unit(json, at) else {
            // Any other escape has two characters; the second may be a backslash, which escapes nothing.
            place = (at + 2).min(json.len());
            continue;
        };
        place = at + ESCAPE;
        if is_high(unit) && escaped_unit(json, place).is_some_and(is_low) {
            place += ESCAPE;
        } else if is_high(unit) || is_low(unit) {
            let text = mended.get_or_insert_with(|| String::with_capacity(json.len()));
            text.push_str(&json[copied..at]);
            text.push_str("\\ufffd");
            copied = place;
        }
    }
    let mut text = mended?;
    text.push_str(&json[copied..]);
    Some(text)
}

/// The length of `\uXXXX`.
const ESCAPE: usize = 6;

/// The unit of UTF-16 that is escaped at this place.
fn escaped_unit(json: &str, at: usize) -> Option<u16> {
    let digits = json.get(at..at + ESCAPE)?.strip_prefix("\\u")?;
    // The parse takes a sign, which is no digit.
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)
}

fn is_high(unit: u16) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

fn is_low(unit: u16) -> bool {
    (0xdc00..0xe000).contains(&unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_half_without_its_partner_is_replaced_and_nothing_else() {
        for (json, expected) in [
            (r#""\ud800""#, Some(r#""\ufffd""#)),
            (
                r#""a\udc00b\uD83D\uDE00c\uD83D""#,
                Some(r#""a\ufffdb\uD83D\uDE00c\ufffd""#),
            ),
            (r#""\ud800\ud83d\ude00""#, Some(r#""\ufffd\ud83d\ude00""#)),
            (r#""\ud83d\ude00""#, None),
            (r#""\\ud800""#, None),
            (r#""\\\ud800""#, Some(r#""\\\ufffd""#)),
            (r#""\ud8""#, None),
            (r#""\u+123 \u00e9 é""#, None),
            ("\\", None),
        ] {
            assert_eq!(mended(json).as_deref(), expected, "{json}");
        }
    }

    proptest! {
        #[test]
        fn what_is_mended_is_a_text_and_what_was_one_stays_as_it_is(
            parts in prop::collection::vec(
                prop_oneof!["\\\\u[dD][89abcdefABCDEF][0-9a-f]{2}", "[a-z é]", Just(r"\\".to_owned()), Just(r"\n".to_owned())],
                0..9,
            )
        ) {
            let json = format!("\"{}\"", parts.concat());
            let is_text = serde_json::from_str::<String>(&json).is_ok();
            let mended = mended(&json);
            prop_assert_eq!(mended.is_none(), is_text, "{}", json);
            if let Some(mended) = mended {
                prop_assert!(serde_json::from_str::<String>(&mended).is_ok(), "{}", mended);
            }
        }
    }
}
