//! Cost and state against what is retained, hosts, threads and partitions.

use std::time::Instant;

use pipewarden_core::event::ObservationRecord;
use pipewarden_core::time::AppendTime;
use pipewarden_tools::generator::{Fleet, Plan};

use super::observations::{START, at as place, connection, share, unbounded};
use super::process::{self, usage_of};
use super::support::broker::{Broker, broker};
use super::support::service::Service;
use super::table::Table;
use super::whole::{Stage, now, stage};
use super::{Arguments, firehose, itself};

const RETAINED: [u32; 3] = [10_000, 100_000, 1_000_000];
const ASSETS: [u32; 4] = [10, 100, 1_000, 10_000];

/// How many further observations the cost is the mean of: enough for a clock that goes in steps of some milliseconds.
const SAMPLE: u32 = 50_000;

pub(crate) fn run(arguments: &Arguments, table: &mut Table) {
    let mut first = None;
    for retained in RETAINED {
        for assets in ASSETS {
            let (_, out) = process::run(itself().args(["hold", &retained.to_string(), &assets.to_string()]));
            let out = String::from_utf8(out).unwrap();
            let figures: Vec<f64> = out.split_whitespace().map(|word| word.parse().unwrap()).collect();
            let [insert, matching, bytes] = figures[..] else {
                panic!("three figures: {out}")
            };
            let (base, _) = *first.get_or_insert((insert, matching));
            table.row(
                &format!("join, {retained} retained, {assets} assets"),
                &format!("insert {insert:.0} ns, match {matching:.0} ns"),
                &format!("{bytes:.0} bytes an observation"),
                &format!("{:.2} of the first row's insert", insert / base),
            );
        }
    }
    let Some(broker) = broker() else { return };
    for (threads, partitions) in [(1, 1), (1, 12), (2, 12), (1, 48), (2, 48)] {
        service(broker, arguments, (threads, partitions, 20), table);
    }
    service(broker, arguments, (1, 12, 1_000), table);
}

/// Holds so many connections to so many assets, and prints nanoseconds for one more, nanoseconds for a share access that
/// finds its connection, and bytes of resident memory for each that is held.
pub(crate) fn hold(retained: u32, assets: u32) {
    let mut join = unbounded();
    let before = resident();
    // All within ten minutes: whatever the number, all are retained.
    let at = |number: u32| AppendTime::from_millis(START + i64::from(number) * 600_000 / i64::from(retained));
    for number in 0..retained {
        let record = ObservationRecord::Observation(connection(number, assets));
        join.apply(place(number.into(), at(number)), record);
    }
    let bytes = resident().saturating_sub(before) as f64 / f64::from(retained);
    let end = at(retained);
    let mut cost = |observations: Vec<_>, from: u32| {
        let began = processor_time();
        for (offset, observation) in (u64::from(from)..).zip(observations) {
            let record = ObservationRecord::Observation(observation);
            std::hint::black_box(join.apply(place(offset, end), record));
        }
        (processor_time() - began) / f64::from(SAMPLE)
    };
    let more = (retained..retained + SAMPLE).map(|number| connection(number, assets));
    let insert = cost(more.collect(), retained);
    // Of the latest connections: each access finds its tuple.
    let shares = (retained..retained + SAMPLE).map(|number| share(number, assets));
    let matching = cost(shares.collect(), retained + SAMPLE);
    let (held, sample) = (join.state_size(), SAMPLE as usize);
    let all = (retained as usize + sample, sample);
    assert_eq!(
        (held.session_evidence, held.accesses),
        all,
        "nothing is a copy, nothing is refused"
    );
    println!("{insert} {matching} {bytes}");
}

/// What this thread has had of a processor, in nanoseconds.
fn processor_time() -> f64 {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    schedule.split(' ').next().unwrap().parse().unwrap()
}

/// Resident memory, in bytes.
fn resident() -> u64 {
    const PAGE: u64 = 4_096;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * PAGE
}

/// The whole service over a backlog.
fn service(
    broker: &Broker,
    arguments: &Arguments,
    (threads, partitions, assets): (u32, i32, u16),
    table: &mut Table,
) {
    let fleet = Fleet::invented(assets, 2_000);
    let mut stage = stage(broker, "scale", &fleet);
    stage.settings = stage
        .settings
        .with("kafka/topics/partitions", partitions.into())
        .with("router/threads", threads.into())
        .with("correlator/threads", threads.into());
    let mut plan = Plan {
        lateness: std::time::Duration::ZERO,
        ..Plan::new(arguments.seed, arguments.messages)
    };
    plan.start = now().minus(plan.span());
    firehose::fill_partitions(broker, &stage.input, partitions, &plan, fleet);
    stage.settings.create_topics();
    let (usage, state) = consume(&stage, arguments.messages);
    let bare = firehose::consumed(broker, &stage.input, arguments.messages);
    let rate = |seconds: f64| arguments.messages as f64 / seconds / 1e3;
    table.row(
        &format!("service, {threads} threads, {partitions} partitions, {assets} assets"),
        &format!(
            "{:.0} k messages/s, {:.0} k a core, {} MiB, {state:.0} observations in state",
            rate(usage.wall.as_secs_f64()),
            rate(usage.cpu.as_secs_f64()),
            usage.peak >> 20
        ),
        &format!(
            "bare consumer {:.0} k a core, {} MiB",
            rate(bare.cpu.as_secs_f64()),
            bare.peak >> 20
        ),
        &format!(
            "{:+} MiB",
            (usage.peak >> 20).cast_signed() - (bare.peak >> 20).cast_signed()
        ),
    );
}

fn consume(stage: &Stage, messages: u64) -> (process::Usage, f64) {
    let service = Service::start(&stage.settings);
    let began = Instant::now();
    while service
        .metric_if_any("pipewarden_messages_consumed_total", "")
        .unwrap_or_default()
        < messages as f64
    {
        assert!(began.elapsed() < super::whole::PATIENCE, "all messages are read");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let (mut usage, _) = usage_of(service.id()).unwrap();
    usage.wall = began.elapsed();
    let state = service
        .metric_if_any("pipewarden_state_entries", "")
        .unwrap_or_default();
    service.signal("TERM");
    service.wait();
    (usage, state)
}
