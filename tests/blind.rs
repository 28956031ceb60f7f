//! A blind sensor as people see it: in a replay, and on a real broker as finding, as gauges and on `/status`.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod support {
    pub(crate) mod broker;
    pub(crate) mod schema;
    pub(crate) mod service;
    pub(crate) mod topics;
    pub(crate) mod winlogbeat;
}

use std::cell::Cell;
use std::process::Command;

use jiff::Timestamp;
use pipewarden::detection::SENSOR_BLIND;
use serde_json::{Value, json};
use support::broker::{Broker, broker};
use support::service::{Service, Settings};
use support::{schema, winlogbeat};

const INVENTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/inventory.yaml");
const ATLAS: &str = "atlas.aperture.local";

/// What `replay` prints for people of these events.
fn pretty(events: &[Value]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.ndjson");
    let lines: Vec<String> = events.iter().map(ToString::to_string).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args([
            "replay",
            "--format",
            "pretty",
            "--revisions",
            "--inventory",
            INVENTORY,
        ])
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The block whose first line begins so.
fn block<'a>(pretty: &'a str, start: &str) -> Vec<&'a str> {
    let from = pretty.lines().skip_while(|line| !line.starts_with(start));
    from.take_while(|line| !line.is_empty()).collect()
}

/// An access every ten minutes, told by these, and at the end what `last` tells.
fn hour(told_by: &[fn(i64) -> Value], last: &[Value]) -> Vec<Value> {
    let accesses = (0..6).flat_map(|time| told_by.iter().map(move |tell| tell(time * 600_000)));
    accesses.chain(last.iter().cloned()).collect()
}

fn connection(ms: i64) -> Value {
    winlogbeat::connection(ms, "sentry1.aperture.local", winlogbeat::CLIENT, 49_839)
}

fn share(ms: i64) -> Value {
    winlogbeat::share(ms, winlogbeat::CLIENT, 49_839)
}

#[test]
fn a_replay_says_which_sensor_of_which_host_is_missing_since_when_and_what_to_look_at() {
    let printed = pretty(&hour(&[connection, share], &[winlogbeat::pipe(5_400_000)]));
    let found = block(&printed, "HIGH  Sensor blind");
    let id = found.last().unwrap().trim_start_matches("  alert      ");
    assert!(uuid::Uuid::try_parse(id).is_ok(), "{id}");
    assert_eq!(
        found[..found.len() - 1],
        [
            "HIGH  Sensor blind: 6 accesses to atlas.aperture.local (primary-site-server, management-point) without any \
         pipe_connected (Sysmon 18)",
            "  rule       A sensor of a protected host is missing (sensor-blind), risk 47",
            "  asset      atlas.aperture.local (primary-site-server, management-point)",
            "  missing    pipe_connected (Sysmon 18)",
            "  told       6 accesses by share_access (Security 5145)",
            "  since      2024-10-24T15:02:05.024Z at the latest, the first access without it; the last at \
         2024-10-24T15:52:05.024Z",
            "  next       does Sysmon's PipeEvent include the pipe, is Sysmon 18 shipped?",
        ]
    );
    let resolved = block(&printed, "RESOLVED  ");
    assert!(
        resolved.contains(&"  back       pipe_connected (Sysmon 18)"),
        "{resolved:#?}"
    );
    assert!(
        resolved.contains(found.last().unwrap()),
        "the same id: {resolved:#?}"
    );
    assert!(
        !resolved.iter().any(|row| row.starts_with("  next")),
        "{resolved:#?}"
    );
}

#[test]
fn each_sensor_that_is_missing_asks_for_something_else() {
    let pipe: fn(i64) -> Value = winlogbeat::pipe;
    for (told_by, rows) in [
        (
            [connection as fn(i64) -> Value, pipe],
            [
                "  missing    share_access (Security 5145)",
                "  told       6 accesses by pipe_connected (Sysmon 18)",
                "  next       is Detailed File Share audited, is Security 5145 shipped?",
            ],
        ),
        (
            [pipe, share],
            [
                "  missing    network_connection (Sysmon 3)",
                "  told       6 accesses by pipe_connected (Sysmon 18), 6 accesses by share_access (Security 5145)",
                "  next       does Sysmon's NetworkConnect include port 445, is Sysmon 3 shipped by the host or its clients?",
            ],
        ),
    ] {
        let printed = pretty(&hour(&told_by, &[]));
        let found = block(&printed, "HIGH  Sensor blind");
        for row in rows {
            assert!(found.contains(&row), "{row}\nin\n{found:#?}");
        }
    }
}

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
        // Accesses go on: without them it could not be told any more.
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
