//! What a service needs before it can work: a broker, and topics with the right settings.

use testkit::winlogbeat;

use crate::kafka::{as_if_now, quick};
use crate::support::broker::broker;
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
    assert_eq!(text(&output).matches(": missing").count(), 6);
    for word in ["created", "ok"] {
        let output = settings.command(&["topics", "create", "--with-input"]);
        assert!(output.status.success());
        assert_eq!(
            text(&output).matches(&format!(": {word}\n")).count(),
            6,
            "{}",
            text(&output)
        );
    }
    assert!(check().status.success());
    let replicated = settings.with("kafka/topics/replication_factor", 3.into());
    let output = replicated.command(&["topics", "check"]);
    assert_eq!(output.status.code(), Some(1));
    let asked = "min.insync.replicas is 1 and must be at least 2";
    assert_eq!(text(&output).matches(asked).count(), 5, "{}", text(&output));

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
