//! Whole worlds with an adversary, from documents to alerts. `examples/adversary.rs` runs any number of them.

use testkit::adversary::{self, World};
use testkit::size;

/// Fails with the smallest world that breaks the same promise.
#[track_caller]
fn assert_holds(world: &World, what: &str) {
    if let Err(failure) = world.run() {
        panic!("{what}: {failure}\n{}", world.minimal().describe());
    }
}

#[test]
fn one_document_of_any_kind_with_any_field_changed_silences_nothing_and_frames_nobody_without_a_trace() {
    // A stride that is prime to the number of places and of fields, so that all of them are met.
    let stride = size::of([37, 1, 1]);
    for (number, scenario) in adversary::scenarios().iter().enumerate() {
        assert_holds(scenario, &format!("scenario {number} without an adversary"));
        let changed = adversary::with_one_change(scenario);
        for (what, world) in changed.skip(number % stride).step_by(stride) {
            assert_holds(&world, &format!("scenario {number}, {what}"));
        }
    }
}

#[test]
fn whatever_an_adversary_adds_nothing_is_silent_nobody_is_framed_without_a_trace_and_nothing_stops() {
    for seed in 0..size::of([60, 1_000, 30_000]) {
        assert_holds(&World::of(seed), &format!("seed {seed}"));
    }
}
