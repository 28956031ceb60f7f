//! A seeded world of crashes: arrivals, commits, aborts, rebalances, frozen processes, zombies, ticks and copies in a
//! random interleaving over the in-process log. The same seed gives the same run.
//!
//! What is checked: whatever faults occurred, the records that a `read_committed` consumer finds on the alerts topic are
//! those of one undisturbed run over the same log, and their final view is the reference's; a document that the broker rejects is in
//! a dead letter, and a stub in its place. Where the settings changed
//! between stop and start, the final view is still the reference's and no revision is there twice.
//!
//! Sightings are written by one partition and read by another, so there are two claims about the log: what each partition
//! causes is a function of its own log, and the sightings that stand on theirs are exactly those that the observations cause,
//! each once.

mod arrivals;
mod cluster;
pub mod routing;
mod sightings;
mod stubs;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

use pipewarden_core::alert::AlertFormat;
use pipewarden_core::detection::{Exceptions, JoinSettings, RuleSet};
use pipewarden_core::inventory::{Inventory, UnlistedHosts};
use pipewarden_core::log::Offset;
use pipewarden_engine::Policy;
use pipewarden_engine::local::{Coverage, Faults, TamperWith};
use pipewarden_engine::worker::{Fact, Topic};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use self::arrivals::Arrivals;
use self::cluster::{Cluster, Conditions};
use self::verdict::Setup;
use crate::world;

/// Counts of what happened in the worlds that ran, to show that the interesting things did.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    counts: BTreeMap<String, u64>,
    coverage: Coverage,
}

impl Counts {
    /// How often something happened, by its name.
    pub fn of(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or_default()
    }

    /// How often an input met a state, by their names.
    pub fn met(&self, input: &'static str, state: &'static str) -> u64 {
        self.coverage.get(&(input, state)).copied().unwrap_or_default()
    }

    /// Everything that was counted, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(what, times)| (what.as_str(), *times))
    }

    fn add(&mut self, what: &str, times: u64) {
        if times > 0 {
            match self.counts.get_mut(what) {
                Some(known) => *known += times,
                None => drop(self.counts.insert(what.to_owned(), times)),
            }
        }
    }

    /// Counts the facts of a worker.
    fn note(&mut self, facts: &[Fact]) {
        for fact in facts {
            match fact {
                Fact::Published(batch) => {
                    self.add("commits", 1);
                    let has_both = Topic::ALL.iter().all(|&topic| {
                        let mut parts = batch.parts();
                        parts.any(|part| part.partition.topic == topic)
                    });
                    self.add("commits of both topics", u64::from(has_both));
                }
                Fact::Aborted { .. } => self.add("aborts", 1),
                Fact::Recovered => self.add("recoveries", 1),
                Fact::Ticked => self.add("ticks", 1),
                Fact::Reloading { .. } => self.add("reloads", 1),
                Fact::Restoring { from, .. } if *from > Offset::ZERO => self.add("rewinds moved", 1),
                Fact::Restoring { partition, to, .. } if *to > Offset::ZERO => {
                    let is_of_sightings = partition.topic == Topic::Sightings;
                    self.add("sightings replayed", u64::from(is_of_sightings));
                }
                Fact::NotTakenOver(_) => self.add("not taken over", 1),
                Fact::Loss { loss, .. } => self.add(loss.as_str(), 1),
                _ => {}
            }
        }
    }

    /// Adds the counts of a worker that has ended.
    fn absorb(&mut self, faults: &Faults, coverage: &Coverage) {
        for (fault, times) in faults.occurred() {
            self.add(&format!("{fault:?}"), times);
        }
        for (&met, times) in coverage {
            *self.coverage.entry(met).or_default() += times;
        }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        for (what, times) in &other.counts {
            self.add(what, *times);
        }
        for (met, times) in other.coverage {
            *self.coverage.entry(met).or_default() += times;
        }
    }
}

/// Runs the world of one seed.
///
/// # Errors
/// The first difference from the undisturbed run or from the reference.
pub fn run(seed: u64) -> Result<Counts, String> {
    run_with(seed, None)
}

