//! A sensor that never tells of what others tell is found blind: once, until it is seen again, whatever crashes.

use std::sync::Arc;
use std::time::Duration;

use pipewarden::telemetry::{Metrics, Readiness, Status};
use pipewarden_core::alert::AlertFormat;
use pipewarden_core::detection::{JoinSettings, Rule, RuleSet, SENSOR_BLIND};
use pipewarden_core::event::{Detail, Kind, Observation, Outcome};
use pipewarden_core::inventory::{Inventory, UnlistedHosts};
use pipewarden_core::log::Partition;
use pipewarden_core::time::{AppendTime, EventTime};
use pipewarden_engine::local::{Broker, Layout, PollResult, Replayer, Worker};
use pipewarden_engine::worker::PartitionId;
use pipewarden_engine::{ObservationRecord, Policy};
use serde_json::{Value, json};
use testkit::world::{self, Seed};

const PARTITION: PartitionId = PartitionId::observations(Partition::ZERO);

const CONNECTION: u8 = 0;
const PIPE: u8 = 1;
const SHARE: u8 = 2;

fn policy(rules: Vec<Rule>, settings: JoinSettings) -> Arc<Policy> {
    let inventory = "assets: [{name: asset0.aperture.local, roles: [tier0]}]";
    let inventory = Arc::new(Inventory::parse(inventory, "test").unwrap());
    let rules = RuleSet::new(rules).unwrap();
    let policy = Policy::new(rules, inventory, UnlistedHosts::Watch, settings, "test".into());
    Arc::new(policy.with_format(AlertFormat::Both))
}

fn default_policy() -> Arc<Policy> {
    policy(world::rules(), JoinSettings::default())
}

/// Observations of one asset, each arriving when it happens.
#[derive(Default)]
struct Story(Vec<Observation>);

impl Story {
    /// These kinds, every `every` minutes from minute `from` on, `times` times.
    fn and(mut self, kinds: &[u8], from: i64, every: i64, times: i64) -> Self {
        for time in 0..times {
            for &kind in kinds {
                let seed = Seed {
                    kind,
                    asset: 0,
                    source: 0,
                    port: 1,
                    at: (from + time * every) * 60_000 + i64::from(kind),
                    account: 0,
                    other_rule: false,
                    client_side: true,
                };
                let mut observation = seed.observation(self.0.len() as u64);
                if let Detail::ShareAccess(share) = &mut observation.event.detail {
                    share.outcome = Some(Outcome::Success);
                }
                self.0.push(observation);
            }
        }
        self
    }

    fn ordered(mut self) -> Vec<Observation> {
        self.0.sort_by_key(|observation| observation.event.time);
        self.0
    }

    /// What is written about sensors: kind, status, why, each document valid in both formats. Ticks come every minute.
    fn findings_under(self, policy: &Arc<Policy>, until: i64) -> Vec<String> {
        let mut replayer = Replayer::new(policy);
        let mut written = Vec::new();
        for observation in self.ordered() {
            let at = AppendTime::at_event(observation.event.time);
            written.extend(replayer.observe(at, observation).alerts);
        }
        if until > 0 {
            // Another host's observation lets time pass.
            let late = Seed {
                kind: 0,
                asset: 1,
                source: 0,
                port: 1,
                at: until * 60_000,
                account: 0,
                other_rule: false,
                client_side: true,
            };
            let late = late.observation(u64::MAX);
            let at = AppendTime::at_event(late.event.time);
            written.extend(replayer.observe(at, late).alerts);
        } else {
            written.extend(replayer.finish().alerts);
        }
        let mut told = Vec::new();
        for record in written.into_iter().filter(|record| *record.rule == *SENSOR_BLIND) {
            let document: Value = serde_json::from_slice(&record.value).unwrap();
            let finding: Value = serde_json::from_slice(&record.finding.unwrap()).unwrap();
            testkit::schema::assert_valid("alert", &document);
            testkit::schema::assert_valid("ocsf-detection-finding", &finding);
            let own = &document["pipewarden"];
            assert_eq!(own["asset"]["id"], "asset0.aperture.local");
            assert_eq!(finding["is_alert"], own["status"] == "active");
            let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            let sensor = &own["sensor"];
            told.push(format!(
                "{} {} {}",
                word(&sensor["kind"]),
                word(&own["status"]),
                word(&sensor["resolution"])
            ));
        }
        told
    }

