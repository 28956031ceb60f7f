//! The cases that naive code gets wrong, each by name, from Winlogbeat documents to alert documents.

mod hosts;

use std::time::Duration;

use pipewarden_core::detection::JoinSettings;
use pipewarden_core::time::AppendTime;
use serde_json::{Value, json};
use testkit::detect::{Bench, INVENTORY};
use testkit::winlogbeat::{ATLAS, CLIENT, START, at, connection, detect_8, pipe, share, with};

const SENTRY: &str = "sentry1.aperture.local";
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;

fn bench() -> Bench {
    Bench::new(INVENTORY, JoinSettings::default())
}

/// The alert of DETECT-8 as it must come out, whatever the shape that went in.
#[track_caller]
fn assert_is_detect_8(alerts: &[Value]) {
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    let alert = &alerts[0];
    let own = &alert["pipewarden"];
    assert_eq!(own["confidence"], "high", "{alert:#}");
    assert_eq!(own["attribution"], "audited");
    assert_eq!(
        own["asset"],
        json!({"id": "atlas.aperture.local", "roles": ["primary-site-server"]})
    );
    assert_eq!(own["accounts"], json!(["APERTURE\\TESTSUBJECT4"]));
    assert_eq!(
        own["observations"],
        json!({"network_connection": 1, "logon": 0, "share_session": 0, "pipe_connected": 1, "share_access": 1}),
        "{alert:#}"
    );
    assert_eq!(alert["source"]["port"], 49_839);
}

fn attribution(alert: &Value) -> (&str, &str) {
    let own = &alert["pipewarden"];
    (
        own["attribution"].as_str().unwrap(),
        own["confidence"].as_str().unwrap(),
    )
}

fn candidates(alert: &Value) -> Vec<&str> {
    alert["pipewarden"]["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|candidate| candidate["ip"].as_str().unwrap())
        .collect()
}

#[test]
fn the_three_events_in_each_of_their_six_orders_end_on_the_same_document() {
    let events = detect_8();
    let mut documents = Vec::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let arriving: Vec<(i64, Value)> = (0i64..)
            .zip(order)
            .map(|(place, index)| (place * 40 * SECOND, events[index].clone()))
            .collect();
        let alerts = bench().detect_arriving(&arriving);
        assert_is_detect_8(&alerts);
        documents.push(alerts);
    }
    assert!(
        documents.windows(2).all(|pair| pair[0] == pair[1]),
        "{documents:#?}"
    );
}

#[test]
fn a_connection_that_arrives_29_seconds_before_or_20_minutes_after_still_counts_by_event_time() {
    for arrival in [-29 * SECOND, 20 * MINUTE] {
        let [first, second, third] = detect_8();
        let mut events = vec![(600, second), (700, third), (arrival, first)];
        events.sort_by_key(|(at, _)| *at);
        assert_is_detect_8(&bench().detect_arriving(&events));
    }
}

#[test]
fn thirty_point_nine_seconds_are_not_within_a_window_of_thirty() {
    let join = JoinSettings {
        attribution_window: Duration::from_secs(30),
        ..JoinSettings::default()
    };
    let bench = Bench::new(INVENTORY, join);
    for (distance, expected) in [(30_000, "inferred"), (30_900, "none")] {
        let alerts = bench.detect(&[connection(0, SENTRY, CLIENT, 49_839), pipe(distance)]);
        assert_eq!(attribution(&alerts[0]).0, expected, "{distance} ms");
    }
}

#[test]
fn an_event_stamped_in_2031_changes_nothing_for_the_others() {
    let [first, second, third] = detect_8();
    let expected = bench().detect(&[first.clone(), second.clone(), third.clone()]);
    let mut future = share(7, "10.1.0.77", 50_001);
    future["@timestamp"] = "2031-01-01T00:00:00.000Z".into();
    let alerts = bench().detect_arriving(&[(0, future), (700, first), (800, second), (900, third)]);
    let others: Vec<Value> = alerts
        .iter()
        .filter(|alert| alert["source"]["ip"] == CLIENT)
        .cloned()
        .collect();
    assert_eq!(others, expected);
    assert_eq!(
        alerts.len(),
        2,
        "the access of the host with the wrong clock has an alert as well"
    );
}

