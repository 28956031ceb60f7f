//! Winlogbeat's load: noise, and attacks that must be found.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};
use testkit::winlogbeat::{self, with};

/// An attack that was staged.
#[derive(Clone, Debug)]
pub struct Attack {
    pub asset: String,
    /// No other attack has it.
    pub source: String,
    /// Whether a 5145 names the source.
    pub is_audited: bool,
}

/// What was sent.
#[derive(Default)]
pub struct Truth {
    pub events: u64,
    pub attacks: Vec<Attack>,
}

/// A thread that sends until it is asked to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    truth: Arc<Mutex<Truth>>,
}

const PARTITIONS: i32 = 6;
const ASSETS: u32 = 20;

impl Load {
    /// Starts to send about `rate` events a second.
    pub fn start(producer: BaseProducer, topic: &str, rate: u64, seed: u64) -> Self {
        let (stop, truth) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(Mutex::new(Truth::default())),
        );
        let (topic, asked, shared) = (topic.to_owned(), Arc::clone(&stop), Arc::clone(&truth));
        let thread = std::thread::spawn(move || {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut number = 0;
            while !asked.load(Ordering::Relaxed) {
                let (events, attack) = next(&mut random, number);
                number += 1;
                let mut sent = 0;
                for event in &events {
                    // Winlogbeat is at least once.
                    for _ in 0..if random.random_bool(0.05) { 2 } else { 1 } {
                        send(&producer, &topic, random.random_range(0..PARTITIONS), event);
                        sent += 1;
                    }
                }
                let mut truth = shared.lock().unwrap();
                truth.events += sent;
                truth.attacks.extend(attack);
                drop(truth);
                producer.poll(Duration::from_micros(1_000_000 * sent / rate));
            }
            producer.flush(Duration::from_secs(120)).unwrap();
        });
        Self {
            stop,
            thread: Some(thread),
            truth,
        }
    }

    pub fn events(&self) -> u64 {
        self.truth.lock().unwrap().events
    }

    /// Stops, and says what was sent.
    pub fn stop(&mut self) -> Truth {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        std::mem::take(&mut *self.truth.lock().unwrap())
    }
}

fn send(producer: &BaseProducer, topic: &str, partition: i32, event: &Value) {
    let value = event.to_string();
    let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic)
        .partition(partition)
        .payload(value.as_bytes());
    while let Err((_, back)) = producer.send(record) {
        // The queue is full while the broker is away.
        record = back;
        producer.poll(Duration::from_millis(100));
    }
}

/// One event of noise, or the events of an attack.
fn next(random: &mut ChaCha8Rng, number: u32) -> (Vec<Value>, Option<Attack>) {
    if random.random_bool(0.8) {
        let mut noise = winlogbeat::pipe(0);
        noise["winlog"]["event_id"] = "10".into();
        return (vec![fresh(noise, random)], None);
    }
    let asset = format!("asset{}.aperture.local", random.random_range(0..ASSETS));
    let source = format!(
        "10.{}.{}.{}",
        100 + (number >> 16),
        (number >> 8) & 255,
        number & 255
    );
    let port = random.random_range(49_152..65_535);
    let connection = with(
        winlogbeat::connection(0, "client.aperture.local", &source, port),
        "DestinationHostname",
        asset.clone().into(),
    );
    let connection = with(connection, "DestinationIp", Value::Null);
    let (pipe, share) = (
        by(winlogbeat::pipe(0), &asset),
        by(winlogbeat::share(0, &source, port), &asset),
    );
    let kind = random.random_range(0..10);
    let events = match kind {
        0..5 => vec![connection, pipe, share],
        5 => vec![share],
        6 => vec![pipe, share],
        7 => vec![connection, share],
        8 => vec![connection, pipe],
        _ => vec![pipe],
    };
    let is_audited = kind < 8;
    let mut events: Vec<Value> = events.into_iter().map(|event| fresh(event, random)).collect();
    let first = random.random_range(0..events.len());
    events.rotate_left(first);
    (
        events,
        Some(Attack {
            asset,
            source,
            is_audited,
        }),
    )
}

fn by(mut event: Value, computer: &str) -> Value {
    event["winlog"]["computer_name"] = computer.into();
    event["host"] = json!({"name": computer});
    event
}

/// The event, as if it had just happened, under a record id of its own.
fn fresh(mut event: Value, random: &mut ChaCha8Rng) -> Value {
    event["@timestamp"] = format!("{:.3}", Timestamp::now()).into();
    event["winlog"]["record_id"] = random.random_range(1..u64::MAX >> 12).into();
    event
}
