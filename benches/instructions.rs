//! The parts of the hot path by instructions, which do not depend on the machine's mood: `cargo bench --bench instructions`.
//!
//! Needs valgrind and the runner: `cargo install gungraun-runner --version 0.20.0 --locked`.

#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code)]
#[path = "micro/fixtures.rs"]
mod fixtures;

use std::hint::black_box;
use std::sync::Arc;

use gungraun::prelude::*;
use pipewarden_core::detection::{Join, JoinOutput};
use pipewarden_core::event::{DecodeError, Decoded, Decoder, Event, Observation};
use pipewarden_core::inventory::{Inventory, Resolution, Resolver};
use pipewarden_core::time::AppendTime;
use pipewarden_engine::ObservationRecord;
use pipewarden_tools::generator::Fleet;

use self::fixtures::{ASSETS, START, at, connection, share};

type Decoding = (Decoder, Vec<u8>);

/// The middle one by length of 64 documents of a kind: whatever is allocated at first use has been.
fn document(kind: &str) -> Decoding {
    let mut documents = fixtures::documents(&format!("{kind}=1"));
    documents.sort_by_key(Vec::len);
    warm(documents.swap_remove(documents.len() / 2))
}

fn shaped(shape: &str, kind: usize) -> Decoding {
    let shape = testkit::shapes::all()
        .into_iter()
        .find(|known| known.name == shape)
        .unwrap();
    warm(serde_json::to_vec(shape.events().into_iter().nth(kind).unwrap()).unwrap())
}

fn warm(message: Vec<u8>) -> Decoding {
    let decoder = fixtures::decoder();
    let _ = decoder.decode(&message);
    (decoder, message)
}

// Each gives back what it was given, so that its end is not measured.
#[library_benchmark]
#[bench::sysmon_10(document("sysmon-10"))]
#[bench::sysmon_12(document("sysmon-12"))]
#[bench::powershell_4103(document("powershell-4103"))]
#[bench::security_4658(document("security-4658"))]
#[bench::security_5156(document("security-5156"))]
fn gates(decoding: Decoding) -> (Decoding, Result<Decoded, DecodeError>) {
    decoded(decoding)
}

#[library_benchmark]
#[bench::winlogbeat_8_connection(shaped("winlogbeat 8", 0))]
#[bench::winlogbeat_8_pipe(shaped("winlogbeat 8", 1))]
#[bench::winlogbeat_8_share(shaped("winlogbeat 8", 2))]
#[bench::winlogbeat_7_before_7_13_connection(shaped("winlogbeat 7 before 7.13", 0))]
#[bench::winlogbeat_7_with_its_script_modules_connection(shaped("winlogbeat 7 with its script modules", 0))]
#[bench::after_ingest_pipelines_connection(shaped("after ingest pipelines", 0))]
#[bench::logstash_connection(shaped("logstash", 0))]
#[bench::logstash_with_doubled_backslashes_connection(shaped("logstash with doubled backslashes", 0))]
#[bench::winlogbeat_6_connection(shaped("winlogbeat 6", 0))]
#[bench::rendered_from_evtx_connection(shaped("rendered from evtx", 0))]
#[bench::nxlog_connection(shaped("nxlog", 0))]
fn decode(decoding: Decoding) -> (Decoding, Result<Decoded, DecodeError>) {
    decoded(decoding)
}

fn decoded(decoding: Decoding) -> (Decoding, Result<Decoded, DecodeError>) {
    let (decoder, message) = &decoding;
    let decoded = decoder.decode(black_box(message));
    (decoding, decoded)
}

fn resolver(assets: u16) -> (Resolver, Event) {
    let inventory = Inventory::parse(&Fleet::invented(assets, 100).inventory(), "bench").unwrap();
    (
        Resolver::new(Arc::new(inventory), None),
        connection(3, ASSETS).event,
    )
}

#[library_benchmark]
#[bench::assets_10(resolver(10))]
#[bench::assets_1000(resolver(1_000))]
#[bench::assets_10000(resolver(10_000))]
fn resolve((resolver, event): (Resolver, Event)) -> (Resolver, Event, Resolution) {
    let resolution = resolver.resolve(black_box(&event));
    (resolver, event, resolution)
}

fn one_more(retained: u32, make: fn(u32) -> Observation) -> (Join, u32, Observation) {
    (fixtures::holding(retained), retained, make(retained))
}

fn next_connection(retained: u32) -> Observation {
    connection(retained, ASSETS)
}

fn access_of_the_last_connection(retained: u32) -> Observation {
    share(retained - 1, ASSETS)
}

#[library_benchmark]
#[bench::retained_1(one_more(1, next_connection))]
#[bench::retained_1000(one_more(1_000, next_connection))]
#[bench::retained_100000(one_more(100_000, next_connection))]
fn join_insert((join, retained, observation): (Join, u32, Observation)) -> (Join, JoinOutput) {
    apply(join, retained, observation)
}

#[library_benchmark]
#[bench::retained_1(one_more(1, access_of_the_last_connection))]
#[bench::retained_1000(one_more(1_000, access_of_the_last_connection))]
#[bench::retained_100000(one_more(100_000, access_of_the_last_connection))]
fn join_match((join, retained, observation): (Join, u32, Observation)) -> (Join, JoinOutput) {
    apply(join, retained, observation)
}

fn apply(mut join: Join, retained: u32, observation: Observation) -> (Join, JoinOutput) {
    let at = at(
        retained.into(),
        AppendTime::from_millis(START + i64::from(retained)),
    );
    let step = join.apply(at, ObservationRecord::Observation(black_box(observation)));
    (join, step)
}

fn record() -> ObservationRecord {
    ObservationRecord::Observation(share(7, ASSETS))
}

#[library_benchmark]
#[bench::share_access(record())]
fn encode(record: ObservationRecord) -> (ObservationRecord, Vec<u8>) {
    let encoded = black_box(&record).encode();
    (record, encoded)
}

library_benchmark_group!(
    name = hot_path,
    benchmarks = [gates, decode, resolve, join_insert, join_match, encode]
);

main!(library_benchmark_groups = hot_path);
