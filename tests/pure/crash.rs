//! Killed at any instant, the correlator publishes the very records of an undisturbed run: nothing is lost, nothing is
//! published twice.

use std::fmt::Write as _;
use std::sync::Arc;

use pipewarden_core::detection::JoinSettings;
use pipewarden_core::log::Partition;
use pipewarden_core::time::AppendTime;
use pipewarden_engine::local::{Broker, Fault, Layout, Moment, PollResult, Tamper, TamperWith, Worker};
use pipewarden_engine::worker::{
    Fact, Output, PARTITION_INPUTS, PARTITION_STATES, PartitionId, ROUTER_INPUTS, ROUTER_STATES,
    WORKER_INPUTS, WORKER_STATES,
};
use pipewarden_engine::{ObservationRecord, Policy};
use testkit::simulation::{self, Counts};
use testkit::size;
use testkit::world::Seed;

/// How many worlds of correlators, and of routers: quick, in CI, in full.
const WORLDS: [u64; 3] = [1_500, 3_000, 30_000];
const ROUTER_WORLDS: [u64; 3] = [500, 2_000, 20_000];

const PARTITION: PartitionId = PartitionId::observations(Partition::ZERO);

/// The events that must occur in the worlds, and how often at least in a thousand of them.
const REQUIRED: &[(&str, u64)] = &[
    ("crashes", 300),
    ("TornCommit", 60),
    ("handovers", 300),
    ("frozen", 150),
    ("zombies", 30),
    ("lost", 100),
    ("stops", 100),
    ("aborts", 300),
    ("stale commits", 150),
    ("recoveries", 300),
    ("rewinds moved", 30),
    ("changed policies", 30),
    ("reloads", 12),
    ("ticks", 300),
    ("sensor findings", 30),
    ("campaigns", 300),
    ("sightings", 300),
    ("sightings replayed", 300),
    ("commits of both topics", 300),
    ("dead letters", 300),
    ("stubs", 20),
    ("late requests", 10),
    ("log starts moved", 5),
    ("logs truncated", 5),
    ("rewind_below_log_start", 1),
    ("log_truncated", 1),
];

#[test]
fn any_interleaving_of_faults_gives_the_records_of_an_undisturbed_run() {
    let mut counts = Counts::default();
    // Seeds that have once shown a defect stay, and so do some in which inputs meet states that they seldom meet.
    let worlds = size::of(WORLDS);
    let seeds = (0..worlds)
        .chain([4_407, 5_376, 6_826, 6_863, 7_433, 16_530, 1_299_859])
        .chain([2_013, 2_115, 2_189, 2_401, 3_012, 3_372, 3_626]);
    for seed in seeds {
        match simulation::run(seed) {
            Ok(of_this_world) => counts += of_this_world,
            Err(difference) => panic!("seed {seed}: {difference}"),
        }
    }
    for (what, times) in counts.all() {
        println!("{times:>9}  {what}");
    }
    println!("{}", table(&counts, &CORRELATOR));
    for (what, least) in REQUIRED {
        assert!(
            counts.of(what) >= least * worlds / 1_000,
            "{what}: {}",
            counts.of(what)
        );
    }
    for fault in Fault::CORRELATOR {
        let times = counts.of(&format!("{fault:?}"));
        assert!(times > 0, "{fault:?} never happened");
    }
    assert_all_is_taken(&counts, &CORRELATOR);
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
            record: None,
        };
        let observation = seed.observation(u64::from(source));
        now = AppendTime::at_event(observation.event.time);
        broker.append(
            &layout.input(PARTITION),
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
    let mut live = |id| {
        broker.append(&layout.input(PARTITION), due, b"", &tick);
        let policy = simulation::policy(&JoinSettings::default(), id);
        let mut worker = take_over(&mut broker, &layout, &policy);
        while worker.poll(&mut broker, PARTITION) == PollResult::Record {}
        worker.commit(&mut broker);
        let facts = worker.take_facts();
        let reemitted: usize = (facts.iter())
            .map(|fact| match fact {
                Fact::Applied(applied) => applied.reemitted,
                _ => 0,
            })
            .sum();
        (
            reemitted,
            broker.read_committed(&layout.output(PARTITION)).count(),
        )
    };
    assert_eq!(live("first"), (0, 3));
    assert_eq!(live("first"), (0, 3));
    assert_eq!(live("second"), (3, 6));
    assert_eq!(live("second"), (0, 6));
    assert_eq!(live("first"), (3, 9));
}

