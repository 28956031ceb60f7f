//! A day in an estate: what its alerts are worth.
//!
//! A Configuration Manager hierarchy of 21 servers and its clients are at work; monitors, a scanner, a backup and
//! administrators read registries, servers read their own, and 40 accesses are attacks. Everything is logged as the table of
//! hosts says, some by wrong clocks, shipped late, and decided by the engine of the service as it arrives, once without and
//! once with [exceptions](EXCEPTIONS). Since it is known who did what, the alerts can be judged.
//!
//! Memory follows from the number of clients and of accesses, not from the number of documents: these are made one at a time.

mod attacks;
mod figures;
mod hosts;
mod judge;
mod recording;
mod report;
mod routine;
mod sessions;
mod traffic;
mod truth;

use std::sync::Arc;

use pipewarden_core::detection::{DEFAULT_RULES, Exceptions, JoinSettings, RuleSet};
use pipewarden_core::inventory::{Inventory, UnlistedHosts};
use pipewarden_core::log::{Offset, Partition};
use pipewarden_core::time::AppendTime;
use pipewarden_engine::local::Replayer;
use pipewarden_engine::{Origin, Policy, Routed, Router};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

pub use self::attacks::AttackKind;
pub use self::figures::{AttackOutcome, Figures, Judgement};
use self::hosts::{HostId, Hosts};
use self::judge::Judge;
pub use self::recording::Recording;
use self::routine::Routine;
use self::traffic::Traffic;

/// The exceptions of the estate, as `docs/exceptions.md` teaches them.
pub const EXCEPTIONS: &str = include_str!("exceptions.yaml");

/// Milliseconds since 1970, or between two moments.
type Millis = i64;

/// 2024-10-24, eight o'clock.
const BEGIN: Millis = 1_729_756_800_000;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Day {
    /// The same seed gives the same documents.
    pub seed: u64,
    /// How long it takes; attacks, scan and backup are spread over it.
    pub hours: u32,
    /// How many clients there are beside the servers.
    pub clients: u32,
}

impl Default for Day {
    fn default() -> Self {
        Self {
            seed: 0,
            hours: 24,
            clients: 3_000,
        }
    }
}

/// From when to when.
#[derive(Clone, Copy, Debug)]
struct Span {
    begin: Millis,
    end: Millis,
}

impl Span {
    /// After so many thousandths of it.
    fn part(self, thousandths: Millis) -> Millis {
        self.begin + (self.end - self.begin) * thousandths / 1_000
    }

    /// When the scanner is at a host.
    fn scan_of(self, server: HostId) -> Millis {
        self.part(450 + 4 * server.0 as Millis)
    }
}

impl Day {
    /// Lives it, and judges its alerts. `tick` is called for every document.
    pub fn run(self, tick: &mut dyn FnMut()) -> Figures {
        let mut routine = self.routine();
        let inventory = Inventory::parse(&routine.traffic.hosts.inventory(), "estate");
        let inventory = Arc::new(inventory.expect("the estate's inventory is valid"));
        let builtin = || Exceptions::builtin(Arc::clone(&inventory));
        let taught = builtin().and(EXCEPTIONS, "exceptions");
        let taught = taught.expect("the estate's exceptions are valid");
        let [before, after] = [builtin(), taught].map(|exceptions| policy(&inventory, exceptions));
        let mut router = Router::new(&before);
        let mut judges = [&before, &after].map(|policy| (Replayer::new(policy), Judge::default()));
        let mut figures = Figures::default();
        while let Some((arrival, document)) = routine.next() {
            tick();
            let now = AppendTime::from_millis(arrival);
            router.resolver().bindings().advance(now);
            figures.documents += 1;
            let origin = Origin {
                topic: "winlogbeat",
                partition: Partition::ZERO,
                offset: Offset::new(figures.documents),
            };
            router.route_each(Some(&document), origin, &mut |routed| match routed {
                Routed::Observation(routed) => {
                    figures.observations += 1;
                    for (replayer, judge) in &mut judges {
                        let alerts = replayer.observe(now, routed.observation.clone()).alerts;
                        judge.take(alerts, &routine.traffic);
                    }
                }
                Routed::Skipped(_) => {}
                Routed::DeadLetter(letter) => panic!("undecodable: {letter:?}"),
            });
        }
        let [before, after] = judges.map(|(mut replayer, mut judge)| {
            judge.take(replayer.finish().alerts, &routine.traffic);
            judge.judgement(&routine.traffic, routine.attacks())
        });
        figures.count(&routine.traffic.truth);
        Figures {
            before,
            after,
            ..figures
        }
    }

    /// Everything that will happen.
    fn routine(self) -> Routine {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let span = Span {
            begin: BEGIN,
            end: BEGIN + Millis::from(self.hours) * 3_600_000,
        };
        let clients = self.clients.max(1) as usize;
        let mut hosts = Hosts::new(clients, &mut rng);
        let attacks = attacks::Attacks::plan(&mut hosts, span, |server| span.scan_of(server), &mut rng);
        Routine::new(Traffic::new(hosts, rng), span, attacks, clients)
    }
}

/// All settings at their defaults.
fn policy(inventory: &Arc<Inventory>, exceptions: Exceptions) -> Arc<Policy> {
    let join = JoinSettings::default();
    let selected = [DEFAULT_RULES.to_owned(), "efsrpc".to_owned()];
    let rules = RuleSet::builtin_rules()
        .select(&selected)
        .expect("the rules are built in");
    let policy = Policy::new(
        rules,
        Arc::clone(inventory),
        UnlistedHosts::Ignore,
        join,
        "day".to_owned(),
    );
    Arc::new(policy.with_exceptions(exceptions))
}
