//! Ready means detecting: what `/readyz`, `/status` and the log say when brokers or topics go, and come back.

use std::process::Command;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use serde_json::Value;
use testkit::winlogbeat;

use crate::kafka::{as_if_now, quick};
use crate::support::broker::{self, End, Jdk, broker, skip};
use crate::support::service::Service;
use crate::support::topics::runtime;

/// The reasons that `/readyz` gives.
fn reasons(service: &Service) -> String {
    service.unready().expect("it answers").join("; ")
}

#[track_caller]
fn await_reason(service: &Service, words: &str) {
    service.await_that(words, || reasons(service).contains(words));
    assert_eq!(service.get("/readyz").0, 503);
}

#[test]
fn without_brokers_a_service_is_not_ready_and_says_why_and_with_them_it_is_ready_again() {
    let mut own = match Jdk::start() {
        Ok(own) => own,
        Err(reason) => return skip(&reason),
    };
    let plain = broker::at(&own.servers());
    let settings = quick(&plain, "away");
    settings.create_topics();
    let service = Service::start(&settings);
    service.await_ready();
    own.end(End::Stop);
    await_reason(&service, "no broker answers");
    await_reason(&service, "nothing listens there");
    assert_eq!(service.metric("pipewarden_ready", ""), 0.0);
    assert_eq!(service.get("/healthz").0, 200, "a restart would mend nothing");
    let entry = service.await_log(|entry| {
        let message = entry["message"].as_str().unwrap_or_default();
        entry["level"] == "WARN"
            && message.contains(&own.servers())
            && message.contains("nothing listens there")
    });
    assert!(entry["worker"].is_null(), "one line for all clients: {entry}");
    let told = service.await_message("the process is not ready");
    assert!(
        told["reasons"].as_str().unwrap().contains("no broker answers"),
        "{told}"
    );
    own.launch().unwrap();
    service.await_ready();
    service.await_message("the process is ready again");
    let share = as_if_now(vec![winlogbeat::share(0, winlogbeat::CLIENT, 49_839)]).remove(0);
    plain.produce(settings.topic("input"), &[(0, share.to_string().into_bytes())]);
    service.await_that("an alert", || {
        !plain.read_all(settings.topic("alerts")).is_empty()
    });
}

#[test]
fn without_the_alerts_topic_a_service_is_not_ready_and_names_it() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "unwritable");
    settings.create_topics();
    let service = Service::start(&settings);
    service.await_ready();
    let alerts = settings.topic("alerts");
    let admin: AdminClient<DefaultClientContext> = broker.client().create().unwrap();
    let deleted = runtime()
        .block_on(admin.delete_topics(&[alerts], &AdminOptions::new()))
        .unwrap();
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    await_reason(&service, &format!("topic {alerts} does not exist"));
    settings.create_topics();
    service.await_ready();
}

#[test]
fn status_says_in_words_what_is_in_force_how_far_it_is_behind_and_what_was_never_seen() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "words");
    settings.create_topics();
    let service = Service::start(&settings);
    service.await_ready();
    let share = as_if_now(vec![winlogbeat::share(0, winlogbeat::CLIENT, 49_839)]).remove(0);
    let not_json = b"5145 winreg".to_vec();
    let input = settings.topic("input");
    broker.produce(input, &[(0, share.to_string().into_bytes()), (0, not_json)]);
    let status = || -> Value { serde_json::from_str(&service.get("/status").1).unwrap() };
    service.await_that("the asset is seen", || {
        status()["assets"]
            .as_object()
            .is_some_and(|assets| assets.values().any(|seen| seen != "never seen"))
    });
    service.await_that("the lag is known", || {
        let workers = &status()["workers"];
        workers["correlator-0"]["lag"][settings.topic("observations")] == 0
            && workers["router-0"]["lag"][input] == 0
    });
    let status = status();
    let summary = status["in_force"]["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("4 rules (detect-1, detect-3, detect-7, detect-8) on "),
        "{summary}"
    );
    assert_eq!(status["in_force"]["id"], status["policy"]);
    let assets = status["assets"].as_object().unwrap();
    assert_eq!(
        assets.len(),
        status["in_force"]["assets"],
        "every listed asset is there"
    );
    assert!(assets.values().any(|seen| seen == "never seen"), "{assets:?}");
    assert_eq!(status["dead_letters"]["invalid_json"]["count"], 1, "{status}");
    assert_eq!(status["ready"], true);
}

#[test]
fn a_fatal_error_is_one_line_of_json_where_the_log_is_json() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "fatal");
    let (status, log) = Service::start(&settings).wait();
    assert_eq!(status.code(), Some(1));
    let missing = |entry: &&Value| {
        let message = entry["message"].as_str().unwrap_or_default();
        message.contains("does not exist")
    };
    let found: Vec<&Value> = log.iter().filter(missing).collect();
    assert_eq!(found.len(), 1, "{log:#?}");
    assert_eq!(found[0]["level"], "ERROR", "{log:#?}");

    let wrong = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(["run", "--config", "missing.yaml"])
        .env("PIPEWARDEN_LOG__FORMAT", "json")
        .output()
        .unwrap();
    let text = String::from_utf8(wrong.stderr).unwrap();
    let entry: Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!(entry["level"], "ERROR", "{text}");
}
