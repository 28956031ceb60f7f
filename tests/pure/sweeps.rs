//! One source that touches several assets within a time is an alert of its own.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::alert::sweep_rule;
use pipewarden_core::detection::{
    Body, Exceptions, Join, JoinSettings, Revision, Rule, SWEEP, Status, Sweep, WindowKey,
};
use pipewarden_core::event::{AssetId, Observation, ObservationRecord, Sighting};
use pipewarden_core::inventory::Inventory;
use pipewarden_core::time::{AppendTime, EventTime};
use proptest::prelude::*;
use testkit::world::{self, Delivery, Seed};
use testkit::{detect, reference_sweeps as reference, size, winlogbeat};

const MINUTE: i64 = 60_000;

/// An access at so many milliseconds, by the source with this number.
fn access(at: i64, asset: u8, source: u8) -> Observation {
    let seed = Seed {
        kind: 2,
        asset,
        source,
        port: 1,
        at,
        account: 0,
        other_rule: false,
        client_side: false,
        record: None,
    };
    seed.observation((at.unsigned_abs() << 16) + (u64::from(asset) << 8) + u64::from(source))
}

/// The revisions of sweeps over a log; at its end all deadlines are due.
fn revisions(mut join: Join, log: &[(u64, AppendTime, Observation)]) -> Vec<Revision> {
    let mut all = Vec::new();
    for (offset, at, observation) in log {
        if let Some(sighting) = Sighting::of(observation) {
            let record = ObservationRecord::Sighting(sighting);
            all.extend(join.apply(world::at(*offset, *at), record).revisions);
        }
    }
    let end = log.last().map_or(0, |(offset, ..)| offset + 1);
    all.extend(world::tick(&mut join, end, AppendTime::MAX).revisions);
    assert!(all.iter().all(|revision| *revision.rule_id() == *SWEEP));
    all
}

fn at_once(observations: &[Observation]) -> Vec<(u64, AppendTime, Observation)> {
    let arriving = |seen: &Observation| AppendTime::at_event(seen.event.time).plus(Duration::from_millis(1));
    let mut log: Vec<_> = observations
        .iter()
        .map(|seen| (arriving(seen), seen.clone()))
        .collect();
    log.sort_by_key(|(at, _)| *at);
    (0..)
        .zip(log)
        .map(|(offset, (at, seen))| (offset, at, seen))
        .collect()
}

fn join() -> Join {
    Join::new(&world::rules(), JoinSettings::default())
}

fn sweep(revision: &Revision) -> &Sweep {
    match &revision.body {
        Body::Sweep(sweep) => sweep,
        other => panic!("{other:?} is no sweep"),
    }
}

/// The last revision of every active sweep.
fn active(revisions: &[Revision]) -> BTreeMap<WindowKey, Revision> {
    let mut last = BTreeMap::new();
    for revision in revisions {
        last.insert(sweep(revision).window, revision.clone());
    }
    last.retain(|_, revision: &mut Revision| revision.status() == Status::Active);
    last
}

#[test]
fn a_source_that_touches_three_assets_is_a_sweep_that_names_them_and_their_alerts() {
    let observations = [
        access(0, 1, 9),
        access(MINUTE, 0, 9),
        access(2 * MINUTE, 2, 9),
        access(0, 3, 8),
    ];
    let revisions = revisions(join(), &at_once(&observations));
    assert_eq!(revisions.len(), 1);
    let found = sweep(&revisions[0]);
    assert!(revisions[0].is_first && revisions[0].is_published);
    assert_eq!(found.window.source, world::ip(9));
    assert_eq!(found.touched, 3);
    assert_eq!(*found.accounts, [Arc::from("APERTURE\\user0")]);
    let names: Vec<&str> = found.assets.iter().map(|swept| swept.asset.as_str()).collect();
    assert_eq!(
        names,
        [
            "asset1.aperture.local",
            "asset0.aperture.local",
            "asset2.aperture.local"
        ],
        "by first access"
    );
    let mut alerts = Join::new(&world::rules(), JoinSettings::default());
    for (observation, swept) in observations.iter().zip(&found.assets) {
        let at = world::at(0, AppendTime::at_event(observation.event.time));
        alerts.apply(at, ObservationRecord::Observation(observation.clone()));
        let written = world::tick(&mut alerts, 1, AppendTime::MAX).revisions;
        assert_eq!(swept.alerts, [written[0].id]);
        alerts = Join::new(&world::rules(), JoinSettings::default());
    }
}

