//! From the append of the document that completes the evidence to the append of the alert that says so, at a steady rate,
//! beside a Kafka Streams application that does the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use pipewarden_tools::generator::{Fleet, Missing, Plan, Truth};
use rdkafka::message::Message as _;
use serde_json::Value;

use super::against::hand_to;
use super::support::broker::{Broker, broker};
use super::table::{Table, median};
use super::whole::{Found, await_start, now, stage, start};
use super::{Arguments, firehose, program};

/// What is not counted at the beginning: the other's just-in-time compiler warms up.
const WARM_UP: Duration = Duration::from_secs(20);

/// After the last attack the generator goes on for so long.
const AFTER: u64 = 20;

/// So many that each can rest between two attacks.
const ASSETS: u16 = 1_000;

/// How often an attack begins.
const EVERY: Duration = Duration::from_millis(200);

/// How long alerts may take after the last document.
const AT_MOST: Duration = Duration::from_secs(60);

/// What a run of one contestant gave.
pub(crate) struct Steady {
    /// Milliseconds, for each attack.
    pub latencies: Vec<f64>,
    /// Messages that were not read yet when the last had been published.
    pub behind: f64,
}

pub(crate) fn run(arguments: &Arguments, table: &mut Table) {
    let Some(broker) = broker() else { return };
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..arguments.runs {
        for (runs, is_ours) in [(&mut ours, true), (&mut peer, false)] {
            let Some(steady) = steady(broker, arguments, is_ours.then(program)) else {
                return;
            };
            runs.push(steady);
        }
    }
    let most_behind = |runs: &[Steady]| -> f64 { runs.iter().map(|run| run.behind).fold(0.0, f64::max) };
    let behind = [most_behind(&ours), most_behind(&peer)];
    table.row(
        &format!("latency at {}/s, messages behind at the end", arguments.rate),
        &format!("{:.0}", behind[0]),
        &format!("Kafka Streams {:.0}", behind[1]),
        // Who falls behind is measured at no steady rate: its latency is the length of its queue.
        if behind.iter().all(|&behind| behind < arguments.rate as f64) {
            "both keep up"
        } else {
            "NOT STEADY"
        },
    );
    let alerts = |runs: &[Steady]| -> usize { runs.iter().map(|run| run.latencies.len()).sum() };
    for (name, part) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
        let middle = |runs: &mut [Steady]| {
            let quantiles = runs.iter_mut().map(|run| quantile(&mut run.latencies, part));
            median(quantiles.collect())
        };
        let (one, other) = (middle(&mut ours), middle(&mut peer));
        table.row(
            &format!("latency at {}/s, {name}", arguments.rate),
            &format!("{one:.0} ms ({} alerts)", alerts(&ours)),
            &format!("Kafka Streams {other:.0} ms ({} alerts)", alerts(&peer)),
            &format!("{:.2}", one / other),
        );
    }
}

/// One run of a build of the program, or of the other application.
pub(crate) fn steady(broker: &Broker, arguments: &Arguments, build: Option<&Path>) -> Option<Steady> {
    let fleet = Fleet::invented(ASSETS, 2_000);
    let mut stage = stage(broker, "latency", &fleet);
    if let Some(build) = build {
        hand_to(build, &mut stage.settings);
    }
    broker.create_topic(&stage.input, 4, &[("message.timestamp.type", "LogAppendTime")]);
    let (contestant, alerts) = start(broker, &stage, build.is_some())?;
    await_start(broker, &stage, &contestant);
    let plan = Plan {
        start: now(),
        rate: arguments.rate,
        lateness: Duration::ZERO,
        clock_skew: Duration::ZERO,
        attack_every: Some(EVERY),
        missing: Missing::default(),
        ..Plan::new(arguments.seed, arguments.rate * (arguments.seconds + AFTER))
    };
    let truths = firehose::feed(broker, &stage.input, &plan, fleet);
    Some(Steady {
        // Counted with the message that was waited for at the start.
        behind: (plan.events as f64 + 1.0 - contestant.read()).max(0.0),
        latencies: measured(broker, &stage.input, &alerts, &plan, &truths),
    })
}

pub(crate) fn quantile(all: &mut [f64], part: f64) -> f64 {
    all.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let index = ((all.len() - 1) as f64 * part).round() as usize;
    all[index]
}

