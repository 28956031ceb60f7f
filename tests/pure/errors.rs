//! Errors as users see them: each names the thing, and its cause once.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A command that must fail, and what its error must name.
type Case = (&'static str, &'static [&'static str]);

const MISSING: &str = "No such file or directory";

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("check --inventory missing.yaml", &["missing.yaml", MISSING]),
    ("check --exceptions missing.yaml", &["missing.yaml", MISSING]),
    ("check --config missing.yaml", &["missing.yaml", MISSING]),
    ("run --config missing.yaml", &["missing.yaml", MISSING]),
    ("topics check --config missing.yaml", &["missing.yaml", MISSING]),
    ("check --rules missing", &["folder of rules missing", MISSING]),
    ("check --rules bad-rules", &["bad-rules/svc.yaml"]),
    ("check --rules no-rules", &["no-rules holds no rule"]),
    ("test untested-rules", &["cases", "detect-8.tests.yaml"]),
    ("export --rule x --to eql", &["--rule", "detect-8"]),
    ("check --enable svctl", &["rules.enabled", "svcctl"]),
    ("check --inventory bad-inventory.yaml", &["bad-inventory.yaml"]),
    ("check --exceptions bad-exceptions.yaml", &["bad-exceptions.yaml"]),
    ("check --config syntax.yaml", &["syntax.yaml"]),
    ("topics check --config unknown.yaml", &["kafka.topics.retention"]),
    ("check --config wrong-type.yaml", &["router.threads"]),
    ("run --config invalid.yaml", &["router.threads", "kafka.brokers"]),
    ("run --config property.yaml", &["kafka.client", "no.such.property"]),
    ("topics check --config property.yaml", &["kafka.client", "no.such.property"]),
    ("check --config property.yaml", &["kafka.client", "no.such.property"]),
    ("check --config level.yaml", &["log.level", "\"warnig\"", "did you mean warn?"]),
    ("check --config pattern.yaml", &["kafka.topics.input", "winlogbeat-*"]),
    ("check --config several.yaml", &["router.thread;", "router.threads", "kafka.topics.retention", "correlator.enabled"]),
    ("check --config client.yaml --inventory missing.yaml", &["security.protcol", "compression.type", "missing/ca.pem", "missing.yaml"]),
    ("check --inventory bad-inventory.yaml --exceptions bad-exceptions.yaml --rules bad-rules", &["bad-inventory.yaml", "bad-exceptions.yaml", "bad-rules/svc.yaml"]),
    ("replay missing.ndjson", &["missing.ndjson", MISSING]),
    ("replay broken.csv", &["broken.csv", ".ndjson"]),
    ("replay broken.ndjson.gz", &["broken.ndjson.gz"]),
    ("replay utf-16.ndjson", &["utf-16.ndjson", "UTF-8"]),
    ("replay broken.evtx", &["broken.evtx"]),
    ("inventory import missing.csv", &["missing.csv", MISSING]),
    ("inventory import broken.csv", &["broken.csv", "NetworkOSPath"]),
    ("inventory import broken.json", &["broken.json", "not JSON"]),
    ("health --address nonsense", &["--address", "HOST:PORT"]),
    ("health --address 127.0.0.1:1", &["127.0.0.1:1", "refused"]),
    ("check --status 127.0.0.1:1", &["--status", "127.0.0.1:1", "refused"]),
    ("generate --output missing/x.ndjson", &["missing/x.ndjson", MISSING]),
];

fn run(command: &str, folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(command.split(' '))
        .current_dir(folder)
        .env_remove("PIPEWARDEN_KAFKA__BROKERS")
        .output()
        .unwrap()
}

/// The clause of a line that stands there twice.
fn repeated(line: &str) -> Option<&str> {
    let mut seen = BTreeSet::new();
    line.split(": ").find(|clause| !seen.insert(clause.trim()))
}

fn write_files(folder: &Path) {
    let rule = "id: svc\nname: n\nrisk: 7\npipes: {pipe_connected: [svcctl]}\nunknown: 1\n";
    std::fs::create_dir(folder.join("bad-rules")).unwrap();
    std::fs::create_dir(folder.join("no-rules")).unwrap();
    std::fs::create_dir(folder.join("untested-rules")).unwrap();
    std::fs::write(folder.join("bad-rules/svc.yaml"), rule).unwrap();
    let builtin = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/detect-8.yaml");
    std::fs::copy(builtin, folder.join("untested-rules/detect-8.yaml")).unwrap();
    // A folder where a file should be: it exists and cannot be read.
    std::fs::create_dir(folder.join("untested-rules/detect-8.tests.yaml")).unwrap();
    for (name, bytes) in [
        ("bad-inventory.yaml", b"assets: 7\n".as_slice()),
        ("bad-exceptions.yaml", b"exceptions: [{id: x, pipes: [winreg]}]\n"),
        ("syntax.yaml", b"kafka: [\n"),
        ("unknown.yaml", b"kafka: {topics: {retention: 7}}\n"),
        ("invalid.yaml", b"router: {threads: 0}\nkafka: {brokers: ''}\n"),
        ("wrong-type.yaml", b"router: {threads: many}\n"),
        (
            "property.yaml",
            b"kafka: {client: {no.such.property: 1}}\nhttp: {listen: '127.0.0.1:0'}\n",
        ),
        ("level.yaml", b"log: {level: warnig}\n"),
        ("pattern.yaml", b"kafka: {topics: {input: ['winlogbeat-*']}}\n"),
        (
            "several.yaml",
            b"router: {thread: 1, threads: many}\nkafka: {topics: {retention: 7}}\ncorrelator: {enabled: perhaps}\n",
        ),
        (
            "client.yaml",
            b"kafka: {client: {security.protcol: swordfish, ssl.ca.location: missing/ca.pem, compression.type: catfish}}\n",
        ),
        ("broken.ndjson.gz", b"\x1f\x8b\x08\x00nothing of gzip"),
        ("utf-16.ndjson", b"\xff\xfe{\x00}\x00"),
        ("broken.evtx", b"ElfFile\x00"),
        ("broken.csv", b"a,b\n1,2\n"),
        ("broken.json", b"[{"),
    ] {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

#[test]
fn an_error_names_the_thing_and_says_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path());
    for (command, names) in CASES {
        let output = run(command, folder.path());
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!output.status.success(), "{command} has succeeded: {text}");
        for &named in *names {
            assert!(text.contains(named), "{command} does not name {named:?}: {text}");
        }
        for line in text.lines() {
            assert_eq!(repeated(line), None, "{command}: {line}");
        }
    }
}

#[test]
fn the_value_of_a_property_that_is_rejected_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path());
    for command in ["check", "topics check", "run"] {
        let output = run(&format!("{command} --config client.yaml"), folder.path());
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(text.contains("security.protcol"), "{text}");
        assert!(!text.contains("fish"), "{text}");
    }
}

#[test]
fn several_errors_have_a_line_each() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path());
    let output = run("check --config several.yaml", folder.path());
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.lines().all(|line| line.starts_with("error: ")), "{text}");
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    for command in ["check", "export --rule detect-8 --to sigma", "test"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
            .args(command.split(' '))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{command}: {text}");
        assert_eq!(text, "", "{command}");
    }
}

#[test]
fn a_repeated_cause_would_be_noticed() {
    assert_eq!(
        repeated("error: cannot read x: not found: not found"),
        Some("not found")
    );
    assert_eq!(repeated("error: cannot read x: not found"), None);
}
