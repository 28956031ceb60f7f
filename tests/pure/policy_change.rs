//! What becomes of open alerts when another policy takes over.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipewarden_core::detection::JoinSettings;
use pipewarden_core::event::ObservationRecord;
use pipewarden_core::log::Offset;
use pipewarden_core::time::AppendTime;
use pipewarden_engine::{Applied, Correlator, Policy, Topic};
use serde_json::Value;
use testkit::simulation;
use testkit::world::{self, Seed};

const SECOND: i64 = 1_000;

/// A pipe that somebody opened, and what shows later who was connected.
const PIPE: Seed = Seed {
    kind: 1,
    asset: 0,
    source: 1,
    port: 1,
    at: 0,
    account: 0,
    other_rule: false,
    client_side: true,
    record: None,
};
const CONNECTION: Seed = Seed { kind: 0, ..PIPE };

fn policy(settle: std::time::Duration, id: &str) -> Arc<Policy> {
    let mut settings = JoinSettings::default();
    settings.settle.none = settle;
    simulation::policy(&settings, id)
}

/// The log: the pipe, ticks, and the connection.
fn log() -> Vec<(AppendTime, ObservationRecord)> {
    let pipe = PIPE.observation(0);
    let start = AppendTime::at_event(pipe.event.time);
    let after = |ms: i64| AppendTime::from_millis(start.as_millis() + ms);
    vec![
        (start, ObservationRecord::Observation(pipe)),
        (after(5 * SECOND), ObservationRecord::Tick {}),
        (after(6 * SECOND), ObservationRecord::Tick {}),
        (
            after(8 * SECOND),
            ObservationRecord::Observation(CONNECTION.observation(1)),
        ),
        (after(600 * SECOND), ObservationRecord::Tick {}),
    ]
}

/// Applies the records from where it is up to an offset. What each of them causes.
fn run(correlator: &mut Correlator, until: u64) -> Vec<Applied> {
    let log = log();
    let mut applied = Vec::new();
    while correlator.position() < Offset::new(until) {
        let offset = correlator.position();
        let (now, record) = log[usize::try_from(offset.get()).unwrap()].clone();
        applied.push(correlator.apply_decoded(world::at(offset.get(), now), record));
    }
    applied
}

/// The status of each alert by the last revision of it, and how many revisions it has.
fn told(applied: &[Applied]) -> BTreeMap<String, (Value, usize)> {
    let mut told: BTreeMap<String, (Value, usize)> = BTreeMap::new();
    for alert in applied.iter().flat_map(|applied| &applied.alerts) {
        let document: Value = serde_json::from_slice(&alert.value).unwrap();
        let entry = told.entry(alert.key.clone()).or_default();
        *entry = (document["pipewarden"]["status"].clone(), entry.1 + 1);
    }
    told
}

fn recover(policy: &Arc<Policy>, before: &Correlator) -> Correlator {
    let metadata = before.checkpoint().to_string();
    let recovery = Correlator::recover(
        Arc::clone(policy),
        Topic::Observations,
        (before.position(), &metadata),
        1,
    )
    .unwrap();
    assert!(recovery.problem.is_none());
    recovery.correlator
}

#[test]
fn an_alert_that_only_the_policy_before_had_published_is_withdrawn_when_its_access_turns_out_to_be_of_another()
 {
    let hasty = policy(std::time::Duration::from_secs(4), "hasty");
    let patient = policy(std::time::Duration::from_secs(60), "patient");
    let mut first = Correlator::fresh(Arc::clone(&hasty), Topic::Observations, 1);
    let published = told(&run(&mut first, 2));
    assert_eq!(published.len(), 1, "the pipe, of nobody");

    let mut second = recover(&patient, &first);
    let replayed = run(&mut second, 2);
    assert!(replayed.iter().all(|applied| applied.alerts.is_empty()));
    let live = run(&mut second, 5);
    let last = told(&live);
    for key in published.keys() {
        assert_eq!(last[key].0, "superseded");
    }
    assert_eq!(last.values().filter(|(status, _)| status == "active").count(), 1);
}

#[test]
fn whoever_takes_over_after_a_change_of_policy_writes_what_goes_on_without_a_crash_would_have() {
    let hasty = policy(std::time::Duration::from_secs(4), "hasty");
    let patient = policy(std::time::Duration::from_secs(60), "patient");
    let mut first = Correlator::fresh(hasty, Topic::Observations, 1);
    run(&mut first, 2);
    let mut undisturbed = recover(&patient, &first);
    run(&mut undisturbed, 3);
    let mut successor = recover(&patient, &undisturbed);
    let repeated = run(&mut successor, 3);
    assert!(repeated.iter().all(|applied| applied.alerts.is_empty()));
    let records = |applied: Vec<Applied>| -> Vec<(String, Vec<u8>)> {
        let alerts = applied.into_iter().flat_map(|applied| applied.alerts);
        alerts.map(|alert| (alert.key, alert.value)).collect()
    };
    let (expected, found) = (records(run(&mut undisturbed, 5)), records(run(&mut successor, 5)));
    assert!(!expected.is_empty());
    assert_eq!(found, expected);
}
