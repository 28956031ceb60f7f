//! `replay --explain`: how each access was attributed, and what nearly joined it and by how much it failed.

mod decision;

use std::process::{Command, Output};

use serde_json::{Value, json};
use testkit::winlogbeat::{CLIENT, connection, detect_8, pipe, share, with};

const OTHER: &str = "10.1.0.7";
const MINUTE: i64 = 60_000;

const INVENTORY: &str =
    "assets: [{name: atlas.aperture.local, addresses: [10.1.0.50], roles: [primary-site-server]}]";

fn replay(events: &[Value], exceptions: Option<&str>, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(folder.path().join("events.ndjson"), lines).unwrap();
    std::fs::write(folder.path().join("inventory.yaml"), INVENTORY).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipewarden"));
    command
        .current_dir(folder.path())
        .args(["replay", "events.ndjson", "--inventory", "inventory.yaml"])
        .args(arguments);
    if let Some(exceptions) = exceptions {
        std::fs::write(folder.path().join("exceptions.yaml"), exceptions).unwrap();
        command.args(["--exceptions", "exceptions.yaml"]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn explanations_of(output: &Output) -> Vec<Value> {
    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // Each explanation follows the document of its alert.
    lines
        .chunks(2)
        .map(|pair| {
            testkit::schema::assert_valid("alert", &pair[0]);
            testkit::schema::assert_valid("explanation", &pair[1]);
            assert_eq!(
                pair[1]["explanation"]["alert_id"],
                pair[0]["pipewarden"]["alert_id"]
            );
            pair[1]["explanation"].clone()
        })
        .collect()
}

fn explanations(events: &[Value], arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["--explain", "--format", "ndjson"], arguments].concat();
    explanations_of(&replay(events, None, &arguments))
}

/// The explanation of the one alert, which has one access.
#[track_caller]
fn only_access(events: &[Value]) -> Value {
    let all = explanations(events, &[]);
    assert_eq!(all.len(), 1, "{all:#?}");
    let accesses = all[0]["accesses"].as_array().unwrap();
    assert_eq!(accesses.len(), 1, "{accesses:#?}");
    accesses[0].clone()
}

fn texts(findings: &Value) -> Vec<&str> {
    let findings = findings.as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["text"].as_str().unwrap())
        .collect()
}

#[test]
fn an_audited_access_is_explained_by_its_pipe_connection_and_the_connection_of_its_tuple() {
    let access = only_access(&detect_8());
    assert_eq!(access["attribution"], "audited");
    assert_eq!(
        texts(&access["joined"]),
        [
            "pipe_connected winreg, 0.002 s away: the same access, within pair_window",
            "network_connection from 10.1.0.101 port 49839, 0.519 s away: same source address and port, within tuple_window",
        ]
    );
    assert_eq!(access["missed"], json!([]));
}

#[test]
fn an_inferred_access_names_the_one_source_and_another_that_came_too_late_to_be_one() {
    let access = only_access(&[
        connection(-2_500, "sentry1.aperture.local", CLIENT, 49_839),
        pipe(0),
        connection(12_100, "sentry2.aperture.local", OTHER, 50_123),
    ]);
    assert_eq!(access["attribution"], "inferred");
    assert_eq!(
        texts(&access["joined"]),
        [
            "network_connection from 10.1.0.101 port 49839, 2.5 s away: within attribution_window, by its own log"
        ]
    );
    assert_eq!(
        texts(&access["missed"]),
        [
            "sensor silent: no Security 5145 of this host on a watched pipe in the last 115 min",
            "network_connection from 10.1.0.7 port 50123, 12.1 s away: 2.1 s outside attribution_window",
        ]
    );
}

#[test]
fn an_ambiguous_access_lists_its_sources_nearest_first() {
    let access = only_access(&[
        connection(-4_000, "sentry1.aperture.local", CLIENT, 49_839),
        pipe(0),
        connection(1_000, "sentry2.aperture.local", OTHER, 50_123),
    ]);
    assert_eq!(access["attribution"], "ambiguous");
    assert_eq!(access["sources"], 2);
    assert_eq!(
        texts(&access["joined"]),
        [
            "network_connection from 10.1.0.7 port 50123, 1 s away: within attribution_window, by its own log",
            "network_connection from 10.1.0.101 port 49839, 4 s away: within attribution_window, by its own log",
        ]
    );
}

#[test]
fn an_access_without_a_source_shows_what_came_nearest_and_by_how_much_it_failed() {
    let access = only_access(&[
        connection(12_100, "sentry2.aperture.local", OTHER, 50_123),
        connection(20_000, "sentry2.aperture.local", OTHER, 50_122),
        connection(30_001, "sentry1.aperture.local", CLIENT, 49_839),
        pipe(0),
        connection(-30_001, "sentry3.aperture.local", "10.1.0.9", 49_840),
    ]);
    assert_eq!(access["attribution"], "none");
    assert_eq!(
        texts(&access["joined"]),
        [
            "network_connection from 10.1.0.9 port 49840, 30.001 s away: before attribution_window, within tuple_window"
        ],
        "its session may still have been open"
    );
    let missed = &access["missed"][1];
    assert_eq!(missed["reason"], "outside_window");
    assert_eq!(missed["window"], "attribution_window");
    assert_eq!(missed["outside_ms"], 2_100);
    assert_eq!(missed["apart_ms"], 12_100);
    assert_eq!(missed["computer"], "sentry2.aperture.local");
    assert_eq!(
        texts(&access["missed"])[1..],
        ["network_connection from 10.1.0.7 port 50123, 12.1 s away: 2.1 s outside attribution_window"],
        "one of each source, and none from farther than three windows"
    );
}

#[test]
fn a_window_that_the_settings_narrow_is_the_one_that_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.yaml");
    std::fs::write(&file, "detection: {attribution_window: 1s}").unwrap();
    let events = [
        connection(2_500, "sentry1.aperture.local", CLIENT, 49_839),
        pipe(0),
    ];
    let all = explanations(&events, &["--config", file.to_str().unwrap()]);
    let missed = texts(&all[0]["accesses"][0]["missed"]).join("\n");
    assert!(
        missed.contains("2.5 s away: 1.5 s outside attribution_window"),
        "{missed}"
    );
}

