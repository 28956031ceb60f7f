//! Taking partitions over on a real broker: from another process, and from a log or a checkpoint that is not as it
//! should be.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::winlogbeat;

use crate::support::broker::{Broker, broker};
use crate::support::service::{Service, Settings};

/// One partition of observations, waits of seconds.
pub(crate) fn quick(broker: &Broker, test: &str) -> Settings {
    Settings::new(broker.servers(), &broker.prefix(test))
        .with("kafka/topics/partitions", 1.into())
        .with(
            "detection/settle",
            json!({"audited": "200ms", "attributed": "200ms", "none": "500ms"}),
        )
        .with("detection/revise_after", "200ms".into())
}

/// An access by a source of its own, happening now: one alert.
fn access(source: u8) -> Vec<u8> {
    let mut event = winlogbeat::share(0, &format!("10.9.0.{source}"), 50_000);
    event["@timestamp"] = format!("{:.3}", Timestamp::now()).into();
    event["winlog"]["record_id"] = u32::from(source).into();
    event.to_string().into_bytes()
}

pub(crate) fn attack(broker: &Broker, settings: &Settings, source: u8) {
    broker.produce(settings.topic("input"), &[(0, access(source))]);
}

/// Alert ids and revisions, in order.
pub(crate) fn records(broker: &Broker, settings: &Settings) -> Vec<(String, u64)> {
    let records = broker
        .read_all(settings.topic("alerts"))
        .into_iter()
        .map(|record| {
            let alert: Value = serde_json::from_slice(&record.value).unwrap();
            testkit::schema::assert_valid("alert", &alert);
            let own = &alert["pipewarden"];
            (
                own["alert_id"].as_str().unwrap().to_owned(),
                own["revision"].as_u64().unwrap(),
            )
        });
    records.collect()
}

/// How many observations partitions a process owns; none before its worker has started.
pub(crate) fn owned(service: &Service) -> i64 {
    partitions(service, "correlator-0")
}

/// The same of the input topic.
fn routed(service: &Service) -> i64 {
    partitions(service, "router-0")
}

fn partitions(service: &Service, worker: &str) -> i64 {
    let status: Value = serde_json::from_str(&service.get("/readyz").1).unwrap();
    status["workers"][worker]["partitions"]
        .as_i64()
        .unwrap_or_default()
}

pub(crate) fn alerts(broker: &Broker, settings: &Settings) -> usize {
    records(broker, settings)
        .into_iter()
        .map(|(id, _)| id)
        .collect::<BTreeSet<_>>()
        .len()
}

/// A service that has published three accesses and has ended.
fn three_alerts(broker: &Broker, settings: &Settings) {
    settings.create_topics();
    let service = Service::start(settings);
    service.await_ready();
    (1..=3).for_each(|source| attack(broker, settings, source));
    service.await_that("three alerts", || alerts(broker, settings) == 3);
    service.signal("TERM");
    assert!(service.wait().0.success());
}

/// The service has noticed a loss, finds the next attack, and publishes nothing again.
#[track_caller]
fn assert_goes_on(
    broker: &Broker,
    settings: &Settings,
    service: &Service,
    loss: &str,
    before: &[(String, u64)],
) {
    service.await_ready();
    assert_eq!(service.metric("pipewarden_log_losses_total", loss), 1.0);
    attack(broker, settings, 4);
    service.await_that("a fourth alert", || alerts(broker, settings) == 4);
    let after = records(broker, settings);
    assert_eq!(&after[..before.len()], before);
    assert_eq!(after.len(), before.len() + 1, "nothing is published again");
}

fn group(settings: &Settings) -> String {
    format!(
        "{}-correlator",
        settings.value["kafka"]["application_id"].as_str().unwrap()
    )
}

#[test]
fn the_checkpoint_beside_the_offset_can_be_read_by_whoever_is_on_call() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "checkpoint");
    three_alerts(broker, &settings);
    let (offset, metadata) = broker
        .committed(&group(&settings), settings.topic("observations"), 0)
        .unwrap();
    assert!(offset >= 3);
    assert!(
        metadata.starts_with("pipewarden/2;rewind=0;") && metadata.contains(";partitions=1;"),
        "{metadata}"
    );
}

#[test]
fn a_log_that_no_longer_reaches_back_to_its_state_is_an_error_in_the_log_and_the_service_continues() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "truncated");
    three_alerts(broker, &settings);
    let before = records(broker, &settings);
    broker.delete_before(settings.topic("observations"), 0, 2);

    let service = Service::start(&settings);
    let entry = service.await_message("the log no longer reaches back to where the state begins");
    assert_eq!(
        (entry["level"].as_str(), entry["rewind"].as_u64()),
        (Some("ERROR"), Some(0))
    );
    assert_goes_on(broker, &settings, &service, "rewind_below_log_start", &before);
}

