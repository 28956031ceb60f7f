//! A flood may cost precision, never memory and never silence.

mod crowds;

use std::collections::BTreeMap;
use std::sync::Arc;

use pipewarden_core::detection::{
    AccessAlert, AlertId, Attribution, Body, ConflictKind, Content, Counters, Disposition, Dropped, Join,
    JoinSettings, Limits, Revision, Who,
};
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
        session_evidence_per_source: 30,
        session_evidence_per_partition: 80,
        accesses_per_asset: 80,
        accesses_per_partition: 120,
        alerts_per_asset: 10,
        alerts_per_partition: 40,
        many_sources: 4,
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
    revisions: Vec<Revision>,
}

impl Flood {
    fn new() -> Self {
        Self {
            join: Join::new(&world::rules(), tight()),
            offset: 0,
            revisions: Vec::new(),
        }
    }

    fn send(&mut self, seed: Seed) -> (Disposition, Counters) {
        let observation: Observation = seed.observation(self.offset);
        let at = world::at(self.offset, AppendTime::at_event(observation.event.time));
        let step = self.join.apply(at, ObservationRecord::Observation(observation));
        self.offset += 1;
        self.revisions.extend(step.revisions);
        (step.disposition, step.counters)
    }

    /// Every alert in the end, by its last revision.
    fn last(mut self) -> BTreeMap<AlertId, Body> {
        let end = world::tick(&mut self.join, self.offset, AppendTime::MAX);
        let revisions = self.revisions.into_iter().chain(end.revisions);
        revisions.map(|revision| (revision.id, revision.body)).collect()
    }
}

#[test]
fn connections_beyond_the_bound_push_out_the_oldest_and_are_counted() {
    let mut flood = Flood::new();
    let dropped: u64 = (0..1_000)
        .map(|at| {
            flood
                .send(Seed {
                    at,
                    source: (at % 200) as u8,
                    ..SEED
                })
                .1
                .dropped_session_evidence
        })
        .sum();
    assert_eq!(dropped, 950);
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
        31,
        "thirty of the flood, which has one address, and the other"
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
fn accesses_beyond_the_bound_are_summarised_until_the_horizon_has_passed() {
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
    // Arrivals are counted by 64ths of a horizon, and each of these counts as long as any of it may be in state.
    let after = world::millis(tight().horizon()) * 65 / 64 + 1_000;
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

/// The accesses to one asset.
fn contents(alerts: &BTreeMap<AlertId, Body>) -> Vec<(Who, &Content)> {
    let accesses = alerts.values().filter_map(|body| match body {
        Body::Access(alert) => Some((alert.key.who, &alert.content)),
        _ => None,
    });
    accesses.collect()
}

#[test]
fn an_access_that_no_bound_leaves_room_for_counts_in_its_alert_which_says_how_many_were_dropped() {
    let mut flood = Flood::new();
    for at in 0..100 {
        let access = Seed {
            kind: 2,
            at,
            account: (at % 3) as u8,
            ..SEED
        };
        flood.send(access);
    }
    let alerts = flood.last();
    let [(who, content)] = contents(&alerts)[..] else {
        panic!("one alert: {alerts:#?}");
    };
    assert_eq!(who, Who::Source("10.1.0.1".parse().unwrap()));
    assert_eq!((content.accesses, content.audited), (100, 100));
    let dropped = Dropped {
        evidence: 0,
        accesses: 80,
    };
    assert_eq!(content.dropped, dropped);
    assert_eq!(content.last.since(content.first).as_millis(), 99);
    assert_eq!(content.accounts.len(), 3);
    assert_eq!(content.attribution, Attribution::Audited);
}

#[test]
fn an_alert_of_nothing_but_dropped_accesses_is_published_all_the_same() {
    let mut flood = Flood::new();
    for source in 10..20 {
        for at in 0..9 {
            flood.send(Seed {
                kind: 2,
                source,
                at,
                ..SEED
            });
        }
    }
    let (disposition, _) = flood.send(Seed {
        kind: 2,
        source: 19,
        at: 1_000,
        ..SEED
    });
    assert_eq!(
        disposition,
        Disposition::Dropped,
        "eighty of its asset came before"
    );
    let alerts = flood.last();
    let last = contents(&alerts);
    assert_eq!(last.len(), 10);
    assert!(
        last.iter()
            .any(|(_, content)| content.dropped.accesses == content.accesses)
    );
    let all: u32 = last.iter().map(|(_, content)| content.accesses).sum();
    assert_eq!(all, 91);
}

#[test]
fn where_session_evidence_was_dropped_near_an_access_its_source_is_ambiguous_and_the_alert_says_why() {
    let mut flood = Flood::new();
    let connection = |source, at| Seed {
        source,
        at,
        client_side: false,
        ..SEED
    };
    flood.send(connection(1, 0));
    for number in 0..60_u8 {
        flood.send(connection(10 + number, 100_000 + i64::from(number)));
    }
    flood.send(connection(2, 1_000));
    flood.send(Seed {
        kind: 1,
        at: 2_000,
        ..SEED
    });
    let alerts = flood.last();
    let [(who, content)] = contents(&alerts)[..] else {
        panic!("one alert: {alerts:#?}");
    };
    assert_eq!(who, Who::Unattributed);
    assert_eq!(content.attribution, Attribution::Ambiguous);
    assert!(content.dropped.evidence > 0);
    let kinds: Vec<ConflictKind> = content.conflicts.iter().map(|conflict| conflict.kind).collect();
    assert_eq!(kinds, [ConflictKind::DroppedEvidence]);
}

#[test]
fn a_share_access_without_evidence_says_how_much_was_dropped_that_may_have_been_its_own_long_before_it() {
    let share = Seed {
        kind: 2,
        at: 800_000,
        ..SEED
    };
    let dropped = |own: &[Seed]| {
        let mut flood = Flood::new();
        flood.send(SEED);
        for number in 0..60_u8 {
            flood.send(Seed {
                source: 10 + number,
                at: 400_000 + i64::from(number),
                ..SEED
            });
        }
        for seed in own.iter().chain([&share]) {
            flood.send(seed.clone());
        }
        let alerts = flood.last();
        let [(_, content)] = contents(&alerts)[..] else {
            panic!("one alert: {alerts:#?}");
        };
        content.dropped.evidence
    };
    assert!(dropped(&[]) > 0);
    assert_eq!(dropped(&[Seed { at: 799_000, ..SEED }]), 0);
}

#[test]
fn where_a_share_access_was_dropped_near_an_opened_pipe_its_alert_says_that_one_may_explain_it() {
    let mut flood = Flood::new();
    let share = |at| Seed { kind: 2, at, ..SEED };
    for at in 0..20 {
        flood.send(share(at));
    }
    flood.send(Seed {
        kind: 1,
        at: 600_000,
        ..SEED
    });
    let (disposition, _) = flood.send(share(600_001));
    assert_eq!(disposition, Disposition::Dropped, "one source has a quarter");
    let alerts = flood.last();
    let alerts = contents(&alerts);
    let (_, alone) = alerts.iter().find(|(who, _)| *who == Who::Unattributed).unwrap();
    let kinds: Vec<ConflictKind> = alone.conflicts.iter().map(|conflict| conflict.kind).collect();
    assert_eq!(kinds, [ConflictKind::DroppedEvidence]);
}
