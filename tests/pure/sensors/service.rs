//! Sensors of a worker: its gauges and status, and its findings when it is killed.

use std::sync::Arc;
use std::time::Duration;

use pipewarden::telemetry::{Metrics, Readiness, Status};
use pipewarden_core::detection::SENSOR_BLIND;
use pipewarden_core::event::Kind;
use pipewarden_core::log::Partition;
use pipewarden_core::time::{AppendTime, EventTime};
use pipewarden_engine::local::{Broker, Layout, PollResult, Worker};
use pipewarden_engine::worker::PartitionId;
use pipewarden_engine::{ObservationRecord, Policy};
use serde_json::{Value, json};

use super::{CONNECTION, PIPE, SHARE, Timeline, default_policy};

const PARTITION: PartitionId = PartitionId::observations(Partition::ZERO);

#[test]
fn gauges_and_status_show_when_each_sensor_was_seen_and_whether_it_is_blind_until_the_partition_is_revoked() {
    let timeline = Timeline::default().and(&[SHARE, CONNECTION], 0, 10, 12).ordered();
    let last = |kind| {
        let mut own = timeline
            .iter()
            .rev()
            .filter(|observation| observation.kind() == kind);
        own.next().unwrap().event.time
    };
    let (connected, shared) = (last(Kind::NetworkConnection), last(Kind::ShareAccess));
    let (mut broker, layout) = (Broker::new(), Layout::new(1));
    for observation in timeline {
        let now = AppendTime::at_event(observation.event.time);
        let record = ObservationRecord::Observation(observation);
        broker.append(&layout.input(PARTITION), now, b"", &record.encode());
    }
    let mut worker = take_over(&mut broker, &layout, &default_policy());
    while worker.poll(&mut broker, PARTITION) == PollResult::Record {}

    let (metrics, status) = (Metrics::new(), Status::default());
    let sensor_metrics = |is_owned: bool| {
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
        sensor_metrics(true),
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
    assert_eq!(sensor_metrics(false), none);
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
    let timeline = Timeline::default()
        .and(&[CONNECTION, PIPE, SHARE], 0, 7, 20)
        .and(&[CONNECTION, SHARE], 140, 7, 40)
        .and(&[CONNECTION, PIPE, SHARE], 420, 7, 10)
        .and(&[PIPE, SHARE], 490, 7, 40)
        .and(&[CONNECTION, PIPE], 900, 7, 40)
        .and(&[PIPE], 1_300, 50, 3);
    for observation in timeline.ordered() {
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
