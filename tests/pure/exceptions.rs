//! Exceptions: what they cover, what they never cover, and what becomes of the alerts.

mod expectations;
mod selectors;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use pipewarden_core::detection::Exceptions;
use pipewarden_core::inventory::Inventory;
use serde_json::Value;

const SAMPLE: &str = "samples/detect-8.ndjson";

const SCANNER: &str = r"
exceptions:
  - id: scanner
    reason: The vulnerability scanner reads the registry of Tier 0 every night.
    owner: vulnerability-management@aperture.local
    expires: 2040-06-30
    action: suppress
    sources: {addresses: [10.1.0.96/28]}
    accounts: ['aperture\testsubject4']
";

fn rejected(text: &str) -> String {
    let inventory = Arc::new(Inventory::empty());
    Exceptions::none_for(inventory)
        .and(text, "exceptions.yaml")
        .unwrap_err()
        .to_string()
}

/// Runs a command of the program with these exceptions.
fn run(exceptions: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exceptions.yaml");
    std::fs::write(&file, exceptions).unwrap();
    Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .args(arguments)
        .args(["--inventory", "samples/inventory.yaml", "--exceptions"])
        .arg(&file)
        .output()
        .unwrap()
}

fn alerts(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = text(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let alerts = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    alerts
        .inspect(|alert| testkit::schema::assert_valid("alert", alert))
        .collect()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What `replay` prints of the sample's one alert under these exceptions, suppressed or not.
fn replayed(exceptions: &str) -> Value {
    let mut all = alerts(&run(
        exceptions,
        &["replay", SAMPLE, "--format", "ndjson", "--show-suppressed"],
    ));
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn a_suppressed_alert_is_printed_only_when_asked_for_and_names_the_entry_and_its_owner() {
    let hidden = run(SCANNER, &["replay", SAMPLE, "--format", "ndjson"]);
    assert_eq!(alerts(&hidden), Vec::<Value>::new());
    let summary = text(&hidden.stderr);
    assert!(
        summary.contains("suppressed alerts: 1") && summary.contains("scanner 1"),
        "{summary}"
    );

    let alert = replayed(SCANNER);
    let own = &alert["pipewarden"];
    assert_eq!(own["status"], "suppressed");
    assert_eq!(own["exception"]["id"], "scanner");
    assert_eq!(
        own["exception"]["owner"],
        "vulnerability-management@aperture.local"
    );
    assert!(alert["message"].as_str().unwrap().starts_with("Suppressed: "));
    let pretty = run(
        SCANNER,
        &["replay", SAMPLE, "--format", "pretty", "--show-suppressed"],
    );
    let pretty = text(&pretty.stdout);
    assert!(
        pretty.starts_with("SUPPRESSED") && pretty.contains("suppressed by scanner"),
        "{pretty}"
    );
}

#[test]
fn the_example_of_the_page_is_sound() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/exceptions.md")).unwrap();
    let example = page
        .split("```yaml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let inventory = Arc::new(Inventory::empty());
    let exceptions = Exceptions::none_for(inventory).and(example, "docs").unwrap();
    assert_eq!(exceptions.entries().len(), 1);
}

#[test]
fn a_downgraded_alert_stands_at_a_quarter_of_its_risk() {
    let alert = replayed(&SCANNER.replace("suppress", "downgrade"));
    assert_eq!(alert["pipewarden"]["status"], "active");
    assert_eq!(
        alert["pipewarden"]["confidence"], "high",
        "the source is as sure as before"
    );
    assert_eq!(alert["pipewarden"]["exception"]["action"], "downgrade");
    assert_eq!(alert["event"]["risk_score"], 18, "73 / 4");
}

#[test]
fn every_kind_of_selector_must_hold_and_holds_by_any_of_its_entries() {
    for (change, to) in [
        ("10.1.0.96/28", "10.1.0.0/28"),
        (r"aperture\testsubject4", r"aperture\testsubject5"),
        (r"aperture\testsubject4", r"other\testsubject4"),
        ("accounts:", "pipes: [svcctl]\n    accounts:"),
        ("accounts:", "rules: [detect-7, samr]\n    accounts:"),
        (
            "accounts:",
            "assets: {names: [glados.aperture.local]}\n    accounts:",
        ),
        (
            "accounts:",
            "assets: {roles: [distribution-point]}\n    accounts:",
        ),
    ] {
        let alert = replayed(&SCANNER.replace(change, to));
        assert_eq!(alert["pipewarden"]["exception"], Value::Null, "{to}");
        assert_eq!(alert["pipewarden"]["status"], "active", "{to}");
    }
    for (change, to) in [
        ("[10.1.0.96/28]", "[10.9.0.1, '::ffff:10.1.0.101']"),
        ("addresses: [10.1.0.96/28]", "hosts: [SENTRY1]"),
        ("[10.1.0.96/28]", "[10.9.0.1], hosts: [sentry1.aperture.local]"),
        ("accounts:", "pipes: ['\\WinReg']\n    accounts:"),
        ("accounts:", "rules: [detect-7, detect-8]\n    accounts:"),
        (r"aperture\testsubject4", r"Aperture.Local\TestSubject4"),
        ("accounts:", "assets: {names: [ATLAS]}\n    accounts:"),
        (
            "accounts:",
            "assets: {roles: [primary-site-server]}\n    accounts:",
        ),
    ] {
        let alert = replayed(&SCANNER.replace(change, to));
        assert_eq!(alert["pipewarden"]["exception"]["id"], "scanner", "{to}");
    }
}

#[test]
fn nothing_is_covered_that_closes_after_the_entry_expires() {
    // The sample's access is of 15:02 on 2024-10-24; its bucket of ten minutes stays open for another fifty.
    for (expires, is_covered) in [
        ("2024-10-24", true),
        ("'2024-10-24T16:00:00.001Z'", true),
        ("'2024-10-24T16:00:00Z'", false),
        ("2024-10-23", false),
    ] {
        let alert = replayed(&SCANNER.replace("2040-06-30", expires));
        assert_eq!(
            alert["pipewarden"]["exception"].is_object(),
            is_covered,
            "{expires}"
        );
    }
}

#[test]
fn the_first_entry_that_covers_decides() {
    let second = SCANNER
        .replace("exceptions:\n", "")
        .replace("suppress", "downgrade");
    let both = format!("{SCANNER}{}", second.replace("id: scanner", "id: second"));
    assert_eq!(replayed(&both)["pipewarden"]["exception"]["id"], "scanner");
}

#[test]
fn the_systems_of_one_site_among_themselves_are_downgraded_and_anyone_else_is_not() {
    const INVENTORY: &str = "
assets:
  - {name: atlas.aperture.local, addresses: [10.1.0.50], roles: [primary-site-server], site: PS1}
  - {name: dp1.aperture.local, addresses: [10.1.0.60], roles: [distribution-point], site: PS1}
  - {name: dp9.aperture.local, addresses: [10.1.0.69], roles: [distribution-point], site: PS9}
  - {name: dc1.aperture.local, addresses: [10.1.0.10], roles: [domain-controller]}
";
    let folder = tempfile::tempdir().unwrap();
    let inventory = folder.path().join("inventory.yaml");
    std::fs::write(&inventory, INVENTORY).unwrap();
    let detect = |source: &str, account: &str, asset: &str| {
        let (domain, account) = account.split_once('\\').unwrap_or(("APERTURE", account));
        let event = testkit::winlogbeat::share(0, source, 50_000);
        let event = testkit::winlogbeat::with(event, "SubjectDomainName", domain.into());
        let event = testkit::winlogbeat::with(event, "SubjectUserName", account.into());
        let mut event = event;
        event["winlog"]["computer_name"] = asset.into();
        let events = folder.path().join("events.ndjson");
        std::fs::write(&events, event.to_string()).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
            .args(["replay", "--format", "ndjson"])
            .arg(&events)
            .arg("--inventory")
            .arg(&inventory)
            .output()
            .unwrap();
        let mut all = alerts(&output);
        assert_eq!(all.len(), 1, "{source} {account} {asset}");
        all.remove(0)["pipewarden"]["exception"]["id"].clone()
    };
    assert_eq!(
        detect("10.1.0.50", "ATLAS$", "dp1.aperture.local"),
        "builtin-own-site"
    );
    assert_eq!(
        detect("10.1.0.50", r"aperture.local\atlas$", "dp1.aperture.local"),
        "builtin-own-site",
        "by the domain's DNS name"
    );
    assert_eq!(
        detect("10.1.0.60", "DP1$", "atlas.aperture.local"),
        "builtin-own-site"
    );
    for (source, account, asset) in [
        ("10.1.0.50", "TESTSUBJECT4", "dp1.aperture.local"),
        ("10.1.0.50", r"OTHER\ATLAS$", "dp1.aperture.local"),
        ("10.1.0.50", "DP1$", "dp1.aperture.local"),
        ("10.1.0.50", "ATLAS$", "dp9.aperture.local"),
        ("10.1.0.50", "ATLAS$", "dc1.aperture.local"),
        ("10.1.0.10", "DC1$", "dp1.aperture.local"),
        ("10.1.0.99", "ATLAS$", "dp1.aperture.local"),
    ] {
        assert_eq!(
            detect(source, account, asset),
            Value::Null,
            "{source} {account} {asset}"
        );
    }
}

#[test]
fn every_mistake_is_reported_at_once_with_its_line() {
    let text = "exceptions:
  - {id: one, reason: r, owner: o, expires: someday, action: suppress, pipes: [winreg]}
  - {id: one, reason: '', owner: o, expires: 2027-01-01, action: suppress, broad: true, pipes: [winreg]}
  - {id: Two, reason: r, owner: o, expires: 2027-01-01, action: downgrade,
     sources: {addresses: [10.1.0.300], roles: [site-servr]}, accounts: [scanner]}
  - {id: builtin-x, reason: r, owner: o, expires: 2027-01-01, action: downgrade, broad: true}
";
    let message = rejected(text);
    for expected in [
        "line 2: one names 1 kind(s) of selector and needs two",
        "line 2: expires: \"someday\" is neither a day",
        "line 3: another exception has the id one",
        "line 3: the reason of one is empty",
        "line 4: the id \"Two\" may hold",
        "line 5: \"10.1.0.300\" is neither an address nor a network",
        "line 5: unknown role \"site-servr\"; did you mean",
        "line 5: the account \"scanner\" must be written as DOMAIN\\name",
        "line 6: the id builtin-x is kept",
        "line 6: builtin-x names 0 kind(s) of selector",
    ] {
        assert!(message.contains(expected), "{expected}\nin\n{message}");
    }
    assert!(rejected("").contains("exceptions: []"));
    assert!(rejected("exceptions: [{id: a, color: red}]").contains("color"));
    let missing = run(SCANNER, &["replay", SAMPLE, "--exceptions", "nowhere.yaml"]);
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
fn one_kind_of_selector_is_enough_where_the_entry_says_that_it_is_broad() {
    let broad = SCANNER
        .replace("    accounts: ['aperture\\testsubject4']\n", "")
        .replace("action:", "broad: true\n    action:");
    assert_eq!(replayed(&broad)["pipewarden"]["exception"]["id"], "scanner");
}

#[test]
fn check_tells_what_has_expired_and_what_names_a_host_that_is_not_listed() {
    let text_of = |exceptions: &str| {
        let output = run(exceptions, &["check"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).to_owned()
    };
    let output = text_of(&SCANNER.replace("2040-06-30", "2025-01-31"));
    assert!(
        output.contains("scanner: suppress, expired 2025-02-01T00:00:00Z"),
        "{output}"
    );
    let output = text_of(&SCANNER.replace("accounts:", "assets: {names: [atlas, nobody]}\n    accounts:"));
    assert!(
        output.contains("scanner names nobody, which the inventory does not list"),
        "{output}"
    );
    assert!(!output.contains("names atlas"), "{output}");
}

#[test]
fn check_tells_which_entry_can_never_suppress_and_why() {
    let said = |change: &str, to: &str| {
        let output = run(&SCANNER.replace(change, to), &["check"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let warning = text(&output.stdout)
            .lines()
            .find_map(|line| line.strip_prefix("  scanner "));
        warning.unwrap_or_default().to_owned()
    };
    assert_eq!(said("", ""), "");
    let addresses = "addresses: [10.1.0.96/28]";
    assert_eq!(
        said(addresses, "hosts: [glados]"),
        "",
        "which the inventory lists"
    );
    let by_name = said(addresses, "hosts: [scanner1]");
    assert!(
        by_name.starts_with(
            "never suppresses, it only downgrades: the inventory gives an address to none of its"
        ),
        "{by_name}"
    );
    let by_role = said(addresses, "roles: [tier0]");
    assert!(
        by_role.starts_with("covers nothing: the inventory gives an address to no host"),
        "{by_role}"
    );
    let unaudited = said("accounts:", "pipes: [x, nobody-watches]\n    accounts:");
    assert!(
        unaudited.starts_with("covers nothing: no rule that is on watches"),
        "{unaudited}"
    );
    let downgrades = SCANNER
        .replace("suppress", "downgrade")
        .replace(addresses, "hosts: [scanner1]");
    let output = run(&downgrades, &["check"]);
    assert!(
        !text(&output.stdout).contains("never suppresses"),
        "an entry that downgrades says what it does"
    );
}
