//! The observations of a simulated world, and when they arrive.

use std::time::Duration;

use pipewarden_core::detection::JoinSettings;
use pipewarden_core::event::Observation;
use pipewarden_core::time::AppendTime;
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::world::{ITSELF, LINK_LOCAL, Seed, millis};

/// Observations and when they arrive; a copy is a second arrival.
pub struct Arrivals {
    pub observations: Vec<Observation>,
    /// Append time and index, in order.
    pub order: Vec<(AppendTime, usize)>,
}

impl Arrivals {
    /// A kind that is `mute` is not logged in the first half of the world.
    pub fn random(random: &mut StdRng, settings: &JoinSettings, mute: Option<u8>) -> Self {
        // Long enough for alerts to close, observations to expire and the rewind to move.
        let span = millis(settings.horizon()) * random.random_range(1..5);
        let number = random.random_range(1..60u64);
        let bursts = random.random_range(1..6);
        let observations: Vec<Observation> = (0..number)
            .map(|index| seed_at(random, span, bursts, mute).observation(index))
            .collect();
        let mut order = Vec::new();
        for (index, observation) in observations.iter().enumerate() {
            let at = AppendTime::at_event(observation.event.time).as_millis();
            let late = millis(settings.allowed_lateness);
            let delay = match random.random_range(0..4) {
                // A second of skew is left for the lagging clock of a new leader.
                0 => random.random_range(1_000 - millis(settings.clock_skew)..=late),
                1 => random.random_range(0..=late),
                _ => random.random_range(0..2_000),
            };
            order.push((AppendTime::from_millis(at + delay), index));
            if random.random_bool(0.3) {
                let later = random.random_range(0..=late);
                order.push((AppendTime::from_millis(at + delay + later), index));
            }
        }
        order.sort_by_key(|&(at, index)| (at, index % 7, index));
        Self { observations, order }
    }
}

/// The append time of a record: a new leader's clock may lag.
pub fn stamp(now: AppendTime, random: &mut StdRng) -> AppendTime {
    if random.random_bool(0.05) {
        now.minus(Duration::from_millis(700))
    } else {
        now
    }
}

fn seed_at(random: &mut StdRng, span: i64, bursts: i64, mute: Option<u8>) -> Seed {
    let at = random.random_range(0..bursts) * (span / bursts) + random.random_range(0..12_000) / 500 * 500;
    Seed {
        kind: match random.random_range(0..5) {
            kind if Some(kind) == mute && at < span / 2 => (kind + 1) % 3,
            kind => kind,
        },
        asset: random.random_range(0..3),
        source: match random.random_range(0..20) {
            0 => ITSELF,
            1 => LINK_LOCAL,
            other => other % 3,
        },
        port: random.random_range(0..4),
        at,
        account: random.random_range(0..4),
        other_rule: random.random_bool(0.15),
        client_side: random.random_bool(0.5),
        record: None,
    }
}
