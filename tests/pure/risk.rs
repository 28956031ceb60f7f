//! What makes an alert worse than the risk of its rule says, and what it says of that.

use std::path::Path;
use std::process::Command;

use pipewarden_core::alert::{Weight, risk_score};
use pipewarden_core::detection::{BUILTIN_RULES, Confidence, JoinSettings, RuleSet, parse_rule};
use serde_json::{Value, json};
use testkit::detect::{Bench, INVENTORY};
use testkit::winlogbeat::{CLIENT, connection, pipe, share, with};

const ACCOUNTS: &str = r"
accounts:
  - {name: APERTURE\TESTSUBJECT4, purpose: client-push, expected_from: [10.1.0.101]}
";

/// DETECT-8, whose risk is 73, with these circumstances.
fn rule(risk_by: &str) -> String {
    let detect_8 = BUILTIN_RULES[0].rule;
    detect_8.replace("risk: 73\n", &format!("risk: 73\nrisk_by: {risk_by}\n"))
}

fn bench(risk_by: &str) -> Bench {
    let rule = parse_rule(&rule(risk_by), "test").unwrap();
    let inventory = format!("{INVENTORY}{ACCOUNTS}");
    Bench::new(&inventory, JoinSettings::default()).with_rules(RuleSet::new(vec![rule]).unwrap())
}

/// An access of DETECT-8, whose client runs Python: of high confidence.
fn access() -> Vec<Value> {
    let connected = connection(0, "sentry1.aperture.local", CLIENT, 49_839);
    let connected = with(connected, "Image", r"C:\Program Files\Python\Python3.exe".into());
    vec![connected, pipe(517), share(519, CLIENT, 49_839)]
}

/// The score of the only alert, and what raised it.
fn scored(risk_by: &str, events: &[Value]) -> (u64, Value) {
    let [alert] = bench(risk_by).detect(events).try_into().unwrap();
    let score = alert["event"]["risk_score"].as_u64().unwrap();
    (
        score,
        alert["pipewarden"].get("risk_by").cloned().unwrap_or_default(),
    )
}

#[test]
fn each_circumstance_that_holds_raises_the_risk_by_its_own_and_is_named() {
    for (risk_by, score, raised) in [
        ("[]", 73, Value::Null),
        (
            "[{by: 9, roles: [cas, primary-site-server]}]",
            82,
            json!([{"by": 9, "role": "primary-site-server"}]),
        ),
        ("[{by: 9, roles: [cas, distribution-point]}]", 73, Value::Null),
        (
            "[{by: 5, purposes: [machine, client-push]}]",
            78,
            json!([{"by": 5, "purpose": "client-push"}]),
        ),
        ("[{by: 5, purposes: [machine]}]", 73, Value::Null),
        (
            "[{by: 4, outcome: success}]",
            77,
            json!([{"by": 4, "outcome": "success"}]),
        ),
        ("[{by: 4, outcome: failure}]", 73, Value::Null),
        (
            "[{by: 3, processes: ['python?.exe']}]",
            76,
            json!([{"by": 3, "process": r"C:\Program Files\Python\Python3.exe"}]),
        ),
        (
            r"[{by: 3, processes: ['*\Python\*']}]",
            76,
            json!([{"by": 3, "process": r"C:\Program Files\Python\Python3.exe"}]),
        ),
        ("[{by: 3, processes: [python.exe, ython3.exe]}]", 73, Value::Null),
    ] {
        assert_eq!(scored(risk_by, &access()), (score, raised), "{risk_by}");
    }
}

#[test]
fn all_that_hold_are_added_up_to_a_hundred_and_of_one_entry_all_conditions_must_hold() {
    let both = "[{by: 9, roles: [primary-site-server]}, {by: 4, outcome: success}]";
    assert_eq!(scored(both, &access()).0, 86);
    let one_entry = |outcome: &str| {
        format!("[{{by: 9, roles: [primary-site-server], outcome: {outcome}, purposes: [client-push]}}]")
    };
    let raised =
        json!([{"by": 9, "role": "primary-site-server", "purpose": "client-push", "outcome": "success"}]);
    assert_eq!(scored(&one_entry("success"), &access()), (82, raised));
    assert_eq!(scored(&one_entry("failure"), &access()), (73, Value::Null));
    let too_much = "[{by: 100, outcome: success}, {by: 100, outcome: success}, {by: 100, outcome: success}]";
    assert_eq!(scored(too_much, &access()).0, 100);
}

#[test]
fn doubt_and_denial_lower_the_risk_of_the_rule_and_not_what_raises_it() {
    let by_role = "[{by: 9, roles: [primary-site-server]}]";
    let alone = [share(0, CLIENT, 49_839)];
    assert_eq!(scored(by_role, &alone).0, 60, "73 x 0.7 + 9");
    let mut denied = share(0, CLIENT, 49_839);
    denied["event"]["outcome"] = "failure".into();
    assert_eq!(scored(by_role, &[denied]).0, 50, "73 x 0.7 x 0.8 + 9");
}

