//! A blind sensor as people see it in a replay.

use std::process::Command;

use serde_json::Value;
use testkit::winlogbeat;

const INVENTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/inventory.yaml");

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

/// An access every ten minutes, logged by these, and at the end the events of `last`.
fn hour(logged_by: &[fn(i64) -> Value], last: &[Value]) -> Vec<Value> {
    let accesses = (0..6).flat_map(|time| logged_by.iter().map(move |log| log(time * 600_000)));
    accesses.chain(last.iter().cloned()).collect()
}

/// Each access has a session of its own.
fn port(ms: i64) -> u16 {
    49_839 + u16::try_from(ms / 600_000).unwrap()
}

fn connection(ms: i64) -> Value {
    winlogbeat::connection(ms, "sentry1.aperture.local", winlogbeat::CLIENT, port(ms))
}

fn share(ms: i64) -> Value {
    winlogbeat::share(ms, winlogbeat::CLIENT, port(ms))
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
            "  seen       6 accesses by share_access (Security 5145)",
            "  since      2024-10-24T15:02:05.024Z at the latest, the first access without it; the last at \
         2024-10-24T15:52:05.024Z",
            "  next       does Sysmon's PipeEvent include the pipe, is Sysmon 18 shipped?",
            "  means      Other sensors tell of accesses to the host, and this one tells of none of them: its log is not",
            "             shipped, not switched on, or filtered. Alerts about the host are less sure of their source until it",
            "             is back.",
            "  check      1. Does the host's log have such events at all (Event Viewer), and does the audit policy or Sysmon's",
            "                configuration ask for them?",
            "             2. Does the shipper run on the host, and does its filter let them pass?",
            "             3. Was the log cleared (Security 1102) or Sysmon stopped (System 7036, Sysmon 4 and 16)?",
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
    for (logged_by, rows) in [
        (
            [connection as fn(i64) -> Value, pipe],
            [
                "  missing    share_access (Security 5145)",
                "  seen       6 accesses by pipe_connected (Sysmon 18)",
                "  next       is Detailed File Share audited, is Security 5145 shipped?",
            ],
        ),
        (
            [pipe, share],
            [
                "  missing    network_connection (Sysmon 3)",
                "  seen       6 accesses by share_access (Security 5145)",
                "  next       does Sysmon's NetworkConnect include port 445, is Sysmon 3 shipped by the host or its clients?",
            ],
        ),
    ] {
        let printed = pretty(&hour(&logged_by, &[]));
        let found = block(&printed, "HIGH  Sensor blind");
        for row in rows {
            assert!(found.contains(&row), "{row}\nin\n{found:#?}");
        }
    }
}
