//! A seeded world of crashes: arrivals, commits, aborts, rebalances, frozen processes, zombies, ticks and copies in a
//! random interleaving over the in-process log. The same seed gives the same run.
//!
//! The promise: whatever happened on the way, the records that a `read_committed` consumer finds on the alerts topic are
//! those of one undisturbed run over the same log, and their final view is the reference's. Where the settings changed
//! between stop and start, the final view is still the reference's and no revision stands twice.

mod arrivals;
mod cluster;
mod verdict;

use std::sync::Arc;

use pipewarden::alert::AlertFormat;
use pipewarden::detection::{Exceptions, JoinSettings, RuleSet};
use pipewarden::inventory::{Inventory, UnlistedHosts};
use pipewarden::pipeline::Program;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use self::arrivals::Arrivals;
use self::cluster::Cluster;
use crate::world;

/// What happened in one run, to show that the interesting things did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub records: u64,
    pub ticks: u64,
    pub alerts: u64,
    /// Revisions of findings about sensors among them.
    pub sensor_findings: u64,
    /// Revisions of sweeps among them.
    pub sweeps: u64,
    pub commits: u64,
    pub aborts: u64,
    pub crashes: u64,
    /// Crashes that left a transaction open.
    pub torn_commits: u64,
    /// Partitions that moved from a living worker to another.
    pub handovers: u64,
    /// Workers that slept past their session and woke up.
    pub frozen: u64,
    /// Old processes that went on beside their successor of the same name.
    pub zombies: u64,
    /// Commits that came from an old generation and were refused.
    pub stale_commits: u64,
    /// Takeovers that started after the beginning of the log: R had moved.
    pub rewinds_moved: u64,
    /// Stops and starts with other settings.
    pub changed_programs: u64,
    /// Other settings taken up by a process that runs.
    pub reloads: u64,
}

impl std::ops::AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.ticks += other.ticks;
        self.alerts += other.alerts;
        self.sensor_findings += other.sensor_findings;
        self.sweeps += other.sweeps;
        self.commits += other.commits;
        self.aborts += other.aborts;
        self.crashes += other.crashes;
        self.torn_commits += other.torn_commits;
        self.handovers += other.handovers;
        self.frozen += other.frozen;
        self.zombies += other.zombies;
        self.stale_commits += other.stale_commits;
        self.rewinds_moved += other.rewinds_moved;
        self.changed_programs += other.changed_programs;
        self.reloads += other.reloads;
    }
}

/// Runs the world of one seed.
///
/// # Errors
/// What differs from the undisturbed run or from the reference.
pub fn run(seed: u64) -> Result<Faults, String> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut settings = if random.random_bool(0.3) {
        JoinSettings::default()
    } else {
        world::scaled_down(60)
    };
    // In one world in four a sensor is mute for a while, and little suffices to find it so. Apart from the random numbers,
    // so that the other worlds stay what they were.
    let mute = (seed % 4 == 1).then_some((seed / 4 % 3) as u8);
    if mute.is_some() {
        settings.sensors.min_accesses = 2;
        settings.sensors.min_span /= 60;
    }
    // Few hosts and few accesses: two hosts are a sweep here.
    settings.sweep.min_assets = 2;
    let arrivals = Arrivals::random(&mut random, &settings, mute);
    let has_exceptions = random.random_bool(0.5);
    // Two documents of everything cost time, and one world in eight shows as well that they stay together.
    let format = if seed.is_multiple_of(8) {
        AlertFormat::Both
    } else {
        AlertFormat::Ecs
    };
    let in_force = |settings: &JoinSettings, fingerprint| {
        let program = program_writing(settings, fingerprint, format);
        if has_exceptions {
            Arc::new(Program::clone(&program).excepting(Exceptions::clone(&world::exceptions())))
        } else {
            program
        }
    };
    let mut programs = vec![in_force(&settings, "first")];
    if random.random_bool(0.2) {
        programs.push(in_force(&impatient(&settings), "second"));
    }
    let mut cluster = Cluster::new(programs);
    cluster.live_through(&arrivals, &mut random);
    let (alerts, sensor_findings, sweeps) = verdict::check(
        &cluster,
        &arrivals,
        &settings,
        (format, has_exceptions, seed.is_multiple_of(16)),
    )?;
    Ok(Faults {
        alerts,
        sensor_findings,
        sweeps,
        ..cluster.faults
    })
}

/// A program that watches every host.
pub fn program(settings: &JoinSettings, fingerprint: &str) -> Arc<Program> {
    program_writing(settings, fingerprint, AlertFormat::Ecs)
}

fn program_writing(settings: &JoinSettings, fingerprint: &str, format: AlertFormat) -> Arc<Program> {
    let rules = RuleSet::new(world::rules()).expect("the rules of the test worlds are sound");
    // Two of three hosts are listed, so that their sensors are judged.
    let inventory = Inventory::parse(
        "assets: [{name: asset0.aperture.local}, {name: asset1.aperture.local}]",
        "world",
    );
    let inventory = Arc::new(inventory.expect("the inventory of the test worlds is sound"));
    let fingerprint = fingerprint.to_owned();
    let program = Program::new(
        rules,
        inventory,
        UnlistedHosts::Watch,
        settings.clone(),
        fingerprint,
    );
    Arc::new(program.with_format(format))
}

/// Other settings that change when revisions are written, and so every record, but not what they say in the end.
fn impatient(settings: &JoinSettings) -> JoinSettings {
    let mut settings = settings.clone();
    settings.settle.audited /= 2;
    settings.settle.attributed /= 4;
    settings.revise_after /= 3;
    settings
}
