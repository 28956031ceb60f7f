//! `pipewarden export`: what is printed for other systems.
//!
//! `PIPEWARDEN_WRITE_GOLDEN=1 cargo test --test packaging export::` writes the golden files anew after a change that was meant.
//! `.ci/checks/export` holds the exports against the systems' own parsers.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use pipewarden_core::detection::{JoinSettings, Rule, RuleSet};
use pipewarden_core::inventory::Inventory;
use pipewarden_tools::export::{Target, export};
use serde_json::Value;

const TARGETS: [Target; 4] = [Target::Sigma, Target::Eql, Target::Splunk, Target::Kql];

/// The languages with quotes and brackets, and what begins a comment of theirs.
const QUERIES: [(Target, &str); 3] = [(Target::Eql, "//"), (Target::Splunk, "```"), (Target::Kql, "//")];

/// A rule made to break out of whatever it is put into.
const HOSTILE: &str = r#"
id: hostile
name: "A `rule` */ with --- \"quotes\" and ```\nlines"
description: "it's: # not [a] comment\n---\nand {no} document"
pipes:
  pipe_connected: ['a"b', 'c*d?', 'sub\pipe']
  share_access: ["it's", 'x]y)']
risk: 100
attack: [{tactic: TA9999, technique: T9999.001}]
"#;

fn pipewarden(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Hosts and accounts of every purpose that a built-in rule watches.
fn inventory() -> Inventory {
    let text = r"
assets:
  - {name: atlas.aperture.local, addresses: [10.1.0.50, 'fd00::50'], roles: [primary-site-server]}
  - {name: wheatley.aperture.local, addresses: [10.1.0.51], roles: [distribution-point]}
accounts:
  - {name: 'APERTURE\svc-push', purpose: client-push, expected_from: ['role:primary-site-server', 10.9.0.0/24]}
  - {name: 'APERTURE\SVC-Push', purpose: service, expected_from: [wheatley]}
";
    Inventory::parse(text, "test").unwrap()
}

/// With the default windows and this inventory.
fn exported(target: Target, rule: &Rule) -> String {
    export(target, rule, &JoinSettings::default(), &inventory()).unwrap()
}

fn documents(sigma: &str) -> Vec<Value> {
    sigma
        .split("\n---\n")
        .skip(1)
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect()
}

#[test]
fn exports_of_detect_8_are_the_golden_files() {
    for (name, extension) in [
        ("sigma", "sigma.yml"),
        ("eql", "eql"),
        ("splunk", "spl"),
        ("kql", "kql"),
    ] {
        let output = pipewarden(&["export", "--rule", "detect-8", "--to", name]);
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("tests/packaging/golden/detect-8.{extension}"));
        if std::env::var_os("PIPEWARDEN_WRITE_GOLDEN").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == text,
            "{} is not what export prints; if that was meant, run PIPEWARDEN_WRITE_GOLDEN=1 cargo test --test packaging export::",
            path.display()
        );
    }
}

#[test]
fn the_windows_in_force_are_those_of_the_export() {
    let rules = RuleSet::builtin();
    let settings = JoinSettings {
        attribution_window: Duration::from_millis(7_500),
        tuple_window: Duration::from_secs(420),
        pair_window: Duration::from_secs(3),
        ..JoinSettings::default()
    };
    for (target, spans) in [
        (Target::Sigma, ["timespan: 7m", "timespan: 3s", "timespan: 8s"]),
        (Target::Eql, ["maxspan=7m", "maxspan=3s", "maxspan=7500ms"]),
        (Target::Splunk, ["maxspan=7m", "maxspan=3s", "maxspan=8s"]),
        (Target::Kql, ["<= 7m", "<= 3s", "<= 7500ms"]),
    ] {
        let rule = rules.get("detect-8").unwrap();
        let text = export(target, rule, &settings, &Inventory::empty()).unwrap();
        assert!(text.contains("attribution_window 7500ms, tuple_window 7m, pair_window 3s"));
        for span in spans {
            assert!(text.contains(span), "{span}\n{text}");
        }
    }
}

