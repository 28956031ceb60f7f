//! What one process learns of addresses, known to every other, on a real broker; no inventory unless a test has one.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use testkit::schema;
use testkit::winlogbeat::{self, with};

use crate::support::broker::{Broker, broker};
use crate::support::service::{Service, Settings};

/// An address that no inventory lists, until one does.
const X: &str = "192.0.2.9";

/// Two partitions of everything, so that two processes have one each.
fn two(broker: &Broker, test: &str) -> Settings {
    Settings::new(broker.servers(), &broker.prefix(test)).with("kafka/topics/partitions", 2.into())
}

/// A connection by `computer` with address `ip` to an address without a name, `minutes` ago.
fn connection(computer: &str, ip: &str, destination: &str, minutes: i64) -> Vec<u8> {
    let event = winlogbeat::connection(0, computer, ip, 50_000);
    let event = with(event, "DestinationIp", destination.into());
    let mut event = with(event, "DestinationHostname", "-".into());
    let time = Timestamp::now() - SignedDuration::from_mins(minutes);
    event["@timestamp"] = format!("{time:.3}").into();
    event.to_string().into_bytes()
}

/// The keys of all observations that a client has caused, in no order.
fn destinations(broker: &Broker, settings: &Settings, client: &str) -> Vec<String> {
    let mut keys: Vec<String> = broker
        .read_all(settings.topic("observations"))
        .into_iter()
        .filter(|record| {
            let value: Value = serde_json::from_slice(&record.value).unwrap();
            value["observation"]["event"]["computer"] == client
        })
        .map(|record| String::from_utf8(record.key).unwrap())
        .collect();
    keys.sort();
    keys
}

/// For how many minutes each computer has had an address, by the last records of the topic.
fn spans(broker: &Broker, settings: &Settings) -> BTreeMap<String, i64> {
    let records = broker.read_all(settings.topic("bindings")).into_iter();
    let span = |value: Value| {
        let time = |field: &str| value[field].as_str().unwrap().parse::<Timestamp>().unwrap();
        let seconds = time("last_seen").duration_since(time("first_seen")).as_secs();
        (
            value["computer"].as_str().unwrap().to_owned(),
            (seconds + 30) / 60,
        )
    };
    records
        .map(|record| span(serde_json::from_slice(&record.value).unwrap()))
        .collect()
}

/// How many partitions a worker of a process owns.
fn owned(service: &Service, worker: &str) -> Value {
    let ready: Value = serde_json::from_str(&service.get("/readyz").1).unwrap();
    ready["workers"][worker]["partitions"].clone()
}

fn consumed(service: &Service) -> f64 {
    service.metric("pipewarden_messages_consumed_total", "")
}

fn end(service: Service) {
    service.signal("TERM");
    assert!(service.wait().0.success());
}

#[test]
fn what_one_process_has_learned_another_knows_and_a_restarted_one_from_its_first_message() {
    let Some(broker) = broker() else { return };
    let settings = two(broker, "replicas");
    settings.create_topics();
    let first = Service::start(&settings);
    first.await_ready();
    let settings = settings.with("correlator", json!({"instance": "second"}));
    let second = Service::start(&settings);
    second.await_ready();
    second.await_that("a partition each", || {
        [&first, &second]
            .iter()
            .all(|service| owned(service, "router-0") == 1)
    });

    // The owner of partition 0 learns from it whose the address is; the other process has partition 1.
    let input = settings.topic("input");
    broker.produce(input, &[(0, connection("portal.example", X, "198.51.100.1", 3))]);
    second.await_that("the claim is read", || {
        consumed(&first) + consumed(&second) == 1.0
    });
    let (owner, other) = if consumed(&first) == 1.0 {
        (&first, &second)
    } else {
        (&second, &first)
    };
    owner.await_that("the claim is published", || {
        owner.metric("pipewarden_binding_records_published_total", "kind=\"binding\"") == 1.0
    });
    other.await_that("the claim is read elsewhere", || {
        other.metric("pipewarden_binding_records_read_total", "disposition=\"binding\"") == 1.0
    });
    assert_eq!(consumed(other), 0.0, "it has seen nothing itself");
    assert_eq!(other.metric("pipewarden_bindings", "kind=\"bindings\""), 1.0);
    broker.produce(input, &[(1, connection("client.example", "203.0.113.1", X, 0))]);
    other.await_that("the destination has its name", || {
        destinations(broker, &settings, "client.example") == ["portal.example"]
    });
    assert_eq!(consumed(other), 1.0);

    let records = broker.read_all(settings.topic("bindings"));
    let published = records
        .iter()
        .find(|record| record.key == format!("{X}|portal.example").as_bytes());
    schema::assert_valid(
        "binding",
        &serde_json::from_slice(&published.unwrap().value).unwrap(),
    );

    end(first);
    // A member that leaves amid the rebalance of another's leaving can stay in the group until its session ends.
    second.await_that("all partitions", || {
        // Correlators have those of sightings as well.
        [("router-0", 2), ("correlator-0", 2 + 3)]
            .iter()
            .all(|(worker, all)| owned(&second, worker) == *all)
    });
    end(second);
    broker.produce(input, &[(0, connection("late.example", "203.0.113.2", X, 0))]);
    let restarted = Service::start(&settings);
    restarted.await_ready();
    assert_routes_after_reading(&restarted, 2);
    restarted.await_that("the destination has its name", || {
        destinations(broker, &settings, "late.example") == ["portal.example"]
    });
    end(restarted);
}

