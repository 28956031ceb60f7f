//! The offset of a source's clock ranks candidates, and does nothing else.

use std::sync::Arc;

use pipewarden_core::detection::{Join, JoinSettings, RuleSet};
use pipewarden_core::event::ObservationRecord;
use pipewarden_core::inventory::Inventory;
use pipewarden_core::time::AppendTime;
use serde_json::{Value, json};
use testkit::detect::{Bench, INVENTORY};
use testkit::winlogbeat::{CLIENT, connection, pipe, share};
use testkit::world;

const HASTY: &str = "sentry1.aperture.local";
const SOUND: &str = "sentry2.aperture.local";
const SOUND_IP: &str = "10.1.0.102";
/// By how much the clock of `HASTY` is ahead, in milliseconds.
const AHEAD: i64 = 4_000;
/// When the access happens that names no source, by the asset's clock.
const ACCESS: i64 = 300_000;

fn bench() -> Bench {
    Bench::new(INVENTORY, JoinSettings::default())
}

/// A session of the client whose clock is ahead: its connection, and its first access `wait` later. Times are the asset's.
fn session(at: i64, wait: i64, port: u16) -> [Value; 2] {
    [
        connection(at + AHEAD, HASTY, CLIENT, port),
        share(at + wait, CLIENT, port),
    ]
}

/// An access that names no source; the hasty client connected 100 ms before it, a sound one 2 s before.
fn open() -> Vec<Value> {
    vec![
        connection(ACCESS - 100 + AHEAD, HASTY, CLIENT, 49_900),
        connection(ACCESS - 2_000, SOUND, SOUND_IP, 49_901),
        pipe(ACCESS),
    ]
}

/// The candidates of the alert that names no source: address, offset, distance as stamped.
fn candidates(alerts: &[Value]) -> Vec<(String, Value, u64)> {
    let unresolved = alerts
        .iter()
        .find(|alert| alert["pipewarden"]["attribution"] != "audited")
        .unwrap();
    let all = unresolved["pipewarden"]["candidates"].as_array().unwrap();
    all.iter()
        .map(|one| {
            (
                one["ip"].as_str().unwrap().to_owned(),
                one["clock_offset_ms"].clone(),
                one["nearest_ms"].as_u64().unwrap(),
            )
        })
        .collect()
}

#[test]
fn without_sessions_candidates_are_ranked_by_the_times_they_bear() {
    let expected = [
        (SOUND_IP.to_owned(), Value::Null, 2_000),
        (CLIENT.to_owned(), Value::Null, 3_900),
    ];
    assert_eq!(candidates(&bench().detect(&open())), expected);
}

#[test]
fn three_sessions_tell_the_offset_and_candidates_are_ranked_by_the_assets_clock() {
    let mut events = open();
    for (at, wait, port) in [(0, 20, 50_001), (60_000, 30, 50_002), (120_000, 10, 50_003)] {
        events.extend(session(at, wait, port));
    }
    let expected = [
        (CLIENT.to_owned(), json!(AHEAD - 20), 3_900),
        (SOUND_IP.to_owned(), Value::Null, 2_000),
    ];
    assert_eq!(candidates(&bench().detect(&events)), expected);
}

#[test]
fn two_sessions_tell_nothing() {
    let mut events = open();
    events.extend(session(0, 20, 50_001));
    events.extend(session(60_000, 20, 50_002));
    assert_eq!(candidates(&bench().detect(&events))[0].1, Value::Null);
}

#[test]
fn a_long_wait_before_the_first_access_does_not_move_the_offset_and_later_accesses_do_not_count() {
    let mut events = open();
    for (at, wait, port) in [
        (0, 20, 50_001),
        (60_000, 200_000, 50_002),
        (120_000, 20, 50_003),
        (180_000, 20, 50_004),
    ] {
        events.extend(session(at, wait, port));
        events.push(share(at + wait + 100_000, CLIENT, port));
    }
    assert_eq!(candidates(&bench().detect(&events))[0].1, json!(AHEAD - 20));
}

