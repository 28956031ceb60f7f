//! Attacks on memory, with the default bounds: it stays bounded, real alerts are still published, and counters show the attack.
//!
//! `PIPEWARDEN_FLOOD` is the number of hostile events, and `--nocapture` shows the peak of memory.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use pipewarden_core::detection::{Disposition, JoinSettings, RuleSet};
use pipewarden_core::inventory::{Inventory, UnlistedHosts};
use pipewarden_core::log::{Offset, Partition};
use pipewarden_core::time::AppendTime;
use pipewarden_engine::{
    Applied, Correlator, LogRecord, ObservationRecord, Origin, Policy, Routed, Router, Topic,
};
use serde_json::Value;
use testkit::size;
use testkit::winlogbeat::{START, connection, pipe, share, with};
use xxhash_rust::xxh3::xxh3_64;

/// How many hostile events: quick, in CI, in full.
const FLOOD: [u32; 3] = [10_000, 10_000, 1_000_000];

/// Set for the process that measures.
const ALONE: &str = "PIPEWARDEN_FLOOD_ALONE";

/// How many partitions the observations are spread over, as in a service with the default settings.
const PARTITIONS: u64 = 12;

/// The documented bound of docs/guarantees.md for the state of one process: what all partitions hold together, the
/// seen events, and the test itself.
const BOUND_MIB: u64 = 512;

/// The host under attack; all others are watched as well.
const INVENTORY: &str = "assets: [{name: atlas.aperture.local, addresses: [10.1.0.50]}]";

/// A router and a correlator for each partition.
struct Service {
    router: Router,
    partitions: BTreeMap<u64, Correlator>,
    policy: Arc<Policy>,
    dropped_evidence: u64,
    dropped: u64,
    /// Whether the alert of the real attack has been published.
    /// Whether the attack has an alert of its own.
    is_published: bool,
    /// Whether an overflow lists the attacker.
    is_listed: bool,
}

impl Service {
    fn new() -> Self {
        let policy = Arc::new(Policy::new(
            RuleSet::builtin(),
            Arc::new(Inventory::parse(INVENTORY, "test").unwrap()),
            UnlistedHosts::Watch,
            JoinSettings::default(),
            "test".to_owned(),
        ));
        Self {
            router: Router::new(&policy),
            partitions: BTreeMap::new(),
            policy,
            dropped_evidence: 0,
            dropped: 0,
            is_published: false,
            is_listed: false,
        }
    }

    fn send(&mut self, event: &Value) {
        let origin = Origin {
            topic: "winlogbeat",
            partition: Partition::ZERO,
            offset: Offset::ZERO,
        };
        let message = event.to_string();
        let mut observations = Vec::new();
        self.router
            .route_each(Some(message.as_bytes()), origin, &mut |routed| {
                if let Routed::Observation(observation) = routed {
                    observations.push(observation);
                }
            });
        let [observation] = <[_; 1]>::try_from(observations).unwrap();
        let partition = |key: &str| xxh3_64(key.as_bytes()) % PARTITIONS;
        let at_asset = partition(observation.key().as_str());
        self.apply(at_asset, START + 1_000, &observation.encode());
    }

    fn apply(&mut self, partition: u64, now: i64, value: &[u8]) {
        let policy = &self.policy;
        let correlator = self
            .partitions
            .entry(partition)
            .or_insert_with(|| Correlator::fresh(Arc::clone(policy), Topic::Observations, 12));
        let applied: Applied = correlator.apply(LogRecord {
            offset: correlator.position(),
            append_time: AppendTime::from_millis(now),
            value,
        });
        self.dropped_evidence += applied.counters.dropped_session_evidence;
        self.dropped += u64::from(applied.disposition == Some(Disposition::Dropped));
        self.is_published |= applied.alerts.iter().any(|alert| {
            let alert: Value = serde_json::from_slice(&alert.value).unwrap();
            let overflow = &alert["pipewarden"]["overflow"];
            let lists = |end: &str| {
                let listed = overflow[end].as_array().into_iter().flatten();
                listed.into_iter().any(|source| source["ip"] == "10.66.6.6")
            };
            self.is_listed |= lists("first") || lists("last");
            alert["source"]["ip"] == "10.66.6.6" && alert["pipewarden"]["confidence"] == "high"
        });
    }

