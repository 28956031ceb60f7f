//! Rules against their cases: the built-in pack, `pipewarden test`, and what `check` requires.

mod dumps;
mod exceptions;
mod folders;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use pipewarden_core::event::{Pattern, WatchedShare};
use pipewarden_core::inventory::Purpose;
use pipewarden_tools::rule_tests;
use serde_json::Value;
use testkit::winlogbeat;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pipewarden(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
}

/// The alerts of a replay that must succeed.
#[track_caller]
fn alerts(arguments: &[&str]) -> Vec<Value> {
    let output = pipewarden(&[&["replay", "--format", "ndjson"], arguments].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().display().to_string();
    (folder, path)
}

const RULE: &str = "
id: browser
name: Remote connection to the browser pipe
pipes: {pipe_connected: [browser], share_access: [browser]}
risk: 21
";

const CASES: &str = "
assets: [{name: atlas.aperture.local, addresses: [10.1.0.50]}]
cases:
  - name: opened
    events: [{event_id: 5145, event_data: {RelativeTargetName: browser, IpAddress: 10.1.0.101, IpPort: 49839}}]
    alerts: [{asset: atlas.aperture.local, source: 10.1.0.101}]
  - name: another
    events: [{event_id: 5145, event_data: {RelativeTargetName: winreg, IpAddress: 10.1.0.101, IpPort: 49839}}]
    alerts: []
";

#[test]
fn every_built_in_rule_passes_its_cases_which_show_what_must_fire_and_what_must_not() {
    let output = pipewarden(&["test"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_contains(&text, &["detect-8", "12 rules: ", " 0 failed"]);
    for tested in rule_tests::builtin() {
        let id = Arc::clone(&tested.rule.id);
        tested
            .demand_both()
            .unwrap_or_else(|error| panic!("{id}: {error}"));
    }
    // The files in rules/ are what is built in.
    assert_eq!(
        stdout(&pipewarden(&["test", "rules"])).lines().count(),
        text.lines().count()
    );
}

#[test]
fn the_cases_of_each_built_in_rule_fail_where_it_watches_too_little_or_too_much() {
    for tested in rule_tests::builtin() {
        let tests = tested.tests.unwrap();
        let fails = |rule: &pipewarden_core::detection::Rule| {
            tests
                .cases
                .iter()
                .any(|case| rule_tests::run(rule, &tests, case).is_err())
        };
        assert!(!fails(&tested.rule));
        if let Some(accounts) = tested.rule.accounts {
            for purpose in Purpose::ALL
                .iter()
                .filter(|purpose| **purpose != accounts.purpose)
            {
                let mut wrong = tested.rule.clone();
                wrong.accounts.as_mut().unwrap().purpose = *purpose;
                assert!(fails(&wrong), "{}: {}", wrong.id, purpose.as_str());
            }
            continue;
        }
        let mut wrong = tested.rule.clone();
        wrong.pipes.share_access.clear();
        wrong.pipes.share_access.insert("no-such-pipe".into());
        wrong.shares.clear();
        assert!(fails(&wrong), "{}: 5145", wrong.id);
        let mut wrong = tested.rule.clone();
        wrong.pipes.pipe_connected.clear();
        assert_eq!(
            fails(&wrong),
            !tested.rule.pipes.pipe_connected.is_empty(),
            "{}: 18",
            wrong.id
        );
        let mut wrong = tested.rule.clone();
        for side in [&mut wrong.pipes.pipe_connected, &mut wrong.pipes.share_access] {
            side.extend(["lsass", "samr", "lsarpc", "winreg", "srvsvc", "svcctl"].map(Arc::from));
        }
        assert!(fails(&wrong), "{}: too many", wrong.id);
        for (share, path) in [("*", "SMSTemp*"), ("REMINST", "*")] {
            let mut wrong = tested.rule.clone();
            wrong.shares.insert(WatchedShare {
                share: Pattern::new(share),
                path: Pattern::new(path),
            });
            let has_paths = !tested.rule.shares.is_empty();
            assert_eq!(fails(&wrong), has_paths, "{}: {share}\\{path}", wrong.id);
        }
        let mut wrong = tested.rule.clone();
        wrong.roles.clear();
        assert_eq!(
            fails(&wrong),
            !tested.rule.roles.is_empty(),
            "{}: everywhere",
            wrong.id
        );
    }
}

#[test]
fn a_failed_case_shows_what_was_expected_what_was_found_and_what_became_of_each_event() {
    let wrong = CASES
        .replace("source: 10.1.0.101}", "source: 10.1.0.102, confidence: high}")
        .replace("alerts: []", "alerts: [{asset: atlas.aperture.local}]");
    let (_folder, path) = folder(&[("browser.yaml", RULE), ("browser.tests.yaml", &wrong)]);
    let output = pipewarden(&["test", &path]);
    assert_eq!(output.status.code(), Some(1));
    assert_contains(
        &stdout(&output),
        &[
            "browser  opened   FAILED",
            "expected 1 alert, found 1 alert",
            "source: expected 10.1.0.102, found 10.1.0.101",
            "confidence: expected high, found medium",
            "event 1: share_access on atlas.aperture.local",
            "missing: asset atlas.aperture.local",
            "event 1: skipped: other_pipe",
            // Nothing is left that must not fire.
            "rule browser has no case that must not raise an alert",
            "1 rule: 0 passed, 3 failed",
        ],
    );
}

#[test]
fn a_case_on_a_host_without_the_role_that_the_rule_asks_for_says_so() {
    let rule = format!("{RULE}roles: [site-database]\n");
    let (_folder, path) = folder(&[("browser.yaml", &rule), ("browser.tests.yaml", CASES)]);
    assert_contains(
        &stdout(&pipewarden(&["test", &path])),
        &[
            "share_access on atlas.aperture.local, which has not the role site-database that the rule asks for",
        ],
    );
}

/// With this change the cases fail, and it says why.
#[track_caller]
fn assert_fails(from: &str, to: &str, expected: &str) {
    let (_folder, path) = folder(&[
        ("browser.yaml", RULE),
        ("browser.tests.yaml", &CASES.replace(from, to)),
    ]);
    let output = pipewarden(&["test", &path]);
    assert_eq!(output.status.code(), Some(1), "{to}");
    assert_contains(&stdout(&output), &["FAILED", expected]);
}

#[test]
fn an_event_that_cannot_be_decoded_or_is_unlike_an_event_fails_its_case() {
    for (from, to, expected) in [
        (
            "IpPort: 49839",
            "IpPort: 70000",
            "event 1: IpPort cannot be what it should",
        ),
        (
            "RelativeTargetName: winreg",
            "PipNeame: winreg",
            "event_data.RelativeTargetName is missing",
        ),
        (
            "event_id: 5145",
            "event_id: 4625",
            "none of 3, 18, 4624, 5140, 5145 or 5156",
        ),
        ("addresses: [10.1.0.50]", "adresses: [10.1.0.50]", "adresses"),
        ("name: another", "name: opened", "two cases are named"),
        ("alerts: []", "alert: []", "alert"),
    ] {
        assert_fails(from, to, expected);
    }
}

#[test]
fn a_test_file_cannot_move_the_cursor_of_a_terminal() {
    let cases = CASES.replace("name: another", "name: \"an\\e[2Jother\"");
    let (_folder, path) = folder(&[("browser.yaml", RULE), ("browser.tests.yaml", &cases)]);
    let text = stdout(&pipewarden(&["test", &path]));
    assert!(
        text.contains("an\\u{1b}[2Jother") && !text.contains('\u{1b}'),
        "{text}"
    );
}

#[test]
fn check_rejects_a_rule_that_lacks_a_case_of_either_kind_and_run_and_replay_do_not() {
    let only_firing = CASES.split("  - name: another").next().unwrap();
    let only_silent = CASES.replace(
        "alerts: [{asset: atlas.aperture.local, source: 10.1.0.101}]",
        "alerts: []",
    );
    for (tests, expected) in [
        (None, "browser.tests.yaml"),
        (
            Some(only_firing),
            "has no case that must not raise an alert: add one with `alerts: []`",
        ),
        (
            Some(only_silent.as_str()),
            "has no case that must raise an alert: add one",
        ),
    ] {
        let mut files = vec![("browser.yaml", RULE)];
        files.extend(tests.map(|tests| ("browser.tests.yaml", tests)));
        let (_folder, path) = folder(&files);
        let output = pipewarden(&["check", "--rules", &path]);
        assert_eq!(output.status.code(), Some(1));
        assert_contains(&stderr(&output), &["rule browser", expected]);
        assert_eq!(pipewarden(&["test", &path]).status.code(), Some(1));
        assert_eq!(alerts(&["--rules", &path, "samples"]), Vec::<Value>::new());
    }
    let (_folder, path) = folder(&[("browser.yaml", RULE), ("browser.tests.yaml", CASES)]);
    let output = pipewarden(&["check", "--rules", &path]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_rule_is_off_until_the_settings_or_a_flag_switch_it_on() {
    let service = |ms: i64| {
        let event = winlogbeat::share(ms, winlogbeat::CLIENT, 49_839);
        winlogbeat::with(event, "RelativeTargetName", "svcctl".into())
    };
    let events: Vec<String> = [winlogbeat::share(0, winlogbeat::CLIENT, 49_839), service(700)]
        .iter()
        .map(ToString::to_string)
        .collect();
    let (_folder, path) = folder(&[
        ("events.ndjson", &events.join("\n")),
        ("only.yaml", "rules: {enabled: [svcctl]}"),
    ]);
    let (input, only) = (format!("{path}/events.ndjson"), format!("{path}/only.yaml"));
    let rules = |arguments: &[&str]| -> Vec<String> {
        alerts(&[arguments, &[input.as_str()]].concat())
            .iter()
            .map(|alert| alert["rule"]["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(rules(&[]), ["detect-8"]);
    assert_eq!(rules(&["--enable", "svcctl,samr"]), ["detect-8", "svcctl"]);
    assert_eq!(
        rules(&["--enable", "samr", "--enable", "svcctl"]),
        ["detect-8", "svcctl"]
    );
    assert_eq!(rules(&["--config", &only]), ["svcctl"]);
    assert_eq!(
        rules(&["--config", &only, "--enable", "default"]),
        ["detect-8", "svcctl"]
    );
    assert_eq!(rules(&["--enable", "all"]), ["detect-8", "svcctl"]);

    let output = pipewarden(&["check", "--enable", "svcctl"]);
    assert_contains(
        &stdout(&output),
        &["  svcctl: Remote connection", "  off: atsvc efsrpc lsarpc"],
    );

    let output = pipewarden(&["replay", "--enable", "svctl", &input]);
    assert_eq!(output.status.code(), Some(1));
    assert_contains(
        &stderr(&output),
        &["rules.enabled", "svctl", "did you mean svcctl?"],
    );
}

#[test]
fn the_page_on_rules_holds_a_rule_and_cases_that_pass_as_they_are_pasted() {
    let page = std::fs::read_to_string(root().join("docs/rules.md")).unwrap();
    let mut files = BTreeMap::new();
    for block in page.split("```yaml\n# ").skip(1) {
        let block = block.split("```").next().unwrap();
        let (name, text) = block.split_once('\n').unwrap();
        files.insert(name.to_owned(), text.to_owned());
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    assert_eq!(files.len(), 2, "{files:?}");
    let (_folder, path) = folder(&files);
    for command in [vec!["test", &path], vec!["check", "--rules", &path]] {
        let output = pipewarden(&command);
        assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    }
}

#[test]
fn check_notes_a_rule_that_watches_a_pipe_without_all_its_names() {
    let rule = RULE.replace("pipe_connected: [browser]", "pipe_connected: [browser, ntsvcs]");
    let (_folder, path) = folder(&[("browser.yaml", &rule), ("browser.tests.yaml", CASES)]);
    let output = pipewarden(&["check", "--rules", &path]);
    assert_eq!(output.status.code(), Some(0));
    assert_contains(
        &stdout(&output),
        &["note: browser watches ntsvcs of sysmon 18, but not ntsvcs, svcctl of 5145"],
    );
}