/// The formula of docs/alerts.md, in fractions: of a score that is rounded half up, twice the exact one lies from `2 x score - 1` to
/// below `2 x score + 1`.
#[test]
fn every_score_is_the_exact_one_rounded_half_up() {
    let confidences = [
        (Confidence::High, 100),
        (Confidence::Medium, 70),
        (Confidence::Low, 35),
    ];
    for (risk, risk_by) in (0..=100u8).flat_map(|risk| [0, 1, 7, 20, 100, 255].map(|by| (risk, by))) {
        for ((confidence, percent), (is_denied, tenths)) in confidences
            .into_iter()
            .flat_map(|confidence| [(false, 10), (true, 8)].map(|denied| (confidence, denied)))
        {
            for (is_excepted, parts) in [(false, 1), (true, 4)] {
                let weight = Weight {
                    is_denied,
                    is_excepted,
                    risk_by,
                    ..Weight::default()
                };
                let score = i64::from(risk_score(risk, confidence, weight));
                let raised = i64::from(risk) * percent * tenths + i64::from(risk_by) * 1_000;
                // Of 1,000 times as many parts as there are.
                let exact = raised.min(100_000);
                let whole = 1_000 * parts;
                assert!(
                    (2 * score - 1) * whole <= 2 * exact && 2 * exact < (2 * score + 1) * whole,
                    "{risk} {confidence} {weight:?}: {score}"
                );
            }
        }
    }
}

#[test]
fn a_downgraded_alert_stands_at_a_quarter_of_what_it_is_raised_to_and_a_local_one_at_nothing() {
    let exceptions = "
exceptions:
  - {id: known, reason: test, owner: test, expires: 2040-01-01, action: downgrade, broad: true,
     sources: {addresses: [10.1.0.101]}}
";
    let bench = bench("[{by: 100, roles: [primary-site-server]}]").with_exceptions(exceptions);
    let [alert] = bench.detect(&access()).try_into().unwrap();
    assert_eq!(alert["event"]["risk_score"], 25);
    let local = bench.observations(&[share(0, "::1", 50_001)]);
    let arrivals = local.into_iter();
    let arrivals = arrivals.map(|seen| (pipewarden_core::time::AppendTime::at_event(seen.event.time), seen));
    let revisions = bench.revisions(arrivals.collect());
    let local: Value = serde_json::from_slice(&revisions[0].value).unwrap();
    assert_eq!(local["pipewarden"]["who"], "local");
    assert_eq!(local["event"]["risk_score"], 0);
    assert!(local["pipewarden"].get("risk_by").is_none());
}

#[test]
fn a_process_counts_only_by_the_log_of_the_source_itself() {
    let by_process = "[{by: 3, processes: ['python*']}]";
    // Another host, which was connected as well, runs Python.
    let other = connection(-100, "sentry2.aperture.local", "10.1.0.102", 50_123);
    let other = with(other, "Image", r"C:\python.exe".into());
    let events = [other, pipe(517), share(519, CLIENT, 49_839)];
    assert_eq!(scored(by_process, &events).1, Value::Null);
}

#[test]
fn a_circumstance_that_can_never_hold_is_an_error_which_says_what_would_be_right() {
    for (risk_by, expected) in [
        ("[{by: 0, outcome: success}]", "not between 1 and 100"),
        ("[{by: 101, outcome: success}]", "not between 1 and 100"),
        ("[{by: 10}]", "name roles, purposes, outcome or processes"),
        ("[{by: 10, roles: [janitor]}]", "janitor"),
        ("[{by: 10, purposes: [janitor]}]", "janitor"),
        ("[{by: 10, outcome: maybe}]", "maybe"),
        ("[{by: 10, processes: ['']}]", "write python.exe"),
        ("[{by: 10, role: tier0}]", "role"),
        (
            "[{by: 10, roles: [cas]}]\nroles: [tier0]",
            "watches no asset with the role cas",
        ),
    ] {
        let error = parse_rule(&rule(risk_by), "test.yaml").unwrap_err().to_string();
        assert!(
            error.contains(expected) && error.contains("test.yaml"),
            "{risk_by}: {error}"
        );
    }
    let logons = "id: a\nname: a\nrisk: 7\nwatch: {accounts: {purpose: machine, from: elsewhere}}\n";
    let logons = format!("{logons}risk_by: [{{by: 5, outcome: success}}]\n");
    let error = parse_rule(&logons, "test.yaml").unwrap_err().to_string();
    assert!(error.contains("the rule watches logons"), "{error}");
}

#[test]
fn check_names_roles_and_purposes_that_nothing_in_the_inventory_has() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    let text = rule(
        "[{by: 9, roles: [cas]}, {by: 5, purposes: [network-access]}, {by: 4, roles: [primary-site-server]}]",
    );
    std::fs::write(rules.join("detect-8.yaml"), text).unwrap();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/detect-8.tests.yaml");
    std::fs::copy(tests, rules.join("detect-8.tests.yaml")).unwrap();
    let inventory = folder.path().join("inventory.yaml");
    std::fs::write(&inventory, INVENTORY).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(["check", "--rules", rules.to_str().unwrap()])
        .args(["--inventory", inventory.to_str().unwrap()])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for note in [
        "detect-8 risk_by 9 never holds: the inventory lists no host with the role cas",
        "detect-8 risk_by 5 never holds: the inventory has no network-access account",
    ] {
        assert!(text.contains(note), "{note}\n{text}");
    }
    assert!(!text.contains("risk_by 4"), "{text}");
    let worse = "worse by 9 (cas) by 5 (network-access) by 4 (primary-site-server)";
    assert!(text.contains(worse), "{text}");
}
