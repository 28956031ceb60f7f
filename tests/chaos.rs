//! Hostile days: whatever is done to the processes and to the broker, the alerts are those of an undisturbed run.
//!
//! `PIPEWARDEN_CHAOS_KILLS=300 cargo test --release --test chaos -- --nocapture` is the long mode.

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

use std::time::Instant;

use support::broker::End;
use support::chaos::Scene;
use support::chaos::cluster::{Cluster, settings};
use support::chaos::verdict::{Verdict, await_verdict, verdict};

/// How many processes are killed in CI.
const KILLS: u64 = 20;

#[test]
fn nothing_is_lost_and_nothing_is_told_twice_whatever_happens_to_processes_and_broker() {
    let kills = std::env::var("PIPEWARDEN_CHAOS_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let scene = Scene::open(|servers| settings(servers, "chaos"), 1);
    let Some(Scene {
        mut broker,
        client,
        settings: own,
        load,
    }) = scene
    else {
        return;
    };
    let began = Instant::now();
    let mut cluster = Cluster::start(&own, &mut broker, 3, 2);
    let tell = |cluster: &Cluster<'_>| {
        eprintln!(
            "{:.0?}: {} events, {:?}",
            began.elapsed(),
            load.events(),
            cluster.faults
        );
    };
    // What must happen in every run; the rest is chance.
    let musts: [fn(&mut Cluster<'_>); 6] = [
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
        tell(&cluster);
    }
    while cluster.faults.get("kill").copied().unwrap_or_default() < kills {
        cluster.hurt();
        tell(&cluster);
    }
    let truth = load.stop();
    cluster.await_ready();

    // Everything that was sent comes out in the end.
    let lost = await_verdict(&own, &client, &truth, || cluster.await_ready()).lost;
    let (faults, longest) = (cluster.faults.clone(), cluster.longest_recovery);
    cluster.end();
    let verdict = Verdict {
        lost,
        ..verdict(&own, &client, &truth)
    };

    println!("| what | number |\n|---|---|");
    for (fault, number) in &faults {
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
        "| lost | {} |\n| duplicated | {} |\n| wrong | {} |",
        verdict.lost.len(),
        verdict.duplicated.len(),
        verdict.wrong.len()
    );
    println!(
        "| longest recovery | {longest:.1?} |\n| whole run | {:.0?} |",
        began.elapsed()
    );
    assert!(verdict.is_faultless(), "{verdict:#?}");
    assert!(verdict.alerts > 50, "there was something to tell");
}
