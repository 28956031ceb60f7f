//! What a service needs before it can work: a broker, and topics with the right settings.

use jiff::Timestamp;
use serde_json::json;
use testkit::winlogbeat;

use crate::kafka::{as_if_now, quick};
use crate::recovery;
use crate::support::broker::{Broker, broker};
use crate::support::service::{Service, Settings};

#[test]
fn a_broker_that_is_down_is_waited_for_and_the_service_is_alive_but_not_ready() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let settings = Settings::new(&nobody.to_string(), "down");
    let service = Service::start(&settings);
    let entry = service.await_message("no broker answers");
    assert_eq!(entry["level"], "WARN");
    assert_eq!(entry["brokers"], nobody.to_string());
    assert_eq!(service.get("/healthz").0, 200);
    let (status, body) = service.get("/readyz");
    assert_eq!(status, 503, "{body}");
    service.signal("TERM");
    assert!(
        service.wait().0.success(),
        "a service that waits ends when it is asked to"
    );
}

#[test]
fn a_missing_topic_ends_the_service_and_names_the_command_that_creates_it() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "missing");
    let (status, log) = Service::start(&settings).wait();
    assert_eq!(status.code(), Some(1));
    let message = log.last().unwrap()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains(settings.topic("input")) && message.contains("topics create --with-input"),
        "{message}"
    );

    broker.create_topic(settings.topic("input"), 12, &[]);
    let (status, log) = Service::start(&settings).wait();
    assert_eq!(status.code(), Some(1));
    let message = log.last().unwrap()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains(settings.topic("observations")) && message.contains("pipewarden topics create"),
        "{message}"
    );
}

#[test]
fn topics_are_created_once_with_the_right_settings_and_wrong_ones_are_named() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "topics");
    let check = || settings.command(&["topics", "check"]);
    let text = |output: &std::process::Output| String::from_utf8(output.stdout.clone()).unwrap();
    let output = check();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output).matches(": missing").count(), 7);
    for word in ["created", "ok"] {
        let output = settings.command(&["topics", "create", "--with-input"]);
        assert!(output.status.success());
        assert_eq!(
            text(&output).matches(&format!(": {word}\n")).count(),
            7,
            "{}",
            text(&output)
        );
    }
    assert!(check().status.success());
    let replicated = settings.with("kafka/topics/replication_factor", 3.into());
    let output = replicated.command(&["topics", "check"]);
    assert_eq!(output.status.code(), Some(1));
    let asked = "min.insync.replicas is 1 and must be at least 2";
    assert_eq!(text(&output).matches(asked).count(), 6, "{}", text(&output));

    let wrong = quick(broker, "topics").with("kafka/topics/partitions", 3.into());
    broker.create_topic(
        wrong.topic("observations"),
        5,
        &[("retention.ms", "60000"), ("cleanup.policy", "compact")],
    );
    let output = wrong.command(&["topics", "create", "--with-input"]);
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output);
    for problem in [
        "has 5 partitions, kafka.topics.partitions says 3",
        "message.timestamp.type is CreateTime and must be LogAppendTime",
        "cleanup.policy is compact and must be delete",
        "retention.ms is 60000 and must be at least",
    ] {
        assert!(message.contains(problem), "{message}");
    }
    let (status, log) = Service::start(&wrong).wait();
    assert_eq!(status.code(), Some(1));
    let message = log.last().unwrap()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("has 5 partitions and kafka.topics.partitions says 3"),
        "{message}"
    );
}

#[test]
fn records_that_carry_the_producers_time_end_the_service_and_name_the_topic_setting() {
    let Some(broker) = broker() else { return };
    let settings = quick(broker, "create-time");
    broker.create_topic(settings.topic("observations"), 12, &[]);
    settings.command(&["topics", "create", "--with-input"]);
    let service = Service::start(&settings);
    service.await_ready();
    let share = as_if_now(vec![winlogbeat::share(0, winlogbeat::CLIENT, 49_839)]).remove(0);
    broker.produce(settings.topic("input"), &[(0, share.to_string().into_bytes())]);
    let (status, log) = service.wait();
    assert_eq!(status.code(), Some(1));
    assert!(log.iter().any(|entry| {
        entry["message"]
            .as_str()
            .is_some_and(|message| message.contains("message.timestamp.type=LogAppendTime"))
    }));
}