/// Milliseconds between the two appends, for each attack after the warm-up that opened the pipe: of others there is no Sysmon 18.
fn measured(broker: &Broker, input: &str, alerts: &str, plan: &Plan, truths: &[Truth]) -> Vec<f64> {
    let warm = i64::try_from(WARM_UP.as_micros()).unwrap();
    let counted: Vec<&Truth> = truths
        .iter()
        .filter(|truth| !truth.denied && truth.complete_at.as_micros() - plan.start.as_micros() > warm)
        .collect();
    let told = told(broker, alerts, &counted);
    let complete = appended(broker, input, &counted);
    counted
        .iter()
        .filter_map(|truth| Some((told.get(&key(truth))? - complete.get(&key(truth))?) as f64))
        .collect()
}

fn key(truth: &Truth) -> Found {
    (truth.asset.clone(), Some(truth.attacker.to_string()))
}

/// When the document that completed each attack's evidence was appended, by the broker's clock. Documents bear the time
/// at which they are published; among those of one millisecond it is the one about the asset.
fn appended(broker: &Broker, input: &str, truths: &[&Truth]) -> BTreeMap<Found, i64> {
    let mut wanted: BTreeMap<String, Vec<&Truth>> = BTreeMap::new();
    for &truth in truths {
        wanted
            // Documents always have three digits of the second.
            .entry(format!("{:.3}", truth.complete_at.timestamp()))
            .or_default()
            .push(truth);
    }
    let created = memchr::memmem::Finder::new(br#""created":""#);
    let mut found: BTreeMap<Found, i64> = BTreeMap::new();
    broker.visit(input, |message| {
        let record = message.payload().unwrap_or_default();
        let append_time = message.timestamp().to_millis().unwrap_or_default();
        let Some(at) = created.find(record).map(|at| at + created.needle().len()) else {
            return;
        };
        let Some(end) = memchr::memchr(b'"', &record[at..]) else {
            return;
        };
        let Ok(time) = std::str::from_utf8(&record[at..at + end]) else {
            return;
        };
        for truth in wanted.get(time).into_iter().flatten() {
            let attacker = truth.attacker.to_string();
            let is_about = |text: &str| memchr::memmem::find(record, text.as_bytes()).is_some();
            // As the generator writes it, now and then.
            let is_of_pipe = || ["winreg", "WINREG", "WinReg"].into_iter().any(is_about);
            if (is_about(&truth.asset) || is_about(&attacker)) && (is_of_pipe() || is_about(&attacker)) {
                let first = found.entry(key(truth)).or_insert(append_time);
                *first = append_time.min(*first);
            }
        }
    });
    let missing: Vec<_> = truths
        .iter()
        .filter(|truth| !found.contains_key(&key(truth)))
        .collect();
    assert!(
        missing.is_empty(),
        "each attack's last evidence is on the topic: {missing:#?}"
    );
    found
}

/// When each attack was first told with all three kinds of evidence, by the broker's clock.
fn told(broker: &Broker, alerts: &str, truths: &[&Truth]) -> BTreeMap<Found, i64> {
    let began = Instant::now();
    loop {
        let mut told: BTreeMap<Found, i64> = BTreeMap::new();
        for record in broker.read_all(alerts) {
            let alert: Value = serde_json::from_slice(&record.value).unwrap();
            let (key, is_complete) = if alert["pipewarden"].is_object() {
                ours(&alert)
            } else {
                peers(&alert)
            };
            if is_complete {
                let at = record.append_time.unwrap();
                let first = told.entry(key).or_insert(at);
                *first = at.min(*first);
            }
        }
        let missing: Vec<_> = truths
            .iter()
            .filter(|truth| !told.contains_key(&key(truth)))
            .collect();
        if missing.is_empty() {
            return told;
        }
        assert!(
            began.elapsed() < AT_MOST,
            "{} of {} attacks are not told in full: {missing:#?}",
            missing.len(),
            truths.len()
        );
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn ours(alert: &Value) -> (Found, bool) {
    let (own, counts) = (&alert["pipewarden"], &alert["pipewarden"]["observations"]);
    let is_complete = ["network_connection", "pipe_connected", "share_access"]
        .iter()
        .all(|kind| counts[kind].as_u64().is_some_and(|count| count > 0));
    (
        (text(&own["asset"]["id"]), Some(text(&alert["source"]["ip"]))),
        is_complete,
    )
}

fn peers(alert: &Value) -> (Found, bool) {
    let is_complete = ["hasShare", "hasPipe", "hasConnection"]
        .iter()
        .all(|kind| alert[kind] == true);
    ((text(&alert["asset"]), Some(text(&alert["source"]))), is_complete)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
