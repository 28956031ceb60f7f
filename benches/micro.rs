//! The parts of the hot path, one by one: `cargo bench --bench micro`.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/support"]
mod support {
    #[allow(dead_code)]
    pub(crate) mod shapes;
    #[allow(dead_code)]
    pub(crate) mod winlogbeat;
}

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pipewarden::detection::{Join, JoinSettings, Limits, RuleSet};
use pipewarden::event::{
    AssetId, Decoder, Detail, Event, NetworkConnection, Observation, ShareAccess, TimeSource,
};
use pipewarden::generator::{Fleet, Generator, Mix, Plan};
use pipewarden::inventory::{Identity, Inventory};
use pipewarden::pipeline::ObservationRecord;
use pipewarden::time::{AppendTime, EventTime};

fn decoder() -> Decoder {
    Decoder::new(
        RuleSet::builtin().watched(),
        JoinSettings::default().allowed_lateness,
    )
}

/// Documents of one kind.
fn documents(kind: &str) -> Vec<Vec<u8>> {
    let plan = Plan {
        mix: kind.parse::<Mix>().unwrap(),
        attack_every: None,
        ..Plan::new(1, 64)
    };
    let mut generator = Generator::new(&plan, Fleet::invented(20, 200));
    std::iter::from_fn(|| {
        let mut document = Vec::new();
        generator.write_next(&mut document).map(|_| document)
    })
    .collect()
}

/// What the gates cost for what does not matter, by kind.
fn gates(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gates");
    let decoder = decoder();
    for kind in ["sysmon-10", "sysmon-12", "powershell-4103", "security-4624"] {
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
    for shape in support::shapes::all() {
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
        let identity = Identity::new(Arc::new(inventory), None);
        let event = connection(1, "10.96.0.3".parse().unwrap()).event;
        group.bench_function(BenchmarkId::from_parameter(assets), |bencher| {
            bencher.iter(|| identity.resolve(black_box(&event)));
        });
    }
    group.finish();
}

const START: i64 = 1_729_782_000_000;

fn observation(number: u32, detail: Detail) -> Observation {
    let event = Event {
        time: EventTime::from_micros((START + i64::from(number)) * 1_000),
        time_source: TimeSource::Timestamp,
        computer: "site0003.aperture.local".into(),
        channel: "security".into(),
        record_id: Some(u64::from(number)),
        detail,
    };
    Observation::new(
        AssetId::new(&format!("site{:04}.aperture.local", number % 1_000)),
        event,
    )
}

fn connection(number: u32, destination: IpAddr) -> Observation {
    observation(
        number,
        Detail::NetworkConnection(NetworkConnection {
            source_ip: IpAddr::from((0x0a40_0000 + number).to_be_bytes()),
            source_port: Some(50_000),
            source_host: Some("ws0001.aperture.local".into()),
            destination_ip: Some(destination),
            destination_port: 445,
            destination_host: None,
            initiated: true,
            process: None,
            user: None,
            utc_time: None,
        }),
    )
}

fn share(number: u32) -> Observation {
    observation(
        number,
        Detail::ShareAccess(ShareAccess {
            pipe: "winreg".into(),
            source_ip: Some(IpAddr::from((0x0a40_0000 + number).to_be_bytes())),
            source_port: Some(50_000),
            account: None,
            access_mask: None,
            outcome: None,
        }),
    )
}

/// A join that holds so many connections of a thousand assets.
fn holding(retained: u32) -> Join {
    let limits = Limits {
        connections_per_partition: 2_000_000,
        identities_per_partition: 4_000_000,
        ..Limits::default()
    };
    let settings = JoinSettings {
        limits,
        ..JoinSettings::default()
    };
    let mut join = Join::new(RuleSet::builtin().rules(), settings);
    for number in 0..retained {
        let at = AppendTime::from_millis(START + i64::from(number));
        join.apply(
            u64::from(number),
            at,
            Some(connection(number, IpAddr::from([10, 96, 0, 3]))),
        );
    }
    join
}

/// What one more observation costs beside those that are held.
fn join(criterion: &mut Criterion) {
    for (name, make) in [
        (
            "insert",
            (|number| connection(number, IpAddr::from([10, 96, 0, 3]))) as fn(u32) -> Observation,
        ),
        ("match", share),
    ] {
        let mut group = criterion.benchmark_group(format!("join {name}"));
        group.sample_size(20);
        for retained in [1, 1_000, 100_000, 1_000_000] {
            let mut join = holding(retained);
            let mut next = retained;
            group.bench_function(BenchmarkId::from_parameter(retained), |bencher| {
                bencher.iter_batched(
                    || {
                        next += 1;
                        (next, make(next))
                    },
                    |(number, observation)| {
                        // Stream time stands still: nothing expires while it is measured.
                        let at = AppendTime::from_millis(START + i64::from(retained));
                        join.apply(u64::from(number), at, Some(observation))
                    },
                    BatchSize::SmallInput,
                );
            });
        }
        group.finish();
    }
}

fn encode(criterion: &mut Criterion) {
    let record = ObservationRecord::Observation(share(7));
    let value = record.encode();
    criterion.bench_function("encode observation", |bencher| bencher.iter(|| record.encode()));
    criterion.bench_function("decode observation", |bencher| {
        bencher.iter(|| ObservationRecord::decode(black_box(&value)));
    });
}

criterion_group!(benches, gates, decode, resolve, join, encode);
criterion_main!(benches);