/// A new process of the only worker there is.
fn take_over(broker: &mut Broker, layout: &Layout, policy: &Arc<Policy>) -> Worker {
    let mut worker = Worker::start(broker, layout, "worker", policy);
    worker.assign(broker, &[PARTITION], 0);
    worker
}

/// Inputs, and the states that each can't meet, since what a worker asks for is answered before anything else is handed in.
/// The machine asserts each.
const IMPOSSIBLE: &[(&str, &[&str])] = &[
    // Answers come only while a request is outstanding.
    ("committed", &["absent", "seeking", "restoring", "live"]),
    ("log", &["absent", "seeking", "restoring", "live"]),
    ("ask_failed", &["absent", "seeking", "restoring", "live"]),
    ("seek_done", &["absent", "locating", "restoring", "live"]),
    ("seek_failed", &["absent", "locating", "restoring", "live"]),
    ("ticked", &["absent", "locating", "seeking", "restoring"]),
    ("tick_failed", &["absent", "locating", "seeking", "restoring"]),
    (
        "ended.committed",
        &["failed", "assigning", "renewing", "waiting", "ready"],
    ),
    (
        "ended.aborted",
        &["failed", "assigning", "renewing", "waiting", "ready"],
    ),
    (
        "ended.rejected",
        &["failed", "assigning", "renewing", "waiting", "ready"],
    ),
    (
        "ended.stale_membership",
        &["failed", "assigning", "renewing", "waiting", "ready"],
    ),
    // Asked for after an abort, while the producer is yet to be renewed, and answered at once.
    (
        "membership.read",
        &[
            "failed",
            "assigning",
            "revoking",
            "publishing",
            "waiting",
            "ready",
        ],
    ),
    (
        "membership.lost",
        &[
            "failed",
            "assigning",
            "revoking",
            "publishing",
            "waiting",
            "ready",
        ],
    ),
    (
        "ended.queue_full",
        &["failed", "assigning", "renewing", "waiting", "ready"],
    ),
    (
        "ended.fatal",
        &["failed", "assigning", "renewing", "waiting", "ready"],
    ),
    (
        "producer.ready",
        &[
            "failed",
            "assigning",
            "revoking",
            "publishing",
            "waiting",
            "ready",
        ],
    ),
    (
        "producer.failed",
        &[
            "failed",
            "assigning",
            "revoking",
            "publishing",
            "waiting",
            "ready",
        ],
    ),
    (
        "producer.fatal",
        &[
            "failed",
            "assigning",
            "revoking",
            "publishing",
            "waiting",
            "ready",
        ],
    ),
    // A callback does not come within another, and none assigns partitions while a transaction is open.
    ("assigned", &["assigning", "revoking", "publishing"]),
    ("revoked", &["assigning", "revoking"]),
    ("lost", &["assigning", "revoking"]),
    // Nothing else comes while a transaction is open, and within a callback only what it waits for.
    ("policy_changed", &["assigning", "revoking", "publishing"]),
    ("timer", &["revoking", "publishing"]),
    ("stop", &["revoking", "publishing"]),
    // Of the router, likewise.
    ("assigned", &["flushing", "committing"]),
    ("revoked", &["flushing", "committing"]),
    ("lost", &["flushing", "committing"]),
    ("policy_changed", &["flushing", "committing"]),
    ("timer", &["flushing", "committing"]),
    ("flushed", &["routing", "paused", "committing"]),
    ("not_flushed", &["routing", "paused", "committing"]),
    ("committed", &["routing", "paused", "flushing"]),
    ("not_committed", &["routing", "paused", "flushing"]),
    ("failed", &["committing"]),
];

