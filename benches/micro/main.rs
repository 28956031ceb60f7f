//! The parts of the hot path, one by one: `cargo bench --bench micro`.

#![allow(clippy::unwrap_used, missing_docs)]

mod fixtures;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pipewarden_core::event::Observation;
use pipewarden_core::inventory::{Inventory, Resolver};
use pipewarden_core::time::AppendTime;
use pipewarden_engine::ObservationRecord;
use pipewarden_tools::generator::Fleet;

use self::fixtures::{ASSETS, START, at, connection, decoder, documents, holding, share};

/// What the gates cost for what does not matter, by kind.
fn gates(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gates");
    let decoder = decoder();
    for kind in [
        "sysmon-10",
        "sysmon-12",
        "powershell-4103",
        "security-4658",
        "security-5156",
    ] {
        let documents = documents(&format!("{kind}=1"));
        group.throughput(Throughput::Bytes(
            documents.iter().map(|document| document.len() as u64).sum(),
        ));
        group.bench_with_input(
            BenchmarkId::from_parameter(kind),
            &documents,
            |bencher, documents| {
                bencher.iter(|| {
                    documents
                        .iter()
                        .filter(|document| decoder.decode(document).is_err())
                        .count()
                });
            },
        );
    }
    group.finish();
}

/// What a document of ours costs, by shape.
fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let decoder = decoder();
    for shape in testkit::shapes::all() {
        let messages = shape.events().map(|event| serde_json::to_vec(event).unwrap());
        for (kind, message) in ["network_connection", "pipe_connected", "share_access"]
            .iter()
            .zip(messages)
        {
            group.throughput(Throughput::Bytes(message.len() as u64));
            group.bench_with_input(
                BenchmarkId::new(*kind, shape.name),
                &message,
                |bencher, message| {
                    bencher.iter(|| decoder.decode(black_box(message)));
                },
            );
        }
    }
    group.finish();
}

fn resolve(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resolve");
    for assets in [10, 1_000, 10_000] {
        let fleet = Fleet::invented(assets, 100);
        let inventory = Inventory::parse(&fleet.inventory(), "bench").unwrap();
        let resolver = Resolver::new(Arc::new(inventory), None);
        let event = connection(3, ASSETS).event;
        group.bench_function(BenchmarkId::from_parameter(assets), |bencher| {
            bencher.iter(|| resolver.resolve(black_box(&event)));
        });
    }
    group.finish();
}

/// What one more observation costs beside those that are held: a connection, and a share access that finds its connection.
fn join(criterion: &mut Criterion) {
    type Make = fn(u32, u32) -> Observation;
    for (name, make, is_new) in [
        ("join insert", connection as Make, true),
        ("join match", share, false),
    ] {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20);
        for retained in [1, 1_000, 100_000] {
            group.bench_function(BenchmarkId::from_parameter(retained), |bencher| {
                bencher.iter_custom(|iterations| {
                    let mut left = u32::try_from(iterations).unwrap();
                    let mut spent = Duration::ZERO;
                    while left > 0 {
                        // A tenth more at most: then all begins anew.
                        let few = left.min((retained / 10).max(1));
                        let from = if is_new { retained } else { retained - few };
                        let more = (from..from + few).map(|number| make(number, ASSETS));
                        spent += applying(retained, more.collect());
                        left -= few;
                    }
                    spent
                });
            });
        }
        group.finish();
    }
}

/// How long these take beside so many.
fn applying(retained: u32, observations: Vec<Observation>) -> Duration {
    let mut join = holding(retained);
    let now = AppendTime::from_millis(START + i64::from(retained));
    let all = retained as usize + observations.len();
    let began = Instant::now();
    for (offset, observation) in (u64::from(retained)..).zip(observations) {
        black_box(join.apply(at(offset, now), ObservationRecord::Observation(observation)));
    }
    let spent = began.elapsed();
    let held = join.state_size();
    assert_eq!(
        held.session_evidence + held.accesses,
        all,
        "nothing is a copy, nothing is refused"
    );
    spent
}

fn encode(criterion: &mut Criterion) {
    let record = ObservationRecord::Observation(share(7, ASSETS));
    let value = record.encode();
    criterion.bench_function("encode observation", |bencher| bencher.iter(|| record.encode()));
    criterion.bench_function("decode observation", |bencher| {
        bencher.iter(|| ObservationRecord::decode(black_box(&value)));
    });
}

criterion_group!(benches, gates, decode, resolve, join, encode);
criterion_main!(benches);