/// Runs the world of one seed with changed outputs of every worker.
///
/// # Errors
/// As [`run`].
pub fn run_with(seed: u64, tamper: Option<TamperWith>) -> Result<Counts, String> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut settings = if random.random_bool(0.3) {
        JoinSettings::default()
    } else {
        world::scaled_down(60)
    };
    // In one world in four a sensor is mute for a while, and few accesses suffice to find it blind. It follows from the
    // seed and not from the random numbers, so that the other worlds stay what they were.
    let mute = (seed % 4 == 1).then_some((seed / 4 % 3) as u8);
    if mute.is_some() {
        settings.sensors.min_accesses = 2;
        settings.sensors.min_span = Some(settings.sensors.min_span() / 60);
    }
    // Few hosts and few accesses: two hosts are a campaign here.
    settings.campaign.min_assets = 2;
    let arrivals = Arrivals::random(&mut random, &settings, mute);
    let has_exceptions = random.random_bool(0.5);
    // Two documents of everything cost time, and one world in eight shows as well that they agree.
    let format = if seed.is_multiple_of(8) {
        AlertFormat::Both
    } else {
        AlertFormat::Ecs
    };
    let policy_of = |settings: &JoinSettings, id| {
        let policy = policy_with_format(settings, id, format);
        if has_exceptions {
            Arc::new(Policy::clone(&policy).with_exceptions(Exceptions::clone(&world::exceptions())))
        } else {
            policy
        }
    };
    let mut policies = vec![policy_of(&settings, "first")];
    if random.random_bool(0.2) {
        policies.push(policy_of(&impatient(&settings), "second"));
    }
    let conditions = Conditions {
        retention_is_short: seed % 32 == 7,
        log_is_truncated: seed % 32 == 19,
        ticks_together: seed % 8 == 5,
        tamper,
    };
    let mut cluster = Cluster::new(policies, conditions);
    cluster.run(&arrivals, &mut random)?;
    if conditions.retention_is_short || conditions.log_is_truncated {
        // The output depends on what was lost; that everything was read and committed is checked.
        cluster.counts.add("lossy worlds", 1);
        return Ok(cluster.counts);
    }
    let setup = Setup {
        settings: &settings,
        format,
        has_exceptions,
        validates_documents: seed.is_multiple_of(16),
    };
    let verdict = verdict::check(&cluster, &arrivals, &setup)?;
    let mut counts = cluster.counts;
    counts.add("alerts", verdict.revisions);
    counts.add("sensor findings", verdict.sensor_findings);
    counts.add("campaigns", verdict.campaigns);
    counts.add("sightings", verdict.sightings);
    counts.add("dead letters", verdict.dead_letters);
    counts.add("stubs", verdict.stubs);
    Ok(counts)
}

/// A policy that watches every host.
pub fn policy(settings: &JoinSettings, id: &str) -> Arc<Policy> {
    policy_with_format(settings, id, AlertFormat::Ecs)
}

fn policy_with_format(settings: &JoinSettings, id: &str, format: AlertFormat) -> Arc<Policy> {
    let rules = RuleSet::new(world::rules()).expect("the rules of the test worlds are sound");
    // Two of three hosts are listed, so that their sensors are judged.
    let inventory = Inventory::parse(
        "assets: [{name: asset0.aperture.local}, {name: asset1.aperture.local}]",
        "world",
    );
    let inventory = Arc::new(inventory.expect("the inventory of the test worlds is sound"));
    let id = id.to_owned();
    let policy = Policy::new(rules, inventory, UnlistedHosts::Watch, settings.clone(), id);
    Arc::new(policy.with_format(format))
}

/// Other settings, with which revisions are written at other times, and final alerts are the same.
fn impatient(settings: &JoinSettings) -> JoinSettings {
    let mut settings = settings.clone();
    settings.settle.audited /= 2;
    settings.settle.attributed /= 4;
    settings.revise_after /= 3;
    settings
}