/// As an unclean election leaves it: neither the committed offset nor that at which the state begins is in the log any more.
#[test]
fn a_log_that_ends_before_its_state_begins_is_read_on_from_its_end() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "behind-the-end");
    three_alerts(broker, &settings);
    let before = records(broker, &settings);
    let (group, topic) = (group(&settings), settings.topic("observations"));
    let (end, metadata) = broker.committed(&group, topic, 0).unwrap();
    assert!(metadata.contains(";rewind=0;"), "{metadata}");
    let metadata = metadata.replacen("rewind=0;", &format!("rewind={};", end + 1_000), 1);
    broker.commit(&group, topic, 0, end + 2_000, &metadata);

    let service = Service::start(&settings);
    assert_goes_on(broker, &settings, &service, "log_truncated", &before);
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_not_guessed_at_and_the_log_is_replayed_from_its_start() {
    let Some(broker) = broker() else { return };
    for (test, metadata, message) in [
        ("unreadable", "by hand", "not a checkpoint"),
        ("newer", "pipewarden/9;everything=new", "newer version"),
    ] {
        let settings = quick(broker, test);
        three_alerts(broker, &settings);
        let before = records(broker, &settings);
        let (offset, _) = broker
            .committed(&group(&settings), settings.topic("observations"), 0)
            .unwrap();
        broker.commit(
            &group(&settings),
            settings.topic("observations"),
            0,
            offset,
            metadata,
        );

        let service = Service::start(&settings);
        service.await_message(message);
        service.await_ready();
        assert!(service.metric("pipewarden_restored_records_total", "") >= 3.0);
        assert_goes_on(broker, &settings, &service, "unreadable_checkpoint", &before);
    }
}

#[test]
fn records_without_a_committed_offset_are_all_read_and_that_is_logged() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "forgotten");
    three_alerts(broker, &settings);
    // Another group knows of nothing.
    let settings = settings.with("kafka/application_id", "forgetful".into());
    let service = Service::start(&settings);
    service.await_message("no offset is committed though the log has records");
    service.await_ready();
    assert_eq!(
        service.metric("pipewarden_log_losses_total", "no_committed_offset"),
        2.0,
        "a partition of observations and one of sightings"
    );
    assert_eq!(alerts(broker, &settings), 3, "repeats are upserts");
}

#[test]
fn a_topic_that_has_grown_is_rejected() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "grown");
    three_alerts(broker, &settings);
    broker.grow_topic(settings.topic("observations"), 2);
    let (status, _) = Service::start(&settings).wait();
    assert_eq!(status.code(), Some(1), "the settings say 1");
    let settings = settings.with("kafka/topics/partitions", 2.into());
    let service = Service::start(&settings);
    service.await_message("has 2 partitions and had 1 when its offsets were committed");
    assert_eq!(service.wait().0.code(), Some(1));
}

#[test]
fn a_record_that_no_router_wrote_is_kept_and_the_next_is_read() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "damaged");
    settings.create_topics();
    let service = Service::start(&settings);
    service.await_ready();
    broker.produce(
        settings.topic("observations"),
        &[(0, b"{\"observation\": 7}".to_vec())],
    );
    attack(broker, &settings, 1);
    service.await_that("an alert", || alerts(broker, &settings) == 1);
    let letters = broker.read_all(settings.topic("dead_letters"));
    let letter: Value = serde_json::from_slice(&letters[0].value).unwrap();
    testkit::schema::assert_valid("dead-letter", &letter);
    assert_eq!(
        (letters.len(), letter["reason"].as_str()),
        (1, Some("undecodable_observation"))
    );
    assert_eq!(letter["payload"], "{\"observation\": 7}");
}

#[test]
fn a_second_process_takes_its_share_and_gives_it_back() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "shared").with("kafka/topics/partitions", 6.into());
    settings.create_topics();
    let first = Service::start(&settings);
    first.await_ready();
    assert_eq!(owned(&first), 6 + 3, "those of sightings as well");
    attack(broker, &settings, 1);
    first.await_that("an alert", || alerts(broker, &settings) == 1);

    let settings = settings.with("correlator", json!({"instance": "second"}));
    let second = Service::start(&settings);
    second.await_ready();
    second.await_that("half the partitions each", || {
        let owned = [owned(&first), owned(&second)];
        owned.iter().sum::<i64>() == 9 && owned.iter().all(|number| *number >= 4)
    });
    for source in 2..12 {
        attack(broker, &settings, source);
    }
    second.await_that("all alerts", || alerts(broker, &settings) == 11);

    second.signal("TERM");
    assert!(second.wait().0.success());
    first.await_that("all partitions back", || owned(&first) == 9);
    attack(broker, &settings, 12);
    first.await_that("one more", || alerts(broker, &settings) == 12);
    assert_eq!(records(broker, &settings).len(), 12, "each is published once");
    assert_eq!(
        first.metric("pipewarden_transactions_total", "aborted"),
        0.0,
        "a rebalance in order aborts nothing"
    );
}

#[test]
fn a_static_member_comes_back_to_its_partitions_without_a_rebalance() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "static")
        .with("kafka/topics/partitions", 4.into())
        .with("kafka/static_membership", true.into());
    settings.create_topics();
    let first = Service::start(&settings);
    first.await_ready();
    let settings = settings.with("correlator", json!({"instance": "second"}));
    let second = Service::start(&settings);
    second.await_that("half the partitions each", || {
        [&first, &second]
            .iter()
            .all(|service| owned(service) >= 3 && routed(service) == 2)
    });
    let share = owned(&second);
    let rebalances = || first.metric("pipewarden_rebalances_total", "");
    let before = rebalances();
    second.signal("TERM");
    assert!(second.wait().0.success());
    let second = Service::start(&settings);
    second.await_that("its partitions back", || owned(&second) == share);
    second.await_ready();
    assert_eq!(rebalances(), before, "the other member has noticed nothing");
    (1..9).for_each(|source| attack(broker, &settings, source));
    second.await_that("all alerts", || alerts(broker, &settings) == 8);
}