/// An access by a source of its own, happening now: one alert.
fn access(source: u8) -> Vec<u8> {
    let mut event = winlogbeat::share(0, &format!("10.9.0.{source}"), 50_000);
    event["@timestamp"] = format!("{:.3}", Timestamp::now()).into();
    event["winlog"]["record_id"] = u32::from(source).into();
    event.to_string().into_bytes()
}

/// New topics are found within a second.
fn finding_topics(broker: &Broker, test: &str) -> Settings {
    recovery::quick(broker, test).with(
        "kafka/client",
        json!({"topic.metadata.refresh.interval.ms": "1000"}),
    )
}

#[test]
fn of_several_input_topics_those_that_exist_are_read_and_others_once_they_exist() {
    let Some(broker) = broker() else { return };
    let settings = finding_topics(broker, "several");
    settings.create_topics();
    let (present, absent) = (
        settings.topic("input").to_owned(),
        format!("{}-absent", settings.topic("input")),
    );
    let settings = settings.with("kafka/topics/input", json!([absent, present]));
    let service = Service::start(&settings);
    service.await_ready();
    let entry = service.await_message("this input topic does not exist");
    assert_eq!(
        (entry["topic"].as_str(), entry["level"].as_str()),
        (Some(&*absent), Some("WARN"))
    );
    let missing = || service.metric("pipewarden_input_topics_missing", "");
    service.await_that("it is counted", || missing() == 1.0);
    broker.produce(&present, &[(0, access(1))]);
    service.await_that("an alert", || recovery::alerts(broker, &settings) == 1);

    broker.create_topic(&absent, 2, &[]);
    broker.produce(&absent, &[(1, access(2))]);
    service.await_that("another alert", || recovery::alerts(broker, &settings) == 2);
    service.await_that("none is missing", || missing() == 0.0);

    // One that goes while it is read.
    broker.delete_topic(&absent);
    service.await_that("it is counted again", || missing() == 1.0);
    broker.produce(&present, &[(0, access(3))]);
    service.await_that("a third alert", || recovery::alerts(broker, &settings) == 3);
    let is_about_it =
        |entry: &&serde_json::Value| entry["level"] == "WARN" && entry.to_string().contains("UnknownTopic");
    assert_eq!(
        service.log().iter().filter(is_about_it).count(),
        0,
        "one line says it"
    );
    service.signal("TERM");
    assert!(service.wait().0.success());
}

#[test]
fn every_topic_whose_name_matches_a_pattern_is_read_whenever_it_is_created() {
    let Some(broker) = broker() else { return };
    for client in [json!({}), json!({"group.protocol": "consumer"})] {
        let mut settings = finding_topics(broker, "pattern");
        let properties = client.as_object().unwrap().clone();
        settings.value["kafka"]["client"]
            .as_object_mut()
            .unwrap()
            .extend(properties);
        let prefix = format!("shipped-{}", settings.topic("input"));
        let settings = settings.with("kafka/topics/input", json!([format!("^{prefix}-.*")]));
        settings.create_topics();
        let service = Service::start(&settings);
        for (number, name) in (1..).zip(["first", "second"]) {
            let topic = format!("{prefix}-{name}");
            broker.create_topic(&topic, 2, &[]);
            broker.produce(&topic, &[(0, access(number))]);
            service.await_that("an alert", || {
                recovery::alerts(broker, &settings) == usize::from(number)
            });
        }
        service.await_ready();
        service.signal("TERM");
        assert!(service.wait().0.success());
    }
}
