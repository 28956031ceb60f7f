//! The whole path, raw topic to alert topic, beside a Kafka Streams application that does the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pipewarden::telemetry::wall_clock;
use pipewarden_core::detection::Attribution;
use pipewarden_core::time::EventTime;
use pipewarden_tools::generator::{Fleet, Plan, Truth};
use serde_json::{Value, json};

use super::process::usage_of;
use super::support::broker::{Broker, broker};
use super::support::service::{Service, Settings};
use super::table::{Table, median};
use super::{Arguments, firehose};

/// How long either may take for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1_200);

/// Partitions of what lies between raw topic and alerts.
pub(crate) const PARTITIONS: i32 = 4;

/// Something that reads raw messages and writes alerts.
pub(crate) enum Contestant {
    Ours(Service),
    Peer(Peer),
}

impl Contestant {
    pub(crate) fn process(&self) -> u32 {
        match self {
            Self::Ours(service) => service.id(),
            Self::Peer(peer) => peer.child.id(),
        }
    }

    pub(crate) fn read(&self) -> f64 {
        match self {
            Self::Ours(service) => service
                .metric_if_any("pipewarden_messages_consumed_total", "")
                .unwrap_or_default(),
            Self::Peer(peer) => peer.read.load(Ordering::Relaxed) as f64,
        }
    }
}

