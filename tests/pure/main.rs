//! What the program promises without Kafka and without tools of others.
//!
//! | module | what it holds |
//! |---|---|
//! | `crash` | killed at any instant, the correlator writes the records of an undisturbed run: thousands of simulated worlds |
//! | `policy_change` | what another policy does with the alerts that are open |
//! | `order_free` | the final alerts are a function of the set of observations, and those of the slow reference |
//! | `campaigns` | which sightings alerts cause, and which campaigns those make; the same for these |
//! | `who`, `local_access` | whose an access is, by named cases |
//! | `day` | what alerts are worth, by a small day in an estate |
//! | `document`, `risk` | what an alert document says, and on whose word; what makes an alert worse |
//! | `adversary` | what whoever may write to an input topic can never take away |
//! | `named_cases`, `clocks`, `sensors` | what naive code gets wrong, each case by name |
//! | `flood`, `resources` | bounds hold, are counted, and silence nothing |
//! | `bounds` | every record that is written has a size that it never exceeds |
//! | `hostile_input`, `gunzip` | whatever bytes arrive |
//! | `winlogbeat_shapes`, `session_shapes` | every shape of a document is the same event |
//! | `bindings`, `sharing` | what the stream teaches of addresses, and how processes share it |
//! | `inventory`, `inventory_import`, `exceptions`, `exception_hits`, `rules`, `settings` | what operators write |
//! | `propose` | exceptions that are proposed cover what they say, and no attack |
//! | `replay`, `pretty`, `replay_input`, `explain`, `blind`, `generate` | the commands, as users run them |
//! | `endpoints` | who gets what from `/metrics` and `/status`, and who is cut off |
//! | `page`, `report` | the same of the page's server; what `replay --html` writes |
//! | `demo` | the engine, fed by made-up documents, and the page in one process |
//! | `errors` | what a command says that fails |
//!
//! # Sizes
//! `cargo test --test pure` is the quick size, `PIPEWARDEN_TEST_SIZE=ci` what CI runs. In full:
//!
//! ```sh
//! PIPEWARDEN_TEST_SIZE=full cargo test --release --test pure
//! cargo run --release --example simulate -- --seeds 1000000
//! PIPEWARDEN_FLOOD=1000000 cargo test --release --test pure resources:: -- --nocapture
//! ```

// Helpers of tests, which `clippy.toml` does not recognise as such; numbers of tests are small, and arguments that proptest
// makes are owned.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::needless_pass_by_value
)]

mod adversary;
mod bindings;
mod blind;
mod bounds;
mod campaigns;
mod clocks;
mod crash;
mod day;
mod demo;
mod document;
mod endpoints;
mod errors;
mod exception_hits;
mod exceptions;
mod explain;
mod explanations;
mod flood;
mod generate;
mod gunzip;
mod hostile_input;
mod inventory;
mod inventory_import;
mod local_access;
mod named_cases;
mod odd_documents;
mod order_free;
mod page;
mod planted_bindings;
mod policy_change;
mod pretty;
mod propose;
mod recordings;
mod replay;
mod replay_input;
mod report;
mod resources;
mod risk;
mod rules;
mod sensors;
mod session_shapes;
mod sessions;
mod settings;
mod sharing;
mod who;
mod winlogbeat_shapes;
