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

use support::chaos::Scene;
use support::chaos::cluster::{Cluster, settings};
use support::chaos::verdict::{Verdict, await_verdict, verdict};

#[test]
fn a_rolling_update_of_two_replicas_loses_nothing_and_tells_nothing_twice() {
    let scene = Scene::open(|servers| settings(servers, "rolling"), 3);
    let Some(Scene {
        mut broker,
        client,
        settings: own,
        load,
    }) = scene
    else {
        return;
    };
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
