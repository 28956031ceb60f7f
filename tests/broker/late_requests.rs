//! Requests of the transaction protocol that arrive late: what they do to a producer that goes on, and that they do nothing
//! to the service.
//!
//! librdkafka asks again after a lost connection, and the broker of transaction protocol 1 cannot tell the first request from
//! one that ends the *next* transaction of the same epoch (KIP-890).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};
use testkit::winlogbeat;

use crate::support::broker::Broker;
use crate::support::proxied::Setup;
use crate::support::proxy::Api;
use crate::support::service::{Service, Settings};

const REQUEST: Duration = Duration::from_secs(30);

fn send(producer: &BaseProducer, topic: &str, value: &str) {
    let record: BaseRecord<'_, [u8], str> = BaseRecord::to(topic).partition(0).payload(value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(REQUEST).unwrap();
}

fn values(broker: &Broker, topic: &str) -> Vec<String> {
    let records = broker.read_all(topic).into_iter();
    records
        .map(|record| String::from_utf8(record.value).unwrap())
        .collect()
}

/// Not the service: what makes its care necessary, and the proof that the proxy does what it says.
#[test]
fn a_late_request_of_a_producer_that_goes_on_commits_what_is_aborted_and_aborts_what_is_committed() {
    Setup::with(late_requests_end_the_next_transaction);
}

fn late_requests_end_the_next_transaction(setup: &Setup) {
    for (id, late_is_commit) in [("commits", true), ("aborts", false)] {
        setup.plain.create_topic(id, 1, &[]);
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", setup.servers())
            .set("transactional.id", id)
            .create()
            .unwrap();
        let end = |commit: bool| {
            if commit {
                producer.commit_transaction(REQUEST)
            } else {
                producer.abort_transaction(REQUEST)
            }
        };
        producer.init_transactions(REQUEST).unwrap();
        producer.begin_transaction().unwrap();
        send(&producer, id, "first");
        setup.proxy.keep_next(Api::END_TXN);
        // The connection breaks, the request is repeated, and all seems well.
        end(late_is_commit).unwrap();

        producer.begin_transaction().unwrap();
        send(&producer, id, "second");
        setup.proxy.await_plans();
        setup.proxy.release();
        // What the broker makes of this end is of no more use.
        drop(end(!late_is_commit));
        drop(producer);
        let is_visible = values(&setup.plain, id).contains(&"second".to_owned());
        assert_eq!(is_visible, late_is_commit, "{id}: the late request has decided");
    }
}

/// One partition, long transactions.
fn settings(setup: &Setup, prefix: &str) -> Settings {
    Settings::new(&setup.servers(), prefix)
        .with("kafka/topics/partitions", 1.into())
        .with("correlator/commit_interval", "1s".into())
        // The proxy looks for words.
        .with("kafka/client", json!({"compression.type": "none"}))
        .with(
            "detection/settle",
            json!({"audited": "200ms", "attributed": "200ms", "none": "500ms"}),
        )
}

/// An access by a source of its own, happening now: one alert.
fn attack(setup: &Setup, settings: &Settings, source: u8) {
    let mut event = winlogbeat::share(0, &format!("10.9.0.{source}"), 50_000);
    event["@timestamp"] = format!("{:.3}", Timestamp::now()).into();
    event["winlog"]["record_id"] = u32::from(source).into();
    setup
        .plain
        .produce(settings.topic("input"), &[(0, event.to_string().into_bytes())]);
}

/// How often each revision of each alert stands on the topic, by source.
fn revisions(setup: &Setup, settings: &Settings) -> BTreeMap<(String, u64), u32> {
    let mut all = BTreeMap::new();
    for value in values(&setup.plain, settings.topic("alerts")) {
        let alert: Value = serde_json::from_str(&value).unwrap();
        let source = alert["source"]["ip"].as_str().unwrap().to_owned();
        let revision = alert["pipewarden"]["revision"].as_u64().unwrap();
        *all.entry((source, revision)).or_default() += 1;
    }
    all
}

#[test]
fn a_commit_that_arrives_late_neither_loses_nor_repeats_an_alert_of_the_service() {
    Setup::with(the_service_survives_a_late_commit);
}

fn the_service_survives_a_late_commit(setup: &Setup) {
    let settings = settings(setup, "late");
    settings.create_topics();
    let service = Service::start(&settings);
    service.await_ready();
    setup.proxy.keep_next(Api::END_TXN);
    attack(setup, &settings, 1);
    service.await_that("the first alert", || revisions(setup, &settings).len() == 1);
    setup.proxy.await_plans();

    // The first commit arrives once more when the records of the second alert are written, and the offsets never do.
    let alert = [settings.topic("alerts"), "10.9.0.2"];
    setup.proxy.release_and_block(Api::ADD_OFFSETS_TO_TXN, &alert);
    attack(setup, &settings, 2);
    setup.proxy.await_plans();
    service.kill();
    setup.proxy.unblock();
    let service = Service::start(&settings);
    attack(setup, &settings, 3);
    service.await_that("all alerts", || revisions(setup, &settings).len() == 3);
    service.signal("TERM");
    assert!(service.wait().0.success());
    let revisions = revisions(setup, &settings);
    assert!(revisions.values().all(|times| *times == 1), "{revisions:?}");
}

#[test]
fn an_abort_that_arrives_late_neither_loses_nor_repeats_an_alert_of_the_service() {
    Setup::with(the_service_survives_a_late_abort);
}

fn the_service_survives_a_late_abort(setup: &Setup) {
    let settings = settings(setup, "late-abort");
    settings.create_topics();
    let service = Service::start(&settings);
    service.await_ready();
    // The group rejects the offsets of the first alert's transaction; the request that aborts it is kept, and repeated.
    let alert = [settings.topic("alerts"), "10.9.0.1"];
    setup.proxy.spoil_offsets(&alert);
    setup.proxy.keep(Api::END_TXN, &alert);
    attack(setup, &settings, 1);
    setup.proxy.await_plans();
    // It arrives when the records stand there for the second time and the offsets come next.
    setup.proxy.release_before(Api::ADD_OFFSETS_TO_TXN, &alert);
    service.await_that("the first alert", || revisions(setup, &settings).len() == 1);
    attack(setup, &settings, 2);
    service.await_that("the second alert", || revisions(setup, &settings).len() == 2);
    service.signal("TERM");
    assert!(service.wait().0.success());
    let revisions = revisions(setup, &settings);
    assert!(revisions.values().all(|times| *times == 1), "{revisions:?}");
}
