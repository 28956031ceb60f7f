//! Errors as users see them: each names the thing, and its cause once.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

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
fn a_repeated_cause_would_be_noticed() {
    assert_eq!(
        repeated("error: cannot read x: not found: not found"),
        Some("not found")
    );
    assert_eq!(repeated("error: cannot read x: not found"), None);
}
