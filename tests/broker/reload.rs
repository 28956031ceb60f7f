//! Rules, inventory and exceptions are taken up while the service runs, on a real broker.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{schema, winlogbeat};

use crate::support::broker::{Broker, broker};
use crate::support::service::{Service, Settings};

const ATLAS: &str =
    "assets:\n  - {name: atlas.aperture.local, addresses: [10.1.0.50], roles: [primary-site-server]}\n";

const SCANNER: &str = "exceptions:
  - {id: scanner, reason: a test, owner: the tests, expires: 2090-01-01, action: suppress,
     sources: {addresses: [10.9.0.1]}, pipes: [winreg]}
";

/// Waits of a fraction of a second, and files that a test can change.
fn settings(broker: &Broker, folder: &Path, test: &str) -> Settings {
    std::fs::write(folder.join("hosts.yaml"), ATLAS).unwrap();
    std::fs::write(folder.join("exceptions.yaml"), "exceptions: []\n").unwrap();
    Settings::new(broker.servers(), &broker.prefix(test))
        .with("kafka/topics/partitions", 2.into())
        .with(
            "detection/settle",
            json!({"audited": "200ms", "attributed": "200ms", "none": "500ms"}),
        )
        .with("detection/revise_after", "200ms".into())
        .with(
            "inventory/file",
            folder.join("hosts.yaml").to_str().unwrap().into(),
        )
        .with(
            "exceptions/file",
            folder.join("exceptions.yaml").to_str().unwrap().into(),
        )
}

/// Replaces a file as a careful editor does.
fn replace(folder: &Path, name: &str, text: &str) {
    let new = folder.join(format!("{name}.new"));
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, folder.join(name)).unwrap();
}

fn attack(broker: &Broker, settings: &Settings, asset: &str, source: u8) {
    let mut event = winlogbeat::share(0, &format!("10.9.0.{source}"), 50_000);
    event["@timestamp"] = format!("{:.3}", Timestamp::now()).into();
    event["winlog"]["record_id"] = u32::from(source).into();
    event["winlog"]["computer_name"] = asset.into();
    broker.produce(settings.topic("input"), &[(0, event.to_string().into_bytes())]);
}

fn published(broker: &Broker, topic: &str) -> Vec<Value> {
    let records = broker.read_all(topic).into_iter();
    let documents = records.map(|record| serde_json::from_slice(&record.value).unwrap());
    documents
        .inspect(|document| schema::assert_valid("alert", document))
        .collect()
}

fn sources(documents: &[Value]) -> Vec<&str> {
    let sources = documents
        .iter()
        .map(|document| document["source"]["ip"].as_str().unwrap());
    sources.collect()
}

fn status(service: &Service) -> Value {
    serde_json::from_str(&service.get("/status").1).unwrap()
}

fn version(service: &Service) -> String {
    status(service)["policy"].as_str().unwrap().to_owned()
}

#[test]
fn an_exception_covers_open_alerts_from_its_change_on_and_nothing_is_lost() {
    let Some(broker) = broker() else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(broker, folder.path(), "exception");
    settings.create_topics();
    let service = Service::start(&settings);
    service.await_ready();
    let before = version(&service);
    let (alerts, suppressed) = (settings.topic("alerts"), settings.topic("suppressed"));
    attack(broker, &settings, "atlas.aperture.local", 1);
    service.await_that("the alert", || published(broker, alerts).len() == 1);
    assert_eq!(
        published(broker, alerts)[0]["pipewarden"]["policy"],
        before.as_str()
    );

    replace(folder.path(), "exceptions.yaml", SCANNER);
    service.await_message("open alerts are written once more");
    service.await_that("the version in force", || version(&service) != before);
    attack(broker, &settings, "atlas.aperture.local", 2);
    service.await_that("an alert of another source", || {
        sources(&published(broker, alerts)).contains(&"10.9.0.2")
    });
    // The open alert is covered now: both topics say so.
    service.await_that("the suppressed alert", || {
        sources(&published(broker, suppressed)) == ["10.9.0.1"]
    });
    let all = published(broker, alerts);
    let last = all
        .iter()
        .rfind(|alert| alert["source"]["ip"] == "10.9.0.1")
        .unwrap();
    assert_eq!(last["pipewarden"]["status"], "suppressed");
    assert_eq!(last["pipewarden"]["exception"]["id"], "scanner");
    assert_eq!(last["pipewarden"]["policy"], version(&service).as_str());
    assert_eq!(service.metric("pipewarden_policy_reloads_total", "applied"), 1.0);

    // A source that is excepted from its start is never published as an alert.
    replace(
        folder.path(),
        "exceptions.yaml",
        &SCANNER.replace("10.9.0.1", "10.9.0.3"),
    );
    service.await_that("the next version", || {
        service.metric("pipewarden_policy_reloads_total", "applied") == 2.0
    });
    attack(broker, &settings, "atlas.aperture.local", 3);
    service.await_that("its alert is suppressed", || {
        sources(&published(broker, suppressed)).contains(&"10.9.0.3")
    });
    assert!(!sources(&published(broker, alerts)).contains(&"10.9.0.3"));
    // The alert that stood before the entry came is no hit of it.
    service.await_that("the hit", || {
        status(&service)["exceptions"]["scanner"]["hits"] == 1
    });
    assert_eq!(status(&service)["exceptions"]["builtin-own-site"]["hits"], 0);
    assert_eq!(service.metric("pipewarden_exception_hits_total", "scanner"), 1.0);
    service.signal("TERM");
    assert!(service.wait().0.success());
}

#[test]
fn a_host_that_is_listed_while_the_service_runs_is_protected_and_a_bad_file_changes_nothing() {
    let Some(broker) = broker() else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(broker, folder.path(), "inventory");
    settings.create_topics();
    let service = Service::start(&settings);
    service.await_ready();
    let first = version(&service);

    replace(
        folder.path(),
        "hosts.yaml",
        "assets: [{name: atlas.aperture.local, roles: [janitor]}]",
    );
    let rejected = service.await_message("a change is rejected and the policy in force stays");
    assert!(
        rejected["message"]
            .as_str()
            .unwrap()
            .contains("unknown role \"janitor\""),
        "{rejected}"
    );
    assert_eq!(version(&service), first);
    // It is counted a moment after it is logged.
    service.await_that("the count", || {
        service.metric("pipewarden_policy_reloads_total", "rejected") == 1.0
    });
    attack(broker, &settings, "atlas.aperture.local", 1);
    let alerts = settings.topic("alerts");
    service.await_that("the alert", || published(broker, alerts).len() == 1);

    let both = format!("{ATLAS}  - {{name: glados.aperture.local, roles: [tier0]}}\n");
    replace(folder.path(), "hosts.yaml", &both);
    service.await_that("the version in force", || version(&service) != first);
    service.await_ready();
    // The router takes it up with its next commit.
    service.await_that("an alert of the new asset", || {
        attack(broker, &settings, "glados.aperture.local", 2);
        published(broker, alerts)
            .iter()
            .any(|alert| alert["host"]["name"] == "glados.aperture.local")
    });
    service.signal("TERM");
    assert!(service.wait().0.success());
}
