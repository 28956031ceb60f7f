//! The whole path, raw topic to alert topic, beside a Kafka Streams application that does the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pipewarden::detection::Attribution;
use pipewarden::generator::{Fleet, Missing, Plan, Truth};
use pipewarden::telemetry::wall_clock;
use pipewarden::time::EventTime;
use serde_json::{Value, json};

use super::process::usage_of;
use super::support::broker::{Broker, broker};
use super::support::service::{Service, Settings};
use super::table::{Table, median};
use super::{Arguments, firehose};

/// How long either may take for anything.
const PATIENCE: Duration = Duration::from_secs(300);

/// Partitions of what lies between raw topic and alerts.
const PARTITIONS: i32 = 4;

/// Something that reads raw messages and writes alerts.
enum Contestant {
    Ours(Service),
    Peer(Peer),
}

impl Contestant {
    fn process(&self) -> u32 {
        match self {
            Self::Ours(service) => service.id(),
            Self::Peer(peer) => peer.child.id(),
        }
    }

    fn read(&self) -> f64 {
        match self {
            Self::Ours(service) => service.metric("pipewarden_messages_consumed_total", ""),
            Self::Peer(peer) => peer.read.load(Ordering::Relaxed) as f64,
        }
    }
}

/// The Kafka Streams application. Killed when dropped.
struct Peer {
    child: Child,
    read: Arc<AtomicU64>,
    _state: tempfile::TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Peer {
    fn start(servers: &str, name: &str, input: &str, alerts: &str, inventory: &Path) -> Result<Self, String> {
        let state = tempfile::tempdir().map_err(|error| error.to_string())?;
        let classpath = format!("{}/*:{}", libraries()?.display(), classes().display());
        let mut child = Command::new("java")
            .args([
                "-Xmx1g",
                "-XX:+UseParallelGC",
                "-cp",
                &classpath,
                "pipewarden.peer.Peer",
            ])
            .args([servers, name, input, alerts])
            .args([inventory, state.path()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("java: {error}"))?;
        let (read, stdout) = (Arc::new(AtomicU64::new(0)), child.stdout.take().unwrap());
        let shared = Arc::clone(&read);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                shared.store(line.parse().unwrap_or_default(), Ordering::Relaxed);
            }
        });
        Ok(Self {
            child,
            read,
            _state: state,
        })
    }
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/kafka-streams")
}

fn classes() -> PathBuf {
    project().join("target/classes")
}

/// Compiles the application and fetches its libraries.
fn libraries() -> Result<PathBuf, String> {
    let lib = project().join("target/lib");
    let built = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(project().join("pom.xml"))
        .args([
            "compile",
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
        ])
        .arg(format!("-DoutputDirectory={}", lib.display()))
        .output()
        .map_err(|error| format!("mvn: {error}"))?;
    if built.status.success() {
        Ok(lib)
    } else {
        Err(String::from_utf8_lossy(&built.stdout).into_owned())
    }
}

/// One measurement's topics, settings and hosts.
struct Stage {
    input: String,
    settings: Settings,
    fleet: Fleet,
    hosts: tempfile::NamedTempFile,
    _inventory: tempfile::NamedTempFile,
}

fn stage(broker: &Broker, name: &str) -> Stage {
    let prefix = broker.prefix(name);
    let input = format!("{prefix}.winlogbeat");
    let fleet = Fleet::invented(20, 2_000);
    let (inventory, hosts) = (
        tempfile::NamedTempFile::new().unwrap(),
        tempfile::NamedTempFile::new().unwrap(),
    );
    std::fs::write(inventory.path(), fleet.inventory()).unwrap();
    let lines: String = fleet
        .assets_by_name()
        .map(|(name, ip)| format!("{name} {ip}\n"))
        .collect();
    std::fs::write(hosts.path(), lines).unwrap();
    let settings = Settings::new(broker.servers(), &prefix)
        .with("kafka/topics/input", json!([input]))
        .with("kafka/topics/partitions", PARTITIONS.into())
        .with("inventory/file", inventory.path().to_str().unwrap().into())
        .with(
            "detection/settle",
            json!({"audited": "1s", "attributed": "1s", "none": "2s"}),
        );
    Stage {
        input,
        settings,
        fleet,
        hosts,
        _inventory: inventory,
    }
}

