//! Killed at any instant, the correlator writes the very records of an undisturbed run: nothing is lost, nothing
//! is written twice.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod support {
    pub(crate) mod reference;
    pub(crate) mod schema;
    pub(crate) mod simulation;
    #[allow(dead_code)]
    pub(crate) mod world;
}

use support::simulation::{self, Faults};

#[test]
fn any_interleaving_of_crashes_aborts_and_takeovers_gives_the_records_of_an_undisturbed_run() {
    let mut faults = Faults::default();
    for seed in 0..3_000 {
        match simulation::run(seed) {
            Ok(of_this_run) => faults += of_this_run,
            Err(difference) => panic!("seed {seed}: {difference}"),
        }
    }
    println!("{faults:?}");
    assert!(
        faults.crashes > 1_000 && faults.aborts > 1_000 && faults.zombies > 1_000,
        "{faults:?}"
    );
    assert!(faults.ticks > 1_000 && faults.rewinds_moved > 100, "{faults:?}");
}