#[test]
fn a_rule_that_watches_one_side_gives_no_search_that_needs_the_other() {
    let both = HOSTILE.replace("share_access", "#");
    let rules = RuleSet::parse(&both, "test").unwrap();
    for target in TARGETS {
        let text = exported(target, &rules.rules()[0]);
        assert!(!text.contains("5145") && !text.contains("audited_"), "{text}");
    }
}

#[test]
fn every_rule_that_a_correlation_names_is_there_once_and_every_id_is_one_of_a_kind() {
    let hostile = RuleSet::parse(HOSTILE, "test").unwrap();
    let builtin = RuleSet::builtin();
    for (rule, expected) in [
        (builtin.get("detect-8").unwrap(), 4),
        (builtin.get("detect-7").unwrap(), 1),
        (&hostile.rules()[0], 4),
    ] {
        let text = exported(Target::Sigma, rule);
        let documents = documents(&text);
        let names: Vec<&str> = documents
            .iter()
            .map(|document| document["name"].as_str().unwrap())
            .collect();
        let mut ids: Vec<&str> = documents
            .iter()
            .map(|document| document["id"].as_str().unwrap())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), names.len());
        let mut correlations = 0;
        for correlation in documents
            .iter()
            .filter_map(|document| document.get("correlation"))
        {
            correlations += 1;
            for rule in correlation["rules"].as_array().unwrap() {
                assert_eq!(names.iter().filter(|name| rule == *name).count(), 1, "{rule}");
            }
            for (alias, of) in correlation["aliases"].as_object().into_iter().flatten() {
                assert!(
                    correlation["group-by"]
                        .as_array()
                        .unwrap()
                        .contains(&alias.as_str().into())
                );
                assert!(
                    of.as_object()
                        .unwrap()
                        .keys()
                        .all(|rule| names.contains(&rule.as_str()))
                );
            }
        }
        assert_eq!(correlations, expected, "{}", rule.id);
    }
}

