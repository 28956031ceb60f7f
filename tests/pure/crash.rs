//! Killed at any instant, the correlator writes the very records of an undisturbed run: nothing is lost, nothing
//! is written twice.

use pipewarden::detection::JoinSettings;
use pipewarden::driver::memory::{Broker, Layout, Worker};
use pipewarden::pipeline::ObservationRecord;
use pipewarden::time::AppendTime;
use testkit::simulation::{self, Faults};
use testkit::size;
use testkit::world::Seed;

/// How many worlds: quick, in CI, in full.
const WORLDS: [u64; 3] = [1_000, 3_000, 30_000];

#[test]
fn any_interleaving_of_faults_gives_the_records_of_an_undisturbed_run() {
    let mut faults = Faults::default();
    let worlds = size::of(WORLDS);
    // Seeds that have once shown a defect stay.
    for seed in (0..worlds).chain([4_407, 5_376, 6_826, 6_863, 7_433, 16_530]) {
        match simulation::run(seed) {
            Ok(of_this_run) => faults += of_this_run,
            Err(difference) => panic!("seed {seed}: {difference}"),
        }
    }
    println!("{faults:#?}");
    // What three thousand worlds must have seen, so many as there were.
    let enough = |of_3_000: u64| of_3_000 * worlds / 3_000;
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
        crashes > enough(1_000) && torn_commits > enough(200) && handovers > enough(1_000),
        "{faults:?}"
    );
    assert!(
        frozen > enough(500) && zombies > enough(100) && aborts > enough(1_000),
        "{faults:?}"
    );
    assert!(
        faults.sensor_findings > enough(100) && faults.sweeps > enough(1_000),
        "{faults:?}"
    );
    assert!(
        faults.stale_commits > enough(500) && faults.ticks > enough(1_000),
        "{faults:?}"
    );
    assert!(
        faults.rewinds_moved > enough(100)
            && faults.changed_programs > enough(100)
            && faults.reloads > enough(40),
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
