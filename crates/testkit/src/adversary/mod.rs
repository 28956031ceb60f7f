//! Worlds with an adversary: true accesses told by every mix of sensors, and somebody who adds documents to the input.
//!
//! The documents go the whole way, through decoder, router and join to alert documents, and what is written is compared with
//! what is true. The three promises:
//!
//! - `no_silence`: each true 5145 and 18 stands in an alert as an access or as half of a pair, or is counted. On the suppressed
//!   topic only as it would without the adversary, or by the word of the asset's own log.
//! - `no_frame`: where an alert names somebody for what he did not do, and would not without the adversary, it shows the
//!   forged word or a contradiction.
//! - `no_doubt`, a part of it: where an alert is less sure than without the adversary, it shows why in the same way.
//! - `no_stop`: state, work and sizes of documents are bounded.

pub mod draft;
pub mod estate;
mod fields;
mod forger;
mod judge;
mod play;
pub mod truth;

use std::collections::BTreeMap;
use std::fmt;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

pub use self::estate::Regime;
use self::judge::Judge;
use self::play::play;
use self::truth::{Access, Message, Sensors, Teller};

/// What is true, and what is added to it, in order of arrival.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub regime: Regime,
    pub accesses: Vec<Access>,
    pub messages: Vec<Message>,
}

/// A promise that a world breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which one.
    pub promise: &'static str,
    /// By what.
    pub text: String,
}

impl Failure {
    fn new(promise: &'static str, text: String) -> Self {
        Self { promise, text }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.text)
    }
}

/// Counts of what was in the worlds that ran, to show that the interesting things were.
pub type Counts = BTreeMap<&'static str, u64>;

impl World {
    /// The world of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let regime = Regime {
            has_exceptions: random.random_bool(0.5),
            is_tight: random.random_bool(0.25),
            is_short: random.random_bool(0.2),
            watches_all: random.random_bool(0.15),
            is_replayed: random.random_bool(0.2),
        };
        let empty = Self {
            regime,
            ..Self::default()
        };
        let mut teller = Teller::new(empty, &mut random);
        teller.tell_all();
        let mut world = teller.world;
        let forged = forger::forge(&world, &mut random);
        world.messages.extend(forged);
        world.messages.sort_by_key(|message| message.arrival);
        world
    }

    /// Runs it with and without its adversary.
    ///
    /// # Errors
    /// A promise that it breaks.
    pub fn run(&self) -> Result<Counts, Failure> {
        let all = || self.messages.iter().enumerate();
        let attacked = play(self.regime, all());
        let clean = play(
            self.regime,
            all().filter(|(_, message)| message.forgery.is_none()),
        );
        let judge = Judge {
            world: self,
            attacked: &attacked,
            clean: &clean,
        };
        judge.judge()?;
        let mut counts = Counts::new();
        let mut add = |what, number: usize| *counts.entry(what).or_default() += number as u64;
        for message in &self.messages {
            add(message.forgery.unwrap_or("true documents"), 1);
        }
        add("true accesses", self.accesses.len());
        add("observations", attacked.records);
        add("revisions", attacked.revisions);
        for told in &attacked.told {
            add(
                match (told.who(), &*told.pipewarden.status) {
                    ("overflow" | "many_sources", _) => "alerts of overflow or many sources",
                    ("local", _) => "local alerts",
                    (_, "suppressed") => "excepted alerts",
                    ("source", _) => "alerts that name a source",
                    _ => "alerts that name none",
                },
                1,
            );
            add(
                "alerts with a conflict",
                usize::from(!told.pipewarden.conflicts.is_empty()),
            );
            add(
                "alerts with something dropped",
                usize::from(told.pipewarden.dropped.accesses > 0),
            );
        }
        Ok(counts)
    }

    /// The smallest world that breaks the same promise: documents are dropped one by one as long as it does.
    #[must_use]
    pub fn minimal(&self) -> Self {
        let breaks = |world: &Self| world.run().err().map(|failure| failure.promise);
        let (mut world, promise) = (self.clone(), breaks(self));
        let mut step = world.messages.len().div_ceil(2);
        while step > 0 {
            let mut from = 0;
            while from < world.messages.len() {
                let mut smaller = world.clone();
                let until = (from + step).min(smaller.messages.len());
                smaller.messages.drain(from..until);
                if breaks(&smaller) == promise {
                    world = smaller;
                } else {
                    from += step;
                }
            }
            step /= 2;
        }
        world
    }

    /// Its documents, one a line.
    pub fn describe(&self) -> String {
        let mut text = format!("{:?}\n", self.regime);
        for message in &self.messages {
            let what = message.forgery.unwrap_or("true");
            text.push_str(&format!(
                "  at {:>8} {what}: {}\n",
                message.arrival,
                message.draft.summary()
            ));
        }
        text
    }
}

/// Runs the world of one seed.
///
/// # Errors
/// A promise that it breaks.
pub fn run(seed: u64) -> Result<Counts, Failure> {
    World::of(seed).run()
}

/// Small worlds, one for each mix of sensors that tells of an access, with a bystander and without, and of a local access.
pub fn scenarios() -> Vec<World> {
    let sensors = |client, server, pipe, share| Sensors {
        client,
        server,
        pipe,
        share,
        session: false,
    };
    let mixes = [
        sensors(true, false, true, true),
        sensors(true, false, true, false),
        sensors(false, true, true, false),
        sensors(false, true, true, true),
        sensors(false, false, true, true),
        sensors(false, false, true, false),
        sensors(false, false, false, true),
    ];
    let mut worlds = Vec::new();
    for (number, mix) in (0u64..).zip(mixes) {
        for has_bystander in [false, true] {
            let mut random = StdRng::seed_from_u64(number);
            let regime = Regime {
                has_exceptions: true,
                ..Regime::default()
            };
            let empty = World {
                regime,
                ..World::default()
            };
            let mut teller = Teller::plain(empty, &mut random);
            teller.access(0, 0, 100_000, mix);
            if has_bystander {
                teller.bystander(0, 100_200);
                teller.local(0, 104_000);
            }
            let mut world = teller.world;
            world.messages.sort_by_key(|message| message.arrival);
            worlds.push(world);
        }
    }
    worlds
}

/// Every world that comes of this one by adding one of its documents with one thing changed, before it and after it, and what
/// that is.
pub fn with_one_change(world: &World) -> impl Iterator<Item = (String, World)> + '_ {
    world
        .messages
        .iter()
        .enumerate()
        .flat_map(move |(place, message)| {
            fields::changes(&message.draft)
                .into_iter()
                .flat_map(move |(what, draft)| {
                    [place, place + 1, world.messages.len()].map(|at| {
                        let mut changed = world.clone();
                        let arrival = match at.checked_sub(1) {
                            Some(before) => world.messages[before].arrival,
                            None => message.arrival,
                        };
                        let forged = Message {
                            arrival,
                            draft: draft.clone(),
                            access: None,
                            forgery: Some("one document"),
                        };
                        changed.messages.insert(at, forged);
                        (
                            format!("{what}, at {at}, of {}", message.draft.summary()),
                            changed,
                        )
                    })
                })
        })
}