    /// Three traces by a source that took no part in the flood: an alert of high confidence or, where there are more alerts
    /// already than an asset or a partition may have, a place among the sources of the overflow.
    #[track_caller]
    fn assert_that_a_real_attack_is_told(&mut self, has_an_alert: bool) {
        for event in [
            connection(500, "evil.example", "10.66.6.6", 50_666),
            pipe(510),
            share(512, "10.66.6.6", 50_666),
        ] {
            self.send(&event);
        }
        let tick = ObservationRecord::Tick {}.encode();
        for after in [12_000, 660_000] {
            for partition in self.partitions.keys().copied().collect::<Vec<_>>() {
                self.apply(partition, START + after, &tick);
            }
        }
        assert_eq!(
            self.is_published, has_an_alert,
            "a real attack has an alert of its own"
        );
        assert!(
            self.is_published || self.is_listed,
            "a real attack is told, and by whom it was"
        );
    }
}

/// The most memory this process has had, in MiB; `None` where the system does not report it.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim()
        .strip_suffix(" kB")?
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kib| kib / 1024)
}

/// Runs one test of this binary again, alone.
fn in_a_process_of_its_own(test: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{stdout}");
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn numbered(mut event: Value, number: u32) -> Value {
    event["winlog"]["record_id"] = number.into();
    event
}

fn address(number: u32) -> String {
    let [_, a, b, c] = number.to_be_bytes();
    format!("10.{a}.{b}.{c}")
}

fn flood(name: &str, size: u32, event: impl Fn(u32) -> Value) -> Service {
    flood_of(name, size, true, event)
}

fn flood_of(name: &str, size: u32, leaves_room: bool, event: impl Fn(u32) -> Value) -> Service {
    let mut service = Service::new();
    for number in 0..size {
        service.send(&event(number));
    }
    service.assert_that_a_real_attack_is_told(leaves_room);
    let state: Vec<_> = service.partitions.values().map(Correlator::state_size).collect();
    let sum = |of: fn(&pipewarden_core::detection::StateSize) -> usize| state.iter().map(of).sum::<usize>();
    println!(
        "{name}: {size} events; in state {} connections, {} accesses, {} alerts, {} seen events; session evidence dropped {}, accesses dropped {}; \
         peak {} MiB",
        sum(|size| size.session_evidence),
        sum(|size| size.accesses),
        sum(|size| size.alerts),
        sum(|size| size.seen_events),
        service.dropped_evidence,
        service.dropped,
        peak_mib().unwrap_or_default(),
    );
    service
}

#[test]
fn floods_cost_bounded_memory_and_silence_nothing() {
    // The peak is a process's: other tests that run beside this one must not count.
    if std::env::var_os(ALONE).is_none() {
        return in_a_process_of_its_own("resources::floods_cost_bounded_memory_and_silence_nothing");
    }
    let size = size::set_by("PIPEWARDEN_FLOOD", FLOOD);

    let ports = flood("distinct source ports at one asset", size, |number| {
        let port = u16::try_from(1_024 + number % 60_000).unwrap();
        numbered(
            connection(0, "flood.example", &address(number / 60_000), port),
            number,
        )
    });
    assert!(ports.dropped_evidence > 0, "the counter shows it");

    let opens = flood("winreg opened by one source", size, |number| {
        numbered(
            if number % 2 == 0 {
                pipe(0)
            } else {
                share(0, "10.1.0.101", 50_000)
            },
            number,
        )
    });
    assert!(opens.dropped > 0, "the counter shows it");

    let sources = flood_of(
        "winreg opened from ever new addresses, without a trace of the client",
        size.min(6_000),
        false,
        |number| numbered(share(0, &address(number), 50_000), number),
    );
    assert!(sources.dropped > 0, "the counter shows it");

    let hosts = flood("unlisted hosts", size.min(100_000), |number| {
        let mut event = numbered(pipe(0), number);
        event["winlog"]["computer_name"] = format!("host{number}.example").into();
        event
    });
    assert!(hosts.dropped == 0 || size > 80_000, "that many hosts still fit");

    // An audited access to a host of its own takes twice the memory: as many as the bound holds.
    flood("one source at ever new hosts", size.min(40_000), |number| {
        let mut event = numbered(share(0, "10.1.0.101", 50_000), number);
        event["winlog"]["computer_name"] = format!("host{number}.example").into();
        event
    });

    let long = "A".repeat(1_000_000);
    flood("messages of a megabyte", 100, |number| {
        with(
            numbered(share(0, "10.1.0.101", 50_000), number),
            "AccessReason",
            long.clone().into(),
        )
    });
    flood("names of a megabyte", 100, |number| {
        with(
            numbered(share(0, "10.1.0.101", 50_000), number),
            "SubjectUserName",
            format!("{number}{long}").into(),
        )
    });

    if let Some(peak) = peak_mib() {
        assert!(peak < BOUND_MIB, "{peak} MiB");
    }
}