#[test]
fn a_connection_of_the_same_source_with_another_port_is_shown_with_both_ports() {
    let access = only_access(&[
        connection(0, "sentry2.aperture.local", OTHER, 50_124),
        pipe(515),
        share(519, OTHER, 50_123),
    ]);
    assert_eq!(
        texts(&access["missed"]),
        ["network_connection from 10.1.0.7 port 50124, 0.519 s away: port differs: 50123 and 50124"]
    );
}

#[test]
fn a_connection_of_the_same_tuple_outside_its_window_is_shown_with_the_figure() {
    let access = only_access(&[
        connection(-16 * MINUTE - 5_000, "sentry2.aperture.local", OTHER, 50_123),
        pipe(0),
        share(0, OTHER, 50_123),
    ]);
    assert_eq!(
        texts(&access["missed"]),
        ["network_connection from 10.1.0.7 port 50123, 16 min 5 s away: 65 s outside tuple_window"]
    );
}

#[test]
fn a_connection_of_the_same_tuple_to_a_name_that_no_asset_has_is_shown_with_file_and_line() {
    let elsewhere = connection(0, "sentry1.aperture.local", CLIENT, 49_839);
    let elsewhere = with(elsewhere, "DestinationIp", json!("10.1.0.99"));
    let elsewhere = with(elsewhere, "DestinationHostname", json!("atlas-old"));
    let access = only_access(&[elsewhere, pipe(517), share(519, CLIENT, 49_839)]);
    let expected = "network_connection from 10.1.0.101 port 49839, 0.519 s away: \
                    name not resolved: 10.1.0.99 (atlas-old) is no asset (events.ndjson:1)";
    assert_eq!(texts(&access["missed"]), [expected]);
    assert_eq!(access["missed"][0]["reason"], "name_not_resolved");
}

#[test]
fn an_audited_access_of_a_host_without_sysmon_names_the_silent_sensors() {
    let access = only_access(&[share(0, OTHER, 50_123)]);
    assert_eq!(
        texts(&access["missed"]),
        [
            "sensor silent: no Sysmon 18 of this host on a watched pipe in the last 115 min",
            "sensor silent: no Sysmon 3 to this host from 10.1.0.7 in the last 115 min",
        ]
    );
    assert_eq!(access["missed"][0]["reason"], "sensor_silent");
}

#[test]
fn a_pipe_connection_a_tenth_of_a_second_outside_pair_window_is_a_near_miss_on_both_sides() {
    let all = explanations(
        &[
            connection(-100, "sentry1.aperture.local", CLIENT, 49_839),
            pipe(0),
            share(2_100, CLIENT, 49_839),
        ],
        &[],
    );
    // Both are accesses by the same source, and so one alert.
    let [one] = all.as_slice() else {
        panic!("{all:#?}");
    };
    let accesses = one["accesses"].as_array().unwrap();
    let by = |attribution: &str| {
        let access = accesses.iter().find(|one| one["attribution"] == attribution);
        texts(&access.unwrap()["missed"])
    };
    assert_eq!(
        by("inferred"),
        ["share_access winreg from 10.1.0.101 port 49839, 2.1 s away: 0.1 s outside pair_window"]
    );
    assert_eq!(
        by("audited"),
        ["pipe_connected winreg, 2.1 s away: 0.1 s outside pair_window"]
    );
}