/// The Kafka Streams application. Killed when dropped.
pub(crate) struct Peer {
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
pub(crate) struct Stage {
    pub input: String,
    pub settings: Settings,
    hosts: tempfile::NamedTempFile,
    _inventory: tempfile::NamedTempFile,
}

pub(crate) fn stage(broker: &Broker, name: &str, fleet: &Fleet) -> Stage {
    let prefix = broker.prefix(name);
    let input = format!("{prefix}.winlogbeat");
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
        .with("router/commit_interval", firehose::commit_interval())
        .with("inventory/file", inventory.path().to_str().unwrap().into());
    Stage {
        input,
        settings,
        hosts,
        _inventory: inventory,
    }
}

pub(crate) fn start(broker: &Broker, stage: &Stage, is_ours: bool) -> Option<(Contestant, String)> {
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
pub(crate) type Found = (String, Option<String>);

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

/// What stands in the end: the last record of each key counts, as for whoever upserts by key.
fn found(broker: &Broker, alerts: &str) -> BTreeSet<Found> {
    let records = broker.read_all(alerts);
    let last: BTreeMap<_, _> = records
        .iter()
        .map(|record| (&record.key, &record.value))
        .collect();
    last.into_values()
        .filter_map(|value| {
            let alert: Value = serde_json::from_slice(value).unwrap();
            let text = |value: &Value| value.as_str().map(str::to_owned);
            if alert["pipewarden"].is_object() {
                let own = &alert["pipewarden"];
                let source = (own["attribution"] == "audited")
                    .then(|| text(&alert["source"]["ip"]))
                    .flatten();
                (own["status"] == "active").then(|| (text(&own["asset"]["id"]).unwrap(), source))
            } else {
                let source = (alert["hasShare"] == true)
                    .then(|| text(&alert["source"]))
                    .flatten();
                Some((text(&alert["asset"]).unwrap(), source))
            }
        })
        .collect()
}

/// A plan of a backlog in which none is late, however many there are.
pub(crate) fn backlog(arguments: &Arguments) -> Plan {
    let mut plan = Plan {
        lateness: Duration::ZERO,
        ..Plan::new(arguments.seed, arguments.whole_messages)
    };
    plan.rate = plan.rate.max(plan.events / 1_200);
    plan.start = now().minus(plan.span());
    plan
}

/// The stage of one run over it.
pub(crate) fn stage_of_backlog(broker: &Broker, input: &str, fleet: &Fleet) -> Stage {
    let mut stage = stage(broker, "whole", fleet);
    input.clone_into(&mut stage.input);
    // What has no named source need not wait a minute for one here.
    let settle = json!({"audited": "1s", "attributed": "1s", "none": "2s"});
    stage.settings = stage
        .settings
        .with("kafka/topics/input", json!([input]))
        .with("detection/settle", settle);
    stage
}

/// A backlog, as fast as it goes. The first fifth is for warming up; the rest is measured, to the last audited alert.
pub(crate) fn throughput(arguments: &Arguments, table: &mut Table) {
    let Some(broker) = broker() else { return };
    let fleet = Fleet::invented(20, 2_000);
    let input = format!("{}.winlogbeat", broker.prefix("whole"));
    let truths = firehose::fill(broker, &input, &backlog(arguments), fleet.clone());
    let (mut cpu, mut wall, mut peaks): ([Vec<f64>; 2], [Vec<f64>; 2], [u64; 2]) = Default::default();
    let mut surplus = [0; 2];
    for _ in 0..arguments.runs {
        for (index, is_ours) in [(0, true), (1, false)] {
            let stage = stage_of_backlog(broker, &input, &fleet);
            let Some((contestant, alerts)) = start(broker, &stage, is_ours) else {
                return;
            };
            let pass = pass(&contestant, arguments.whole_messages as f64);
            surplus[index] = surplus[index].max(await_all(broker, &alerts, &truths, is_ours));
            cpu[index].push(pass.cpu);
            wall[index].push(pass.wall);
            peaks[index] = peaks[index].max(pass.peak);
        }
    }
    table.row(
        "whole path, attacks found",
        &format!("all {}, {} alerts of none", truths.len(), surplus[0]),
        &format!("Kafka Streams: all audited, {} alerts of none", surplus[1]),
        "",
    );
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

/// Messages a second of processor and of clock, and the largest memory in MiB.
pub(crate) struct Pass {
    pub cpu: f64,
    pub wall: f64,
    peak: u64,
}

/// Follows a contestant until it has read everything.
pub(crate) fn pass(contestant: &Contestant, messages: f64) -> Pass {
    let began = Instant::now();
    let until = |share: f64| {
        while contestant.read() < messages * share {
            assert!(began.elapsed() < PATIENCE, "all messages are read");
            // Seldom: to be asked is work too.
            std::thread::sleep(Duration::from_millis(100));
        }
        let (usage, _) = usage_of(contestant.process()).unwrap();
        (Instant::now(), usage, contestant.read())
    };
    let (warm, before, read) = until(0.2);
    let (done, after, _) = until(1.0);
    let measured = messages - read;
    Pass {
        cpu: measured / (after.cpu - before.cpu).as_secs_f64().max(0.01),
        wall: measured / (done - warm).as_secs_f64(),
        peak: after.peak >> 20,
    }
}

/// Waits until everything is found that must be; says how much else is, which of ours nothing may be.
pub(crate) fn await_all(broker: &Broker, alerts: &str, truths: &[Truth], is_ours: bool) -> usize {
    let all = expected(truths, true);
    // The other tells of those without a named source only when later records have closed their windows.
    let wanted = if is_ours {
        all.clone()
    } else {
        expected(truths, false)
    };
    let began = Instant::now();
    while !wanted.is_subset(&found(broker, alerts)) {
        assert!(began.elapsed() < PATIENCE, "all attacks are found");
        std::thread::sleep(Duration::from_millis(200));
    }
    let surplus: Vec<Found> = found(broker, alerts).difference(&all).cloned().collect();
    // The other's partitions run apart in a backlog, further than its joins wait.
    assert!(
        !is_ours || surplus.is_empty(),
        "nothing else is found: {surplus:?}"
    );
    surplus.len()
}

pub(crate) fn now() -> EventTime {
    EventTime::from_micros(wall_clock().as_millis() * 1_000)
}

/// One message through: from then on nothing waits for a group to form.
pub(crate) fn await_start(broker: &Broker, stage: &Stage, contestant: &Contestant) {
    broker.produce(&stage.input, &[(0, b"{}".to_vec())]);
    let began = Instant::now();
    while contestant.read() < 1.0 {
        assert!(began.elapsed() < PATIENCE, "it reads");
        std::thread::sleep(Duration::from_millis(50));
    }
}
