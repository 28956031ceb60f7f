//! The service on a real broker, as its users run it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use pipewarden_engine::DeadLetter;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use testkit::{schema, winlogbeat};

use crate::support::broker::{Broker, broker};
use crate::support::service::{Service, Settings};
use crate::support::topics::Read;

const INVENTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/inventory.yaml");

/// Windows of seconds, so that every deadline falls within a test.
pub(crate) fn quick(broker: &Broker, test: &str) -> Settings {
    Settings::new(broker.servers(), &broker.prefix(test))
        .with("inventory/file", INVENTORY.into())
        .with("detection/revise_after", "500ms".into())
        .with(
            "detection/settle",
            json!({"audited": "1s", "attributed": "1s", "none": "2s"}),
        )
}

/// Events moved in time, all by the same span, so that the last of them is now.
pub(crate) fn as_if_now(mut events: Vec<Value>) -> Vec<Value> {
    let time = |event: &Value| -> Timestamp { event["@timestamp"].as_str().unwrap().parse().unwrap() };
    let last = events.iter().map(time).max().unwrap();
    let shift = Timestamp::now().duration_since(last);
    // Whole milliseconds, as Winlogbeat writes them.
    let shift = SignedDuration::from_millis(i64::try_from(shift.as_millis()).unwrap());
    for event in &mut events {
        let moved = |text: &Value| {
            let moved = text.as_str().unwrap().parse::<Timestamp>().unwrap() + shift;
            Value::from(format!("{moved:.3}"))
        };
        event["@timestamp"] = moved(&event["@timestamp"]);
        if !event["event"]["created"].is_null() {
            event["event"]["created"] = moved(&event["event"]["created"]);
        }
    }
    events
}

