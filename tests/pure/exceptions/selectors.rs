//! Selectors by SID, process, network, time of day and attribution: each holds for all of an alert, or it does not hold.

use serde_json::{Value, json};
use testkit::winlogbeat::{connection, pipe, share, with};

use super::{SCANNER, alerts, rejected, replayed, run, text};

/// The account of the sample.
const SID: &str = "S-1-5-21-1004336348-1177238915-682003330-1000";

/// What `replay` finds in these events under these exceptions, suppressed or not.
fn found(exceptions: &str, events: &[Value], more: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.ndjson");
    let lines: Vec<String> = events.iter().map(ToString::to_string).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let mut arguments = vec![
        "replay",
        file.to_str().unwrap(),
        "--format",
        "ndjson",
        "--show-suppressed",
    ];
    arguments.extend(more);
    let output = run(exceptions, &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = text(&output.stdout).lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The entry of the scanner with one more selector.
fn scanner_with(selector: &str) -> String {
    SCANNER.replace("    accounts:", &format!("    {selector}\n    accounts:"))
}

#[track_caller]
fn assert_status(exceptions: &str, expected: &str) {
    let alert = replayed(exceptions);
    assert_eq!(alert["pipewarden"]["status"], expected, "{exceptions}");
    let is_covered = alert["pipewarden"]["exception"].is_object();
    assert_eq!(is_covered, expected == "suppressed", "{exceptions}");
}

#[test]
fn a_sid_holds_where_every_access_logs_it_and_another_or_none_does_not() {
    let other = SID.replace("-1000", "-1001");
    assert_status(&scanner_with(&format!("sids: [{SID}]")), "suppressed");
    assert_status(
        &scanner_with(&format!("sids: [{}, {other}]", SID.to_lowercase())),
        "suppressed",
    );
    assert_status(&scanner_with(&format!("sids: [{other}]")), "active");

    let by_sid = SCANNER.replace(
        r"accounts: ['aperture\testsubject4']",
        "sids: [S-1-5-21-1004336348-1177238915-682003330-1105]",
    );
    let logged = |ms, sid: Value| with(share(ms, "10.1.0.101", 50_000), "SubjectUserSid", sid);
    let status = |events: &[Value]| {
        let found = found(&by_sid, events, &[]);
        found[0]["pipewarden"]["status"].clone()
    };
    let own = || json!("S-1-5-21-1004336348-1177238915-682003330-1105");
    assert_eq!(status(&[logged(0, own()), logged(2_000, own())]), "suppressed");
    assert_eq!(
        status(&[logged(0, own()), logged(2_000, Value::Null)]),
        "active",
        "one access does not say whose it is"
    );
}

#[test]
fn times_hold_where_every_access_is_within_them_by_the_clock_of_the_zone() {
    // Thursday, 15:02 UTC, which is 17:02 in Berlin's summer.
    for (times, expected) in [
        ("{between: ['15:00-15:03']}", "suppressed"),
        ("{between: ['15:03-15:02']}", "active"),
        ("{between: ['08:00-09:00', '14:00-16:00']}", "suppressed"),
        ("{between: ['15:00-16:00'], days: [fri, sat]}", "active"),
        ("{between: ['15:00-16:00'], days: [thu]}", "suppressed"),
        ("{between: ['17:00-18:00'], zone: Europe/Berlin}", "suppressed"),
        ("{between: ['15:00-16:00'], zone: Europe/Berlin}", "active"),
        ("{between: ['22:00-16:00'], days: [wed]}", "suppressed"),
        ("{between: ['22:00-16:00'], days: [thu]}", "active"),
    ] {
        assert_status(&scanner_with(&format!("times: {times}")), expected);
    }
    // Who goes on after the window keeps the whole of the alert out of it.
    let window = scanner_with("times: {between: ['15:02-15:03']}");
    let status = |events: &[Value]| found(&window, events, &[])[0]["pipewarden"]["status"].clone();
    let access = |ms| share(ms, "10.1.0.101", 50_000);
    assert_eq!(status(&[access(0), access(20_000)]), "suppressed");
    assert_eq!(status(&[access(0), access(60_000)]), "active");
}

#[test]
fn attribution_holds_where_that_of_every_access_is_listed() {
    assert_status(&scanner_with("attribution: [audited]"), "suppressed");
    assert_status(&scanner_with("attribution: [inferred, ambiguous]"), "active");

    // One access that the host audits, and one that is inferred.
    let events = [
        connection(0, "sentry1.aperture.local", "10.1.0.101", 50_000),
        share(100, "10.1.0.101", 50_000),
        pipe(60_000),
        connection(59_000, "sentry1.aperture.local", "10.1.0.101", 50_001),
    ];
    let action = |attribution: &str| {
        let entry = SCANNER.replace(r"accounts: ['aperture\testsubject4']", "pipes: [winreg]");
        let entry = entry.replace("pipes:", &format!("attribution: {attribution}\n    pipes:"));
        let found = found(&entry, &events, &[]);
        assert_eq!(found.len(), 1, "{found:#?}");
        found[0]["pipewarden"]["exception"]["action"].clone()
    };
    assert_eq!(action("[audited]"), Value::Null);
    assert_eq!(action("[inferred]"), Value::Null);
    assert_eq!(
        action("[audited, inferred]"),
        "downgrade",
        "not every access is audited"
    );
}

#[test]
fn an_entry_that_names_processes_only_downgrades_however_the_path_is_written() {
    let events = |image: &str| {
        let connection = connection(0, "sentry1.aperture.local", "10.1.0.101", 50_000);
        [
            with(connection, "Image", image.into()),
            share(500, "10.1.0.101", 50_000),
        ]
    };
    let action = |process: &str, image: &str| {
        let entry = scanner_with(&format!("processes: ['{process}']"));
        found(&entry, &events(image), &[])[0]["pipewarden"]["exception"]["action"].clone()
    };
    let image = r"C:\Program Files\Scan\Scan.exe";
    for process in [
        "scan.exe",
        "*.exe",
        r"c:\program files\*",
        r"C:\Program Files\Scan\scan.EXE",
    ] {
        assert_eq!(action(process, image), "downgrade", "{process}");
    }
    for (process, image) in [
        ("scan", image),
        (r"c:\scan\scan.exe", image),
        ("program files", image),
        ("*", "<unknown process>"),
    ] {
        assert_eq!(action(process, image), Value::Null, "{process}");
    }
    let any = scanner_with("processes: ['*']");
    let silent = found(&any, &[share(500, "10.1.0.101", 50_000)], &[]);
    assert_eq!(
        silent[0]["pipewarden"]["exception"],
        Value::Null,
        "the source logged no connection"
    );
}

#[test]
fn an_asset_is_meant_by_a_network_only_with_all_of_its_addresses() {
    // atlas.aperture.local has 10.1.0.50.
    assert_status(&scanner_with("assets: {addresses: [10.1.0.48/28]}"), "suppressed");
    assert_status(&scanner_with("assets: {addresses: [10.1.0.64/28]}"), "active");
}

#[test]
fn why_an_entry_that_suppresses_does_no_more_than_downgrade_is_explained() {
    let limit = |exceptions: &str, events: &[Value]| {
        let lines = found(exceptions, events, &["--explain"]);
        let explanations = lines.iter().filter_map(|line| line.get("explanation"));
        let explained: Vec<Value> = explanations
            .map(|explanation| explanation["exception"].clone())
            .collect();
        assert_eq!(explained.len(), 1, "{lines:#?}");
        explained[0]["limit"].clone()
    };
    let connected = || connection(0, "sentry1.aperture.local", "10.1.0.101", 50_000);
    let by_pipe = SCANNER.replace(r"accounts: ['aperture\testsubject4']", "pipes: [winreg]");
    assert_eq!(limit(&by_pipe, &[connected(), pipe(500)]), "not_audited");
    let by_process = scanner_with("processes: [scan.exe]");
    let connected = with(connected(), "Image", r"C:\scan.exe".into());
    assert_eq!(
        limit(&by_process, &[connected, share(500, "10.1.0.101", 50_000)]),
        "own_word"
    );
    assert_eq!(limit(SCANNER, &[share(500, "10.1.0.101", 50_000)]), Value::Null);
}

#[test]
fn every_mistake_of_a_selector_is_an_error_with_its_line_and_what_would_be_right() {
    for (selector, expected) in [
        ("sids: [S-1-5-18]", "\"S-1-5-18\" is no SID of one account"),
        ("sids: ['S-1-5-21-']", "is no SID of one account"),
        ("processes: ['']", "a process has no name"),
        (
            "times: {between: ['22-4']}",
            "\"22-4\" is no part of a day; write 22:00-04:00",
        ),
        ("times: {between: []}", "times of scanner name no part of a day"),
        (
            "times: {between: ['22:00-04:00'], days: [saturday]}",
            "unknown day \"saturday\"; did you mean sat?",
        ),
        (
            "times: {between: ['22:00-04:00'], zone: Europe/Berln}",
            "unknown time zone \"Europe/Berln\"; did you mean Europe/Berlin?",
        ),
        (
            "attribution: [audit]",
            "unknown attribution \"audit\"; did you mean audited?",
        ),
        (
            "assets: {addresses: [10.1.0]}",
            "\"10.1.0\" is neither an address nor a network",
        ),
        (
            "only_from: [nobody]",
            "\"nobody\", from where an account of scanner is expected, is no asset",
        ),
        (
            "only_from: ['role:tier']",
            "unknown role \"tier\" of an account of scanner; did you mean tier0?",
        ),
    ] {
        let message = rejected(&scanner_with(selector));
        assert!(message.contains(expected), "{selector}: {message}");
        // `times` without a part of the day has no other line than its entry's.
        assert!(
            message.contains("line 9") || message.contains("line 3"),
            "{message}"
        );
    }
    let nobody = SCANNER.replace(
        r"accounts: ['aperture\testsubject4']",
        "only_from: [10.1.0.1]\n    pipes: [winreg]",
    );
    let message = rejected(&nobody);
    assert!(
        message.contains("only_from of scanner says where accounts are expected from; name them"),
        "{message}"
    );
}

#[test]
fn an_entry_that_is_still_to_be_filled_in_is_refused_and_says_with_what() {
    let message = rejected(
        "exceptions: [{id: one, reason: FILL-IN, owner: FILL-IN, expires: FILL-IN, action: downgrade, broad: true, \
         pipes: [winreg]}]",
    );
    for expected in [
        "the reason of one is still FILL-IN: say why it is no attack",
        "the owner of one is still FILL-IN: name who answers for it",
        "the expiry of one is still FILL-IN: say until when it holds, as 2027-06-30",
    ] {
        assert!(message.contains(expected), "{expected} in {message}");
    }
}

#[test]
fn check_tells_which_selectors_can_never_suppress_or_never_hold() {
    let said = |selector: &str| {
        let output = run(&scanner_with(selector), &["check"]);
        let warning = text(&output.stdout)
            .lines()
            .find_map(|line| line.strip_prefix("  scanner "));
        warning.unwrap_or_default().to_owned()
    };
    for (selector, expected) in [
        (
            "processes: [scan.exe]",
            "never suppresses, it only downgrades: which processes",
        ),
        (
            "attribution: [inferred]",
            "never suppresses, it only downgrades: only alerts whose every",
        ),
        (
            "attribution: [none]",
            "covers nothing: its attribution names only alerts without",
        ),
        (
            "only_from: [10.7.0.0/16]",
            "covers nothing: no address of its sources",
        ),
    ] {
        let said = said(selector);
        assert!(said.starts_with(expected), "{selector}: {said}");
    }
    assert_eq!(said("times: {between: ['22:00-04:00']}"), "");
}

#[test]
fn times_and_their_zone_are_part_of_the_policy() {
    let policy = |times: &str| {
        let alerts = alerts(&run(
            &scanner_with(&format!("times: {times}")),
            &["replay", super::SAMPLE, "--format", "ndjson", "--show-suppressed"],
        ));
        alerts[0]["pipewarden"]["policy"].clone()
    };
    let utc = policy("{between: ['15:00-16:00']}");
    assert_eq!(utc, policy("{between: ['15:00-16:00'], zone: UTC}"));
    for other in [
        "{between: ['15:00-16:01']}",
        "{between: ['15:00-16:00'], days: [thu]}",
        "{between: ['15:00-16:00'], zone: Africa/Abidjan}",
    ] {
        assert_ne!(utc, policy(other), "{other}");
    }
}