#[test]
fn an_offset_never_widens_a_window() {
    let by_the_assets_clock = |ahead: i64| {
        let mut events = vec![connection(ACCESS + ahead, HASTY, CLIENT, 49_900), pipe(ACCESS)];
        for (at, port) in [(0, 50_001), (60_000, 50_002), (120_000, 50_003)] {
            events.push(connection(at + ahead, HASTY, CLIENT, port));
            events.push(share(at, CLIENT, port));
        }
        let alerts = bench().detect(&events);
        let unresolved = alerts.iter().find(|alert| {
            let attribution = &alert["pipewarden"]["attribution"];
            attribution != "audited"
        });
        unresolved.is_some()
    };
    assert!(!by_the_assets_clock(10_000), "the pipe is the client's");
    assert!(by_the_assets_clock(10_001));
}

#[test]
fn what_the_server_logged_bears_its_own_clock_and_is_no_sample() {
    let mut events = open();
    for (at, port) in [(0, 50_001), (60_000, 50_002), (120_000, 50_003)] {
        let mut seen = connection(at, HASTY, CLIENT, port);
        seen["winlog"]["computer_name"] = "atlas.aperture.local".into();
        seen["winlog"]["event_data"]["Initiated"] = "false".into();
        events.push(seen);
        events.push(share(at + 20, CLIENT, port));
    }
    assert_eq!(candidates(&bench().detect(&events))[0].0, SOUND_IP);
}

#[test]
fn a_session_that_arrives_late_ranks_the_candidates_again() {
    let mut events: Vec<(i64, Value)> = open().into_iter().map(|event| (ACCESS + AHEAD, event)).collect();
    let mut late = Vec::new();
    for (at, port) in [(0, 50_001), (60_000, 50_002), (120_000, 50_003)] {
        let [connected, accessed] = session(at, 20, port);
        events.insert(0, (at + 20, accessed));
        late.push((ACCESS + 600_000, connected));
    }
    events.sort_by_key(|(at, _)| *at);
    events.extend(late);
    assert_eq!(candidates(&bench().detect_arriving(&events))[0].0, CLIENT);
}

#[test]
fn a_listed_asset_is_behind_by_what_sessions_agree_on_whoever_their_clients_are() {
    let inventory = Arc::new(Inventory::parse(INVENTORY, "test").unwrap());
    let mut join = Join::new(RuleSet::builtin().rules(), JoinSettings::default()).with_inventory(inventory);
    let mut events = Vec::new();
    for (at, ahead, port) in [
        (0, 7_000, 50_001),
        (1_000, -60_000, 50_002),
        (2_000, 6_500, 50_003),
        (3_000, 6_000, 50_004),
    ] {
        let (ip, host) = (format!("10.1.0.{}", port - 50_000), format!("client{port}"));
        events.push(connection(at + ahead, &host, &ip, port));
        events.push(share(at, &ip, port));
    }
    let offsets = |join: &Join| -> Vec<(String, f64)> {
        let clocks = join.clocks();
        clocks
            .map(|clock| (clock.asset.to_string(), clock.ahead.as_secs_f64()))
            .collect()
    };
    for (offset, observation) in (0..).zip(bench().observations(&events)) {
        assert_eq!(offsets(&join), [], "three sessions that agree are needed");
        let at = world::at(offset, AppendTime::at_event(observation.event.time));
        join.apply(at, ObservationRecord::Observation(observation));
    }
    assert_eq!(offsets(&join), [("atlas.aperture.local".to_owned(), -6.5)]);
}

#[test]
fn an_access_whose_clock_is_at_an_end_of_the_calendar_is_told_and_its_record_is_read_as_it_was_written() {
    for (shown, written) in [
        ("9999-12-30T22:00:00.999999Z", "9999-12-30T22:00:00.999999Z"),
        ("9999-12-30T22:00:00.001Z", "9999-12-30T22:00:00.001Z"),
        ("-009999-01-02T01:59:59Z", "0000-01-01T00:00:00.000Z"),
    ] {
        let mut access = share(0, CLIENT, 49_839);
        access["@timestamp"] = shown.into();
        let alerts = bench().detect_arriving(&[(0, access.clone())]);
        assert_eq!(alerts.len(), 1, "{shown}");
        assert_eq!(alerts[0]["@timestamp"], written);
        let [observation] = bench().observations(&[access]).try_into().unwrap();
        let record = ObservationRecord::Observation(observation);
        assert_eq!(ObservationRecord::decode(&record.encode()).unwrap(), record);
    }
}