#[test]
fn an_open_with_two_candidate_sources_lists_both_nearest_first_with_low_confidence() {
    let alerts = bench().detect(&[
        connection(0, SENTRY, CLIENT, 49_839),
        pipe(5_000),
        connection(8_000, "sentry2.aperture.local", "10.1.0.102", 50_102),
    ]);
    assert_eq!(alerts.len(), 1);
    assert_eq!(attribution(&alerts[0]), ("ambiguous", "low"));
    assert_eq!(candidates(&alerts[0]), ["10.1.0.102", CLIENT]);
    assert_eq!(alerts[0]["pipewarden"]["candidates"][0]["nearest_ms"], 3_000);
    assert_eq!(alerts[0]["source"]["ip"], Value::Null);
}

#[test]
fn an_audited_source_never_lends_its_evidence_to_another() {
    let alerts = bench().detect(&[
        connection(0, SENTRY, CLIENT, 49_839),
        share(100, CLIENT, 49_839),
        share(3_000, "10.1.0.102", 49_839),
        share(6_000, "10.1.0.103", 50_103),
    ]);
    let by_source: Vec<(&Value, (&str, &str))> = alerts
        .iter()
        .map(|alert| (&alert["source"]["ip"], attribution(alert)))
        .collect();
    assert_eq!(
        by_source,
        [
            (&json!(CLIENT), ("audited", "high")),
            (&json!("10.1.0.102"), ("audited", "medium")),
            (&json!("10.1.0.103"), ("audited", "medium")),
        ]
    );
    assert_eq!(alerts[1]["pipewarden"]["observations"]["network_connection"], 0);
}

#[test]
fn ten_opens_on_one_connection_are_one_alert() {
    let mut events = vec![connection(0, SENTRY, CLIENT, 49_839)];
    for open in 0..10 {
        events.push(pipe(1_000 + open * 300));
        events.push(share(1_002 + open * 300, CLIENT, 49_839));
    }
    let alerts = bench().detect(&events);
    assert_eq!(alerts.len(), 1);
    assert_eq!(
        alerts[0]["pipewarden"]["observations"],
        json!({"network_connection": 1, "logon": 0, "share_session": 0, "pipe_connected": 10, "share_access": 10})
    );
}

#[test]
fn pipe_creation_and_local_clients_raise_nothing_and_what_the_host_did_itself_is_local() {
    let mut created = pipe(0);
    created["winlog"]["event_id"] = "17".into();
    created["event"]["code"] = "17".into();
    let local = with(pipe(10), "Image", "C:\\Windows\\System32\\svchost.exe".into());
    let own_address = share(40, ATLAS, 50_000);
    let events = [
        created,
        local,
        share(20, "::1", 50_001),
        share(30, "127.0.0.1", 50_002),
        share(35, "0.0.0.0", 50_003),
        own_address,
    ];
    assert_eq!(bench().detect(&events), Vec::<Value>::new(), "none is active");
    let observations = bench().observations(&events).into_iter();
    let arrivals = observations.map(|seen| (AppendTime::at_event(seen.event.time), seen));
    let revisions = bench().revisions(arrivals.collect());
    let local: Value = serde_json::from_slice(&revisions.last().unwrap().value).unwrap();
    assert!(!revisions.iter().any(|revision| revision.is_published));
    let own = &local["pipewarden"];
    assert_eq!(
        (&own["status"], &own["suppressed_by"]),
        (&json!("suppressed"), &json!("local"))
    );
    assert_eq!((&own["who"], &own["accesses"]), (&json!("local"), &json!(4)));
    assert_eq!(local["event"]["risk_score"], 0);
    assert_eq!(local["source"]["ip"], "0.0.0.0", "the least as logged");
    assert!(local["message"].as_str().unwrap().starts_with("Local: "));
}

