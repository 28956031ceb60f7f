//! What `pipewarden generate` writes to a broker, found by the service.

use std::collections::BTreeMap;

use pipewarden_core::inventory::Inventory;
use serde_json::{Value, json};
use testkit::truth::{expected, reported, truths};

use crate::support::broker::broker;
use crate::support::service::{Service, Settings};

const INVENTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/inventory.yaml");

#[test]
fn what_is_written_to_a_broker_is_what_the_service_finds() {
    let Some(broker) = broker() else { return };
    let settings = Settings::new(broker.servers(), &broker.prefix("generate"))
        .with("inventory/file", INVENTORY.into())
        .with("detection/revise_after", "500ms".into())
        .with(
            "detection/settle",
            json!({"audited": "1s", "attributed": "1s", "none": "2s"}),
        );
    settings.create_topics();
    let folder = tempfile::tempdir().unwrap();
    let truth = folder.path().join("truth.ndjson");
    let service = Service::start(&settings);
    let output = settings.command(&[
        "generate",
        "--to-kafka",
        "--events",
        "45000",
        "--attack-every",
        "2s",
        "--lateness",
        "10s",
        "--truth",
        truth.to_str().unwrap(),
    ]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let truths = truths(&truth);
    let inventory = std::fs::read_to_string(INVENTORY).unwrap();
    let inventory = Inventory::parse(&inventory, INVENTORY).unwrap();
    assert!(truths.len() >= 3, "{}", truths.len());
    let expected = expected(&truths, Some(&inventory));
    service.await_that("every attack is found, and nothing else", || {
        let mut standing = BTreeMap::new();
        for record in broker.read_all(settings.topic("alerts")) {
            let alert: Value = serde_json::from_slice(&record.value).unwrap();
            if alert["pipewarden"]["status"] == "active" {
                standing.insert(record.key, record.value);
            } else {
                standing.remove(&record.key);
            }
        }
        reported(&standing.into_values().collect::<Vec<_>>().concat()) == expected
    });
    service.await_that("every document is read", || {
        service.metric("pipewarden_messages_consumed_total", "") >= 45_000.0
    });
}
