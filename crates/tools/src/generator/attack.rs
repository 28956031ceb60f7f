//! Attacks, each of which must give exactly one alert.
//!
//! What makes that certain: an asset rests between two attacks; all accesses of one attack fall into one bucket of time;
//! an asset sees at most one attack without a named source in each bucket; nothing benign connects to an asset while
//! an attack is under way whose source that could be; clocks are off by less than what the windows leave.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use pipewarden_core::time::EventTime;

use super::Plan;
use super::attack_writer::{AttackWriter, Publishing};
use super::document_writer::{DocumentWriter, Millis};
use super::fleet::Fleet;
use super::publish_queue::PublishQueue;
use super::rng::Rng;
use super::truth::Truth;

/// How far ahead attacks are planned: further than an attack and the quiet around it reach.
const AHEAD: Millis = 90_000;

/// No attack takes longer.
const LONGEST: Millis = 10_000;

/// How long an asset rests between two attacks.
const REST: Millis = 60_000;

/// How far before and after an attack whose source could be another's no benign connection reaches its asset.
const QUIET: Millis = 20_000;

/// When an asset was attacked, and for how long it must be left alone.
#[derive(Clone, Debug, Default)]
struct AssetHistory {
    rests_until: Option<Millis>,
    /// The bucket of the last attack without a named source.
    unattributed: Option<EventTime>,
    /// Spans without benign connections.
    quiet: VecDeque<(Millis, Millis)>,
}

/// One attack, before anything of it is written.
#[derive(Debug)]
pub(super) struct Attack {
    pub(super) asset: usize,
    pub(super) attacker: usize,
    /// The first access, on a clock that is right.
    pub(super) time: Millis,
    bucket: EventTime,
    pub(super) accesses: i64,
    /// From one access to the next.
    pub(super) gap: Millis,
    /// Whether Security 5145 logs the accesses.
    pub(super) has_share: bool,
    /// Whether Sysmon 18 logs them.
    pub(super) has_pipe: bool,
    /// Whether Sysmon 3 of either end logs the connections.
    pub(super) has_connection: bool,
}

/// Plans attacks.
#[derive(Debug)]
pub(super) struct Attacks {
    every: Option<Millis>,
    next: Millis,
    publishing: Publishing,
    group_by: Duration,
    missing: super::Missing,
    assets: Vec<AssetHistory>,
    /// The bucket in which a source last attacked an asset.
    seen: HashMap<(usize, usize), EventTime>,
    rng: Rng,
    truths: Vec<Truth>,
    count: u64,
}

impl Attacks {
    /// Attacks on so many assets within a span of time.
    pub(super) fn new(plan: &Plan, assets: usize, within: Range<Millis>, rng: Rng) -> Self {
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self {
            every: plan.attack_every.map(|every| millis(every).max(1)),
            next: within.start + 5_000,
            publishing: Publishing {
                end: within.end,
                lateness: millis(plan.lateness),
                duplicates: plan.duplicates,
            },
            group_by: plan.group_by,
            missing: plan.missing,
            assets: vec![AssetHistory::default(); assets],
            seen: HashMap::new(),
            rng,
            truths: Vec::new(),
            count: 0,
        }
    }

    /// Whether nothing benign may connect to this host at this time.
    pub(super) fn is_quiet(&self, host: usize, time: Millis) -> bool {
        let spans = self.assets.get(host).map(|history| &history.quiet);
        spans.is_some_and(|spans| spans.iter().any(|(from, to)| (*from..*to).contains(&time)))
    }

    /// The attacks that have been planned since the last call.
    pub(super) fn take_truths(&mut self) -> Vec<Truth> {
        std::mem::take(&mut self.truths)
    }