#[test]
fn an_open_without_a_known_image_is_not_local() {
    for image in [
        Value::Null,
        "<unknown process>".into(),
        "-".into(),
        "System".into(),
    ] {
        let alerts = bench().detect(&[with(pipe(0), "Image", image)]);
        assert_eq!(alerts.len(), 1);
        assert_eq!(attribution(&alerts[0]), ("none", "low"));
    }
}

#[test]
fn a_better_explanation_moves_the_open_and_supersedes_the_guess() {
    let [first, second, third] = detect_8();
    let early = vec![(600, first), (700, second)];
    assert_eq!(
        attribution(&bench().detect_arriving(&early)[0]),
        ("inferred", "medium")
    );
    let mut late = early;
    late.push((5 * MINUTE, third));
    assert_is_detect_8(&bench().detect_arriving(&late));
}

#[test]
fn a_finding_is_created_and_updated_and_closed_where_another_replaces_it() {
    let [first, second, third] = detect_8();
    // Another source than the one that the connection shows.
    let third = with(third, "IpAddress", "10.1.0.7".into());
    let bench = bench();
    let observations = bench.observations(&[first, second, third]);
    let arrivals = [600, 700, 5 * MINUTE].map(|ms| AppendTime::from_millis(START + ms));
    let findings: Vec<Value> = bench
        .revisions(arrivals.into_iter().zip(observations).collect())
        .iter()
        .map(|revision| serde_json::from_slice(revision.finding.as_deref().unwrap()).unwrap())
        .collect();
    let documents: Vec<_> = findings
        .iter()
        .map(|finding| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (
                text(&finding["activity_name"]),
                text(&finding["status"]),
                finding["confidence_id"].as_u64().unwrap(),
            )
        })
        .collect();
    let changes: Vec<(&str, &str, u64)> = documents
        .iter()
        .map(|(a, b, c)| (a.as_str(), b.as_str(), *c))
        .collect();
    assert_eq!(
        changes,
        [
            ("Create", "New", 2),
            ("Close", "Superseded", 2),
            ("Create", "New", 3)
        ],
    );
    let [guess, withdrawn, sure] = findings.as_slice() else {
        unreachable!("counted above")
    };
    assert_eq!(guess["finding_info"]["uid"], withdrawn["finding_info"]["uid"]);
    assert_eq!(
        withdrawn["finding_info"]["related_events"][0]["uid"],
        sure["finding_info"]["uid"]
    );
    let access = &sure["evidences"][0];
    assert_eq!(access["src_endpoint"]["ip"], "10.1.0.7");
    assert_eq!(access["actor"]["user"]["name"], "TESTSUBJECT4");
    assert_eq!(
        access["file"],
        json!({"name": "winreg", "type_id": 6, "type": "Named Pipe"})
    );
}

#[test]
fn copies_change_nothing() {
    let [first, second, third] = detect_8();
    let once = bench().detect(&[first.clone(), second.clone(), third.clone()]);
    let all = [&first, &second, &third, &third, &first, &second].map(Clone::clone);
    assert_eq!(bench().detect(&all), once);
}

#[test]
fn a_denied_probe_has_outcome_failure() {
    let mut denied = share(0, CLIENT, 49_839);
    denied["event"]["outcome"] = "failure".into();
    let alerts = bench().detect(&[denied]);
    assert_eq!(alerts[0]["event"]["outcome"], "failure");
}

#[test]
fn a_week_offline_gives_an_alert_of_its_own_bucket_of_arrival() {
    let week = 7 * 24 * 60 * MINUTE;
    let late = bench().detect_arriving(&[(week, share(0, CLIENT, 49_839))]);
    let timely = bench().detect(&[share(0, CLIENT, 49_839)]);
    assert_eq!(late[0]["event"]["start"], at(0));
    assert_ne!(
        late[0]["pipewarden"]["alert_id"],
        timely[0]["pipewarden"]["alert_id"]
    );
    assert_eq!(
        late[0]["pipewarden"]["story_id"],
        timely[0]["pipewarden"]["story_id"]
    );
    assert_eq!(START % 1000, 24, "the start of these tests is that of DETECT-8");
}