fn start(broker: &Broker, stage: &Stage, is_ours: bool) -> Option<(Contestant, String)> {
    // By the broker's clock, as what lies between the two is measured.
    let by_broker = [
        ("message.timestamp.type", "LogAppendTime"),
        ("max.message.bytes", "16777216"),
    ];
    if is_ours {
        let alerts = stage.settings.topic("alerts").to_owned();
        broker.create_topic(&alerts, PARTITIONS, &by_broker);
        stage.settings.create_topics();
        return Some((Contestant::Ours(Service::start(&stage.settings)), alerts));
    }
    let name = broker.prefix("streams");
    let alerts = format!("{name}.alerts");
    broker.create_topic(&alerts, PARTITIONS, &by_broker);
    match Peer::start(broker.servers(), &name, &stage.input, &alerts, stage.hosts.path()) {
        Ok(peer) => Some((Contestant::Peer(peer), alerts)),
        Err(reason) => {
            eprintln!("SKIPPED: no Kafka Streams application to measure beside: {reason}");
            None
        }
    }
}

/// An alert as both tell it: the asset, and the source if it is audited.
type Found = (String, Option<String>);

fn expected(truths: &[Truth], all: bool) -> BTreeSet<Found> {
    truths
        .iter()
        .filter(|truth| all || truth.attribution == Attribution::Audited)
        .map(|truth| {
            let is_audited = truth.attribution == Attribution::Audited;
            (
                truth.asset.clone(),
                is_audited.then(|| truth.attacker.to_string()),
            )
        })
        .collect()
}

fn found(broker: &Broker, alerts: &str) -> BTreeSet<Found> {
    broker
        .read_all(alerts)
        .iter()
        .map(|record| {
            let alert: Value = serde_json::from_slice(&record.value).unwrap();
            let text = |value: &Value| value.as_str().map(str::to_owned);
            if alert["pipewarden"].is_object() {
                let own = &alert["pipewarden"];
                let source = (own["attribution"] == "audited")
                    .then(|| text(&alert["source"]["ip"]))
                    .flatten();
                (text(&own["asset"]["id"]).unwrap(), source)
            } else {
                let source = (alert["hasShare"] == true)
                    .then(|| text(&alert["source"]))
                    .flatten();
                (text(&alert["asset"]).unwrap(), source)
            }
        })
        .collect()
}

