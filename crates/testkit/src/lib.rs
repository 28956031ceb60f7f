//! What the tests, benches and examples of Pipewarden share, and what needs no broker.
//!
//! | module | what it is |
//! |---|---|
//! | [`size`] | how much a test runs: quick, CI, full |
//! | [`winlogbeat`], [`shapes`], [`escape`] | documents as they arrive, in every shape and in every way of writing JSON |
//! | [`world`] | small worlds of observations, by hand and at random, and deliveries of them |
//! | [`reference`](mod@reference), [`reference_sweeps`] | what the final alerts are, computed slowly and obviously |
//! | [`bindings`] | the same for addresses that the stream teaches |
//! | [`simulation`] | crashes, aborts, rebalances and zombies over the in-process log, from a seed |
//! | [`detect`], [`schema`], [`truth`] | from documents to final alerts; alerts against the schemas; alerts against what was staged |
//!
//! It panics where a test would: nothing here is part of the program.

pub mod bindings;
pub mod detect;
pub mod escape;
pub mod reference;
pub mod reference_sweeps;
pub mod schema;
pub mod shapes;
pub mod simulation;
pub mod size;
pub mod truth;
pub mod winlogbeat;
pub mod world;

use std::path::Path;

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
