//! Hostile days: whatever is done to the processes and to the broker, the alerts are those of an undisturbed run.
//!
//! `PIPEWARDEN_CHAOS_KILLS` says how many processes are killed, `PIPEWARDEN_CHAOS_NETWORK` how often the network is at fault.

use std::collections::BTreeMap;
use std::time::Instant;

use testkit::size;

use crate::support::broker::{self, End, Jdk};
use crate::support::chaos::Scene;
use crate::support::chaos::cluster::{Cluster, Ending, settings, settings_of_brokers_that_assign};
use crate::support::chaos::load::Truth;
use crate::support::chaos::verdict::Verdict;
use crate::support::proxied::Setup;
use crate::support::proxy::Fault;
use crate::support::service::Settings;

/// How many processes are killed: quick, in CI, in full.
const KILLS: [u64; 3] = [6, 20, 300];

/// How often the network is at fault, likewise. There are five kinds.
const NETWORK: [u64; 3] = [10, 20, 300];

#[test]
fn nothing_is_lost_and_nothing_is_published_twice_whatever_happens_to_processes_and_broker() {
    let kills = size::set_by("PIPEWARDEN_CHAOS_KILLS", KILLS);
    // A broker of its own, to be killed.
    let broker = match Jdk::start() {
        Ok(broker) => broker,
        Err(reason) => return broker::skip(&reason),
    };
    let began = Instant::now();
    let servers = broker.servers();
    let scene = Scene::open(broker::at(&servers), settings(&servers, "chaos"), 1);
    let mut cluster = Cluster::start(scene, Some(broker), 3, 2);
    let report = |cluster: &Cluster| eprintln!("{:.0?}: {}", began.elapsed(), cluster.progress());
    // What must happen in every run; the rest is chance.
    let musts: [fn(&mut Cluster); 6] = [
        |cluster| cluster.freeze(),
        |cluster| cluster.restart_broker(End::Stop),
        |cluster| cluster.join_and_leave(),
        |cluster| cluster.restart_broker(End::Kill),
        |cluster| cluster.join_and_leave(),
        |cluster| cluster.terminate(),
    ];
    for must in musts {
        must(&mut cluster);
        cluster.await_ready();
        report(&cluster);
    }
    while cluster.faults("kill") < kills {
        cluster.hurt();
        report(&cluster);
    }
    // Everything that was sent comes out in the end.
    let Ending {
        truth,
        verdict,
        faults,
        longest_recovery,
    } = cluster.end();

    report_table(&faults, &truth, &verdict);
    println!(
        "| longest recovery | {longest_recovery:.1?} |\n| whole run | {:.0?} |",
        began.elapsed()
    );
    assert!(verdict.is_faultless(), "{verdict:#?}");
    assert!(verdict.alerts > 50, "there was something to find");
}

fn report_table(faults: &BTreeMap<&'static str, u64>, truth: &Truth, verdict: &Verdict) {
    println!("| what | number |\n|---|---|");
    for (fault, number) in faults {
        println!("| {fault} | {number} |");
    }
    println!(
        "| events | {} |\n| attacks | {} |",
        truth.events,
        truth.attacks.len()
    );
    println!(
        "| observations | {} |\n| alert records | {} |\n| alerts | {} |",
        verdict.observations, verdict.records, verdict.alerts
    );
    println!(
        "| lost | {} |\n| published twice | {} |\n| wrong | {} |",
        verdict.lost.len(),
        verdict.duplicated.len(),
        verdict.wrong.len()
    );
}

#[test]
fn nothing_is_lost_and_nothing_is_published_twice_whatever_the_network_does() {
    network_at_fault(|servers| settings(servers, "network"));
}

#[test]
fn nor_where_the_brokers_assign_the_partitions_whatever_the_network_does() {
    network_at_fault(|servers| settings_of_brokers_that_assign(servers, "network-848"));
}

fn network_at_fault(settings: impl Fn(&str) -> Settings) {
    let least = size::set_by("PIPEWARDEN_CHAOS_NETWORK", NETWORK);
    // A broker of its own: others would be at fault, too.
    let Some(setup) = Setup::find() else { return };
    let began = Instant::now();
    let proxy = &setup.proxy;
    let scene = Scene::open(broker::at(setup.plain.servers()), settings(&setup.servers()), 7);
    let mut cluster = Cluster::start(scene, None, 3, 8);
    let done = || proxy.faults().values().sum::<u64>();
    while done() < least {
        cluster.disturb(proxy, done());
        eprintln!(
            "{:.0?}: {:?}, {}",
            began.elapsed(),
            proxy.faults(),
            cluster.progress()
        );
    }
    let network = proxy.faults();
    let Ending {
        truth,
        verdict,
        mut faults,
        ..
    } = cluster.end();
    for kind in Fault::KINDS {
        assert!(network.contains_key(kind), "{kind}: {network:?}");
    }
    faults.extend(network);
    report_table(&faults, &truth, &verdict);
    println!("| whole run | {:.0?} |", began.elapsed());
    assert!(verdict.is_faultless(), "{verdict:#?}");
    assert!(verdict.alerts > 20, "there was something to find");
}
