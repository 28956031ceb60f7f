//! How long what a process owned is not watched once the process is killed, with default settings.
//!
//! No test asserts these times, which docs/guarantees.md gives; each prints its own.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use testkit::winlogbeat;

use crate::recovery::{alerts, owned, quick};
use crate::support::broker::{Broker, broker};
use crate::support::proxied::Setup;
use crate::support::proxy::Api;
use crate::support::service::{Service, Settings};

/// Of the observations topic, and of both topics that hold state.
const PARTITIONS: i64 = 6;
const ALL: i64 = PARTITIONS + 3;

/// Enough for every partition to have some.
const HOSTS: usize = 30;

/// An access to a host of its own by a source of its own, happening now: one alert.
fn attack(broker: &Broker, settings: &Settings, number: usize) {
    let mut event = winlogbeat::share(0, &format!("10.9.{number}.1"), 50_000);
    event["@timestamp"] = format!("{:.3}", Timestamp::now()).into();
    event["winlog"]["computer_name"] = format!("host{number}.aperture.local").into();
    event["host"] = json!({"name": format!("host{number}.aperture.local")});
    broker.produce(settings.topic("input"), &[(0, event.to_string().into_bytes())]);
}

/// Two processes that share the partitions, each under a name of its own.
fn two_processes(settings: &Settings) -> [Service; 2] {
    settings.create_topics();
    let start =
        |name: &str| Service::start_with(settings, [("PIPEWARDEN_CORRELATOR__INSTANCE", name.to_owned())]);
    let both = [start("first"), start("second")];
    both[0].await_that("half the partitions each", || {
        both.iter()
            .all(|service| owned(service) >= ALL / 2 && service.is_ready())
    });
    both
}

/// Kills the second process, and returns how long it took until the first owned everything, until it was ready, and until it
/// published an alert of every partition.
fn kill_one(broker: &Broker, settings: &Settings, [first, second]: [Service; 2]) -> [Duration; 3] {
    let began = Instant::now();
    second.kill();
    (1..=HOSTS).for_each(|number| attack(broker, settings, number));
    first.await_that("all partitions", || owned(&first) == ALL);
    let owned = began.elapsed();
    first.await_that("all partitions are live", || first.is_ready());
    let ready = began.elapsed();
    first.await_that("every alert", || alerts(broker, settings) == HOSTS);
    [owned, ready, began.elapsed()]
}

fn report(what: &str, took: [Duration; 3]) {
    let [owned, ready, told] = took.map(|span| span.as_secs_f64());
    println!(
        "{what}: {owned:.1} s until owned, {ready:.1} s until live, {told:.1} s until every alert was out"
    );
}

fn defaults(broker: &Broker, test: &str) -> Settings {
    quick(broker, test).with("kafka/topics/partitions", PARTITIONS.into())
}

#[test]
fn after_a_kill_another_process_detects_on_every_partition_again() {
    let Some(broker) = broker() else { return };
    let settings = defaults(broker, "killed");
    let took = kill_one(broker, &settings, two_processes(&settings));
    report("killed between two commits", took);
}

#[test]
fn after_a_kill_the_brokers_give_its_partitions_to_another_where_they_assign() {
    let Some(broker) = broker() else { return };
    let settings = defaults(broker, "killed-848").with("kafka/client", json!({"group.protocol": "consumer"}));
    let took = kill_one(broker, &settings, two_processes(&settings));
    report(
        "group.protocol consumer, group.consumer.session.timeout.ms of 6 s",
        took,
    );
}

#[test]
fn after_a_kill_within_a_commit_another_process_detects_on_every_partition_again() {
    Setup::with(|setup| {
        let settings = defaults(&setup.plain, "killed-in-commit");
        let settings = settings.with("kafka/brokers", setup.servers().into());
        let both = two_processes(&settings);
        // Its transaction stays open, until the broker ends it.
        setup.proxy.block(Api::END_TXN, "-second-0");
        (1..=HOSTS).for_each(|number| attack(&setup.plain, &settings, number));
        setup.proxy.await_vanished();
        let began = Instant::now();
        let [first, second] = both;
        second.kill();
        setup.proxy.unblock();
        first.await_that("all partitions", || owned(&first) == ALL);
        let owned = began.elapsed();
        first.await_that("all partitions are live", || first.is_ready());
        let ready = began.elapsed();
        first.await_that("every alert", || alerts(&setup.plain, &settings) == HOSTS);
        report("killed within a commit", [owned, ready, began.elapsed()]);
    });
}
