//! Problems of a file that people write: all of them at once, each with its line.

use std::error::Error as StdError;
use std::fmt;

use thiserror::Error;

/// An error and its causes, as one line. No error of this workspace repeats its source's text in its own.
pub fn with_causes(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        line = format!("{line}: {source}");
        cause = source.source();
    }
    line
}

/// Why a file cannot be used. Every message names the file, the line and what to change.
#[derive(Debug, Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("cannot read the {what} {origin}")]
    Read {
        /// What it should hold.
        what: &'static str,
        /// The file.
        origin: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// It is not YAML of the right form.
    // The parser's message begins with a level of its own.
    #[error("{origin}: {}", message.strip_prefix("error: ").unwrap_or(message))]
    Syntax {
        /// The file.
        origin: String,
        /// The message of the parser, with the line.
        message: String,
    },
    /// Its entries cannot be used.
    #[error("{origin}: {problems}")]
    Entries {
        /// The file.
        origin: String,
        /// Everything that is wrong, not only the first.
        problems: Problems,
    },
}

/// Lines, from 1, and what is wrong there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<(u64, String)>);

impl Problems {
    /// Adds one.
    pub fn note(&mut self, line: u64, problem: String) {
        self.0.push((line, problem));
    }

    /// `value` if nothing was noted, else everything that was, in order of lines.
    ///
    /// # Errors
    /// The problems themselves.
    pub fn or<T>(mut self, value: T) -> Result<T, Self> {
        self.0.sort();
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (line, problem)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}line {line}: {problem}")?;
        }
        Ok(())
    }
}

/// The one of `known` that is so like `text` that it was probably meant, if any is.
pub fn likely<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest(text, known).filter(|known| strsim::jaro_winkler(known, text) > 0.7)
}

/// The question whether the one of `known` was meant that is so like `text`, if any is.
pub fn did_you_mean<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    likely(text, known).map(|known| format!("did you mean {known}?"))
}

/// The one of `known` that is most like `text`: what was probably meant.
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .max_by(|a, b| strsim::jaro_winkler(a, text).total_cmp(&strsim::jaro_winkler(b, text)))
}
