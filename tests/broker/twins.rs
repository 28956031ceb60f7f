//! Two processes of one `correlator.instance`: the second says so and ends, and the first notices nothing.

use crate::recovery::{alerts, attack, owned, quick, records};
use crate::support::broker::broker;
use crate::support::service::{Service, Settings};

/// The error that ends a process.
fn last_message(log: &[serde_json::Value]) -> String {
    let last = log.last().unwrap();
    last["message"].as_str().unwrap().to_owned()
}

/// What a process has noticed of others.
fn disturbances(service: &Service) -> [f64; 3] {
    [
        service.metric("pipewarden_rebalances_total", ""),
        service.metric("pipewarden_transactions_total", "aborted"),
        service.metric("pipewarden_producers_replaced_total", ""),
    ]
}

fn a_second_process_is_refused(settings: &Settings) {
    let broker = broker().unwrap();
    settings.create_topics();
    let first = Service::start(settings);
    first.await_ready();
    attack(broker, settings, 1);
    first.await_that("an alert", || alerts(broker, settings) == 1);
    let before = disturbances(&first);
    // A supervisor starts it again and again.
    for _ in 0..2 {
        let (status, log) = Service::start(settings).wait();
        assert_eq!(status.code(), Some(1));
        let message = last_message(&log);
        let names = format!("process {} on host", first.id());
        assert!(
            message.contains("correlator.instance") && message.contains(&names),
            "{message}"
        );
    }
    attack(broker, settings, 2);
    first.await_that("another alert", || alerts(broker, settings) == 2);
    assert_eq!(disturbances(&first), before, "the first has noticed nothing");

    // The name is free as soon as its process has ended, in whatever way.
    first.kill();
    let next = Service::start(settings);
    next.await_ready();
    next.signal("TERM");
    assert!(next.wait().0.success());
    let next = Service::start(settings);
    next.await_ready();
    attack(broker, settings, 3);
    next.await_that("a third alert", || alerts(broker, settings) == 3);
    assert_eq!(records(broker, settings).len(), 3, "each is published once");
}

#[test]
fn a_process_with_the_name_of_another_ends_and_the_other_notices_nothing() {
    let Some(broker) = broker() else { return };
    a_second_process_is_refused(&quick(broker, "namesake"));
}

#[test]
fn a_static_member_with_the_name_of_another_ends_and_the_other_notices_nothing() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "namesake-static").with("kafka/static_membership", true.into());
    a_second_process_is_refused(&settings);
}

#[test]
fn a_process_that_slept_while_another_took_its_name_ends_and_does_not_take_it_back() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "sleeper");
    settings.create_topics();
    let first = Service::start(&settings);
    first.await_ready();
    first.signal("STOP");
    let second = Service::start(&settings);
    second.await_message("waiting whether it is still there");
    second.await_that("its partition, and those of sightings", || {
        owned(&second) == 1 + 3
    });
    second.await_ready();
    first.signal("CONT");
    let (status, _) = first.wait();
    assert_eq!(status.code(), Some(1));
    attack(broker, &settings, 1);
    second.await_that("an alert", || alerts(broker, &settings) == 1);
    second.signal("TERM");
    assert!(second.wait().0.success());
    assert_eq!(records(broker, &settings).len(), 1);
}
