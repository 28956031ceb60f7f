//! A rolling update under load: processes stand for pods. Nothing is lost, nothing is told twice.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod support {
    pub(crate) mod broker;
    pub(crate) mod chaos;
    pub(crate) mod schema;
    pub(crate) mod service;
    pub(crate) mod topics;
    pub(crate) mod winlogbeat;
}

use support::broker::{Jdk, skip};
use support::chaos::cluster::{Cluster, settings};
use support::chaos::load::Load;
use support::chaos::verdict::{Verdict, await_verdict, verdict};

#[test]
fn a_rolling_update_of_two_replicas_loses_nothing_and_tells_nothing_twice() {
    let mut broker = match Jdk::start() {
        Ok(broker) => broker,
        Err(reason) => return skip(&reason),
    };
    let client = support::broker::at(&broker.servers());
    let own = settings(&broker.servers(), "rolling");
    own.create_topics();
    let producer = client
        .client()
        .set("enable.idempotence", "true")
        .create()
        .unwrap();
    let load = Load::start(producer, own.topic("input"), 200, 3);

    let mut cluster = Cluster::start(&own, &mut broker, 2, 4);
    for _ in 0..2 {
        cluster.roll();
    }
    let truth = load.stop();
    let lost = await_verdict(&own, &client, &truth, || cluster.await_ready()).lost;
    cluster.end();
    let verdict = Verdict {
        lost,
        ..verdict(&own, &client, &truth)
    };
    println!(
        "{} events, {} attacks, {} alert records: lost {}, duplicated {}, wrong {}",
        truth.events,
        truth.attacks.len(),
        verdict.records,
        verdict.lost.len(),
        verdict.duplicated.len(),
        verdict.wrong.len()
    );
    assert!(verdict.is_faultless(), "{verdict:#?}");
    assert!(verdict.alerts > 20, "there was something to tell");
}