    fn findings(self) -> Vec<String> {
        self.findings_under(&default_policy(), 0)
    }
}

#[test]
fn accesses_that_5145_tells_of_and_18_never_does_show_that_18_is_blind() {
    let story = Story::default().and(&[SHARE, CONNECTION], 0, 10, 6);
    assert_eq!(story.findings(), ["pipe_connected active -"]);
}

#[test]
fn accesses_that_18_tells_of_and_5145_never_does_show_that_5145_is_blind() {
    let story = Story::default().and(&[PIPE, CONNECTION], 0, 10, 6);
    assert_eq!(story.findings(), ["share_access active -"]);
}

#[test]
fn accesses_without_any_connection_show_that_3_is_blind() {
    let story = Story::default().and(&[PIPE, SHARE], 0, 10, 6);
    assert_eq!(story.findings(), ["network_connection active -"]);
}

#[test]
fn a_host_that_nobody_touches_or_whose_sensors_all_tell_is_not_blind() {
    let none: [&str; 0] = [];
    assert_eq!(Story::default().and(&[CONNECTION], 0, 10, 12).findings(), none);
    let all = Story::default().and(&[CONNECTION, PIPE, SHARE], 0, 10, 12);
    assert_eq!(all.findings(), none);
}

#[test]
fn a_finding_is_written_once_and_resolved_when_the_sensor_is_seen() {
    let story = Story::default()
        .and(&[SHARE, CONNECTION], 0, 10, 40)
        .and(&[PIPE], 401, 10, 1)
        .and(&[SHARE, CONNECTION], 402, 10, 3);
    assert_eq!(
        story.findings(),
        ["pipe_connected active -", "pipe_connected resolved seen"]
    );
}

#[test]
fn a_sensor_that_falls_silent_is_found_blind_a_horizon_later_and_has_the_same_id_again() {
    let story = Story::default()
        .and(&[CONNECTION, PIPE, SHARE], 0, 10, 6)
        .and(&[CONNECTION, SHARE], 60, 10, 30)
        .and(&[PIPE], 361, 10, 1)
        .and(&[CONNECTION, SHARE], 362, 10, 30);
    assert_eq!(
        story.findings(),
        [
            "pipe_connected active -",
            "pipe_connected resolved seen",
            "pipe_connected active -"
        ]
    );
}

#[test]
fn what_can_no_longer_be_told_is_taken_back() {
    let story = Story::default().and(&[SHARE, CONNECTION], 0, 10, 12);
    // The observation in the midst lets the finding be written before time leaps.
    let story = story.and(&[CONNECTION], 120, 10, 12);
    assert_eq!(
        story.findings_under(&default_policy(), 24 * 60),
        ["pipe_connected active -", "pipe_connected resolved quiet"]
    );
}

#[test]
fn too_few_accesses_or_too_short_a_span_show_nothing() {
    let none: [&str; 0] = [];
    assert_eq!(
        Story::default().and(&[SHARE, CONNECTION], 0, 20, 4).findings(),
        none
    );
    assert_eq!(
        Story::default().and(&[SHARE, CONNECTION], 0, 2, 14).findings(),
        none
    );
    // Far more than five in a day, and never five within one horizon.
    assert_eq!(
        Story::default().and(&[SHARE, CONNECTION], 0, 40, 36).findings(),
        none
    );
}

