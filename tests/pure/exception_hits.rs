//! Which exceptions are ever hit: what running services count, and what `check --status` makes of it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use pipewarden::telemetry::{self, Metrics, Protection, Status};
use pipewarden_core::detection::Exceptions;
use pipewarden_core::inventory::Inventory;
use pipewarden_core::time::AppendTime;
use pipewarden_kafka::WorkerRole;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const EXCEPTIONS: &str = "exceptions:
  - {id: scanner, reason: r, owner: o, expires: 2090-01-01, action: suppress, sources: {addresses: [10.9.0.1]}, pipes: [winreg]}
  - {id: backup, reason: r, owner: o, expires: 2090-01-01, action: downgrade, sources: {addresses: [10.9.0.2]}, pipes: [winreg]}
  - {id: forgotten, reason: r, owner: o, expires: 2025-01-01, action: suppress, sources: {addresses: [10.9.0.3]}, pipes: [winreg]}
";

/// What the tests stand at.
const NOW: i64 = 1_790_000_000_000;

fn exceptions(text: &str) -> Exceptions {
    let inventory = Arc::new(Inventory::empty());
    Exceptions::builtin(inventory).and(text, "test").unwrap()
}

/// Counts hits of the entry with this id.
fn hit(status: &Status, exceptions: &Exceptions, id: &str, times: usize) {
    let entry = exceptions
        .entries()
        .iter()
        .find(|entry| &*entry.id == id)
        .unwrap();
    (0..times).for_each(|_| status.hit(entry));
}

/// Real endpoints of a process that owns some partitions.
struct Served {
    address: SocketAddr,
    status: Arc<Status>,
    _runtime: Runtime,
}

impl Served {
    fn start(partitions: usize) -> Self {
        let runtime = Runtime::new().unwrap();
        let status = Arc::new(Status::default());
        status.start("correlator-0", WorkerRole::Correlator);
        status.start("router-0", WorkerRole::Router);
        status.update("correlator-0", |worker| worker.partitions = partitions);
        status.update("router-0", |worker| worker.partitions = 100);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&status);
        runtime.spawn(telemetry::serve(
            listener,
            Protection::default(),
            Arc::new(Metrics::new()),
            shared,
            std::future::pending(),
        ));
        Self {
            address,
            status,
            _runtime: runtime,
        }
    }
}

/// Runs `check` under these exceptions, which asks there.
fn check(status: &[String]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exceptions.yaml");
    std::fs::write(&file, EXCEPTIONS).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipewarden"));
    command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .args(["check", "--exceptions"])
        .arg(&file)
        .env("PIPEWARDEN_KAFKA__TOPICS__PARTITIONS", "6");
    for place in status {
        command.args(["--status", place]);
    }
    command.output().unwrap()
}

/// The line below that of an entry.
fn line_below(output: &Output, id: &str) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let mut lines = text
        .lines()
        .skip_while(|line| !line.starts_with(&format!("  {id}: ")));
    lines.next().unwrap();
    lines.next().unwrap_or_default().trim().to_owned()
}

#[test]
fn hits_are_kept_as_long_as_an_entry_of_the_id_is_in_force() {
    let (status, all) = (Status::default(), exceptions(EXCEPTIONS));
    assert_eq!(
        status.to_value()["exceptions"],
        Value::Null,
        "nothing is correlated yet"
    );
    let at = |millis| AppendTime::from_millis(NOW + millis);
    status.exceptions(all.entries(), at(0));
    hit(&status, &all, "scanner", 2);
    let shown = &status.to_value()["exceptions"];
    assert_eq!(shown["scanner"]["hits"], 2);
    assert_eq!(shown["backup"]["hits"], 0);
    assert_eq!(shown["builtin-own-site"]["hits"], 0);
    assert_eq!(shown["scanner"]["since"], "2026-09-21T14:13:20.000Z");

    let fewer = exceptions(&EXCEPTIONS.replace("id: backup", "id: renamed"));
    status.exceptions(fewer.entries(), at(1_000));
    hit(&status, &all, "backup", 1);
    let shown = &status.to_value()["exceptions"];
    assert_eq!(shown["backup"], Value::Null, "it is no longer in force");
    assert_eq!(shown["scanner"]["hits"], 2);
    assert_eq!(shown["scanner"]["since"], "2026-09-21T14:13:20.000Z");
    assert_eq!(shown["renamed"]["since"], "2026-09-21T14:13:21.000Z");
}

#[test]
fn hits_of_all_services_are_summed_and_entries_without_any_are_named() {
    let (one, other, all) = (Served::start(3), Served::start(3), exceptions(EXCEPTIONS));
    for (service, started) in [(&one, 0), (&other, 60_000)] {
        let started = AppendTime::from_millis(NOW + started);
        service.status.exceptions(all.entries(), started);
    }
    hit(&one.status, &all, "scanner", 2);
    hit(&other.status, &all, "scanner", 3);
    let output = check(&[
        format!("http://{}/status", one.address),
        other.address.to_string(),
    ]);
    assert_eq!(
        line_below(&output, "scanner"),
        "5 hits since 2026-09-21T14:14:20.000Z"
    );
    assert_eq!(
        line_below(&output, "backup"),
        "no hit counted since 2026-09-21T14:14:20.000Z: is it still needed?"
    );
    let of_expired = line_below(&output, "forgotten");
    assert!(of_expired.starts_with("builtin-own-site: "), "{of_expired}");
    let of_builtin = line_below(&output, "builtin-own-site");
    assert_eq!(of_builtin, "0 hits since 2026-09-21T14:14:20.000Z");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("partitions ("));
}

#[test]
fn what_was_not_asked_or_is_not_in_force_everywhere_is_shown() {
    let (one, other) = (Served::start(3), Served::start(1));
    let started = AppendTime::from_millis(NOW);
    one.status.exceptions(exceptions(EXCEPTIONS).entries(), started);
    let before = exceptions(&EXCEPTIONS.replace("id: backup", "id: renamed"));
    other.status.exceptions(before.entries(), started);
    let output = check(&[format!("{},{}", one.address, other.address)]);
    assert_eq!(
        line_below(&output, "backup"),
        "in force at 1 of 2 services, 0 hits"
    );
    assert_eq!(
        line_below(&output, "scanner"),
        "no hit counted since 2026-09-21T14:13:20.000Z: is it still needed?"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("own 4 of 6 partitions"), "{text}");

    let output = check(&[other.address.to_string()]);
    assert_eq!(line_below(&output, "backup"), "in force at none of the services");
}

#[test]
fn a_service_that_cannot_tell_is_an_error_that_names_it() {
    let router = Served::start(0);
    let nobody = "127.0.0.1:1".to_owned();
    for (place, expected) in [
        (router.address.to_string(), "runs no correlator"),
        (nobody, "http://127.0.0.1:1/status"),
        ("atlas".to_owned(), "--status: atlas: write HOST:PORT"),
        ("https://soc:9464".to_owned(), "--certificate-file"),
    ] {
        let output = check(std::slice::from_ref(&place));
        assert_eq!(output.status.code(), Some(1), "{place}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(expected), "{place}: {text}");
    }
}
