//! Killed at any instant, the correlator writes the very records of an undisturbed run: nothing is lost, nothing
//! is written twice.

use pipewarden::detection::JoinSettings;
use pipewarden::driver::memory::{Broker, Layout, Worker};
use pipewarden::pipeline::ObservationRecord;
use pipewarden::time::AppendTime;
use testkit::simulation::{self, Faults};
use testkit::world::Seed;

#[test]
fn any_interleaving_of_faults_gives_the_records_of_an_undisturbed_run() {
    let mut faults = Faults::default();
    // Seeds that have once shown a defect stay.
    for seed in (0..3_000).chain([4_407, 5_376, 6_826, 6_863, 7_433, 16_530]) {
        match simulation::run(seed) {
            Ok(of_this_run) => faults += of_this_run,
            Err(difference) => panic!("seed {seed}: {difference}"),
        }
    }
    println!("{faults:#?}");
    let Faults {
        crashes,
        torn_commits,
        handovers,
        frozen,
        zombies,
        aborts,
        ..
    } = faults;
    assert!(
        crashes > 1_000 && torn_commits > 200 && handovers > 1_000,
        "{faults:?}"
    );
    assert!(frozen > 500 && zombies > 100 && aborts > 1_000, "{faults:?}");
    assert!(
        faults.sensor_findings > 100 && faults.sweeps > 1_000,
        "{faults:?}"
    );
    assert!(faults.stale_commits > 500 && faults.ticks > 1_000, "{faults:?}");
    assert!(
        faults.rewinds_moved > 100 && faults.changed_programs > 100 && faults.reloads > 40,
        "{faults:?}"
    );
}

/// Three share accesses by three sources, each an alert that stays open.
fn three_open_alerts(broker: &mut Broker, layout: &Layout) -> AppendTime {
    let mut now = AppendTime::MIN;
    for source in 0..3 {
        let seed = Seed {
            kind: 2,
            asset: 0,
            source,
            port: 1,
            at: i64::from(source) * 1_000,
            account: 0,
            other_rule: false,
            client_side: false,
        };
        let observation = seed.observation(u64::from(source));
        now = AppendTime::at_event(observation.event.time);
        broker.append(
            &layout.input(0),
            now,
            b"",
            &ObservationRecord::Observation(observation).encode(),
        );
    }
    now.plus(JoinSettings::default().settle.audited)
}

#[test]
fn a_start_with_other_settings_writes_every_open_alert_once_more_and_a_start_with_the_same_none() {
    let (mut broker, layout) = (Broker::new(), Layout::new(1));
    let due = three_open_alerts(&mut broker, &layout);
    let tick = ObservationRecord::Tick {}.encode();
    let mut live = |fingerprint: &str| {
        broker.append(&layout.input(0), due, b"", &tick);
        let program = simulation::program(&JoinSettings::default(), fingerprint);
        let mut worker = Worker::start(&mut broker, &layout, "worker");
        worker.take_over(&broker, 0, &program).unwrap();
        let mut reemitted = 0;
        while let Some(applied) = worker.step(&broker, 0) {
            reemitted += applied.reemitted;
        }
        worker.commit(&mut broker).unwrap();
        (reemitted, broker.read_committed(&layout.output(0)).count())
    };
    assert_eq!(live("first"), (0, 3));
    assert_eq!(live("first"), (0, 3));
    assert_eq!(live("second"), (3, 6));
    assert_eq!(live("second"), (0, 6));
    assert_eq!(live("first"), (3, 9));
}
