//! The cases of rules: events that must raise alerts and events that must not, run through the very engine of
//! `replay`.
//!
//! The cases of `detect-8.yaml` are beside it in `detect-8.tests.yaml`: a mistake in a case can never keep the
//! service from its rules.

mod compare;
mod event;
mod file;
mod run;
mod source;

pub use file::{Case, EventSpec, ExpectedAlert, TestFile, json_schema};
pub use run::{Failure, covered, judge, run};
pub use source::{Tested, TestsError, Untested, builtin, parse as parse_tests};