#[test]
fn refused_accesses_do_not_demand_a_pipe_and_one_sided_rules_no_partner() {
    let none: [&str; 0] = [];
    let mut refused = Story::default().and(&[SHARE, CONNECTION], 0, 10, 6);
    for observation in &mut refused.0 {
        if let Detail::ShareAccess(share) = &mut observation.event.detail {
            share.outcome = Some(Outcome::Failure);
        }
    }
    assert_eq!(refused.findings(), none);

    let mut rules = world::rules();
    rules[0].pipes.pipe_connected.clear();
    let story = Story::default().and(&[SHARE, CONNECTION], 0, 10, 6);
    let policy = policy(rules, JoinSettings::default());
    assert_eq!(story.findings_under(&policy, 0), none);
}

#[test]
fn copies_are_not_accesses_of_their_own() {
    let none: [&str; 0] = [];
    let mut story = Story::default().and(&[SHARE], 0, 20, 3);
    // Each is shipped three times.
    let policy = default_policy();
    let mut replayer = Replayer::new(&policy);
    let mut told: Vec<&str> = Vec::new();
    for observation in std::mem::take(&mut story.0) {
        for _ in 0..3 {
            let at = AppendTime::at_event(observation.event.time);
            let written = replayer.observe(at, observation.clone()).alerts;
            told.extend(
                written
                    .iter()
                    .filter(|record| *record.rule == *SENSOR_BLIND)
                    .map(|_| "blind"),
            );
        }
    }
    told.extend(
        replayer
            .finish()
            .alerts
            .iter()
            .filter(|record| *record.rule == *SENSOR_BLIND)
            .map(|_| "blind"),
    );
    assert_eq!(told, none);
}

#[test]
fn nothing_is_judged_where_it_is_switched_off_or_the_host_is_not_listed() {
    let none: [&str; 0] = [];
    let mut settings = JoinSettings::default();
    settings.sensors.enabled = false;
    let story = Story::default().and(&[SHARE, CONNECTION], 0, 10, 6);
    assert_eq!(story.findings_under(&policy(world::rules(), settings), 0), none);

    let mut elsewhere = Story::default().and(&[SHARE, CONNECTION], 0, 10, 6);
    for observation in &mut elsewhere.0 {
        observation.asset = pipewarden_core::event::AssetId::new("asset2.aperture.local");
    }
    assert_eq!(elsewhere.findings(), none);
}

