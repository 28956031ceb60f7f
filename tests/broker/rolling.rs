//! A rolling update under load: processes stand for pods. Nothing is lost, nothing is published twice.

use crate::support::broker::{self, broker};
use crate::support::chaos::Scene;
use crate::support::chaos::cluster::{Cluster, Ending, settings};

#[test]
fn a_rolling_update_of_two_replicas_loses_nothing_and_tells_nothing_twice() {
    let Some(broker) = broker() else { return };
    let settings = settings(broker.servers(), &broker.prefix("rolling"));
    let scene = Scene::open(broker::at(broker.servers()), settings, 3);
    let mut cluster = Cluster::start(scene, None, 2, 4);
    for _ in 0..2 {
        cluster.roll();
    }
    let Ending { truth, verdict, .. } = cluster.end();
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
    assert!(verdict.alerts > 20, "there was something to find");
}
