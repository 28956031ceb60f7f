//! Errors as users see them: each names the thing, and its cause once.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

/// A command that must fail, and what its error must name.
struct Case {
    name: &'static str,
    arguments: Vec<String>,
    names: Vec<String>,
}

fn case(name: &'static str, arguments: &[&str], names: &[&str]) -> Case {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    Case {
        name,
        arguments: owned(arguments),
        names: owned(names),
    }
}

fn run(arguments: &[String], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(arguments)
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

const MISSING: &str = "No such file or directory";

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

fn cases() -> Vec<Case> {
    let missing = |command: &'static str, flag: &'static str| {
        case(
            command,
            &[command, flag, "missing.yaml"],
            &["missing.yaml", MISSING],
        )
    };
    vec![
        missing("check", "--inventory"),
        missing("check", "--exceptions"),
        missing("check", "--config"),
        missing("run", "--config"),
        case(
            "topics",
            &["topics", "check", "--config", "missing.yaml"],
            &["missing.yaml", MISSING],
        ),
        case(
            "no rules folder",
            &["check", "--rules", "missing"],
            &["folder of rules missing", MISSING],
        ),
        case(
            "bad rule",
            &["check", "--rules", "bad-rules"],
            &["bad-rules/svc.yaml"],
        ),
        case(
            "empty rules folder",
            &["check", "--rules", "no-rules"],
            &["no-rules holds no rule"],
        ),
        case(
            "unreadable cases",
            &["test", "untested-rules"],
            &["cases", "detect-8.tests.yaml"],
        ),
        case(
            "no rule of that name",
            &["export", "--rule", "x", "--to", "eql"],
            &["--rule", "detect-8"],
        ),
        case(
            "unknown rule",
            &["check", "--enable", "svctl"],
            &["rules.enabled", "svcctl"],
        ),
        case(
            "bad inventory",
            &["check", "--inventory", "bad-inventory.yaml"],
            &["bad-inventory.yaml"],
        ),
        case(
            "bad exceptions",
            &["check", "--exceptions", "bad-exceptions.yaml"],
            &["bad-exceptions.yaml"],
        ),
        case(
            "bad syntax",
            &["check", "--config", "syntax.yaml"],
            &["syntax.yaml"],
        ),
        case(
            "unknown topic setting",
            &["topics", "check", "--config", "unknown.yaml"],
            &["kafka.topics.retention"],
        ),
        case(
            "wrong type",
            &["check", "--config", "wrong-type.yaml"],
            &["router.threads"],
        ),
        case(
            "invalid values",
            &["run", "--config", "invalid.yaml"],
            &["router.threads", "kafka.brokers"],
        ),
        case(
            "unknown property",
            &["run", "--config", "property.yaml"],
            &["kafka.client", "no.such.property"],
        ),
        case(
            "admin property",
            &["topics", "check", "--config", "property.yaml"],
            &["kafka.client", "no.such.property"],
        ),
        case(
            "missing input",
            &["replay", "missing.ndjson"],
            &["missing.ndjson", MISSING],
        ),
        case(
            "unknown ending",
            &["replay", "broken.csv"],
            &["broken.csv", ".ndjson"],
        ),
        case(
            "broken gzip",
            &["replay", "broken.ndjson.gz"],
            &["broken.ndjson.gz"],
        ),
        case(
            "UTF-16",
            &["replay", "utf-16.ndjson"],
            &["utf-16.ndjson", "UTF-8"],
        ),
        case("broken event log", &["replay", "broken.evtx"], &["broken.evtx"]),
        case(
            "missing export",
            &["inventory", "import", "missing.csv"],
            &["missing.csv", MISSING],
        ),
        case(
            "unknown columns",
            &["inventory", "import", "broken.csv"],
            &["broken.csv", "NetworkOSPath"],
        ),
        case(
            "broken JSON",
            &["inventory", "import", "broken.json"],
            &["broken.json", "not JSON"],
        ),
        case(
            "no port",
            &["health", "--address", "nonsense"],
            &["--address", "HOST:PORT"],
        ),
        case(
            "nobody listens",
            &["health", "--address", "127.0.0.1:1"],
            &["127.0.0.1:1", "refused"],
        ),
        case(
            "no service",
            &["check", "--status", "127.0.0.1:1"],
            &["--status", "127.0.0.1:1", "refused"],
        ),
        case(
            "no folder",
            &["generate", "--output", "missing/x.ndjson"],
            &["missing/x.ndjson", MISSING],
        ),
    ]
}

#[test]
fn an_error_names_the_thing_and_says_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path());
    for Case {
        name,
        arguments,
        names,
    } in cases()
    {
        let output = run(&arguments, folder.path());
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!output.status.success(), "{name} has succeeded: {text}");
        for named in names {
            assert!(text.contains(&named), "{name} does not name {named:?}: {text}");
        }
        for line in text.lines() {
            assert_eq!(repeated(line), None, "{name}: {line}");
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