#[test]
fn a_pipe_connection_that_a_nearer_access_explains_is_shown_as_belonging_to_it() {
    let events = [pipe(0), share(10, CLIENT, 49_839), share(1_000, OTHER, 50_123)];
    let all = explanations(&events, &[]);
    let missed: Vec<&str> = all
        .iter()
        .flat_map(|one| texts(&one["accesses"][0]["missed"]))
        .collect();
    let expected =
        "pipe_connected winreg, 1 s away: belongs to a nearer share_access from 10.1.0.101 port 49839";
    assert!(missed.contains(&expected), "{missed:#?}");
}

#[test]
fn an_alert_that_an_exception_covers_names_it() {
    let exceptions = "
exceptions:
  - id: scanner
    reason: It reads the registry every night.
    owner: soc@aperture.local
    expires: 2040-06-30
    action: suppress
    sources: {addresses: [10.1.0.101]}
    accounts: ['aperture\\testsubject4']
";
    let arguments = ["--explain", "--show-suppressed", "--format"];
    let run = |format: &str| {
        replay(
            &detect_8(),
            Some(exceptions),
            &[arguments.as_slice(), &[format]].concat(),
        )
    };
    let all = explanations_of(&run("ndjson"));
    assert_eq!(
        all[0]["exception"],
        json!({"id": "scanner", "action": "suppress"})
    );
    let pretty = text(&run("pretty").stdout);
    assert!(pretty.contains("excepted by scanner: suppressed"), "{pretty}");
}

#[test]
fn explanations_are_the_same_in_whatever_order_the_observations_come() {
    let mut events = Vec::new();
    for number in 0..8u16 {
        let source = format!("10.1.0.{}", 100 + number % 4);
        let at = i64::from(number) * 7_000;
        events.push(connection(at, "sentry.aperture.local", &source, 50_000 + number));
        events.push(pipe(at + 100));
        events.push(share(at + 12_000, &source, 50_000 + number / 2));
        // Equal in all but their source.
        events.push(connection(at, "sentry.aperture.local", "10.1.0.90", 50_000));
        events.push(connection(at, "sentry.aperture.local", "10.1.0.91", 50_000));
    }
    let expected = explanations(&events, &[]);
    assert!(expected.len() > 2);
    for seed in ["1", "2", "3"] {
        assert_eq!(
            explanations(&events, &["--shuffle", seed, "--max-delay", "20min"]),
            expected
        );
    }
}

#[test]
fn explaining_changes_no_alert() {
    let documents = |arguments: &[&str]| -> Vec<Value> {
        let output = replay(
            &detect_8(),
            None,
            &[&["--format", "ndjson", "--revisions"], arguments].concat(),
        );
        let lines = text(&output.stdout);
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line.get("explanation").is_none()).collect()
    };
    let plain = documents(&[]);
    assert!(!plain.is_empty());
    assert_eq!(documents(&["--explain"]), plain);
}

#[test]
fn the_explanation_follows_its_alert_and_hostile_names_cannot_write_to_the_terminal() {
    let hostile = with(share(519, CLIENT, 49_839), "SubjectUserName", json!("a\u{1b}[2J"));
    let output = replay(&[pipe(517), hostile], None, &["--explain", "--format", "pretty"]);
    let pretty = text(&output.stdout);
    let why = pretty.split("\n  why\n").nth(1).unwrap();
    assert!(
        why.contains("share_access winreg from 10.1.0.101 port 49839: audited"),
        "{pretty}"
    );
    assert!(
        why.contains("\n      + pipe_connected winreg, 0.002 s away"),
        "{pretty}"
    );
    assert!(
        why.contains("\n      - sensor silent: no Sysmon 3 to this host from 10.1.0.101"),
        "{pretty}"
    );
    assert!(!pretty.contains('\u{1b}'));
}

#[test]
fn skipped_events_that_could_have_mattered_are_listed_with_file_line_and_what_failed() {
    let elsewhere = |port| {
        let event = connection(0, "sentry1.aperture.local", CLIENT, port);
        let event = with(event, "DestinationIp", json!("10.1.0.99"));
        with(event, "DestinationHostname", json!("atlas-old"))
    };
    let events: Vec<Value> = (1..=7).map(elsewhere).collect();
    let summary = text(&replay(&events, None, &["--explain"]).stderr);
    for expected in [
        "unlisted_host: events.ndjson:1: network_connection from 10.1.0.101 port 1 to 10.1.0.99 (atlas-old): name not resolved",
        "unlisted_host: and 2 more",
    ] {
        assert!(summary.contains(expected), "{expected}\n{summary}");
    }
    let plain = text(&replay(&events, None, &[]).stderr);
    assert!(!plain.contains("events.ndjson:"), "{plain}");
}
