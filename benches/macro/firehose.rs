//! The router over gzip messages, beside a consumer that polls and drops.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pipewarden::config::Kafka;
use pipewarden::telemetry::wall_clock;
use pipewarden_core::time::EventTime;
use pipewarden_kafka::DocumentProducer;
use pipewarden_tools::generator::{Fleet, Plan, Truth};
use serde_json::{Value, json};

use super::process::{self, Usage, usage_of};
use super::support::broker::{Broker, broker};
use super::support::service::{Service, Settings};
use super::table::{Table, median};
use super::{Arguments, generated, itself};

/// Partitions of the input topic.
const PARTITIONS: i32 = 4;

/// How often routers commit where nothing else is set; tests do it more often.
pub(crate) fn commit_interval() -> Value {
    serde_json::to_value(pipewarden::config::Settings::default().router).unwrap()["commit_interval"].take()
}

/// Fills a new topic with documents, as gzip; gives back what must be found.
pub(crate) fn fill(broker: &Broker, topic: &str, plan: &Plan, fleet: Fleet) -> Vec<Truth> {
    fill_partitions(broker, topic, PARTITIONS, plan, fleet)
}

/// The same, with so many partitions.
pub(crate) fn fill_partitions(
    broker: &Broker,
    topic: &str,
    partitions: i32,
    plan: &Plan,
    fleet: Fleet,
) -> Vec<Truth> {
    broker.create_topic(topic, partitions, &[]);
    write(broker, topic, plan, fleet, |_, _| {})
}

/// Publishes documents when they are due.
pub(crate) fn feed(broker: &Broker, topic: &str, plan: &Plan, fleet: Fleet) -> Vec<Truth> {
    write(broker, topic, plan, fleet, |producer, due| {
        loop {
            let ahead = -due.lateness_at(wall_clock());
            if ahead <= 0 {
                break;
            }
            producer.wait(Duration::from_micros(ahead.unsigned_abs()).min(Duration::from_millis(10)));
        }
    })
}

fn write(
    broker: &Broker,
    topic: &str,
    plan: &Plan,
    fleet: Fleet,
    mut wait: impl FnMut(&mut DocumentProducer, EventTime),
) -> Vec<Truth> {
    let mut kafka = Kafka::default();
    broker.servers().clone_into(&mut kafka.brokers);
    kafka.topics.input = vec![topic.to_owned()];
    let mut producer = DocumentProducer::new(&kafka, "gzip").unwrap();
    let truths = generated::each(plan, fleet, |due, document| {
        wait(&mut producer, due);
        producer.send(document).unwrap();
    });
    producer.finish().unwrap();
    truths
}

pub(crate) fn run(arguments: &Arguments, table: &mut Table) {
    let Some(broker) = broker() else { return };
    let prefix = broker.prefix("firehose");
    let input = format!("{prefix}.winlogbeat");
    let fleet = Fleet::invented(20, 2_000);
    let inventory = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(inventory.path(), fleet.inventory()).unwrap();
    fill(
        broker,
        &input,
        &Plan::new(arguments.seed, arguments.messages),
        fleet,
    );
    let plain = plain_consumer();
    // Not counted: whoever reads first meets a broker whose just-in-time compiler is cold.
    consumed(broker, &input, arguments.messages);
    let (mut bare, mut as_it_comes, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..arguments.runs {
        let settings = settings(broker, &format!("{prefix}-{run}"), &input, inventory.path());
        settings.create_topics();
        ours.push(route(&settings, arguments.messages));
        bare.push(consumed(broker, &input, arguments.messages));
        let mut consumer = Command::new(&plain);
        as_it_comes.push(measured(&mut consumer, broker, &input, arguments.messages));
    }
    let cpu = |runs: &[Usage]| median(runs.iter().map(|usage| usage.cpu.as_secs_f64()).collect());
    let wall = |runs: &[Usage]| median(runs.iter().map(|usage| usage.wall.as_secs_f64()).collect());
    let peak = |runs: &[Usage]| {
        runs.iter()
            .map(|usage| usage.peak >> 20)
            .max()
            .unwrap_or_default()
    };
    let rate = |seconds: f64| format!("{:.0} k messages/s", arguments.messages as f64 / seconds / 1e3);
    for (name, other) in [
        ("bare consumer", &bare),
        ("bare consumer, librdkafka as it comes", &as_it_comes),
    ] {
        table.row(
            "router, gzip, wall clock",
            &rate(wall(&ours)),
            &format!("{name}, {}", rate(wall(other))),
            &format!("{:.2} of its rate", wall(other) / wall(&ours)),
        );
        table.row(
            "router, gzip, a core",
            &rate(cpu(&ours)),
            &format!("{name}, {}", rate(cpu(other))),
            &format!("{:+.0} % CPU", (cpu(&ours) / cpu(other) - 1.0) * 100.0),
        );
    }
    table.row(
        "router, peak memory",
        &format!("{} MiB", peak(&ours)),
        &format!("bare consumer {} MiB", peak(&bare)),
        &format!("{:+} MiB", peak(&ours).cast_signed() - peak(&bare).cast_signed()),
    );
}

/// What a bare consumer costs that reads so many messages and inflates them as the router does; its time is from the
/// first to the last of them.
pub(crate) fn consumed(broker: &Broker, input: &str, messages: u64) -> Usage {
    measured(itself().arg("consume"), broker, input, messages)
}

fn measured(consumer: &mut Command, broker: &Broker, input: &str, messages: u64) -> Usage {
    let (group, count) = (broker.prefix("bare"), messages.to_string());
    let (mut usage, out) = process::run(consumer.args([broker.servers(), input, &group, &count]));
    let out = String::from_utf8(out).unwrap();
    usage.wall = Duration::from_secs_f64(out.split(' ').next().unwrap().parse().unwrap());
    usage
}

/// The consumer that links nothing of ours: built as another bench, so that librdkafka inflates in its own way.
fn plain_consumer() -> PathBuf {
    let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "bench",
            "--bench",
            "consumer",
            "--no-run",
            "--message-format",
            "json",
        ])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    String::from_utf8(built.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|message| message["target"]["name"] == "consumer" && message["executable"].is_string())
        .and_then(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("the bench `consumer` is built")
}

/// Settings of a router over this input.
pub(crate) fn settings(broker: &Broker, prefix: &str, input: &str, inventory: &Path) -> Settings {
    Settings::new(broker.servers(), prefix)
        .with("kafka/topics/input", json!([input]))
        .with("correlator/enabled", false.into())
        .with("router/commit_interval", commit_interval())
        .with("inventory/file", inventory.to_str().unwrap().into())
}

/// Lets the service read so many messages; its time is from the first to the last of them.
pub(crate) fn route(settings: &Settings, messages: u64) -> Usage {
    let service = Service::start(settings);
    let mut began = None;
    loop {
        let consumed = service
            .metric_if_any("pipewarden_messages_consumed_total", "")
            .unwrap_or_default();
        if consumed > 0.0 {
            began.get_or_insert_with(Instant::now);
        }
        if consumed >= messages as f64 {
            break;
        }
        // Seldom: to be asked is work too.
        std::thread::sleep(Duration::from_millis(200));
    }
    let (mut usage, _) = usage_of(service.id()).unwrap();
    usage.wall = began.unwrap().elapsed();
    service.signal("TERM");
    service.wait();
    usage
}
