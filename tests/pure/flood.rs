//! A flood may cost precision, never memory and never silence.

use pipewarden_core::detection::{AccessAlert, Body, Counters, Disposition, Join, JoinSettings, Limits};
use pipewarden_core::event::{Observation, ObservationRecord};
use pipewarden_core::time::AppendTime;
use testkit::world::{self, Seed};

const SEED: Seed = Seed {
    kind: 0,
    asset: 0,
    source: 1,
    port: 0,
    at: 0,
    account: 0,
    other_rule: false,
    client_side: true,
    record: None,
};

fn tight() -> JoinSettings {
    let limits = Limits {
        session_evidence_per_asset: 50,
        session_evidence_per_partition: 80,
        accesses_per_asset: 80,
        accesses_per_partition: 120,
        seen_events_per_partition: 200,
        evidence: 10,
        list_entries: 5,
    };
    JoinSettings {
        limits,
        ..JoinSettings::default()
    }
}

struct Flood {
    join: Join,
    offset: u64,
}

impl Flood {
    fn new() -> Self {
        Self {
            join: Join::new(&world::rules(), tight()),
            offset: 0,
        }
    }

    fn send(&mut self, seed: Seed) -> (Disposition, Counters) {
        let observation: Observation = seed.observation(self.offset);
        let at = world::at(self.offset, AppendTime::at_event(observation.event.time));
        let step = self.join.apply(at, ObservationRecord::Observation(observation));
        self.offset += 1;
        (step.disposition, step.counters)
    }
}

#[test]
fn connections_beyond_the_bound_push_out_the_oldest_and_are_counted() {
    let mut flood = Flood::new();
    let evicted: u64 = (0..1_000)
        .map(|at| {
            flood
                .send(Seed {
                    at,
                    source: (at % 200) as u8,
                    ..SEED
                })
                .1
                .evicted_session_evidence
        })
        .sum();
    assert_eq!(evicted, 950);
    let state = flood.join.state_size();
    assert!(
        state.session_evidence <= 80 && state.seen_events <= 200,
        "{state:?}"
    );
    // The newest connection is still a candidate.
    let (_, counters) = flood.send(Seed {
        kind: 1,
        at: 1_000,
        ..SEED
    });
    assert_eq!(counters, Counters::default());
}

#[test]
fn a_flood_at_one_asset_costs_no_other_asset_its_connections() {
    let mut flood = Flood::new();
    flood.send(Seed { asset: 1, ..SEED });
    for at in 0..1_000 {
        flood.send(Seed { at, ..SEED });
    }
    assert_eq!(
        flood.join.state_size().session_evidence,
        51,
        "fifty of the flood and the other"
    );
}

#[test]
fn the_bound_of_the_partition_holds_over_many_assets() {
    let mut flood = Flood::new();
    for at in 0..10_000 {
        flood.send(Seed {
            at,
            asset: (at % 50) as u8,
            ..SEED
        });
    }
    let state = flood.join.state_size();
    assert_eq!(state.session_evidence, 80);
    assert!(state.assets <= 80, "{state:?}");
}

#[test]
fn destination_side_observations_beyond_the_bound_are_refused_until_the_horizon_has_passed() {
    let mut flood = Flood::new();
    let dispositions: Vec<Disposition> = (0..1_000)
        .map(|at| flood.send(Seed { kind: 2, at, ..SEED }).0)
        .collect();
    assert_eq!(
        dispositions
            .iter()
            .filter(|disposition| **disposition == Disposition::Applied)
            .count(),
        20
    );
    assert!(
        dispositions[20..]
            .iter()
            .all(|disposition| *disposition == Disposition::Dropped)
    );
    // Another source at the same asset is still seen.
    assert_eq!(
        flood
            .send(Seed {
                kind: 2,
                source: 2,
                at: 1_000,
                ..SEED
            })
            .0,
        Disposition::Applied
    );
    // Another asset is still seen.
    assert_eq!(
        flood
            .send(Seed {
                kind: 2,
                asset: 1,
                at: 1_000,
                ..SEED
            })
            .0,
        Disposition::Applied
    );
    let after = world::millis(tight().horizon()) + 1_000;
    assert_eq!(
        flood
            .send(Seed {
                kind: 2,
                at: after,
                ..SEED
            })
            .0,
        Disposition::Applied
    );
    let state = flood.join.state_size();
    assert_eq!((state.accesses, state.alerts), (1, 1), "{state:?}");
}

#[test]
fn a_document_stays_small_and_says_what_it_leaves_out() {
    let mut flood = Flood::new();
    for at in 0..20 {
        flood.send(Seed {
            kind: 2,
            at,
            account: (at % 3) as u8,
            ..SEED
        });
    }
    let end = world::tick(&mut flood.join, flood.offset, AppendTime::MAX);
    let Body::Access(AccessAlert { content, .. }) = &end.revisions.last().unwrap().body else {
        panic!("there are accesses only");
    };
    assert_eq!(content.evidence.len(), 10);
    assert_eq!(content.omitted.evidence, 10);
    assert_eq!(content.counts.share_access, 20);
}

#[test]
fn when_every_horizon_has_passed_nothing_is_left() {
    let mut flood = Flood::new();
    for at in 0..500 {
        flood.send(Seed {
            kind: (at % 3) as u8,
            asset: (at % 7) as u8,
            at,
            ..SEED
        });
    }
    world::tick(&mut flood.join, flood.offset, AppendTime::MAX);
    let state = flood.join.state_size();
    assert_eq!(
        (
            state.session_evidence,
            state.accesses,
            state.alerts,
            state.seen_events
        ),
        (0, 0, 0, 0),
        "{state:?}"
    );
}
