//! `pipewarden demo`, as a user runs it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Far above what it takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running demo. Killed when dropped.
struct Demo {
    child: Child,
    page: String,
    metrics: String,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
            .args(["demo", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |end: &str| {
            let line = lines.next().unwrap().unwrap();
            line.strip_prefix("http://")
                .unwrap()
                .strip_suffix(end)
                .unwrap()
                .to_owned()
        };
        Self {
            page: address("/"),
            metrics: address("/metrics"),
            child,
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn json(address: &str, path: &str) -> Value {
    serde_json::from_str(&get(address, path)).unwrap()
}

#[test]
fn attacks_are_alerts_on_the_page_in_metrics_and_explained() {
    let demo = Demo::start(&["--history", "3min", "--speed", "100000"]);
    let began = Instant::now();
    let alerts = loop {
        let alerts = json(&demo.page, "/api/alerts");
        if alerts["rows"].as_array().unwrap().len() > 2 {
            break alerts;
        }
        assert!(began.elapsed() < PATIENCE, "{alerts:#}");
    };
    assert_eq!(alerts["health"]["read"]["unreadable"], 0);
    let id = alerts["rows"][0]["id"].as_str().unwrap();
    let alert = json(&demo.page, &format!("/api/alerts/{id}"));
    assert!(alert["explanation"]["accesses"].is_array(), "{alert:#}");
    let published: u32 = get(&demo.metrics, "/metrics")
        .lines()
        .filter(|line| line.starts_with("pipewarden_alerts_total"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap())
        .sum();
    assert!(published > 2, "{published}");
    let services = json(&demo.page, "/api/services");
    assert_eq!(services["services"][0]["status"]["ready"], true, "{services:#}");
    let sensors = services["services"][0]["status"]["sensors"].as_object();
    assert!(sensors.is_some(), "{services:#}");
}

#[test]
fn it_ends_by_itself_after_the_time_that_it_was_given() {
    let mut demo = Demo::start(&["--history", "1s", "--for", "1s"]);
    assert!(demo.child.wait().unwrap().success());
}
