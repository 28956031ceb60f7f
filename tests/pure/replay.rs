//! `pipewarden replay` as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use testkit::{schema, winlogbeat};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn replay(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .arg("replay")
        .args(arguments)
        .current_dir(root())
        .env_remove("PIPEWARDEN_KAFKA__BROKERS")
        .output()
        .unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The alerts of a replay that must succeed, each valid.
#[track_caller]
pub(crate) fn alerts(arguments: &[&str]) -> Vec<Value> {
    let output = replay(arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    parse(&output)
}

pub(crate) fn parse(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let alerts: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    alerts
        .iter()
        .for_each(|alert| schema::assert_valid("alert", alert));
    alerts
}

pub(crate) fn own(alert: &Value) -> &Value {
    &alert["pipewarden"]
}

pub(crate) fn how(alert: &Value) -> (&str, &str, &str) {
    let own = own(alert);
    (
        own["asset"]["id"].as_str().unwrap(),
        own["attribution"].as_str().unwrap(),
        own["confidence"].as_str().unwrap(),
    )
}

/// Real telemetry that is no part of the project, if it is there.
pub(crate) fn real_data(path: &str) -> Option<String> {
    let path = root().join("../shared/data").join(path);
    if path.exists() {
        return Some(path.display().to_string());
    }
    eprintln!("SKIPPED: {} is not there", path.display());
    None
}

pub(crate) fn temporary(name: &str, events: &[Value]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    write_lines(&path, events);
    (folder, path)
}

pub(crate) fn write_lines(path: &Path, events: &[Value]) {
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(path, lines).unwrap();
}

#[test]
fn the_sample_of_detect_8_is_one_alert_of_high_confidence_with_evidence_of_all_three_kinds() {
    let alerts = alerts(&["samples/"]);
    let alert = &alerts[0];
    assert_eq!(how(alert), ("atlas.aperture.local", "audited", "high"));
    assert_eq!(alert["source"]["ip"], "10.1.0.101");
    assert_eq!(alert["source"]["port"], 49_839);
    assert_eq!(own(alert)["accounts"], json!(["APERTURE\\TESTSUBJECT4"]));
    let kinds: Vec<&Value> = own(alert)["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seen| &seen["kind"])
        .collect();
    assert_eq!(kinds, ["network_connection", "pipe_connected", "share_access"]);
}

#[test]
fn a_server_that_a_connection_names_by_address_only_is_known_by_the_5145_of_the_same_tuple() {
    use testkit::winlogbeat::{CLIENT, connection, share, with};
    let mut nameless = connection(0, "sentry1.aperture.local", CLIENT, 49_839);
    nameless = with(nameless, "DestinationHostname", Value::Null);
    nameless = with(nameless, "DestinationIp", "10.1.0.77".into());
    let (_folder, file) = temporary("events.ndjson", &[nameless, share(500, CLIENT, 49_839)]);
    let alerts = alerts(&[file.to_str().unwrap()]);
    assert_eq!(how(&alerts[0]), ("atlas.aperture.local", "audited", "high"));
}

#[test]
fn the_samples_give_the_alerts_that_their_page_promises_with_an_inventory_and_without() {
    let expected = [
        ("atlas.aperture.local", "audited", "high"),
        ("wheatley.aperture.local", "inferred", "medium"),
        ("p-body.aperture.local", "ambiguous", "low"),
        ("caroline.aperture.local", "audited", "high"),
        ("turret.aperture.local", "audited", "high"),
        ("wheatley.aperture.local", "audited", "high"),
        ("p-body.aperture.local", "audited", "high"),
    ];
    for arguments in [
        vec!["samples"],
        vec!["--inventory", "samples/inventory.yaml", "samples"],
    ] {
        let alerts = alerts(&arguments);
        assert_eq!(alerts.iter().map(how).collect::<Vec<_>>(), expected);
        assert_eq!(alerts[5]["event"]["outcome"], "failure");
    }
}

#[test]
fn each_sample_gives_the_same_alert_alone_as_among_the_others() {
    let together = alerts(&["samples"]);
    let mut alone = Vec::new();
    for name in [
        "no-5145",
        "ambiguous",
        "forwarded",
        "no-network-connection",
        "denied",
        "winlogbeat-6",
    ] {
        let alerts = alerts(&[&format!("samples/variants/{name}.ndjson")]);
        assert_eq!(alerts.len(), 1, "{name}");
        alone.extend(alerts);
    }
    assert_eq!(
        alerts(&["samples/variants/local-access.ndjson"]),
        Vec::<Value>::new()
    );
    let bare = |alert: &Value| {
        let mut alert = alert.clone();
        alert["pipewarden"].as_object_mut().unwrap().remove("revision");
        alert["event"].as_object_mut().unwrap().remove("created");
        let names = &alert["pipewarden"]["source"]["names"];
        if names.is_null() || names[0]["from"] == "binding" {
            // What the others teach of addresses.
            alert["message"].take();
            alert["related"]["hosts"].take();
            alert["pipewarden"]["rests_on"].take();
            alert["pipewarden"]["source"]
                .as_object_mut()
                .unwrap()
                .remove("names");
            if let Some(source) = alert.get_mut("source") {
                source.as_object_mut().unwrap().remove("domain");
            }
        }
        alert
    };
    assert_eq!(
        alone.iter().map(bare).collect::<Vec<_>>(),
        together[1..].iter().map(bare).collect::<Vec<_>>()
    );
}

#[test]
fn a_shuffled_delivery_ends_on_the_same_alerts() {
    let strip = |mut alerts: Vec<Value>| {
        for alert in &mut alerts {
            alert["pipewarden"].as_object_mut().unwrap().remove("revision");
            alert["event"].as_object_mut().unwrap().remove("created");
        }
        alerts
    };
    let expected = strip(alerts(&["samples"]));
    for seed in ["1", "2", "3"] {
        assert_eq!(
            strip(alerts(&["--shuffle", seed, "--max-delay", "25min", "samples"])),
            expected
        );
    }
}

#[test]
fn revisions_of_an_alert_rise_and_end_on_the_final_view() {
    let all = alerts(&["--revisions", "--shuffle", "4", "--max-delay", "25min", "samples"]);
    let last = alerts(&["--shuffle", "4", "--max-delay", "25min", "samples"]);
    for alert in &last {
        let id = &own(alert)["alert_id"];
        let revisions: Vec<&Value> = all
            .iter()
            .filter(|revision| own(revision)["alert_id"] == *id)
            .collect();
        let numbers: Vec<u64> = revisions
            .iter()
            .map(|alert| own(alert)["revision"].as_u64().unwrap())
            .collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert_eq!(*revisions.last().unwrap(), alert);
    }
}

#[test]
fn pretty_output_shows_who_what_from_where_and_why_without_colours_in_a_pipe() {
    let output = replay(&["--format", "pretty", "samples/detect-8.ndjson"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "HIGH  APERTURE\\TESTSUBJECT4 from 10.1.0.101 (sentry1.aperture.local) opened the winreg pipe",
        "from       10.1.0.101 port 49839, sentry1.aperture.local by its own log",
        "sure       audited: 5145 names the source, and a second log agrees",
        "-0.519 s  network_connection  from 10.1.0.101 port 49839",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn a_tool_that_opens_winreg_fourteen_times_is_one_alert() {
    // The first recording holds 4624 and 5140 of the same sessions, too.
    for (file, accesses, confidence) in [
        ("donpapi-full-extraction", 14, "high"),
        ("t1555-browser-dump-via-share", 15, "medium"),
    ] {
        let Some(path) = real_data(&format!("evtx/{file}.evtx")) else {
            return;
        };
        let alerts = alerts(&[&path]);
        assert_eq!(alerts.len(), 1);
        assert_eq!(how(&alerts[0]), ("fs03vuln.offsec.lan", "audited", confidence));
        assert_eq!(alerts[0]["source"]["ip"], "10.23.123.11");
        assert_eq!(own(&alerts[0])["observations"]["share_access"], accesses);
    }
}

#[test]
fn findings_say_what_alerts_say_and_both_formats_come_alert_by_alert() {
    for folder in ["samples/", "samples/variants/"] {
        let ecs = alerts(&["--format", "ndjson", folder]);
        let output = replay(&["--format", "ndjson", "--alerts", "ocsf", folder]);
        let findings = String::from_utf8(output.stdout).unwrap();
        let findings: Vec<&str> = findings.lines().collect();
        assert_eq!(findings.len(), ecs.len());
        for (finding, alert) in findings.iter().zip(&ecs) {
            schema::assert_valid_finding(&serde_json::from_str(finding).unwrap(), alert);
        }
        let output = replay(&["--format", "ndjson", "--alerts", "both", folder]);
        let both = String::from_utf8(output.stdout).unwrap();
        let both: Vec<&str> = both.lines().collect();
        assert_eq!(both.len(), 2 * ecs.len());
        for (pair, (finding, alert)) in both.chunks(2).zip(findings.iter().zip(&ecs)) {
            assert_eq!(serde_json::from_str::<Value>(pair[0]).unwrap(), *alert);
            assert_eq!(pair[1], *finding);
        }
    }
}

#[test]
fn findings_do_not_depend_on_the_order_of_delivery() {
    let findings = |more: &[&str]| -> Vec<Value> {
        let mut arguments = vec!["--format", "ndjson", "--alerts", "ocsf", "samples/variants/"];
        arguments.extend(more);
        let output = replay(&arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(|line| {
            let mut finding: Value = serde_json::from_str(line).unwrap();
            // When and how often the alert was published before depends on the order; its content does not.
            for (place, key) in [
                ("", "activity_id"),
                ("", "activity_name"),
                ("", "type_uid"),
                ("", "type_name"),
                ("/metadata", "uid"),
                ("/metadata", "sequence"),
                ("/metadata", "logged_time"),
                ("/unmapped/pipewarden", "revision"),
            ] {
                let object = finding.pointer_mut(place).unwrap().as_object_mut().unwrap();
                assert!(object.remove(key).is_some(), "{place}/{key}");
            }
            finding
        });
        lines.collect()
    };
    let expected = findings(&[]);
    assert!(!expected.is_empty());
    for seed in ["1", "2", "3"] {
        assert_eq!(findings(&["--shuffle", seed]), expected);
    }
}

/// The last lines of a replay of these events.
fn summary_of(events: &[Value]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.ndjson");
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    stderr(&replay(&[file.to_str().unwrap(), "--format", "ndjson"]))
}

#[test]
fn the_summary_counts_what_is_local_copied_and_conflicting() {
    let access = winlogbeat::share(0, winlogbeat::CLIENT, 49_839);
    let mut forged = winlogbeat::share(5, "10.9.9.9", 50_001);
    forged["winlog"]["record_id"] = access["winlog"]["record_id"].clone();
    let local = winlogbeat::share(9_000, "::1", 50_002);
    let summary = summary_of(&[access.clone(), access, forged, local]);
    let expected = "share_access 4\nof these: local 1, copies 1, conflicting 1, dropped 0\n";
    assert!(summary.contains(expected), "{summary}");
}

#[test]
fn above_twenty_alerts_the_summary_says_who_made_them_most_first() {
    const MINUTE: i64 = 60_000;
    let polled = |number: i64, ip: &str| winlogbeat::share(number * 10 * MINUTE, ip, 49_839);
    let mut events: Vec<Value> = (0..14).map(|number| polled(number, "10.1.9.7")).collect();
    events.extend((0..6).map(|number| polled(number, "10.1.9.8")));
    assert!(!summary_of(&events).contains("who made them"), "20 are few");
    events.push(polled(6, "10.1.9.8"));
    let summary = summary_of(&events);
    let listed: Vec<&str> = summary
        .lines()
        .skip_while(|line| !line.starts_with("who made them"))
        .skip(1)
        .take_while(|line| line.starts_with(' '))
        .map(str::trim)
        .collect();
    assert_eq!(
        listed,
        [
            r"14  10.1.9.7, APERTURE\TESTSUBJECT4, atlas.aperture.local, detect-8",
            r"7  10.1.9.8, APERTURE\TESTSUBJECT4, atlas.aperture.local, detect-8"
        ],
        "{summary}"
    );
}