/// A backlog, as fast as it goes. The first fifth is for warming up; the rest is measured, to the last audited alert.
pub fn throughput(arguments: &Arguments, table: &mut Table) {
    let Some(broker) = broker() else { return };
    let mut stage = stage(broker, "whole");
    // What has no named source need not wait a minute for one here.
    let settle = json!({"audited": "1s", "attributed": "1s", "none": "2s"});
    stage.settings = stage.settings.with("detection/settle", settle);
    let mut plan = Plan {
        lateness: Duration::ZERO,
        ..Plan::new(arguments.seed, arguments.whole_messages)
    };
    plan.start = now().minus(plan.span());
    let truths = firehose::fill(broker, &stage.input, &plan, stage.fleet.clone());
    let (audited, all) = (expected(&truths, false), expected(&truths, true));
    let messages = arguments.whole_messages as f64;
    let (mut cpu, mut wall): ([Vec<f64>; 2], [Vec<f64>; 2]) = Default::default();
    let mut peaks = [0; 2];
    for (index, is_ours) in [(0, true), (1, false)] {
        let Some((contestant, alerts)) = start(broker, &stage, is_ours) else {
            return;
        };
        let began = Instant::now();
        let until = |share: f64| {
            while contestant.read() < messages * share {
                assert!(began.elapsed() < PATIENCE, "all messages are read");
                std::thread::sleep(Duration::from_millis(20));
            }
            let (usage, _) = usage_of(contestant.process()).unwrap();
            (Instant::now(), usage, contestant.read())
        };
        let (warm, before, read) = until(0.2);
        let (done, after, _) = until(1.0);
        let measured = messages - read;
        cpu[index].push(measured / (after.cpu - before.cpu).as_secs_f64().max(0.01));
        wall[index].push(measured / (done - warm).as_secs_f64());
        peaks[index] = after.peak >> 20;
        while !audited.is_subset(&found(broker, &alerts)) {
            assert!(began.elapsed() < PATIENCE, "all audited attacks are found");
            std::thread::sleep(Duration::from_millis(200));
        }
        if is_ours {
            // Those without a named source wait for what may still come.
            while !all.is_subset(&found(broker, &alerts)) {
                assert!(began.elapsed() < PATIENCE, "all attacks are found");
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        let surplus: Vec<Found> = found(broker, &alerts).difference(&all).cloned().collect();
        assert!(surplus.is_empty(), "nothing else is found: {surplus:?}");
    }
    let [ours, peer] = cpu.map(median);
    table.row(
        "whole path, a core",
        &format!("{:.0} k messages/s", ours / 1e3),
        &format!("Kafka Streams {:.0} k messages/s", peer / 1e3),
        &format!("{:.1} times", ours / peer),
    );
    let [ours, peer] = wall.map(median);
    table.row(
        "whole path, wall clock",
        &format!("{:.0} k messages/s", ours / 1e3),
        &format!("Kafka Streams {:.0} k messages/s", peer / 1e3),
        &format!("{:.1} times", ours / peer),
    );
    table.row(
        "whole path, peak memory",
        &format!("{} MiB", peaks[0]),
        &format!("Kafka Streams {} MiB", peaks[1]),
        &format!("{:.1} times less", peaks[1] as f64 / peaks[0].max(1) as f64),
    );
}

fn now() -> EventTime {
    EventTime::from_micros(wall_clock().as_millis() * 1_000)
}

/// At a steady rate: from the publication of the document that made the evidence complete to the alert that says so.
pub fn latency(arguments: &Arguments, table: &mut Table) {
    let Some(broker) = broker() else { return };
    let mut latencies: [Vec<f64>; 2] = Default::default();
    for (index, is_ours) in [(0, true), (1, false)] {
        let stage = stage(broker, "latency");
        broker.create_topic(&stage.input, PARTITIONS, &[]);
        let Some((contestant, alerts)) = start(broker, &stage, is_ours) else {
            return;
        };
        await_start(broker, &stage, &contestant);
        let plan = Plan {
            start: now(),
            rate: arguments.rate,
            lateness: Duration::ZERO,
            clock_skew: Duration::ZERO,
            attack_every: Some(Duration::from_millis(500)),
            missing: Missing {
                share_access: 0,
                pipe_connected: 0,
                network_connection: 0,
            },
            ..Plan::new(arguments.seed, arguments.rate * (arguments.seconds + 30))
        };
        let truths = firehose::feed(broker, &stage.input, &plan, Fleet::invented(20, 2_000));
        let complete: BTreeMap<Found, i64> = truths
            .iter()
            .map(|truth| {
                let key = (truth.asset.clone(), Some(truth.attacker.to_string()));
                (key, truth.complete_at.as_micros() / 1_000)
            })
            .collect();
        latencies[index] = told_after(broker, &alerts, &complete);
    }
    let quantile = |all: &mut Vec<f64>, part: f64| {
        all.sort_by(f64::total_cmp);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let index = ((all.len() - 1) as f64 * part).round() as usize;
        all[index]
    };
    let [mut ours, mut peer] = latencies;
    if ours.is_empty() || peer.is_empty() {
        return;
    }
    for (name, part) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
        let (one, other) = (quantile(&mut ours, part), quantile(&mut peer, part));
        table.row(
            &format!("latency at {}/s, {name}", arguments.rate),
            &format!("{one:.0} ms ({} alerts)", ours.len()),
            &format!("Kafka Streams {other:.0} ms ({} alerts)", peer.len()),
            &format!("{:.2}", one / other),
        );
    }
}

/// One message through: from then on nothing waits for a group to form.
fn await_start(broker: &Broker, stage: &Stage, contestant: &Contestant) {
    broker.produce(&stage.input, &[(0, b"{}".to_vec())]);
    let began = Instant::now();
    while contestant.read() < 1.0 {
        assert!(began.elapsed() < PATIENCE, "it reads");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Milliseconds from when an alert could have been told to when it was, for each.
fn told_after(broker: &Broker, alerts: &str, complete: &BTreeMap<Found, i64>) -> Vec<f64> {
    let began = Instant::now();
    loop {
        let mut told: BTreeMap<Found, i64> = BTreeMap::new();
        for record in broker.read_all(alerts) {
            let alert: Value = serde_json::from_slice(&record.value).unwrap();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (key, is_complete) = if alert["pipewarden"].is_object() {
                let (own, counts) = (&alert["pipewarden"], &alert["pipewarden"]["observations"]);
                let is_complete = ["network_connection", "pipe_connected", "share_access"]
                    .iter()
                    .all(|kind| counts[kind].as_u64().is_some_and(|count| count > 0));
                (
                    (text(&own["asset"]["id"]), Some(text(&alert["source"]["ip"]))),
                    is_complete,
                )
            } else {
                let is_complete = ["hasShare", "hasPipe", "hasConnection"]
                    .iter()
                    .all(|kind| alert[kind] == true);
                ((text(&alert["asset"]), Some(text(&alert["source"]))), is_complete)
            };
            if is_complete {
                let at = record.append_time.unwrap();
                let first = told.entry(key).or_insert(at);
                *first = at.min(*first);
            }
        }
        if complete.keys().all(|key| told.contains_key(key)) {
            return complete.iter().map(|(key, at)| (told[key] - at) as f64).collect();
        }
        let missing = complete.keys().filter(|key| !told.contains_key(*key)).count();
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "{missing} of {} are not told",
            complete.len()
        );
        std::thread::sleep(Duration::from_millis(500));
    }
}
