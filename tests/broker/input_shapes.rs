//! Input that flows and that nothing can be detected in; how old input is, and how long an alert takes.

use serde_json::json;
use testkit::winlogbeat;

use crate::kafka::{as_if_now, quick};
use crate::support::broker::broker;
use crate::support::service::Service;

#[test]
fn a_topic_of_another_shape_is_told_once_by_its_keys_and_counted() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "shapes").with("kafka/topics/partitions", 1.into());
    settings.create_topics();
    let service = Service::start(&settings);
    service.await_ready();
    let document = |number: u32| json!({"log": format!("value-{number}"), "kubernetes": {"pod": "value"}});
    let messages: Vec<(i32, Vec<u8>)> = (0..300)
        .map(|number| (0, document(number).to_string().into_bytes()))
        .collect();
    broker.produce(settings.topic("input"), &messages);
    let line = service.await_message("nothing can be detected");
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["seen"], "objects with the keys kubernetes, log");
    service.await_that("everything is read", || {
        service.metric("pipewarden_messages_consumed_total", "") >= 300.0
    });
    service.await_that("its shape is counted", || {
        service.metric("pipewarden_input_shapes_total", "\"object\"") >= 16.0
    });
    assert!(service.metric("pipewarden_input_shapes_total", "\"known\"") < 1.0);
    service.await_that("its age is measured", || {
        service.metric("pipewarden_input_age_seconds_count", "") >= 1.0
    });
    service.signal("TERM");
    let (status, log) = service.wait();
    assert!(status.success());
    let is_it = |entry: &&serde_json::Value| entry.to_string().contains("nothing can be detected");
    assert_eq!(log.iter().filter(is_it).count(), 1);
    assert!(!log.iter().any(|entry| entry.to_string().contains("value-")));
}

#[test]
fn an_alert_is_timed_from_its_event_and_the_process_shows_what_it_takes() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "timed");
    settings.create_topics();
    let service = Service::start(&settings);
    service.await_ready();
    for event in as_if_now(winlogbeat::detect_8().to_vec()) {
        broker.produce(settings.topic("input"), &[(0, event.to_string().into_bytes())]);
    }
    service.await_that("an alert is timed", || {
        service.metric("pipewarden_event_to_alert_seconds_count", "") >= 1.0
    });
    service.await_that("all three events are looked at", || {
        service.metric("pipewarden_input_shapes_total", "\"known\"") >= 3.0
    });
    assert!(service.metric("process_resident_memory_bytes", "") > 0.0);
    service.signal("TERM");
    assert!(service.wait().0.success());
}
