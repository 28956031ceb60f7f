//! How a process that was killed comes back to its state, and how long that takes.
//!
//! `PIPEWARDEN_RESTORE` says how many observations there are.

use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use pipewarden_core::event::{
    AssetId, Detail, Event, Log, NetworkConnection, Observation, PipeConnected, TimeSource,
};
use pipewarden_core::time::EventTime;
use pipewarden_engine::ObservationRecord;
use testkit::size;

use crate::support::broker::broker;
use crate::support::service::{Service, Settings};

/// How many observations: quick, in CI, in full.
const RETAINED: [u32; 3] = [20_000, 20_000, 1_000_000];

const PARTITIONS: u32 = 12;

/// A connection to one of a thousand assets, and at every fiftieth of them an open pipe.
fn observation(number: u32, now: i64) -> Vec<u8> {
    let asset = format!("server{:04}.aperture.local", number % 1_000);
    let client = number / 1_000;
    let [_, _, high, low] = client.to_be_bytes();
    let detail = if number.is_multiple_of(50) {
        Detail::PipeConnected(PipeConnected {
            pipe: "winreg".into(),
            image: Some("System".into()),
            utc_time: None,
        })
    } else {
        Detail::NetworkConnection(NetworkConnection {
            source_ip: IpAddr::V4(Ipv4Addr::new(10, 1, high, low)),
            source_port: Some(50_000),
            source_host: Some(format!("client{client}.aperture.local").into()),
            destination_ip: None,
            destination_port: 445,
            destination_host: Some(asset.as_str().into()),
            initiated: true,
            of_client: false,
            reported_by: Log::Sysmon,
            process: None,
            user: None,
            utc_time: None,
        })
    };
    let event = Event {
        // Spread over a minute: pipes of one asset fall into one alert with a few candidates.
        time: EventTime::from_micros(now - i64::from(number % 60_000) * 1_000),
        time_source: TimeSource::Timestamp,
        computer: asset.as_str().into(),
        channel: "test".into(),
        record_id: Some(number.into()),
        detail,
    };
    ObservationRecord::Observation(Observation::new(AssetId::new(&asset), event)).encode()
}

/// Of all threads of a process so far, in seconds; `None` where the system does not tell as Linux does.
fn processor_time(process: u32) -> Option<f64> {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows is numbers.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_A_SECOND)
}

#[test]
fn after_a_kill_the_whole_log_of_three_horizons_is_replayed_and_nothing_is_published_again() {
    let Some(broker) = broker() else { return };
    let retained = size::set_by("PIPEWARDEN_RESTORE", RETAINED);
    let settings = Settings::new(broker.servers(), &broker.prefix("restore"));
    settings.create_topics();
    let now = Timestamp::now().as_microsecond();
    let records: Vec<(i32, Vec<u8>)> = (0..retained)
        .map(|number| {
            let partition = i32::try_from(number % 1_000 % PARTITIONS).unwrap();
            (partition, observation(number, now))
        })
        .collect();
    for some in records.chunks(50_000) {
        broker.produce(settings.topic("observations"), some);
    }

    let first = Service::start(&settings);
    let all = f64::from(retained);
    first.await_that("everything is applied", || {
        first.metric("pipewarden_observations_applied_total", "applied") >= all
    });
    first.await_that("everything is read", || {
        first.metric_if_any("pipewarden_partition_lag_records", "observations") == Some(0.0)
    });
    first.signal("TERM");
    assert!(first.wait().0.success());
    let published = broker.read_all(settings.topic("alerts")).len();

    let second = Service::start(&settings);
    second.await_ready();
    let restored = second.metric("pipewarden_restored_records_total", "");
    let seconds = second.metric("pipewarden_restore_seconds_sum", "");
    let partitions = second.metric("pipewarden_restore_seconds_count", "");
    let log = second.log();
    let took = log.iter().filter_map(|entry| entry["seconds"].as_f64());
    println!(
        "{restored} records of {partitions} partitions restored; {:.2} s on average from taking a partition over until it \
         was caught up, {:.2} s at most, {:.2} s of processor time since the start; {published} alert records before",
        seconds / partitions,
        took.fold(0.0, f64::max),
        processor_time(second.id()).unwrap_or(f64::NAN)
    );
    assert!(restored >= all, "{restored} of {all} records are replayed");
    second.kill();
    // Deadlines may have fallen since; nothing that was published is published again.
    let mut revisions = std::collections::BTreeSet::new();
    for record in broker.read_all(settings.topic("alerts")) {
        let alert: serde_json::Value = serde_json::from_slice(&record.value).unwrap();
        let revision = alert["pipewarden"]["revision"].as_u64();
        assert!(
            revisions.insert((record.key, revision)),
            "published twice: {alert:#}"
        );
    }
    assert!(revisions.len() >= published);
}
