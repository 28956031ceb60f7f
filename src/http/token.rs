//! The token that a server may ask for.

use std::path::Path;

use anyhow::{Context as _, bail};
use subtle::ConstantTimeEq as _;

/// A shorter one could be guessed.
const SHORTEST: usize = 16;

/// A secret that whoever asks must have.
pub(super) struct Token(Vec<u8>);

impl Token {
    /// Reads the token from the file that `name` names; blanks around it do not count.
    ///
    /// # Errors
    /// No such file, or one that holds no token.
    pub(super) fn read(name: &str, file: &Path) -> anyhow::Result<Self> {
        let about = || format!("{name} {}", file.display());
        let text = std::fs::read_to_string(file).with_context(about)?;
        let token = text.trim();
        if token.len() < SHORTEST {
            bail!("{}: a token has at least {SHORTEST} characters", about());
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!(
                "{}: a token is one line of printable ASCII without blanks",
                about()
            );
        }
        Ok(Self(token.into()))
    }

    /// Whether the value of an `Authorization` header bears it. Takes as long whichever byte is wrong.
    pub(super) fn is_in(&self, header: &[u8]) -> bool {
        let Some((scheme, token)) = header.split_at_checked(b"Bearer ".len()) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(token.ct_eq(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_without_the_blanks_around_it_and_compared_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, " 0123456789abcdef\n").unwrap();
        let token = Token::read("http.token_file", &file).unwrap();
        assert!(token.is_in(b"Bearer 0123456789abcdef") && token.is_in(b"bearer 0123456789abcdef"));
        for wrong in [
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Basic 0123456789abcdef",
            "Bearer",
            "",
        ] {
            assert!(!token.is_in(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_file_without_a_token_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let problem = |file: &Path| format!("{:#}", Token::read("http.token_file", file).err().unwrap());
        assert!(problem(&file).starts_with("http.token_file "));
        for (text, word) in [
            ("short", "at least 16"),
            ("two words of a token", "without blanks"),
        ] {
            std::fs::write(&file, text).unwrap();
            assert!(problem(&file).contains(word), "{}", problem(&file));
        }
    }
}
