//! Rules over whole dumps of Winlogbeat.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{alerts, folder, root};

/// One event of a dump, whatever its shape.
struct Raw {
    code: u64,
    computer: String,
    record_id: u64,
    data: Value,
}

fn raw(path: &Path) -> Vec<Raw> {
    let text = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let number = |value: &Value| match value {
        Value::String(text) => text.parse().unwrap(),
        other => other.as_u64().unwrap(),
    };
    String::from_utf8(text)
        .unwrap()
        .lines()
        .map(|line| {
            let document: Value = serde_json::from_str(line).unwrap();
            let event = document.get("winlog").unwrap_or(&document);
            let record_id = event.get("record_id").unwrap_or(&event["record_number"]);
            Raw {
                code: number(&event["event_id"]),
                computer: event["computer_name"].as_str().unwrap().to_lowercase(),
                record_id: number(record_id),
                data: event["event_data"].clone(),
            }
        })
        .collect()
}

/// A field of an event, as it is compared.
fn text(event: &Raw, field: &str) -> String {
    event.data[field].as_str().unwrap_or_default().to_lowercase()
}

/// The rules of the pack on pipes that a service answers, and one in the style of srvsvc.
fn rules_of_services() -> (tempfile::TempDir, String) {
    let packed = |name: &str| {
        std::fs::read_to_string(root().join("rules").join(name))
            .unwrap()
            .replace("enabled: false", "enabled: true")
    };
    let srvsvc = "id: srvsvc\nname: Remote connection to the server service\n\
                  pipes: {pipe_connected: [srvsvc], share_access: [srvsvc]}\nrisk: 21\n";
    folder(&[
        ("svcctl.yaml", &packed("svcctl.yaml")),
        ("lsarpc.yaml", &packed("lsarpc.yaml")),
        ("samr.yaml", &packed("samr.yaml")),
        ("srvsvc.yaml", srvsvc),
    ])
}

/// Whether the alert that holds this access has a connection of this address and port as evidence.
#[track_caller]
fn is_linked(access: &Raw, alerts: &[Value], ip: &str, port: &str) -> bool {
    let evidence = alerts
        .iter()
        .map(|alert| alert["pipewarden"]["evidence"].as_array().unwrap())
        .find(|evidence| {
            evidence.iter().any(|seen| {
                seen["kind"] == "share_access"
                    && seen["record_id"] == access.record_id
                    && seen["computer"] == *access.computer
            })
        })
        .unwrap_or_else(|| panic!("5145 {} of {} is in no alert", access.record_id, access.computer));
    evidence.iter().any(|seen| {
        seen["kind"] == "network_connection"
            && seen["source_ip"] == *ip
            && seen["source_port"].as_u64() == port.parse().ok()
    })
}

#[test]
fn in_whole_dumps_every_5145_is_linked_to_its_event_3_by_exact_source_address_and_port() {
    let dumps = root().join("../shared/data/winlogbeat-dumps");
    if !dumps.exists() {
        eprintln!("SKIPPED: {} is not there", dumps.display());
        return;
    }
    let (_folder, rules) = rules_of_services();
    let watched: BTreeSet<&str> = ["svcctl", "ntsvcs", "lsarpc", "samr", "srvsvc"].into();

    let mut paths: Vec<PathBuf> = std::fs::read_dir(&dumps)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let (mut accesses, mut linked, mut unrecorded) = (0, 0, 0);
    for path in paths {
        let events = raw(&path);
        let connections: BTreeSet<(String, String)> = events
            .iter()
            .filter(|event| event.code == 3 && text(event, "DestinationPort") == "445")
            .map(|event| (text(event, "SourceIp"), text(event, "SourcePort")))
            .collect();
        let found = alerts(&["--rules", &rules, path.to_str().unwrap()]);
        for event in events.iter().filter(|event| {
            event.code == 5145
                && text(event, "ShareName").ends_with("ipc$")
                && watched.contains(text(event, "RelativeTargetName").as_str())
        }) {
            accesses += 1;
            let (ip, port) = (text(event, "IpAddress"), text(event, "IpPort"));
            let is_linked = is_linked(event, &found, &ip, &port);
            let is_recorded = connections.contains(&(ip.clone(), port.clone()));
            assert_eq!(is_linked, is_recorded, "{}: {ip} port {port}", path.display());
            linked += usize::from(is_linked);
            unrecorded += usize::from(!is_recorded);
        }
    }
    eprintln!(
        "{accesses} events 5145 in alerts: {linked} linked to their event 3, {unrecorded} without one in the dump"
    );
    assert_eq!((accesses, linked, unrecorded), (3, 2, 1));
}
