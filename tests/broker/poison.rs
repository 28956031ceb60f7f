//! Records that the broker will never take: the service goes on without them, or says what is wrong and ends.

use pipewarden_engine::DeadLetter;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};
use testkit::winlogbeat;

use crate::kafka::{as_if_now, quick};
use crate::support::broker::{Broker, broker};
use crate::support::service::{Service, Settings};
use crate::support::topics::runtime;

/// What is sent is as large on the wire as it is.
fn uncompressed(broker: &Broker, test: &str) -> Settings {
    quick(broker, test).with("kafka/client", json!({"compression.type": "none"}))
}

/// A topic that takes no larger records than this, before the service's own command would create it.
fn create_limited(broker: &Broker, topic: &str, bytes: &str) {
    let settings = [
        ("max.message.bytes", bytes),
        ("message.timestamp.type", "LogAppendTime"),
        ("retention.ms", "-1"),
    ];
    broker.create_topic(topic, 12, &settings);
}

/// The access of DETECT-8 with 60 accounts of long names, or with one: an alert that is large, or one that is not.
fn accesses(large: bool) -> Vec<Value> {
    let share = |number: i64| {
        let name = if large {
            format!("{number}{}", "\u{1}".repeat(500))
        } else {
            "somebody".to_owned()
        };
        let share = winlogbeat::share(number, winlogbeat::CLIENT, 49_839);
        // Accounts are one where their SIDs are.
        let share = winlogbeat::with(share, "SubjectUserSid", Value::Null);
        winlogbeat::with(share, "SubjectUserName", name.into())
    };
    (0..if large { 60 } else { 1 }).map(share).collect()
}

fn send(broker: &Broker, settings: &Settings, events: Vec<Value>) {
    let events = as_if_now(events);
    let records: Vec<(i32, Vec<u8>)> = events
        .iter()
        .map(|event| (0, event.to_string().into_bytes()))
        .collect();
    broker.produce(settings.topic("input"), &records);
}

fn documents(broker: &Broker, topic: &str) -> Vec<Value> {
    let records = broker.read_all(topic);
    records
        .iter()
        .map(|record| serde_json::from_slice(&record.value).unwrap())
        .collect()
}

#[track_caller]
fn assert_a_dead_letter_holds_the_whole(broker: &Broker, settings: &Settings, stub: &Value) {
    let letters = broker.read_all(settings.topic("dead_letters"));
    let letters = letters
        .iter()
        .map(|record| DeadLetter::decode(&record.value).unwrap());
    let whole: Vec<Value> = letters
        .map(|letter| serde_json::from_slice(&letter.original().unwrap()).unwrap())
        .collect();
    let same = |document: &Value, key: &str| document["pipewarden"][key] == stub["pipewarden"][key];
    let whole = whole
        .iter()
        .find(|document| same(document, "alert_id") && same(document, "revision"));
    let whole = whole.expect("the dead letter holds the whole document");
    assert_eq!(whole["pipewarden"]["accounts"].as_array().unwrap().len(), 60);
}