fn sample(name: &str) -> Vec<Value> {
    let path = format!("{}/samples/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn spread(values: Vec<Vec<u8>>, seed: u64) -> Vec<(i32, Vec<u8>)> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut records: Vec<(i32, Vec<u8>)> = values
        .into_iter()
        .map(|value| (random.random_range(0..12), value))
        .collect();
    records.shuffle(&mut random);
    records
}

fn alerts(broker: &Broker, settings: &Settings) -> Vec<Value> {
    let records = broker.read_all(settings.topic("alerts"));
    let alerts = records.iter().map(|record| {
        let alert: Value = serde_json::from_slice(&record.value).unwrap();
        schema::assert_valid("alert", &alert);
        assert_eq!(
            alert["pipewarden"]["alert_id"].as_str().unwrap().as_bytes(),
            record.key
        );
        alert
    });
    alerts.collect()
}

/// An alert without what depends on where its messages lay and when they came.
fn without_revision(mut alert: Value) -> Value {
    alert["pipewarden"].as_object_mut().unwrap().remove("revision");
    alert["event"].as_object_mut().unwrap().remove("created");
    let evidence = alert["pipewarden"]["evidence"].as_array_mut();
    for entry in evidence.into_iter().flatten() {
        entry.as_object_mut().unwrap().remove("origin");
    }
    alert
}

/// The last record of each alert.
fn last_of_each(alerts: Vec<Value>) -> BTreeMap<String, Value> {
    let id = |alert: &Value| alert["pipewarden"]["alert_id"].as_str().unwrap().to_owned();
    alerts
        .into_iter()
        .map(|alert| (id(&alert), without_revision(alert)))
        .collect()
}

/// What `pipewarden replay` prints for these events.
fn replayed(settings: &Settings, events: &[Value]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.ndjson");
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let output = settings.command(&["replay", file.to_str().unwrap(), "--format", "ndjson"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| without_revision(serde_json::from_str(line).unwrap()))
        .collect()
}

#[test]
fn shuffled_samples_give_the_one_alert_that_replay_prints_and_wrong_messages_are_kept() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "samples");
    settings.create_topics();
    let events = as_if_now(sample("detect-8.ndjson"));
    let wrong: [&[u8]; 4] = [
        b"{\"winlog\": {\"event_id\": \"5145\"",
        b"\xff\xfe5145",
        br#"{"@timestamp": 7, "winlog": {"provider_name": "Microsoft-Windows-Sysmon", "event_id": 3}}"#,
        b"5145",
    ];
    let mut values: Vec<Vec<u8>> = events
        .iter()
        .map(|event| event.to_string().into_bytes())
        .collect();
    values.extend(wrong.map(<[u8]>::to_vec));
    let sent = values.len();
    broker.produce(settings.topic("input"), &spread(values, 8));

    let service = Service::start(&settings);
    service.await_ready();
    let expected = replayed(&settings, &events);
    assert_eq!(expected.len(), 1);
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    service.await_that("everything is consumed", || {
        service.metric("pipewarden_messages_consumed_total", "") >= sent as f64
    });
    let is_expected = || {
        let last = last_of_each(alerts(broker, &settings));
        last.len() == 1 && last.values().eq(&expected)
    };
    service.await_that("the last record is the document that replay prints", is_expected);
    service.await_that("its status shows why", || {
        let status: Value = serde_json::from_str(&service.get("/status").1).unwrap();
        let why = &status["explanations"][0];
        let joined = why["accesses"][0]["joined"].as_array().map(Vec::len);
        why["alert_id"] == expected[0]["pipewarden"]["alert_id"] && joined == Some(2)
    });
    service.signal("TERM");
    let (status, _) = service.wait();
    assert!(status.success());
    assert!(is_expected(), "one alert id to the end");

    for record in broker.read_all(settings.topic("observations")) {
        schema::assert_valid("observation", &serde_json::from_slice(&record.value).unwrap());
    }
    let input = broker.read_all(settings.topic("input"));
    let origins: BTreeMap<(i32, i64), &Read> = input
        .iter()
        .map(|record| ((record.partition, record.offset), record))
        .collect();
    let letters = broker.read_all(settings.topic("dead_letters"));
    let mut kept = BTreeSet::new();
    for record in &letters {
        let value: Value = serde_json::from_slice(&record.value).unwrap();
        schema::assert_valid("dead-letter", &value);
        let letter: DeadLetter = serde_json::from_value(value).unwrap();
        assert_eq!(letter.topic, settings.topic("input"));
        assert_eq!(letter.key().as_bytes(), record.key);
        assert!(!letter.message.is_empty());
        let original = letter.original().unwrap();
        let origin = (letter.partition.to_wire(), letter.offset.to_wire());
        assert_eq!(origins[&origin].value, original);
        kept.insert(original);
    }
    assert_eq!(letters.len(), wrong.len());
    assert_eq!(kept, wrong.into_iter().map(<[u8]>::to_vec).collect());
}

#[test]
fn an_alert_does_not_wait_for_the_commit_interval_when_all_has_been_read() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "at-once").with("correlator/commit_interval", "1h".into());
    settings.create_topics();
    let events = as_if_now(sample("detect-8.ndjson"));
    let values = events.iter().map(|event| event.to_string().into_bytes());
    broker.produce(settings.topic("input"), &spread(values.collect(), 8));
    let service = Service::start(&settings);
    service.await_that("there is an alert", || !alerts(broker, &settings).is_empty());
}

#[test]
fn each_format_has_a_topic_of_its_own_with_the_same_revisions_under_the_same_keys() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "formats").with("alerts", json!({"format": "both"}));
    settings.create_topics();
    let events = as_if_now(sample("variants/ambiguous.ndjson"));
    let values = events.iter().map(|event| event.to_string().into_bytes());
    broker.produce(settings.topic("input"), &spread(values.collect(), 8));
    let service = Service::start(&settings);
    let findings = || broker.read_all(settings.topic("alerts_ocsf"));
    service.await_that("there is a finding", || !findings().is_empty());
    service.signal("TERM");
    assert!(service.wait().0.success());
    let (alerts, findings) = (broker.read_all(settings.topic("alerts")), findings());
    assert_eq!(alerts.len(), findings.len());
    for (alert, finding) in alerts.iter().zip(&findings) {
        assert_eq!((alert.partition, &alert.key), (finding.partition, &finding.key));
        let read = |record: &Read| serde_json::from_slice::<Value>(&record.value).unwrap();
        schema::assert_valid_finding(&read(finding), &read(alert));
    }

    let ocsf = quick(broker, "only-ocsf").with("alerts", json!({"format": "ocsf"}));
    ocsf.create_topics();
    let output = ocsf.command(&["topics", "check"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(ocsf.topic("alerts_ocsf")), "{text}");
    assert!(!text.contains(&format!("{}: ", ocsf.topic("alerts"))), "{text}");
}