/// How often each input met each state.
fn table(counts: &Counts, tables: &[Table]) -> String {
    let mut text = String::new();
    for (inputs, states) in tables {
        let _ = write!(text, "{:>18}", "");
        for state in *states {
            let _ = write!(text, "{state:>12}");
        }
        for input in *inputs {
            let _ = write!(text, "\n{input:>18}");
            for state in *states {
                let _ = write!(text, "{:>12}", counts.met(input, state));
            }
        }
        text.push_str("\n\n");
    }
    text
}

/// Inputs, and the states that they may meet.
type Table = (&'static [&'static str], &'static [&'static str]);

const CORRELATOR: [Table; 2] = [
    (&PARTITION_INPUTS, &PARTITION_STATES),
    (&WORKER_INPUTS, &WORKER_STATES),
];

const ROUTER: [Table; 1] = [(&ROUTER_INPUTS, &ROUTER_STATES)];

/// Every pair was taken, but for those that are listed as impossible, which were not.
fn assert_all_is_taken(counts: &Counts, tables: &[Table]) {
    for (inputs, states) in tables {
        let pairs = inputs
            .iter()
            .flat_map(|input| states.iter().map(move |state| (*input, *state)));
        for (input, state) in pairs {
            let is_impossible = IMPOSSIBLE
                .iter()
                .any(|(listed, states)| *listed == input && states.contains(&state));
            let times = counts.met(input, state);
            assert_eq!(times == 0, is_impossible, "{input} met {state} {times} times");
        }
    }
}

#[test]
fn any_interleaving_of_faults_leaves_what_a_router_writes_on_the_log_at_least_once() {
    let mut counts = Counts::default();
    let worlds = size::of(ROUTER_WORLDS);
    for seed in 0..worlds {
        match simulation::routing::run(seed) {
            Ok(of_this_world) => counts += of_this_world,
            Err(difference) => panic!("seed {seed}: {difference}"),
        }
    }
    for (what, times) in counts.all() {
        println!("{times:>9}  {what}");
    }
    println!("{}", table(&counts, &ROUTER));
    let required = [
        "crashes",
        "handovers",
        "lost",
        "rejected records",
        "paused",
        "resumed",
        "policies reloaded",
    ];
    for what in required {
        assert!(counts.of(what) > worlds / 10, "{what}: {}", counts.of(what));
    }
    for fault in Fault::ROUTER {
        let times = counts.of(&format!("{fault:?}"));
        assert!(times > worlds / 10, "{fault:?}: {times}");
    }
    assert_all_is_taken(&counts, &ROUTER);
}

/// The first world that fails where every worker has this defect.
fn first_found(tamper: TamperWith) -> Option<u64> {
    (0..400).find(|seed| simulation::run_with(*seed, Some(tamper)).is_err())
}

#[test]
fn a_worker_that_does_not_resume_what_it_is_assigned_is_found() {
    // A pause outlives the loss of a partition: one that comes back is never fetched from.
    let found = first_found(|output, moment| match output {
        Output::Resume(_) if moment == Moment::Assignment => Tamper::Omit,
        _ => Tamper::Execute,
    });
    assert!(found.is_some());
}

#[test]
fn a_worker_that_stays_paused_after_a_batch_was_committed_in_a_callback_is_found() {
    // Partitions that were paused while the batch waited must be resumed then.
    let found = first_found(|output, moment| match output {
        Output::Resume(_) if moment == Moment::Revocation => Tamper::Omit,
        _ => Tamper::Execute,
    });
    assert!(found.is_some());
}

#[test]
fn a_worker_that_keeps_its_producer_after_an_abort_is_found() {
    // A late request of the old transaction ends the new one.
    let found = first_found(|output, _| match output {
        Output::RenewProducer { .. } => Tamper::Pretend,
        _ => Tamper::Execute,
    });
    assert!(found.is_some());
}