#[test]
fn gauges_and_status_say_when_each_sensor_was_seen_and_whether_it_is_blind_until_the_partition_goes() {
    let story = Story::default().and(&[SHARE, CONNECTION], 0, 10, 12).ordered();
    let last = |kind| {
        let mut own = story
            .iter()
            .rev()
            .filter(|observation| observation.kind() == kind);
        own.next().unwrap().event.time
    };
    let (connected, shared) = (last(Kind::NetworkConnection), last(Kind::ShareAccess));
    let (mut broker, layout) = (Broker::new(), Layout::new(1));
    for observation in story {
        let now = AppendTime::at_event(observation.event.time);
        let record = ObservationRecord::Observation(observation);
        broker.append(&layout.input(PARTITION), now, b"", &record.encode());
    }
    let mut worker = take_over(&mut broker, &layout, &default_policy());
    while worker.poll(&mut broker, PARTITION) == PollResult::Record {}

    let (metrics, status) = (Metrics::new(), Status::default());
    let tell = |is_owned: bool| {
        if is_owned {
            let correlator = worker.correlator(PARTITION).unwrap();
            let readiness = Readiness {
                sensors: correlator.sensors().collect(),
                clocks: correlator.clocks().collect(),
            };
            status.set_readiness(0, readiness);
        } else {
            status.forget_readiness(0);
        }
        metrics.status(&status);
        let text = String::from_utf8(metrics.render()).unwrap();
        let own = text.lines().filter(|line| line.starts_with("pipewarden_sensor"));
        own.map(str::to_owned).collect::<Vec<_>>()
    };
    let seconds = |time: EventTime| time.as_micros() / 1_000_000;
    let labels = |sensor: &str| format!(r#"{{asset="asset0.aperture.local",sensor="{sensor}"}}"#);
    assert_eq!(
        tell(true),
        [
            // None of pipe_connected, which was never seen.
            format!(
                "pipewarden_sensor_last_seen_timestamp_seconds{} {}",
                labels("network_connection"),
                seconds(connected)
            ),
            format!(
                "pipewarden_sensor_last_seen_timestamp_seconds{} {}",
                labels("share_access"),
                seconds(shared)
            ),
            format!("pipewarden_sensors_blind{} 0", labels("network_connection")),
            format!("pipewarden_sensors_blind{} 1", labels("pipe_connected")),
            format!("pipewarden_sensors_blind{} 0", labels("share_access")),
        ]
    );
    assert_eq!(
        status.to_value()["sensors"],
        json!({"asset0.aperture.local": {
            "network_connection": {"last_seen": connected, "is_blind": false},
            "pipe_connected": {"last_seen": null, "is_blind": true},
            "share_access": {"last_seen": shared, "is_blind": false},
        }})
    );
    let none: [&str; 0] = [];
    assert_eq!(tell(false), none);
    assert_eq!(status.to_value()["sensors"], json!({}));
}

/// A new process of the only worker there is.
fn take_over(broker: &mut Broker, layout: &Layout, policy: &Arc<Policy>) -> Worker {
    let mut worker = Worker::start(broker, layout, "worker", policy);
    worker.assign(broker, &[PARTITION], 0);
    worker
}

/// A day in which one sensor after the other fails and comes back, ticks where they are due.
fn log_of_a_day(broker: &mut Broker, layout: &Layout) {
    let story = Story::default()
        .and(&[CONNECTION, PIPE, SHARE], 0, 7, 20)
        .and(&[CONNECTION, SHARE], 140, 7, 40)
        .and(&[CONNECTION, PIPE, SHARE], 420, 7, 10)
        .and(&[PIPE, SHARE], 490, 7, 40)
        .and(&[CONNECTION, PIPE], 900, 7, 40)
        .and(&[PIPE], 1_300, 50, 3);
    for observation in story.ordered() {
        let now = AppendTime::at_event(observation.event.time);
        let record = ObservationRecord::Observation(observation);
        broker.append(&layout.input(PARTITION), now, b"", &record.encode());
        let tick = ObservationRecord::Tick {}.encode();
        broker.append(
            &layout.input(PARTITION),
            now.plus(Duration::from_secs(61)),
            b"",
            &tick,
        );
    }
}

#[test]
fn killed_after_any_record_it_writes_the_findings_of_an_undisturbed_run() {
    let policy = default_policy();
    let run = |crash_every: Option<usize>| {
        let (mut broker, layout) = (Broker::new(), Layout::new(1));
        log_of_a_day(&mut broker, &layout);
        let mut worker = take_over(&mut broker, &layout, &policy);
        let mut records = 0;
        loop {
            let is_live = worker.correlator(PARTITION).unwrap().is_caught_up();
            if worker.poll(&mut broker, PARTITION) != PollResult::Record {
                break;
            }
            if !is_live {
                continue;
            }
            records += 1;
            if crash_every.is_some_and(|every| records % every == 0) {
                worker.commit(&mut broker);
                // What is read after the commit is lost with the crash.
                worker.poll(&mut broker, PARTITION);
                worker = take_over(&mut broker, &layout, &policy);
            }
        }
        worker.commit(&mut broker);
        let output = layout.output(PARTITION);
        let written = broker.read_committed(&output);
        written.map(|record| record.value.clone()).collect::<Vec<_>>()
    };
    let undisturbed = run(None);
    let findings = undisturbed.iter().filter(|value| {
        let document: Value = serde_json::from_slice(value).unwrap();
        document["rule"]["id"] == SENSOR_BLIND
    });
    assert!(findings.count() >= 6);
    for every in [7, 31] {
        assert!(run(Some(every)) == undisturbed, "killed every {every} records");
    }
}