#[test]
fn two_assets_are_no_sweep_and_neither_are_three_of_two_sources() {
    let observations = [
        access(0, 0, 9),
        access(1, 1, 9),
        access(2, 1, 8),
        access(3, 2, 8),
        access(4, 1, 9),
    ];
    assert_eq!(revisions(join(), &at_once(&observations)), []);
}

#[test]
fn what_takes_half_of_the_time_is_published_once_wherever_it_begins() {
    for begin in 0..60 {
        let observations: Vec<Observation> = (0..3u8)
            .map(|asset| access(begin * MINUTE + i64::from(asset) * 15 * MINUTE / 2, asset, 9))
            .collect();
        let revisions = revisions(join(), &at_once(&observations));
        assert_eq!(active(&revisions).len(), 1, "begin at minute {begin}");
    }
}

#[test]
fn each_doubling_is_published_at_once_at_a_greater_risk_and_lesser_changes_later() {
    let observations: Vec<Observation> = (0..12u8)
        .map(|asset| access(i64::from(asset), asset, 9))
        .collect();
    let log = at_once(&observations);
    let revisions = revisions(join(), &log);
    let published: Vec<(u64, u32, u8)> = revisions
        .iter()
        .filter(|revision| revision.status() == Status::Active && revision.number % 2 == 1)
        .map(|revision| {
            let sweep = sweep(revision);
            let rule: Rule = sweep_rule(sweep.doublings);
            (revision.number / 2, sweep.touched, rule.risk)
        })
        .collect();
    assert_eq!(published, [(2, 3, 47), (5, 6, 73), (11, 12, 99)]);
}

#[test]
fn what_an_exception_covers_does_not_count() {
    let text = "exceptions: [{id: backup, reason: test, owner: test, expires: 2040-01-01, action: downgrade, \
                sources: {addresses: [10.1.0.9]}, assets: {names: [asset1.aperture.local]}}]";
    let exceptions = Exceptions::none_for(Arc::new(Inventory::empty()))
        .and(text, "test")
        .unwrap();
    let exceptions = Arc::new(exceptions);
    let with_exceptions = || join().with_exceptions(Arc::clone(&exceptions));
    let three = [access(0, 0, 9), access(1, 1, 9), access(2, 2, 9)];
    assert_eq!(revisions(with_exceptions(), &at_once(&three)), []);
    let four = [access(0, 0, 9), access(1, 1, 9), access(2, 2, 9), access(3, 3, 9)];
    let revisions = revisions(with_exceptions(), &at_once(&four));
    assert_eq!(sweep(revisions.last().unwrap()).touched, 3);
}

#[test]
fn a_sweep_that_is_switched_off_is_not_published() {
    let mut settings = JoinSettings::default();
    settings.sweep.enabled = false;
    let join = Join::new(&world::rules(), settings);
    let three = [access(0, 0, 9), access(1, 1, 9), access(2, 2, 9)];
    assert_eq!(revisions(join, &at_once(&three)), []);
}

