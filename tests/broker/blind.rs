//! A blind sensor on a real broker: as finding, as gauges and on `/status`.

use std::cell::Cell;

use jiff::Timestamp;
use pipewarden_core::detection::SENSOR_BLIND;
use serde_json::{Value, json};
use testkit::{schema, winlogbeat};

use crate::support::broker::{Broker, broker};
use crate::support::service::{Service, Settings};

const INVENTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/inventory.yaml");
const ATLAS: &str = "atlas.aperture.local";

/// A horizon of seconds, so that a sensor can be missed within it.
fn settings(broker: &Broker) -> Settings {
    Settings::new(broker.servers(), &broker.prefix("blind"))
        .with("kafka/topics/partitions", 2.into())
        .with("inventory/file", INVENTORY.into())
        .with(
            "detection",
            json!({
                "attribution_window": "1s", "tuple_window": "2s", "pair_window": "500ms", "group_by": "2s",
                "settle": {"audited": "1s", "attributed": "1s", "none": "1s"}, "revise_after": "1s",
                "allowed_lateness": "2s", "clock_skew": "1s",
                "sensors": {"min_accesses": 2, "min_span": "500ms"},
            }),
        )
}

/// What was written of sensors: kind, status, resolution.
fn findings(broker: &Broker, settings: &Settings) -> Vec<String> {
    let records = broker.read_all(settings.topic("alerts")).into_iter();
    let documents = records.map(|record| serde_json::from_slice::<Value>(&record.value).unwrap());
    documents
        .inspect(|document| schema::assert_valid("alert", document))
        .filter(|document| document["rule"]["id"] == SENSOR_BLIND)
        .map(|document| {
            let own = &document["pipewarden"];
            assert_eq!(own["asset"]["id"], ATLAS);
            format!(
                "{} {} {}",
                own["sensor"]["kind"], own["status"], own["sensor"]["resolution"]
            )
        })
        .collect()
}

fn sensor(service: &Service, kind: &str) -> Value {
    let status: Value = serde_json::from_str(&service.get("/status").1).unwrap();
    status["sensors"][ATLAS][kind].clone()
}

#[test]
fn a_sensor_that_is_missed_is_shown_as_blind_until_it_is_seen_again() {
    let Some(broker) = broker() else { return };
    let settings = settings(broker);
    settings.create_topics();
    let service = Service::start(&settings);
    service.await_ready();
    let number = Cell::new(0);
    // As if it had just happened.
    let send = |mut event: Value| {
        number.set(number.get() + 1);
        event["@timestamp"] = format!("{:.3}", Timestamp::now()).into();
        event["winlog"]["record_id"] = number.get().into();
        broker.produce(settings.topic("input"), &[(0, event.to_string().into_bytes())]);
    };
    let gauge = |kind: &str| {
        let is_own = |line: &&str| {
            line.starts_with("pipewarden_sensors_blind{") && line.contains(ATLAS) && line.contains(kind)
        };
        let (_, text) = service.get("/metrics");
        text.lines()
            .find(is_own)
            .and_then(|line| line.rsplit(' ').next()?.parse::<u8>().ok())
    };
    let access = || {
        let client = "sentry1.aperture.local";
        send(winlogbeat::connection(0, client, winlogbeat::CLIENT, 49_839));
        send(winlogbeat::share(0, winlogbeat::CLIENT, 49_839));
    };

    service.await_that("a gauge of 1", || {
        access();
        gauge("pipe_connected") == Some(1)
    });
    assert_eq!(gauge("share_access"), Some(0));
    assert_eq!(gauge("network_connection"), Some(0));
    assert_eq!(
        sensor(&service, "pipe_connected"),
        json!({"last_seen": null, "is_blind": true})
    );
    assert_eq!(sensor(&service, "share_access")["is_blind"], false);
    assert!(sensor(&service, "share_access")["last_seen"].is_string());
    service.await_that("the finding", || {
        // Accesses go on: without them it could not be judged any more.
        access();
        findings(broker, &settings).first().map(String::as_str) == Some(r#""pipe_connected" "active" null"#)
    });

    service.await_that("a gauge of 0", || {
        access();
        send(winlogbeat::pipe(0));
        gauge("pipe_connected") == Some(0)
    });
    assert!(sensor(&service, "pipe_connected")["last_seen"].is_string());
    service.await_that("its end", || {
        findings(broker, &settings).last().map(String::as_str)
            == Some(r#""pipe_connected" "resolved" "seen""#)
    });
    service.signal("TERM");
    assert!(service.wait().0.success());
}
