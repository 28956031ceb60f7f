//! Shares and paths, as rules name them: `*` stands for any characters, `?` for one, and case does not matter.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::names;

/// A text with wildcards, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Pattern(Arc<[char]>);

impl Pattern {
    /// Of its text, in any case.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_lowercase().chars().collect())
    }

    /// The pattern that every text fits.
    pub fn any() -> Self {
        Self::new("*")
    }

    /// Whether only a text of its own letters fits.
    pub fn is_literal(&self) -> bool {
        !self.0.iter().any(|c| matches!(c, '*' | '?'))
    }

    /// Whether it has this character.
    pub(crate) fn has(&self, wanted: char) -> bool {
        self.0.contains(&wanted)
    }

    /// Whether a text fits, which is in lower case. Of one that [`names::truncate`] cut, the beginning must fit: what follows may
    /// be anything.
    pub(crate) fn fits(&self, text: &str) -> bool {
        let (text, is_cut) = match text.strip_suffix("..") {
            Some(kept) if names::may_be_truncated(text) => (kept, true),
            _ => (text, false),
        };
        let mut text = text.chars();
        let mut place = 0;
        // Where the last `*` was, and the text from where it may take in one character more.
        let mut star = None;
        loop {
            let mut rest = text.clone();
            match (self.0.get(place), rest.next()) {
                (Some('*'), _) => {
                    place += 1;
                    star = Some((place, text.clone()));
                    continue;
                }
                (Some('?'), Some(_)) => {}
                (Some(wanted), Some(found)) if *wanted == found => {}
                (None, None) => return true,
                (Some(_), None) => return is_cut,
                _ => {
                    // The last `*` takes in one more, and what follows it is tried anew.
                    let Some((after, from)) = &mut star else {
                        return false;
                    };
                    if from.next().is_none() {
                        return false;
                    }
                    (place, text) = (*after, from.clone());
                    continue;
                }
            }
            place += 1;
            text = rest;
        }
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0.iter().collect()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|c| write!(f, "{c}"))
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A name with wildcards: `*` stands for any characters, `?` for one, and case does not matter."
        })
    }
}

/// Paths of shares that a rule watches, other than pipes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchedShare {
    /// The share's name, as `REMINST`. `IPC$` is meant by none: what is opened there is a pipe.
    pub share: Pattern,
    /// The path from its root, without a leading backslash. Default `*`: everything in it.
    #[serde(default = "Pattern::any")]
    pub path: Pattern,
}

impl WatchedShare {
    /// Whether a path of a share fits, both in lower case.
    pub fn covers(&self, share: &str, path: &str) -> bool {
        self.is_of(share) && self.path.fits(path)
    }

    /// Whether some path of a share, which is in lower case, may fit.
    pub(super) fn is_of(&self, share: &str) -> bool {
        self.share.fits(share)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The slow way: every number of characters that a `*` may stand for is tried.
    fn fits_slowly(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', rest @ ..] => (0..=text.len()).any(|taken| fits_slowly(rest, &text[taken..])),
            ['?', rest @ ..] => !text.is_empty() && fits_slowly(rest, &text[1..]),
            [one, rest @ ..] => text.first() == Some(one) && fits_slowly(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn a_pattern_fits_what_the_slow_way_says(pattern in "[ab?*]{0,8}", text in "[abé]{0,10}") {
            let (chars, letters): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(Pattern::new(&pattern).fits(&text), fits_slowly(&chars, &letters));
        }
    }

    #[test]
    fn case_does_not_matter_and_a_star_takes_in_folders() {
        let watched = WatchedShare {
            share: Pattern::new("ReMinst"),
            path: Pattern::new("SMSTemp*"),
        };
        assert!(watched.covers("reminst", r"smstemp\2024.10.18.boot.var"));
        assert!(watched.covers("reminst", "smstemp"));
        assert!(!watched.covers("reminst", r"smsimages\boot.wim"));
        assert!(!watched.covers("reminst2", "smstemp"));
    }

    #[test]
    fn of_a_path_that_was_cut_the_end_may_be_anything() {
        let long = format!(r"smstemp\{}.var", "x".repeat(2_000));
        let kept = names::truncate(&long).into_owned();
        assert!(Pattern::new(r"smstemp\*.var").fits(&kept));
        assert!(!Pattern::new(r"smsboot\*.var").fits(&kept));
        assert!(!Pattern::new("*.var").fits("short.."));
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = Pattern::new(&"*a".repeat(200));
        assert!(!pattern.fits(&"a".repeat(199)));
        assert!(!pattern.fits(&format!("{}b", "a".repeat(500))));
    }
}
