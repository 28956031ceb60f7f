//! `group.protocol: consumer` (KIP-848): the brokers assign the partitions.

use serde_json::{Value, json};

use crate::recovery::{alerts, attack, owned, quick, records};
use crate::support::broker::{self, Broker, broker};
use crate::support::chaos::Scene;
use crate::support::chaos::cluster::{Cluster, Ending, settings_of_brokers_that_assign};
use crate::support::service::{Service, Settings};

fn assigned_by_brokers(broker: &Broker, test: &str) -> Settings {
    quick(broker, test).with("kafka/client", json!({"group.protocol": "consumer"}))
}

/// Whether the group has given the correlator its share, which may be empty.
fn is_assigned(service: &Service) -> bool {
    let status: Value = serde_json::from_str(&service.get("/readyz").1).unwrap();
    status["workers"]["correlator-0"]["is_assigned"] == true
}

#[test]
fn an_epoch_that_rises_without_a_callback_costs_an_abort_and_no_alert() {
    let Some(broker) = broker() else { return };
    // One partition of each kind, which two processes share.
    let settings = assigned_by_brokers(broker, "epoch").with("kafka/topics/sightings_partitions", json!(1));
    settings.create_topics();
    let start =
        |name: &str| Service::start_with(&settings, [("PIPEWARDEN_CORRELATOR__INSTANCE", name.to_owned())]);
    let owners = ["first", "second"].map(start);
    owners[0].await_that("each has one", || owners.iter().all(|owner| owned(owner) == 1));
    owners.iter().for_each(Service::await_ready);
    attack(broker, &settings, 1);
    owners[0].await_that("an alert", || alerts(broker, &settings) == 1);
    // Whoever comes gets none, and the owners keep what they have, in another epoch.
    let mut others = Vec::new();
    for (number, name) in ["third", "fourth"].into_iter().enumerate() {
        let other = start(name);
        other.await_that("it is in the group", || is_assigned(&other));
        others.push(other);
        let number = u8::try_from(number).unwrap();
        attack(broker, &settings, 2 + number);
        owners[0].await_that("the next alert", || {
            alerts(broker, &settings) == 2 + usize::from(number)
        });
    }
    for owner in &owners {
        assert_eq!(owned(owner), 1, "nothing was assigned to others");
    }
    let aborted = owners
        .each_ref()
        .map(|owner| owner.metric("pipewarden_transactions_total", "aborted"));
    assert!(aborted.iter().any(|number| *number > 0.0), "the epoch has risen");
    for other in others {
        other.signal("TERM");
        assert!(other.wait().0.success());
    }
    attack(broker, &settings, 9);
    owners[0].await_that("the last alert", || alerts(broker, &settings) == 4);
    for owner in owners {
        owner.signal("TERM");
        assert!(owner.wait().0.success());
    }
    assert_eq!(records(broker, &settings).len(), 4, "each is published once");
}

#[test]
fn processes_that_come_and_go_and_are_killed_lose_nothing_and_repeat_nothing() {
    let Some(broker) = broker() else { return };
    let settings = settings_of_brokers_that_assign(broker.servers(), &broker.prefix("brokers-assign"));
    let scene = Scene::open(broker::at(broker.servers()), settings, 5);
    let mut cluster = Cluster::start(scene, None, 2, 6);
    cluster.roll();
    cluster.join_and_leave();
    cluster.await_ready();
    cluster.kill();
    cluster.await_ready();
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