    /// Plans all attacks that can matter to what is published at `now`.
    pub(super) fn plan(&mut self, now: Millis, writer: &mut DocumentWriter, queue: &mut PublishQueue) {
        while let Some(every) = self.every
            && self.next <= now.saturating_add(AHEAD)
            && self.next.saturating_add(2 * LONGEST) <= self.publishing.end
        {
            let time = self.next + self.rng.between(0, every.min(LONGEST) / 2 + 1);
            self.next += every;
            self.attack(time, writer, queue);
        }
    }

    fn attack(&mut self, time: Millis, writer: &mut DocumentWriter, queue: &mut PublishQueue) {
        let Some(attack) = self.choose(time, &writer.fleet) else {
            return;
        };
        self.reserve(&attack);
        self.count += 1;
        let mut written = AttackWriter::new(self.count, &self.publishing, &mut self.rng, writer, queue);
        written.write_all(&attack);
        self.truths.extend(written.truth(&attack));
    }

    /// Draws an attack at about this time; `None` where no asset or no source is free for one.
    fn choose(&mut self, time: Millis, fleet: &Fleet) -> Option<Attack> {
        let asset = (0..8)
            .map(|_| self.rng.index(self.assets.len()))
            .find(|&asset| self.assets[asset].rests_until.is_none_or(|until| until <= time))?;
        let accesses = if self.rng.percent(60) {
            1
        } else {
            self.rng.between(2, 15)
        };
        // Share accesses of one port that are nearer than 0.1 s count as one open.
        let gap = self.rng.between(110, 500);
        let time = self.within_one_bucket(time, accesses * gap);
        let bucket = bucket(time, self.group_by);

        let mut has_share = !self.rng.percent(self.missing.share_access);
        let has_pipe = !has_share || !self.rng.percent(self.missing.pipe_connected);
        let has_connection = !self.rng.percent(self.missing.network_connection);
        has_share |= self.assets[asset].unattributed == Some(bucket);
        let workstations = fleet.workstations();
        let attacker = (0..8)
            .map(|_| workstations.start + self.rng.index(workstations.len()))
            .find(|&attacker| self.seen.get(&(asset, attacker)) != Some(&bucket))?;
        Some(Attack {
            asset,
            attacker,
            time,
            bucket,
            accesses,
            gap,
            has_share,
            has_pipe,
            has_connection,
        })
    }

    /// Keeps other attacks away from an attack and, unless its own log names and confirms its source, benign connections.
    fn reserve(&mut self, attack: &Attack) {
        let time = attack.time;
        self.seen.insert((attack.asset, attack.attacker), attack.bucket);
        let history = &mut self.assets[attack.asset];
        history.rests_until = Some(time + LONGEST + REST);
        if !attack.has_share {
            history.unattributed = Some(attack.bucket);
        }
        if !(attack.has_share && attack.has_connection) {
            history.quiet.push_back((time - QUIET, time + LONGEST + QUIET));
            let oldest = time - self.publishing.lateness - 2 * AHEAD;
            while history.quiet.front().is_some_and(|(_, to)| *to < oldest) {
                history.quiet.pop_front();
            }
        }
    }

    /// The time itself or, where the attack would reach into another bucket, the beginning of that one.
    fn within_one_bucket(&self, time: Millis, length: Millis) -> Millis {
        // By any clock of the fleet, so with room on both sides.
        let (from, to) = (time - LONGEST / 2, time + length + LONGEST / 2);
        if bucket(from, self.group_by) == bucket(to, self.group_by) {
            time
        } else {
            bucket(to, self.group_by).as_micros() / 1_000 + LONGEST / 2
        }
    }
}

fn bucket(time: Millis, width: Duration) -> EventTime {
    EventTime::from_micros(time * 1_000).bucket(width)
}

/// How late something is published: most soon, a few almost as late as it gets.
pub(super) fn delay(longest: Millis, rng: &mut Rng) -> Millis {
    let part = rng.between(0, 1_000);
    // The fourth power: half of all within a sixteenth of the longest.
    let part = i128::from(part).pow(4);
    i64::try_from(i128::from(longest) * part / 1_000_i128.pow(4)).expect("at most the longest")
}