#[test]
fn what_a_rule_says_cannot_break_out_of_a_text_or_a_comment() {
    let rules = RuleSet::parse(HOSTILE, "test").unwrap();
    let text = |target| exported(target, &rules.rules()[0]);
    let sigma = documents(&text(Target::Sigma));
    let of = |name: &str| {
        let mut found = sigma.iter().filter(|document| document["name"] == name);
        found.next().unwrap()["detection"]["selection"].clone()
    };
    let pipes = &of("hostile_pipe_connected")["PipeName"];
    assert!(pipes.as_array().unwrap().contains(&r"\c\*d\?".into()), "{pipes}");
    assert_eq!(of("hostile_share_access")["RelativeTargetName"][0], "it's");
    for (target, comment) in QUERIES {
        let text = text(target);
        assert_balanced(&without_comments(&text, comment));
        assert!(text.contains(r#"a\"b"#), "{text}");
    }
}

#[test]
fn brackets_and_quotes_of_every_query_are_in_balance() {
    let rules = RuleSet::builtin_rules();
    for (target, comment) in QUERIES {
        for rule in rules.rules() {
            let text = exported(target, rule);
            assert_balanced(&without_comments(&text, comment));
        }
    }
}

#[test]
fn a_rule_that_watches_paths_looks_for_them_and_says_what_it_loses() {
    let rules = RuleSet::builtin();
    let rule = rules.get("detect-7").unwrap();
    for (target, parts) in [
        (Target::Sigma, ["ShareName|endswith", "smstemp*"]),
        (
            Target::Eql,
            [
                r#"ShareName like~ "*\\reminst""#,
                r#"like~ ("smstemp*", "\\smstemp*")"#,
            ],
        ),
        (
            Target::Splunk,
            [r#"ShareName="*\\reminst""#, r#"IN ("smstemp*", "\\smstemp*")"#],
        ),
        (
            Target::Kql,
            [
                r#"ShareName matches regex @"(?is)^.*\\reminst$""#,
                r#"RelativeTargetName matches regex @"(?is)^\\?smstemp.*$""#,
            ],
        ),
    ] {
        let text = exported(target, rule);
        let lost = ["distribution-point", "did detect-8 before"];
        for part in parts.into_iter().chain(lost) {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}

#[test]
fn a_rule_that_watches_accounts_looks_for_those_of_the_inventory_from_elsewhere() {
    let rules = RuleSet::builtin();
    // By one name without its domain, from wherever any account of that name is expected.
    let networks = [
        "10.1.0.50/32",
        "10.1.0.51/32",
        "10.9.0.0/24",
        "fd00::50/128",
        "fe80::/10",
    ];
    let rule = rules.get("detect-3").unwrap();
    for (target, parts) in [
        (
            Target::Sigma,
            [
                "TargetUserName: svc-push",
                "IpAddress|cidr:",
                "(account_1 and not expected_1)",
            ],
        ),
        (
            Target::Eql,
            [
                r#"TargetUserName in~ ("svc-push")"#,
                "not cidrMatch(source.ip, ",
                r#"LogonType == "3""#,
            ],
        ),
        (
            Target::Splunk,
            [
                r#"lower(TargetUserName)="svc-push""#,
                r#"cidrmatch("10.9.0.0/24", IpAddress)"#,
                "LogonType=3",
            ],
        ),
        (
            Target::Kql,
            [
                r#""svc-push", dynamic(["#,
                "ipv6_is_in_any_range(IpAddress, ipv6)",
                "LogonType == 3",
            ],
        ),
    ] {
        let text = exported(target, rule);
        for part in parts
            .into_iter()
            .chain(networks)
            .chain(["export again when it changes"])
        {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
    // The machine accounts of both assets, each from itself.
    let machines = exported(Target::Kql, rules.get("detect-1").unwrap());
    assert!(
        machines.contains(r#""atlas$", dynamic(["10.1.0.50/32"]), dynamic(["fd00::50/128", "fe80::/10"])"#)
            && machines.contains(r#""wheatley$", dynamic(["10.1.0.51/32"])"#),
        "{machines}"
    );
}

#[test]
fn a_rule_that_watches_accounts_is_not_exported_without_any_and_the_reason_is_said() {
    for target in ["sigma", "kql"] {
        let output = pipewarden(&["export", "--rule", "detect-1", "--to", target]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(
            message.contains("detect-1 watches machine accounts") && message.contains("--inventory"),
            "{message}"
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_rule_that_watches_call_backs_looks_for_the_way_back_to_the_source() {
    let rules = RuleSet::builtin_rules();
    let rule = rules.get("efsrpc").unwrap();
    for (target, parts) in [
        (
            Target::Sigma,
            ["efsrpc_called_back", "efsrpc_call_back: DestinationIp"],
        ),
        (
            Target::Eql,
            [
                "by winlog.computer_name, source.ip",
                "by winlog.computer_name, destination.ip",
            ],
        ),
        (
            Target::Splunk,
            [
                "source_ip=if(EventCode=3, DestinationIp, IpAddress)",
                "| transaction Computer source_ip",
            ],
        ),
        (
            Target::Kql,
            [
                "source_ip = DestinationIp",
                "(TimeGenerated1 - TimeGenerated) between (-2s .. 1m)",
            ],
        ),
    ] {
        let text = exported(target, rule);
        for part in parts.into_iter().chain(["80", "called_back"]) {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
    let without = exported(Target::Kql, rules.get("detect-8").unwrap());
    assert!(!without.contains("called_back"));
}

#[test]
fn a_rule_that_is_not_in_force_is_refused_with_those_that_are() {
    let output = pipewarden(&["export", "--rule", "detect-9", "--to", "eql"]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        message.contains("detect-9") && message.contains("detect-8"),
        "{message}"
    );
    assert!(output.stdout.is_empty());
}

fn without_comments(text: &str, mark: &str) -> String {
    if mark == "```" {
        let pieces: Vec<&str> = text.split(mark).collect();
        assert_eq!(pieces.len() % 2, 1, "a comment is not closed");
        return pieces.into_iter().step_by(2).collect();
    }
    text.lines().filter(|line| !line.starts_with(mark)).collect()
}

#[track_caller]
fn assert_balanced(query: &str) {
    let (mut open, mut is_quoted, mut is_escaped) = (Vec::new(), false, false);
    for c in query.chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '(' => open.push(')'),
            '[' => open.push(']'),
            ')' | ']' => assert_eq!(open.pop(), Some(c), "{query}"),
            _ => {}
        }
    }
    assert!(open.is_empty() && !is_quoted, "{query}");
}
