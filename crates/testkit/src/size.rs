//! How much a test runs.
//!
//! `PIPEWARDEN_TEST_SIZE` is `quick` by default, `ci` for what must hold before a change lands, or `full`,
//! which takes hours. Tests with a variable of their own prefer that one.

use std::str::FromStr;
use std::sync::LazyLock;

/// The sizes of the whole suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// What `cargo test` runs.
    Quick,
    /// What `.ci/run` runs.
    Ci,
    /// What is run by hand, and takes hours.
    Full,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "quick" => Ok(Self::Quick),
            "ci" => Ok(Self::Ci),
            "full" => Ok(Self::Full),
            _ => Err(format!(
                "PIPEWARDEN_TEST_SIZE is {text:?}; write quick, ci or full"
            )),
        }
    }
}

impl Size {
    /// The size that was asked for.
    ///
    /// # Panics
    /// Where the variable has another value: a misspelt size must not pass for the smallest.
    pub fn asked() -> Self {
        static ASKED: LazyLock<Size> = LazyLock::new(|| match std::env::var("PIPEWARDEN_TEST_SIZE") {
            Ok(text) => text.parse().unwrap(),
            Err(_) => Size::Quick,
        });
        *ASKED
    }
}

/// A number of cases, by size: `[quick, ci, full]`.
pub fn of<T: Copy>(sizes: [T; 3]) -> T {
    let [quick, ci, full] = sizes;
    match Size::asked() {
        Size::Quick => quick,
        Size::Ci => ci,
        Size::Full => full,
    }
}

/// The same, unless this variable sets it.
///
/// # Panics
/// Where the variable holds no such number.
pub fn set_by<T: Copy + FromStr>(variable: &str, sizes: [T; 3]) -> T {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is {text:?} and must be a number")),
        Err(_) => of(sizes),
    }
}
