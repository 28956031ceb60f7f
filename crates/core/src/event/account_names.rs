//! The names of accounts whose logons are read of every computer.

use std::collections::BTreeSet;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use memchr::memmem;

/// Names of accounts without domains, in lower case. Empty where no rule watches accounts.
#[derive(Clone, Debug, Default)]
pub struct AccountNames(Arc<Names>);

#[derive(Debug, Default)]
struct Names {
    all: BTreeSet<String>,
    /// Finds a part of any of them; missing where all of one may be written in several ways.
    parts: Option<AhoCorasick>,
}

impl AccountNames {
    /// Of names in lower case.
    pub fn new(names: BTreeSet<String>) -> Self {
        let parts: Option<Vec<&str>> = names.iter().map(|name| plain_part(name)).collect();
        let parts = parts.and_then(|parts| {
            let mut builder = AhoCorasick::builder();
            // Any occurrence will do, so that what is found first decides.
            let builder = builder
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::Standard);
            builder.build(parts).ok()
        });
        Self(Arc::new(Names { all: names, parts }))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.all.is_empty()
    }

    /// Whether an account of this name is among them, however it is written.
    pub(super) fn has(&self, name: &str) -> bool {
        let lower = name.to_lowercase();
        // A sign such as that of the kelvin has an ASCII letter for its lower case, and is none.
        lower.is_ascii() == name.is_ascii() && self.0.all.contains(&lower)
    }

    /// Whether a message may hold one of them. An ASCII character that no text has to escape is written as itself, in either case,
    /// or as `\u00XX`.
    pub(super) fn may_be_in(&self, message: &[u8]) -> bool {
        if self.is_empty() {
            return false;
        }
        let Some(parts) = &self.0.parts else { return true };
        parts.is_match(message) || memmem::find(message, b"\\u00").is_some()
    }
}

impl PartialEq for AccountNames {
    fn eq(&self, other: &Self) -> bool {
        self.0.all == other.0.all
    }
}

impl Eq for AccountNames {}

/// The longest part of a name whose characters are written in one way, if there is one: mostly the whole.
fn plain_part(name: &str) -> Option<&str> {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '/');
    // Where a name is not of ASCII alone, its letters may have other forms than those of ASCII.
    let parts = name.split(|c: char| !is_plain(c) || !name.is_ascii() && c.is_ascii_alphabetic());
    parts
        .max_by_key(|part| part.len())
        .filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> AccountNames {
        AccountNames::new(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn a_name_is_found_in_either_case_and_where_letters_may_be_escaped() {
        let names = names(&["atlas$", "svc-push"]);
        for (message, expected) in [
            (r#"{"TargetUserName":"ATLAS$"}"#, true),
            (r#"{"TargetUserName":"SVC-Push"}"#, true),
            (r#"{"TargetUserName":"\u0041TLAS$"}"#, true),
            (r#"{"TargetUserName":"DC1$"}"#, false),
            (r#"{"computer_name":"atlas.aperture.local"}"#, false),
        ] {
            assert_eq!(names.may_be_in(message.as_bytes()), expected, "{message}");
        }
        assert!(names.has("Atlas$") && !names.has("atlas"));
        let kelvin = AccountNames::new(["k$".to_owned()].into());
        assert!(kelvin.has("K$") && !kelvin.has("\u{212a}$"));
    }

    #[test]
    fn a_name_that_may_be_written_in_several_ways_lets_everything_pass_and_no_name_nothing() {
        assert!(names(&["élève"]).may_be_in(b"{}"));
        assert!(!names(&[]).may_be_in(b"{}"));
    }
}