#[test]
fn an_alert_that_the_topic_does_not_take_is_replaced_and_later_alerts_come() {
    let Some(broker) = broker() else { return };
    let settings = uncompressed(broker, "poison");
    let alerts = settings.topic("alerts");
    create_limited(broker, alerts, "20000");
    let created = settings.command(&["topics", "create", "--with-input"]);
    let problem = "max.message.bytes is 20000 and must be at least 266240, or alerts.max_bytes be lower";
    let printed = String::from_utf8(created.stdout).unwrap();
    assert!(
        printed.contains(problem) && created.status.code() == Some(1),
        "{printed}"
    );
    let service = Service::start(&settings);
    let warning = service.await_message("the topic is not as it should be");
    let text = warning["message"].as_str().unwrap();
    assert!(text.contains(problem), "{text}");
    assert_eq!(warning["topic"], alerts);
    service.await_ready();
    // Beside it, in the same transaction, small ones of twenty other sources.
    let mut events = accesses(true);
    for source in 0..20 {
        let ip = format!("10.1.1.{source}");
        events.push(winlogbeat::share(100, &ip, 49_839));
    }
    send(broker, &settings, events);
    let is_rejected = |topic: &str| service.metric("pipewarden_records_rejected_total", topic) > 0.0;
    service.await_that("the alert is rejected", || is_rejected(r#"topic="alerts""#));
    service.await_message("the broker rejects a record");

    let stubs = documents(broker, alerts);
    let stub = stubs
        .iter()
        .find(|document| document["pipewarden"]["omitted"]["rejected"] == "record_too_large");
    let stub = stub.unwrap_or_else(|| panic!("{stubs:#?}"));
    assert_a_dead_letter_holds_the_whole(broker, &settings, stub);
    let is_small = |document: &&Value| {
        document["source"]["ip"]
            .as_str()
            .is_some_and(|ip| ip.starts_with("10.1.1."))
    };
    service.await_that("the small ones are there", || {
        let found = documents(broker, alerts);
        let small: Vec<&Value> = found.iter().filter(is_small).collect();
        assert!(
            small
                .iter()
                .all(|document| document["pipewarden"]["omitted"].is_null())
        );
        small.len() >= 20
    });

    // Detection goes on, and what fits is written as it is.
    let mut other = accesses(false);
    other[0]["winlog"]["event_data"]["IpAddress"] = "10.1.0.102".into();
    send(broker, &settings, other);
    service.await_that("the next alert is there", || {
        documents(broker, alerts).iter().any(|document| {
            document["source"]["ip"] == "10.1.0.102" && document["pipewarden"]["omitted"].is_null()
        })
    });
    service.signal("TERM");
    assert!(service.wait().0.success());
}

#[test]
fn an_observation_and_a_dead_letter_that_their_topics_do_not_take_do_not_stop_a_router() {
    let Some(broker) = broker() else { return };
    let settings = uncompressed(broker, "poison-router");
    create_limited(broker, settings.topic("observations"), "2000");
    create_limited(broker, settings.topic("dead_letters"), "1500");
    settings.command(&["topics", "create", "--with-input"]);
    let service = Service::start(&settings);
    service.await_ready();
    let mut events = accesses(true);
    events.truncate(3);
    events.extend(accesses(false));
    send(broker, &settings, events);
    // A message that is no JSON, too large for the dead letters as well.
    broker.produce(
        settings.topic("input"),
        &[(1, format!("{{\"5145{}", "x".repeat(5_000)).into_bytes())],
    );
    for topic in [r#"topic="observations""#, r#"topic="dead_letters""#] {
        service.await_that(topic, || {
            service.metric("pipewarden_records_rejected_total", topic) >= 1.0
        });
    }
    service.await_that("the small one is an alert", || {
        let found = documents(broker, settings.topic("alerts"));
        found
            .iter()
            .any(|document| document["user"]["name"] == "somebody")
    });
    let lengths = |topic: &str| service.metric("pipewarden_dead_letters_total", topic);
    service.await_that("three dead letters", || {
        lengths(r#"reason="record_rejected""#) >= 3.0
    });
    service.await_that("everything is committed", || {
        service.metric("pipewarden_partition_lag_records", settings.topic("input")) == 0.0
    });
    service.signal("TERM");
    assert!(service.wait().0.success());
}

#[test]
fn a_topic_of_alerts_that_is_deleted_ends_the_service_and_is_named() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "poison-deleted");
    settings.create_topics();
    let service = Service::start(&settings);
    service.await_ready();
    send(broker, &settings, accesses(false));
    let alerts = settings.topic("alerts");
    service.await_that("an alert is there", || !broker.read_all(alerts).is_empty());
    let admin: AdminClient<DefaultClientContext> = broker.client().create().unwrap();
    runtime()
        .block_on(admin.delete_topics(&[alerts], &AdminOptions::new()))
        .unwrap();
    let mut other = accesses(false);
    other[0]["winlog"]["event_data"]["IpAddress"] = "10.1.0.102".into();
    send(broker, &settings, other);
    let (status, log) = service.wait();
    assert_eq!(status.code(), Some(1));
    let message = log.last().unwrap()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains(alerts) && message.contains("topics create"),
        "{message}"
    );
}
