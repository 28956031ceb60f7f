//! Alerts as `replay` prints them for people.

use pipewarden_tools::winlogbeat::Shape;
use serde_json::Value;
use testkit::winlogbeat::{CLIENT, connection, detect_8, logon, pipe, share, with};

use crate::replay::{replay, stderr, temporary};

/// What is printed of these events, with more arguments.
fn printed(events: &[Value], arguments: &[&str]) -> String {
    let (_folder, file) = temporary("events.ndjson", events);
    let always = [
        "--format",
        "pretty",
        "--inventory",
        "samples/inventory.yaml",
        file.to_str().unwrap(),
    ];
    let output = replay(&[arguments, &always].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The rows with these names, and what continues them.
fn rows<'a>(printed: &'a str, names: &[&str]) -> Vec<&'a str> {
    let mut is_meant = false;
    let meant = printed.lines().filter(|line| {
        let name = line.get(2..12).unwrap_or("").trim_end();
        is_meant = line.starts_with("  ") && (names.contains(&name) || is_meant && name.is_empty());
        is_meant
    });
    meant.collect()
}

#[test]
fn the_first_alert_of_a_rule_says_what_it_means_and_what_to_check_and_those_after_it_refer_to_it() {
    let [connected, opened, named] = detect_8();
    let hours_later = share(3 * 3_600_000, "10.1.0.102", 50_001);
    let text = printed(&[connected, opened, named, hours_later], &[]);
    assert_eq!(
        rows(&text, &["means", "check", "read"]),
        [
            "  means      The winreg pipe gives remote access to the registry. An attacker reads from it which Configuration",
            "             Manager roles a host has, its site code and its PXE settings. Benign users are site systems among",
            "             themselves, performance monitoring, vulnerability and patch scanners, and backup.",
            "  check      1. Is the source a site system, and the account a machine account or a service account that belongs",
            "                to it?",
            "             2. What else did the source touch, on this host and on others? REMINST\\SMSTemp next is CRED-1.",
            "             3. Was the access denied? Then somebody looked for hosts on which his account may read the registry.",
            "  read       https://github.com/subat0mik/Misconfiguration-Manager/blob/main/defense-techniques/DETECT/DETECT-8/\
             detect-8_description.md",
            "  check      as for the first alert of this rule above",
        ]
    );
}

#[test]
fn what_nobody_has_to_act_on_tells_nobody_what_to_do() {
    let text = printed(&[share(0, "::1", 50_001)], &["--show-suppressed"]);
    assert!(text.starts_with("SUPPRESSED  Local: "), "{text}");
    assert_eq!(rows(&text, &["means", "check", "read"]), Vec::<&str>::new());
}

#[test]
fn a_source_has_its_names_with_whose_word_each_is_and_what_ran_there_as_whom() {
    let connected = connection(0, "glados-new.aperture.local", "10.1.0.10", 49_839);
    let connected = with(connected, "Image", r"C:\Python\python.exe".into());
    let connected = with(connected, "User", r"APERTURE\chell".into());
    let text = printed(&[connected, share(10, "10.1.0.10", 49_839)], &[]);
    assert_eq!(
        rows(&text, &["from", "with"]),
        [
            "  from       10.1.0.10 port 49839, glados.aperture.local by the inventory, glados-new.aperture.local by its own log",
            r"  with       C:\Python\python.exe (pid 6392) as APERTURE\chell",
        ]
    );
}

#[test]
fn a_candidate_shows_what_ran_there_as_whom_and_the_account_of_its_session() {
    let one = connection(0, "one.aperture.local", CLIENT, 49_839);
    let one = with(one, "Image", r"C:\tools\reg.exe".into());
    let one = with(one, "User", r"APERTURE\chell".into());
    let other = Shape::Winlogbeat8.document(&logon(5, "10.1.0.102", 50_001));
    let text = printed(&[one, other, pipe(100)], &[]);
    let candidates: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.contains("likeliest first"))
        .skip(1)
        .take(4)
        .collect();
    assert_eq!(
        candidates,
        [
            "    1. 10.1.0.102, weak, explains 1 of 1 access, 1 connection, 95 ms away",
            r"       account APERTURE\TESTSUBJECT4",
            "    2. 10.1.0.101 (one.aperture.local), weak, explains 1 of 1 access, 1 connection, 100 ms away",
            r"       C:\tools\reg.exe (pid 6392) as APERTURE\chell",
        ]
    );
}

#[test]
fn what_raised_the_risk_stands_beside_it() {
    let rules = tempfile::tempdir().unwrap();
    let rule = std::fs::read_to_string(crate::replay::root().join("rules/detect-8.yaml")).unwrap();
    let raised = "risk: 73\nrisk_by: [{by: 9, roles: [primary-site-server]}, {by: 4, outcome: success, processes: [reg.exe]}]";
    std::fs::write(
        rules.path().join("detect-8.yaml"),
        rule.replace("risk: 73", raised),
    )
    .unwrap();
    let connected = with(
        connection(0, "one.aperture.local", CLIENT, 49_839),
        "Image",
        r"C:\tools\reg.exe".into(),
    );
    let text = printed(
        &[connected, share(10, CLIENT, 49_839)],
        &["--rules", rules.path().to_str().unwrap()],
    );
    assert_eq!(
        rows(&text, &["rule"]),
        [
            r"  rule       Remote connection to the winreg named pipe (detect-8), risk 86; +9: the host is a primary-site-server; +4: it was granted, the source ran C:\tools\reg.exe"
        ]
    );
}

#[test]
fn what_a_rule_or_a_host_says_cannot_write_to_the_terminal() {
    let connected = with(
        connection(0, "one.aperture.local", CLIENT, 49_839),
        "Image",
        "C:\\\u{1b}[2Jreg.exe".into(),
    );
    let text = printed(&[connected, share(10, CLIENT, 49_839)], &[]);
    assert!(
        text.contains("\\u{1b}[2Jreg.exe (pid 6392)") && !text.contains('\u{1b}'),
        "{text}"
    );
}
