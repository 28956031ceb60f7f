//! A sensor that logs no access while others do is found blind: once, until it is seen again, whatever crashes.

mod service;

use std::sync::Arc;

use pipewarden_core::alert::AlertFormat;
use pipewarden_core::detection::{JoinSettings, Rule, RuleSet, SENSOR_BLIND};
use pipewarden_core::event::{Detail, Observation, Outcome};
use pipewarden_core::inventory::{Inventory, UnlistedHosts};
use pipewarden_core::time::AppendTime;
use pipewarden_engine::Policy;
use pipewarden_engine::local::Replayer;
use serde_json::Value;
use testkit::world::{self, Seed};

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
struct Timeline(Vec<Observation>);

impl Timeline {
    /// These kinds, every `every` minutes from minute `from` on, `times` times.
    fn and(mut self, kinds: &[u8], from: i64, every: i64, times: i64) -> Self {
        for time in 0..times {
            for &kind in kinds {
                let seed = Seed {
                    kind,
                    asset: 0,
                    source: 0,
                    // A session of its own; 3 stands for none.
                    port: 4 + u8::try_from((from + time * every) % 200).unwrap(),
                    at: (from + time * every) * 60_000 + i64::from(kind),
                    account: 0,
                    other_rule: false,
                    client_side: true,
                    record: None,
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
                record: None,
            };
            let late = late.observation(u64::MAX);
            let at = AppendTime::at_event(late.event.time);
            written.extend(replayer.observe(at, late).alerts);
        } else {
            written.extend(replayer.finish().alerts);
        }
        let mut findings = Vec::new();
        for record in written.into_iter().filter(|record| *record.rule == *SENSOR_BLIND) {
            let document: Value = serde_json::from_slice(&record.value).unwrap();
            let finding: Value = serde_json::from_slice(&record.finding.unwrap()).unwrap();
            testkit::schema::assert_valid("alert", &document);
            testkit::schema::assert_valid("ocsf-detection-finding", &finding);
            let own = &document["pipewarden"];
            assert_eq!(own["asset"]["id"], "asset0.aperture.local");
            assert_eq!(finding["is_alert"], own["status"] == "active");
            let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            let sensor = &own["sensor"];
            findings.push(format!(
                "{} {} {}",
                text(&sensor["kind"]),
                text(&own["status"]),
                text(&sensor["resolution"])
            ));
        }
        findings
    }

    fn findings(self) -> Vec<String> {
        self.findings_under(&default_policy(), 0)
    }
}

#[test]
fn accesses_that_5145_logs_and_18_does_not_show_that_18_is_blind() {
    let timeline = Timeline::default().and(&[SHARE, CONNECTION], 0, 10, 6);
    assert_eq!(timeline.findings(), ["pipe_connected active -"]);
}

#[test]
fn accesses_that_18_logs_and_5145_does_not_show_that_5145_is_blind() {
    let timeline = Timeline::default().and(&[PIPE, CONNECTION], 0, 10, 6);
    assert_eq!(timeline.findings(), ["share_access active -"]);
}

#[test]
fn accesses_without_any_connection_show_that_3_is_blind() {
    let timeline = Timeline::default().and(&[PIPE, SHARE], 0, 10, 6);
    assert_eq!(timeline.findings(), ["network_connection active -"]);
}

#[test]
fn accesses_over_sessions_that_are_known_do_not_show_that_3_is_blind() {
    let none: [&str; 0] = [];
    let mut reused = Timeline::default().and(&[PIPE, SHARE], 0, 10, 12);
    for observation in &mut reused.0 {
        if let Detail::ShareAccess(share) = &mut observation.event.detail {
            share.source_port = Some(50_000);
        }
    }
    assert_eq!(reused.findings(), none, "one session carries them all");
    // A pipe connection names no session: it may belong to one that began long ago.
    let pipes = Timeline::default().and(&[PIPE], 0, 10, 12).findings();
    assert_eq!(pipes, ["share_access active -"]);
}

#[test]
fn what_a_host_did_itself_is_a_sign_of_life_and_no_access() {
    let none: [&str; 0] = [];
    let mut local = Timeline::default().and(&[SHARE], 0, 10, 12);
    for observation in &mut local.0 {
        observation.is_local = true;
    }
    assert_eq!(local.findings(), none);
    let mut local = Timeline::default().and(&[SHARE], 5, 10, 12);
    for observation in &mut local.0 {
        observation.is_local = true;
    }
    local
        .0
        .extend(Timeline::default().and(&[PIPE, CONNECTION], 0, 10, 12).0);
    assert_eq!(local.findings(), none, "5145 is logged, though of nobody else");
}

#[test]
fn a_host_without_accesses_or_with_all_sensors_is_not_blind() {
    let none: [&str; 0] = [];
    assert_eq!(Timeline::default().and(&[CONNECTION], 0, 10, 12).findings(), none);
    let all = Timeline::default().and(&[CONNECTION, PIPE, SHARE], 0, 10, 12);
    assert_eq!(all.findings(), none);
}

#[test]
fn a_finding_is_written_once_and_resolved_when_the_sensor_is_seen() {
    let timeline = Timeline::default()
        .and(&[SHARE, CONNECTION], 0, 10, 40)
        .and(&[PIPE], 401, 10, 1)
        .and(&[SHARE, CONNECTION], 402, 10, 3);
    assert_eq!(
        timeline.findings(),
        ["pipe_connected active -", "pipe_connected resolved seen"]
    );
}

#[test]
fn a_sensor_that_falls_silent_is_found_blind_a_horizon_later_and_has_the_same_id_again() {
    let timeline = Timeline::default()
        .and(&[CONNECTION, PIPE, SHARE], 0, 10, 6)
        .and(&[CONNECTION, SHARE], 60, 10, 30)
        .and(&[PIPE], 361, 10, 1)
        .and(&[CONNECTION, SHARE], 362, 10, 30);
    assert_eq!(
        timeline.findings(),
        [
            "pipe_connected active -",
            "pipe_connected resolved seen",
            "pipe_connected active -"
        ]
    );
}

#[test]
fn a_finding_that_can_no_longer_be_supported_is_resolved() {
    let timeline = Timeline::default().and(&[SHARE, CONNECTION], 0, 10, 12);
    // The observation in between lets the finding be written before time leaps.
    let timeline = timeline.and(&[CONNECTION], 120, 10, 12);
    assert_eq!(
        timeline.findings_under(&default_policy(), 24 * 60),
        ["pipe_connected active -", "pipe_connected resolved quiet"]
    );
}

#[test]
fn too_few_accesses_or_too_short_a_span_show_nothing() {
    let none: [&str; 0] = [];
    assert_eq!(
        Timeline::default().and(&[SHARE, CONNECTION], 0, 20, 4).findings(),
        none
    );
    assert_eq!(
        Timeline::default().and(&[SHARE, CONNECTION], 0, 2, 14).findings(),
        none
    );
    // Far more than five in a day, and never five within one horizon.
    assert_eq!(
        Timeline::default()
            .and(&[SHARE, CONNECTION], 0, 40, 36)
            .findings(),
        none
    );
}

#[test]
fn denied_accesses_need_no_pipe_and_one_sided_rules_no_partner() {
    let none: [&str; 0] = [];
    let mut denied = Timeline::default().and(&[SHARE, CONNECTION], 0, 10, 6);
    for observation in &mut denied.0 {
        if let Detail::ShareAccess(share) = &mut observation.event.detail {
            share.outcome = Some(Outcome::Failure);
        }
    }
    assert_eq!(denied.findings(), none);

    let mut rules = world::rules();
    rules[0].pipes.pipe_connected.clear();
    let timeline = Timeline::default().and(&[SHARE, CONNECTION], 0, 10, 6);
    let policy = policy(rules, JoinSettings::default());
    assert_eq!(timeline.findings_under(&policy, 0), none);
}

#[test]
fn copies_are_not_accesses_of_their_own() {
    let none: [&str; 0] = [];
    let mut timeline = Timeline::default().and(&[SHARE], 0, 20, 3);
    // Each is shipped three times.
    let policy = default_policy();
    let mut replayer = Replayer::new(&policy);
    let mut published: Vec<&str> = Vec::new();
    for observation in std::mem::take(&mut timeline.0) {
        for _ in 0..3 {
            let at = AppendTime::at_event(observation.event.time);
            let written = replayer.observe(at, observation.clone()).alerts;
            published.extend(
                written
                    .iter()
                    .filter(|record| *record.rule == *SENSOR_BLIND)
                    .map(|_| "blind"),
            );
        }
    }
    published.extend(
        replayer
            .finish()
            .alerts
            .iter()
            .filter(|record| *record.rule == *SENSOR_BLIND)
            .map(|_| "blind"),
    );
    assert_eq!(published, none);
}

#[test]
fn nothing_is_judged_where_it_is_switched_off_or_the_host_is_not_listed() {
    let none: [&str; 0] = [];
    let mut settings = JoinSettings::default();
    settings.sensors.enabled = false;
    let timeline = Timeline::default().and(&[SHARE, CONNECTION], 0, 10, 6);
    assert_eq!(
        timeline.findings_under(&policy(world::rules(), settings), 0),
        none
    );

    let mut elsewhere = Timeline::default().and(&[SHARE, CONNECTION], 0, 10, 6);
    for observation in &mut elsewhere.0 {
        observation.asset = pipewarden_core::event::AssetId::new("asset2.aperture.local");
    }
    assert_eq!(elsewhere.findings(), none);
}