#[test]
fn a_sweep_is_a_valid_document_in_either_format_that_names_every_host() {
    let hosts = [
        "atlas.aperture.local",
        "pbody.aperture.local",
        "wheatley.aperture.local",
    ];
    let inventory = format!(
        "assets: [{}]",
        hosts.map(|host| format!("{{name: {host}}}")).join(", ")
    );
    let bench = detect::Bench::new(&inventory, JoinSettings::default());
    let events = [0, 1, 2].map(|place| {
        let mut event = winlogbeat::share(place as i64 * 1_000, winlogbeat::CLIENT, 49_839);
        event["winlog"]["computer_name"] = hosts[place].into();
        event
    });
    // Both documents of every revision are held against their schemas there.
    let alerts = bench.detect(&events);
    let sweep = alerts.iter().find(|alert| alert["rule"]["id"] == SWEEP).unwrap();
    assert_eq!(
        sweep["message"],
        "Sweep: APERTURE\\TESTSUBJECT4 from 10.1.0.101 opened the winreg pipe on 3 protected hosts within 30m"
    );
    assert_eq!(sweep["related"]["hosts"], serde_json::json!(hosts));
    assert_eq!(alerts.len(), 4);
}

#[test]
fn a_copy_changes_nothing() {
    let three = [access(0, 0, 9), access(1, 1, 9), access(2, 2, 9)];
    let expected = revisions(join(), &at_once(&three));
    let mut log = at_once(&three);
    let late = log[2].1.plus(Duration::from_secs(1));
    log.extend((3..).zip(three).map(|(offset, seen)| (offset, late, seen)));
    assert_eq!(revisions(join(), &log), expected);
}

/// Accesses by few sources to several assets, and ways to deliver them.
fn scenario(settings: JoinSettings) -> impl Strategy<Value = (Vec<Seed>, Vec<Vec<Delivery>>)> {
    let span = world::millis(settings.sweep.within()) * 4;
    world::seeds(span).prop_flat_map(move |seeds| {
        let one = prop::collection::vec(world::delivery(&settings), seeds.len());
        (Just(seeds), prop::collection::vec(one, 3))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(size::of([300, 1_000, 20_000])))]

    #[test]
    fn any_order_gives_the_sweeps_of_the_reference(
        (seeds, deliveries) in scenario(world::scaled_down(60)),
        assets in 2..6u8,
        min_assets in 2..4u32,
    ) {
        let mut settings = world::scaled_down(60);
        settings.sweep.min_assets = min_assets;
        let observations: Vec<Observation> = (0u8..)
            .zip(&seeds)
            .map(|(number, seed)| {
                let seed = Seed { kind: 2, asset: number % assets, source: seed.source % 2, ..seed.clone() };
                seed.observation(u64::from(number))
            })
            .collect();
        for has_exceptions in [false, true] {
            let is_covered = |source: IpAddr, asset: &AssetId, swept: &reference::Swept, closes: i64| {
                has_exceptions && reference::is_covered(source, asset, swept, closes)
            };
            let expected = reference::final_sweeps(&observations, &world::rules(), &settings, is_covered);
            for delivery in &deliveries {
                let mut join = Join::new(&world::rules(), settings.clone());
                if has_exceptions {
                    join = join.with_exceptions(world::exceptions());
                }
                let revisions = revisions(join, &world::log(&observations, delivery));
                let mut numbers = BTreeMap::new();
                for revision in &revisions {
                    let before = numbers.insert(revision.id, revision.number);
                    prop_assert!(before.is_none_or(|before| before < revision.number));
                }
                let found: BTreeMap<(IpAddr, EventTime), BTreeMap<AssetId, reference::Swept>> = active(&revisions)
                    .into_values()
                    .map(|revision| {
                        let assets = sweep(&revision).assets.iter().map(|swept| {
                            let touched = reference::Swept {
                                first: swept.first,
                                last: swept.last,
                                pipes: swept.pipes.iter().cloned().collect(),
                                accounts: swept.accounts.iter().map(ToString::to_string).collect(),
                            };
                            (swept.asset.clone(), touched)
                        });
                        let WindowKey { source, start } = sweep(&revision).window;
                        ((source, start), assets.collect())
                    })
                    .collect();
                prop_assert_eq!(found, expected.clone());
            }
        }
    }
}
