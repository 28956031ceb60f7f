//! What the decision about an access rested on, and what became of what did not count.

use serde_json::{Value, json};
use testkit::winlogbeat::{CLIENT, connection, pipe, share, with};

use super::{MINUTE, OTHER, explanations, explanations_of, only_access, replay, text, texts};

/// A connection that the asset logged.
fn by_asset(ms: i64, ip: &str, port: u16) -> Value {
    let mut event = with(connection(ms, "-", ip, port), "Initiated", "false".into());
    event["winlog"]["computer_name"] = "atlas.aperture.local".into();
    event
}

#[test]
fn a_sensor_that_spoke_of_others_is_not_called_silent() {
    let access = only_access(&[by_asset(-60 * MINUTE, OTHER, 50_123), share(0, CLIENT, 49_839)]);
    assert_eq!(
        texts(&access["missed"])[1..],
        ["no Sysmon 3 to this host from 10.1.0.101 in the last 115 min, though there were others"]
    );
}

/// Settings under which an asset has one access in state.
fn one_access() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(&file, "detection: {limits: {accesses_per_asset: 1}}").unwrap();
    file
}

#[test]
fn a_sensor_whose_events_a_bound_dropped_is_not_called_silent() {
    let file = one_access();
    let events = [share(0, CLIENT, 49_839), pipe(30_000)];
    let output = replay(
        &events,
        None,
        &[
            "--explain",
            "--format",
            "pretty",
            "--config",
            file.path().to_str().unwrap(),
        ],
    );
    let pretty = text(&output.stdout);
    let why = pretty.split("\n  why\n").nth(1).unwrap();
    assert!(
        why.contains("sensor silent: no Sysmon 3") && !why.contains("Sysmon 18"),
        "{pretty}"
    );
}

#[test]
fn a_denied_access_misses_no_pipe() {
    let mut denied = share(0, CLIENT, 49_839);
    denied["event"]["outcome"] = "failure".into();
    let access = only_access(&[denied]);
    assert_eq!(
        texts(&access["missed"])[0],
        "no pipe_connected looked for: Windows denied the access"
    );
}

#[test]
fn an_inferred_access_says_by_whose_word_its_source_was_connected_and_what_that_rests_on() {
    let events = [
        by_asset(-1_000, CLIENT, 49_839),
        connection(-900, "sentry2.aperture.local", OTHER, 50_123),
        pipe(0),
    ];
    let all = explanations(&events, &[]);
    assert_eq!(
        texts(&all[0]["accesses"][0]["joined"]),
        [
            "network_connection from 10.1.0.7 port 50123, 0.9 s away: within attribution_window, by its own log",
            "network_connection from 10.1.0.101 port 49839, 1 s away: within attribution_window, by the host's own log",
        ]
    );
    assert_eq!(
        all[0]["rests_on"][0],
        json!({"says": "source", "event": "3", "log": "sysmon", "computer": "atlas.aperture.local"})
    );
    let pretty = text(&replay(&events, None, &["--explain", "--format", "pretty"]).stdout);
    assert!(
        pretty.contains("    source: by Sysmon 3 of atlas.aperture.local\n"),
        "{pretty}"
    );
}

#[test]
fn copies_and_contradictions_of_an_access_are_told() {
    let access = share(0, CLIENT, 49_839);
    let mut forged = share(5, "10.9.9.9", 50_001);
    forged["winlog"]["record_id"] = access["winlog"]["record_id"].clone();
    let events = [access.clone(), access.clone(), access, forged];
    let all = explanations(&events, &[]);
    let of_client = all
        .iter()
        .find(|one| one["accesses"][0]["source_ip"] == CLIENT)
        .unwrap();
    let access = &of_client["accesses"][0];
    assert_eq!(access["copies"], 2);
    let conflicting = texts(&access["missed"]).pop().unwrap();
    assert_eq!(
        conflicting,
        "share_access winreg from 10.9.9.9 port 50001, 0.005 s away: conflicting: it bears the same record id and says \
         something else"
    );
}

#[test]
fn a_local_access_is_explained_as_such_and_through_loopback_no_sensor_is_missing() {
    let arguments = ["--show-suppressed", "--explain", "--format", "ndjson"];
    let all = explanations_of(&replay(&[pipe(0), share(2, "::1", 50_001)], None, &arguments));
    let access = &all[0]["accesses"][0];
    assert_eq!(access["local"], true);
    assert_eq!(access["missed"], json!([]));
}

#[test]
fn what_a_bound_dropped_near_an_access_is_told() {
    let file = one_access();
    let events = [share(0, CLIENT, 49_839), share(2_000, CLIENT, 49_840)];
    let all = explanations(&events, &["--config", file.path().to_str().unwrap()]);
    let missed = texts(&all[0]["accesses"][0]["missed"]).join("\n");
    assert!(
        missed.contains("port 49840, 2 s away: dropped by a bound: counted, and joined with nothing"),
        "{missed}"
    );
}
