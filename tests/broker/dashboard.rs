//! A real Prometheus scrapes a real service under load: every panel of the dashboard has data, every rule can be evaluated,
//! and promtool finds nothing to say about the metrics.
//!
//! Skips loudly where there is no Prometheus; `PIPEWARDEN_REQUIRE_PROMETHEUS=1` makes that a failure.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::broker::{self, broker, free_port};
use crate::support::chaos::Scene;
use crate::support::chaos::cluster::settings;
use crate::support::service::{self, Service};

/// How long until every panel must have data.
const PATIENCE: Duration = Duration::from_secs(90);

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("helm/pipewarden/files")
        .join(name)
}

/// Whether Prometheus and its tool can be had.
fn is_there() -> bool {
    ["prometheus", "promtool"]
        .iter()
        .all(|program| Command::new(program).arg("--version").output().is_ok())
}

/// A Prometheus of its own. Killed when dropped.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn start(targets: &[SocketAddr]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
        let targets: Vec<String> = targets.iter().map(|target| format!("{target:?}")).collect();
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{}]
scrape_configs:
  - job_name: pipewarden
    static_configs: [{{targets: [{}], labels: {{namespace: test}}}}]
",
            file("prometheus-rules.yaml").display(),
            targets.join(", ")
        );
        let path = folder.path().join("prometheus.yml");
        std::fs::write(&path, config).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", path.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            address,
            _folder: folder,
        }
    }

    /// The answer's `data`, or why there is none.
    fn get(&self, path: &str) -> Result<Value, String> {
        let (_, body) = service::get(self.address, path).map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].clone()),
            _ => Err(answer["error"].to_string()),
        }
    }

    /// All rules as they stand.
    fn rules(&self) -> Vec<Value> {
        let data = self.get("/api/v1/rules").unwrap();
        let groups = data["groups"].as_array().cloned().unwrap_or_default();
        groups
            .iter()
            .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
            .collect()
    }

    /// The series that a query gives now, each with a number.
    fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let data = self.get(&format!("/api/v1/query?query={encoded}"))?;
        let series = data["result"].as_array().cloned().unwrap_or_default();
        let is_number = |one: &Value| one["value"][1].as_str().is_some_and(|value| value != "NaN");
        if series.iter().any(is_number) {
            Ok(series)
        } else {
            Err(format!("no data: {data}"))
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Title and query of everything that the dashboard asks, its variables filled in.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value =
        serde_json::from_str(&std::fs::read_to_string(file("dashboard.json")).unwrap()).unwrap();
    let fill = |query: &str| {
        query
            .replace("$namespace", ".*")
            .replace("$topic", ".*")
            .replace("$__rate_interval", "15s")
    };
    let mut all = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let title = panel["title"].as_str().unwrap().to_owned();
            all.push((title, fill(target["expr"].as_str().unwrap())));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if variable["type"] == "query" {
            let name = variable["name"].as_str().unwrap();
            let inner = variable["definition"].as_str().unwrap();
            let inner = inner.strip_prefix("label_values(").unwrap();
            let (series, label) = inner.trim_end_matches(')').rsplit_once(", ").unwrap();
            all.push((
                format!("variable {name}"),
                format!("count by ({label}) ({})", fill(series)),
            ));
        }
    }
    all
}

fn lint(metrics: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(metrics.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    let output_text = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success() && output_text.is_empty(),
        "{}",
        String::from_utf8_lossy(&output_text)
    );
}

#[test]
fn every_panel_has_data_and_every_rule_can_be_evaluated() {
    if !is_there() {
        let required = std::env::var("PIPEWARDEN_REQUIRE_PROMETHEUS").is_ok_and(|value| value == "1");
        assert!(
            !required,
            "PIPEWARDEN_REQUIRE_PROMETHEUS=1 and there is no prometheus with promtool"
        );
        eprintln!("SKIPPED: this test needs prometheus and promtool in PATH");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let inventory = folder.path().join("inventory.yaml");
    // Only sensors of listed assets are judged, and shown.
    std::fs::write(
        &inventory,
        "assets: [{name: asset0.aperture.local, roles: [tier0]}]",
    )
    .unwrap();
    let Some(broker) = broker() else { return };
    let settings = settings(broker.servers(), &broker.prefix("dashboard"))
        .with("inventory", json!({"file": inventory, "unlisted_hosts": "watch"}));
    let mut scene = Scene::open(broker::at(broker.servers()), settings, 5);
    let start = |name: &str| {
        Service::start_with(
            &scene.settings,
            [("PIPEWARDEN_CORRELATOR__INSTANCE", name.to_owned())],
        )
    };
    let (first, second) = (start("a"), start("b"));
    let prometheus = Prometheus::start(&[first.address(), second.address()]);
    first.await_ready();
    second.await_ready();
    // Both have been ready. On a machine that is busy with other tests commits may be slow enough that one is not now.
    first.await_that("both are scraped", || {
        prometheus.query("count(pipewarden_ready) == 2").is_ok()
    });
    // What moves when one of two goes: rebalances, restoring.
    second.signal("TERM");
    second.wait();

    let (began, mut open) = (Instant::now(), queries());
    assert!(open.len() > 30, "{open:?}");
    loop {
        let rules = prometheus.rules();
        let is_recording = |rule: &&Value| rule["type"] == "recording";
        let mut recorded = rules
            .iter()
            .filter(is_recording)
            .map(|rule| rule["name"].as_str().unwrap());
        let is_recorded = recorded.all(|name| prometheus.query(name).is_ok());
        // Unknown until they have been evaluated.
        let unsound: Vec<&Value> = rules.iter().filter(|rule| rule["health"] != "ok").collect();
        open.retain(|(_, query)| prometheus.query(query).is_err());
        if open.is_empty() && unsound.is_empty() && is_recorded && rules.len() > 15 {
            break;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "without data: {open:#?}; recorded: {is_recorded}; {} rules, of them not sound: {unsound:#?}",
            rules.len()
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    lint(&first.get("/metrics").1);
    scene.load.stop();
}
