//! A campaign and a clock that is off, on a real broker: as a finding, as a gauge and on `/status`.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use testkit::winlogbeat::CLIENT;
use testkit::{schema, winlogbeat};

use crate::support::broker::{Broker, broker};
use crate::support::service::{Service, Settings};

const HOSTS: [&str; 3] = [
    "atlas.aperture.local",
    "pbody.aperture.local",
    "wheatley.aperture.local",
];

fn send(broker: &Broker, settings: &Settings, mut event: Value, ahead: SignedDuration) {
    event["@timestamp"] = format!("{:.3}", Timestamp::now() + ahead).into();
    broker.produce(settings.topic("input"), &[(0, event.to_string().into_bytes())]);
}

fn start(broker: &Broker, name: &str) -> (Settings, Service) {
    let inventory = json!({ "assets": HOSTS.map(|host| json!({ "name": host })) });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, inventory.to_string()).unwrap();
    let settings = Settings::new(broker.servers(), &broker.prefix(name))
        .with("kafka/topics/partitions", 3.into())
        .with("reload/interval", "0s".into())
        .with("inventory/file", file.path().to_str().unwrap().into());
    settings.create_topics();
    let service = Service::start(&settings);
    service.await_ready();
    (settings, service)
}

#[test]
fn a_source_that_touches_three_hosts_is_a_campaign_beside_the_alerts_of_each() {
    let Some(broker) = broker() else { return };
    let (settings, service) = start(broker, "campaign");
    for host in HOSTS {
        let mut access = winlogbeat::share(0, CLIENT, 49_839);
        access["winlog"]["computer_name"] = host.into();
        send(broker, &settings, access, SignedDuration::ZERO);
    }
    let standing = || -> Vec<Value> {
        let records = broker.read_all(settings.topic("alerts")).into_iter();
        records
            .map(|record| serde_json::from_slice(&record.value).unwrap())
            .inspect(|document| schema::assert_valid("alert", document))
            .collect()
    };
    service.await_that("the campaign and three alerts", || standing().len() == 4);
    let (campaigns, alerts): (Vec<Value>, Vec<Value>) = standing()
        .into_iter()
        .partition(|document| document["rule"]["id"] == "campaign");
    let touched = campaigns[0]["pipewarden"]["campaign"]["assets"]
        .as_array()
        .unwrap();
    assert_eq!(campaigns[0]["source"]["ip"], CLIENT);
    assert_eq!(campaigns[0]["event"]["risk_score"], 47);
    let mut named: Vec<(&Value, &Value)> = touched
        .iter()
        .map(|asset| (&asset["id"], &asset["alert_ids"][0]))
        .collect();
    let mut expected: Vec<(&Value, &Value)> = alerts
        .iter()
        .map(|alert| (&alert["host"]["name"], &alert["pipewarden"]["alert_id"]))
        .collect();
    named.sort_by_key(|(host, _)| host.as_str());
    expected.sort_by_key(|(host, _)| host.as_str());
    assert_eq!(named, expected);
    service.signal("TERM");
    assert!(service.wait().0.success());
}

#[test]
fn a_clock_that_is_off_is_a_gauge_and_on_status() {
    let Some(broker) = broker() else { return };
    let (settings, service) = start(broker, "clock");
    for port in 50_001..50_004 {
        let client = "sentry1.aperture.local";
        let ahead = SignedDuration::from_secs(60);
        send(
            broker,
            &settings,
            winlogbeat::connection(0, client, CLIENT, port),
            ahead,
        );
        send(
            broker,
            &settings,
            winlogbeat::share(0, CLIENT, port),
            SignedDuration::ZERO,
        );
    }
    // The asset is behind its client.
    let is_about_a_minute = |seconds: f64| (-61.0..-30.0).contains(&seconds);
    service.await_that("the gauge", || {
        let (_, metrics) = service.get("/metrics");
        let gauge = metrics
            .lines()
            .find(|line| line.starts_with("pipewarden_clock_offset_seconds{asset=\"atlas.aperture.local\"}"));
        gauge
            .and_then(|line| line.rsplit(' ').next()?.parse().ok())
            .is_some_and(is_about_a_minute)
    });
    let status: Value = serde_json::from_str(&service.get("/status").1).unwrap();
    let offset = &status["clock_offset_seconds"]["atlas.aperture.local"];
    assert!(offset.as_f64().is_some_and(is_about_a_minute), "{offset}");
    service.signal("TERM");
    assert!(service.wait().0.success());
}
