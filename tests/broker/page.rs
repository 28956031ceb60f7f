//! What `pipewarden ui` shows of the topics of a broker.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pipewarden_core::time::AppendTime;
use serde_json::{Value, json};

use crate::support::broker::{Broker, broker};
use crate::support::service::{Service, Settings, get};
use crate::support::transactions::Transactions;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running page. Killed when dropped.
struct Page {
    child: Child,
    address: SocketAddr,
}

impl Page {
    fn start(settings: &Settings, arguments: &[&str]) -> Self {
        let mut child = Command::new(&settings.program)
            .args(["ui", "--listen", "127.0.0.1:0", "--config"])
            .arg(settings.file())
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().trim_start_matches("http://").trim_end_matches('/');
        Self {
            address: address.parse().unwrap(),
            child,
        }
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&get(self.address, path).unwrap().1).unwrap()
    }

    /// Id and revision of every alert that is listed.
    fn listed(&self) -> Vec<(String, u64)> {
        let alerts = self.json("/api/alerts");
        let rows = alerts["rows"].as_array().unwrap().iter();
        let mut listed: Vec<_> = rows
            .map(|row| {
                (
                    row["id"].as_str().unwrap().to_owned(),
                    row["revision"].as_u64().unwrap(),
                )
            })
            .collect();
        listed.sort();
        listed
    }

    fn await_that(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(
                began.elapsed() < PATIENCE,
                "{what}: {:#}",
                self.json("/api/alerts")
            );
            std::thread::yield_now();
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn alert(id: &str, revision: u64) -> Vec<u8> {
    let status = if id.starts_with("kept") {
        "suppressed"
    } else {
        "active"
    };
    let alert =
        json!({"message": id, "pipewarden": {"alert_id": id, "revision": revision, "status": status}});
    alert.to_string().into_bytes()
}

/// One transaction after the other: records of `alerts` or `suppressed`, written so long ago, and whether it is committed.
fn publish(broker: &Broker, settings: &Settings, transactions: &[(&str, &str, u64, Duration, bool)]) {
    let producer = Transactions::of(broker, settings.topic("alerts"));
    for (topic, id, revision, ago, is_committed) in transactions {
        let value = alert(id, *revision);
        producer.publish(
            settings.topic(topic),
            [(*id, &*value)],
            now().minus(*ago),
            *is_committed,
        );
    }
}

fn now() -> AppendTime {
    pipewarden::telemetry::wall_clock()
}

fn named(all: &[(&str, u64)]) -> Vec<(String, u64)> {
    all.iter()
        .map(|(id, revision)| ((*id).to_owned(), *revision))
        .collect()
}

#[test]
fn the_page_shows_what_was_committed_since_then_and_what_comes() {
    let Some(broker) = broker() else { return };
    let settings = Settings::new(broker.servers(), &broker.prefix("page"));
    settings.create_topics();
    let (day, none) = (Duration::from_secs(86_400), Duration::ZERO);
    publish(
        broker,
        &settings,
        &[
            ("alerts", "old", 1, 2 * day, true),
            ("alerts", "open", 1, none, true),
            ("suppressed", "kept", 1, none, true),
            ("alerts", "aborted", 1, none, false),
        ],
    );
    let page = Page::start(&settings, &["--since", "24h"]);
    page.await_that("what stands is listed", |page| {
        page.listed() == named(&[("kept", 1), ("open", 1)])
    });
    publish(
        broker,
        &settings,
        &[
            ("alerts", "aborted", 2, none, false),
            ("alerts", "open", 2, none, true),
            ("alerts", "late", 1, none, true),
        ],
    );
    page.await_that("what came is listed", |page| {
        page.listed() == named(&[("kept", 1), ("late", 1), ("open", 2)])
    });
    assert_eq!(
        page.json("/api/alerts/open")["revisions"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(page.json("/api/about")["brokers"], broker.servers());
}

#[test]
fn topics_that_are_missing_are_said_and_read_once_they_are_there() {
    let Some(broker) = broker() else { return };
    let settings = Settings::new(broker.servers(), &broker.prefix("page-later"));
    let page = Page::start(&settings, &[]);
    page.await_that("it says what is missing", |page| {
        let problem = &page.json("/api/alerts")["health"]["problem"];
        problem
            .as_str()
            .is_some_and(|problem| problem.contains("does not exist") && problem.contains("trying again"))
    });
    settings.create_topics();
    publish(broker, &settings, &[("alerts", "open", 1, Duration::ZERO, true)]);
    page.await_that("it reads", |page| page.listed() == named(&[("open", 1)]));
    assert_eq!(page.json("/api/alerts")["health"]["problem"], Value::Null);
}

#[test]
fn services_are_asked_how_they_are_and_one_that_does_not_answer_is_said_to_be_so() {
    let Some(broker) = broker() else { return };
    let settings = Settings::new(broker.servers(), &broker.prefix("page-status"));
    settings.create_topics();
    let service = Service::start(&settings);
    service.await_ready();
    let address = service.address().to_string();
    let page = Page::start(&settings, &["--status", &address, "--status", "127.0.0.1:1"]);
    page.await_that("both are told of", |page| {
        let services = page.json("/api/services")["services"].clone();
        services[0]["status"]["ready"] == true
            && services[0]["status"]["workers"]["correlator-0"]["is_alive"] == true
            && services[0]["status"]["explanations"].is_null()
            && services[1]["problem"].is_string()
    });
    assert_eq!(
        page.json("/api/about")["services"][0],
        format!("http://{address}")
    );
}
