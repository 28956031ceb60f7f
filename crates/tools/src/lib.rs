//! What is beside the service: generated documents, cases of rules, exports, inventory import.
//!
//! [`generator`] generates Winlogbeat documents, with attacks of known truth among them; start with
//! [`generator::Generator`]. [`rule_tests`] runs the cases of rules; start with [`rule_tests::run`]. [`export`] writes a
//! rule in the query languages of other systems; start with [`export::export`]. [`mod@import`] makes an inventory of asset
//! lists; start with [`import::Import`]. [`propose`] makes exceptions of alerts that recur; start with
//! [`propose::Proposer`]. [`winlogbeat`] builds the documents that the first two are about; start with
//! [`winlogbeat::Event`]. All of it is pure: bytes in, bytes out.
//!
//! ```
//! use pipewarden_tools::generator::{Fleet, Generator, Plan};
//! use pipewarden_tools::rule_tests;
//!
//! // The cases beside a built-in rule hold.
//! let tested = rule_tests::builtin();
//! let detect_8 = tested.iter().find(|tested| &*tested.rule.id == "detect-8").unwrap();
//! let file = detect_8.tests.as_ref().unwrap();
//! rule_tests::run(&detect_8.rule, file, &file.cases[0]).unwrap();
//!
//! // The same seed gives the same bytes.
//! let first = || {
//!     let mut document = Vec::new();
//!     let mut generator = Generator::new(&Plan::new(7, 1), Fleet::invented(3, 5));
//!     generator.write_next(&mut document);
//!     document
//! };
//! assert!(first().starts_with(b"{\"@timestamp\""));
//! assert_eq!(first(), first());
//! ```

pub mod export;
pub mod generator;
pub mod import;
pub mod propose;
pub mod rule_tests;
pub mod winlogbeat;