/// A router takes no partition before it has read so many bindings.
#[track_caller]
fn assert_routes_after_reading(service: &Service, bindings: u64) {
    let entry = service.await_message("the bindings topic is read");
    assert_eq!(entry["bindings"], bindings);
    let log = service.log();
    let first = |text: &str| {
        log.iter()
            .position(|entry| entry["worker"] == "router-0" && entry["message"] == text)
    };
    let (read, taken) = (
        first("the bindings topic is read"),
        first("partitions are taken over"),
    );
    assert!(
        read < taken && taken.is_some(),
        "it takes no message before it knows: {log:#?}"
    );
}

#[test]
fn an_address_that_moved_resolves_by_the_time_of_the_event_and_the_inventory_wins() {
    let Some(broker) = broker() else { return };
    // What is older than that teaches nothing.
    let settings = two(broker, "moved")
        .with("detection/allowed_lateness", "8h".into())
        .with("bindings/publish_after", "1min".into());
    settings.create_topics();
    let input = settings.topic("input");
    let service = Service::start(&settings);
    service.await_ready();
    for (computer, minutes) in [
        ("a.example", 350),
        ("a.example", 300),
        ("b.example", 150),
        ("b.example", 100),
    ] {
        broker.produce(input, &[(0, connection(computer, X, "198.51.100.1", minutes))]);
    }
    service.await_that("the claims are read", || consumed(&service) == 4.0);
    // What a process has not published when it ends, the next does not know.
    service.await_that("the claims are published", || {
        spans(broker, &settings) == [("a.example".to_owned(), 50), ("b.example".to_owned(), 50)].into()
    });
    end(service);

    let service = Service::start(&settings);
    service.await_ready();
    for minutes in [320, 240, 50] {
        broker.produce(
            input,
            &[(1, connection("client.example", "203.0.113.1", X, minutes))],
        );
    }
    service.await_that("each has the name of its time", || {
        destinations(broker, &settings, "client.example") == ["a.example", "a.example", "b.example"]
    });
    end(service);

    let folder = tempfile::tempdir().unwrap();
    let inventory = folder.path().join("hosts.yaml");
    std::fs::write(&inventory, format!("assets: [{{name: atlas, addresses: [{X}]}}]")).unwrap();
    let settings = settings.with("inventory/file", inventory.to_str().unwrap().into());
    let service = Service::start(&settings);
    service.await_ready();
    broker.produce(
        settings.topic("input"),
        &[(0, connection("a.example", X, "198.51.100.1", 0))],
    );
    broker.produce(
        settings.topic("input"),
        &[(1, connection("listed.example", "203.0.113.1", X, 150))],
    );
    service.await_that("the asset of the inventory", || {
        destinations(broker, &settings, "listed.example") == ["atlas"]
    });
    service.await_that("the contradiction is counted", || {
        service.metric("pipewarden_binding_conflicts_total", "") == 1.0
    });
    end(service);
}

#[test]
fn wrong_records_are_counted_and_an_emptied_topic_is_filled_again_by_what_is_still_seen() {
    let Some(broker) = broker() else { return };
    let settings = two(broker, "emptied").with("bindings/publish_after", "1s".into());
    settings.create_topics();
    let bindings = settings.topic("bindings");
    let input = settings.topic("input");
    let value = |first: i64| {
        json!({"version": first, "address": X, "computer": "portal.example",
               "first_seen": "2024-10-24T15:02:05Z", "last_seen": "2024-10-24T15:02:05Z",
               "says": "client"})
        .to_string()
        .into_bytes()
    };
    broker.produce_keyed(
        bindings,
        &[
            (b"nonsense", Some(value(1))),
            (b"192.0.2.9|portal.example", Some(value(99))),
            (b"192.0.2.9|portal.example", Some(b"{".to_vec())),
            (b"192.0.2.9|portal.example", Some(value(1))),
            (b"192.0.2.8|gone.example", None),
        ],
    );
    let service = Service::start(&settings);
    service.await_ready();
    service.await_message("a record is skipped");
    let read = |disposition: &str| {
        let label = format!("disposition=\"{disposition}\"");
        service.metric("pipewarden_binding_records_read_total", &label)
    };
    assert_eq!(
        (read("undecodable"), read("binding"), read("tombstone")),
        (3.0, 1.0, 1.0)
    );

    broker.delete_before(bindings, 0, 5);
    broker.produce(input, &[(0, connection("client.example", "203.0.113.1", X, 0))]);
    service.await_that("what was read before is still known", || {
        destinations(broker, &settings, "client.example") == ["portal.example"]
    });
    broker.produce(input, &[(0, connection("portal.example", X, "198.51.100.1", 0))]);
    service.await_that("who is seen again is published again", || {
        broker
            .read_all(bindings)
            .iter()
            .any(|record| record.key == b"192.0.2.9|portal.example")
    });
    end(service);
}

#[test]
fn without_the_topic_the_service_ends_and_names_the_command_that_creates_it() {
    let Some(broker) = broker() else { return };
    let settings = two(broker, "unpublished");
    settings.create_topics();
    let settings = settings.with("kafka/topics/bindings", "nowhere.bindings".into());
    let (status, log) = Service::start(&settings).wait();
    assert_eq!(status.code(), Some(1));
    let message = log.last().unwrap()["message"].as_str().unwrap();
    assert!(
        message.contains("nowhere.bindings") && message.contains("pipewarden topics create"),
        "{message}"
    );
}