#[test]
fn a_restart_repeats_nothing_and_joins_what_it_left_open() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "restart");
    settings.create_topics();
    let [connection, pipe, share] = as_if_now(winlogbeat::detect_8().to_vec()).try_into().unwrap();
    let produce = |event: &Value| {
        broker.produce(
            settings.topic("input"),
            &spread(vec![event.to_string().into_bytes()], 1),
        );
    };

    let first = Service::start(&settings);
    first.await_ready();
    produce(&share);
    first.await_that("the access is published once its wait is over", || {
        alerts(broker, &settings).len() == 1
    });
    first.signal("TERM");
    assert!(first.wait().0.success());

    let second = Service::start(&settings);
    second.await_ready();
    produce(&pipe);
    produce(&connection);
    let expected = replayed(&settings, &[connection, pipe, share]);
    assert_eq!(expected[0]["pipewarden"]["confidence"], "high");
    second.await_that("the rest of the evidence amends the alert", || {
        last_of_each(alerts(broker, &settings)).values().eq(&expected)
    });
    second.signal("INT");
    assert!(second.wait().0.success());
    let all = alerts(broker, &settings);
    let revisions: Vec<u64> = all
        .iter()
        .map(|alert| alert["pipewarden"]["revision"].as_u64().unwrap())
        .collect();
    assert!(
        revisions.is_sorted_by(|a, b| a < b),
        "revisions rise: {revisions:?}"
    );

    let third = Service::start(&settings);
    third.await_ready();
    third.signal("TERM");
    assert!(third.wait().0.success());
    assert_eq!(
        alerts(broker, &settings),
        all,
        "a start without input writes nothing"
    );
}

#[test]
fn every_stage_is_counted() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "metrics");
    settings.create_topics();
    let service = Service::start(&settings);
    service.await_ready();
    let mut values: Vec<Vec<u8>> = as_if_now(winlogbeat::detect_8().to_vec())
        .iter()
        .map(|event| event.to_string().into_bytes())
        .collect();
    values.push(b"{}".to_vec());
    values.push(b"not json 5145".to_vec());
    broker.produce(settings.topic("input"), &spread(values, 3));
    let expect = |name: &str, label: &str, count: f64| {
        service.await_that(&format!("{name} {label} is {count}"), || {
            service.metric_if_any(name, label) == Some(count)
        });
    };
    expect("pipewarden_messages_consumed_total", settings.topic("input"), 5.0);
    expect("pipewarden_messages_skipped_total", "", 1.0);
    expect("pipewarden_dead_letters_total", "invalid_json", 1.0);
    for kind in ["network_connection", "pipe_connected", "share_access"] {
        expect("pipewarden_observations_total", kind, 1.0);
    }
    expect(
        "pipewarden_observations_applied_total",
        "disposition=\"applied\"",
        3.0,
    );
    expect("pipewarden_alerts_total", "rule=\"detect-8\"", 1.0);
    expect("pipewarden_alert_latency_seconds_count", "", 1.0);
    expect("pipewarden_destinations_resolved_total", "", 3.0);
    expect("pipewarden_state_entries", "kind=\"session_evidence\"", 1.0);
    for topic in ["input", "observations"] {
        expect("pipewarden_partition_lag_records", settings.topic(topic), 0.0);
    }
    assert_eq!(service.metric("pipewarden_destination_conflicts_total", ""), 0.0);
    assert!(service.metric("pipewarden_transactions_total", "committed") >= 1.0);
    service.signal("TERM");
    assert!(service.wait().0.success());
}
