//! Whole worlds with an adversary, from documents to alerts. `examples/adversary.rs` runs any number of them.

use std::collections::BTreeSet;

use testkit::adversary::draft::{self, Draft};
use testkit::adversary::estate::{ASSETS, SCANNER};
use testkit::adversary::truth::{Access, Message};
use testkit::adversary::{self, Regime, World};
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
    // Those that were found to be wrong: a bound that was forgotten early, and session evidence long before an access dropped.
    let rare = [47_807, 57_130, 99_681];
    for seed in (0..size::of([60, 1_000, 30_000])).chain(rare) {
        assert_holds(&World::of(seed), &format!("seed {seed}"));
    }
}

#[test]
fn an_address_that_only_a_logon_gives_a_share_access_lets_no_exception_suppress_it() {
    let atlas = ASSETS[0].name;
    let share = draft::share(0, atlas, ("-", 0), draft::USER, "winreg");
    let true_share = Message {
        arrival: 100,
        draft: Draft { record: 1, ..share },
        access: Some(0),
        forgery: None,
    };
    let logon = draft::logon(-500, atlas, (SCANNER, 50_000), draft::USER);
    let forged_logon = Message {
        arrival: 50,
        draft: Draft { record: 2, ..logon },
        access: None,
        forgery: Some("a server"),
    };
    let access = Access {
        asset: 0,
        addresses: BTreeSet::new(),
        time: 0,
        real_time: 0,
        ip: String::new(),
        port: 0,
    };
    let world = World {
        regime: Regime {
            has_exceptions: true,
            ..Regime::default()
        },
        accesses: vec![access],
        messages: vec![forged_logon, true_share],
    };
    assert_holds(&world, "a logon with the logon id of a share access");
}
