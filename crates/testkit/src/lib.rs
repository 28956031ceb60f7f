//! Shared code of Pipewarden's tests, benches and examples: generators, slow references and a simulation. Nothing here needs a
//! broker.
//!
//! | module | what it is |
//! |---|---|
//! | [`size`] | how much a test runs: quick, CI, full |
//! | [`winlogbeat`], [`shapes`], [`escape`] | documents as Winlogbeat sends them, in every shape and in every way of writing JSON |
//! | [`world`] | small worlds of observations, by hand and at random, and deliveries of them |
//! | [`reference`](mod@reference), [`reference_campaigns`] | the final alerts, computed slowly and obviously |
//! | [`bindings`] | the same for bindings of addresses to computers |
//! | [`adversary`] | true accesses and forged documents, through the whole path, from a seed |
//! | [`simulation`] | crashes, aborts, rebalances and zombies on the in-process log, from a seed |
//! | [`estate`] | a day in an estate with attacks in it, to judge its alerts by |
//! | [`detect`], [`schema`], [`truth`] | from documents to final alerts; alerts against the schemas; alerts against what was staged |
//!
//! Start with [`detect::Bench`] for a test of detection, with [`simulation::run`] for one of the workers. Functions panic where
//! a test would: nothing here is part of the program.

pub mod adversary;
pub mod bindings;
pub mod detect;
pub mod escape;
pub mod estate;
pub mod reference;
pub mod reference_campaigns;
pub mod schema;
pub mod shapes;
pub mod sightings;
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
