//! Attacks, each of which must give exactly one alert.
//!
//! What makes that certain: an asset rests between two attacks; all accesses of one attack fall into one bucket of time;
//! an asset sees at most one attack without a named source in each bucket; nothing benign connects to an asset while
//! such an attack is under way; clocks are off by less than what the windows leave.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use pipewarden_core::detection::{Attribution, Confidence};
use pipewarden_core::time::EventTime;

use super::Plan;
use super::document_writer::{DocumentWriter, Millis};
use super::fill::NOISE_PORTS;
use super::kinds::Kind;
use super::noise::set_smb;
use super::rng::Rng;
use super::template::Slot;
use super::truth::Truth;

/// How far ahead attacks are planned: further than an attack and the quiet around it reach.
const AHEAD: Millis = 90_000;

/// No attack takes longer.
const LONGEST: Millis = 10_000;

/// How long an asset rests between two attacks.
const REST: Millis = 60_000;

/// How far before and after an attack without a named source its asset hears nothing benign.
const QUIET: Millis = 20_000;

/// A document that waits to be published: when, the order of writing, the document.
pub(super) type Waiting = BinaryHeap<Reverse<(Millis, u64, Vec<u8>)>>;

/// What is known of an asset.
#[derive(Clone, Debug, Default)]
struct AssetHistory {
    rests_until: Option<Millis>,
    /// The bucket of the last attack without a named source.
    unattributed: Option<EventTime>,
    /// Spans without benign connections.
    quiet: VecDeque<(Millis, Millis)>,
}

/// Plans attacks.
#[derive(Debug)]
pub(super) struct Attacks {
    every: Option<Millis>,
    next: Millis,
    end: Millis,
    lateness: Millis,
    group_by: Duration,
    missing: super::Missing,
    duplicates: u8,
    assets: Vec<AssetHistory>,
    /// The bucket in which a source last attacked an asset.
    seen: HashMap<(usize, usize), EventTime>,
    rng: Rng,
    sequence: u64,
    truths: Vec<Truth>,
    count: u64,
}

impl Attacks {
    pub(super) fn new(plan: &Plan, assets: usize, (start, end): (Millis, Millis), rng: Rng) -> Self {
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self {
            every: plan.attack_every.map(|every| millis(every).max(1)),
            next: start + 5_000,
            end,
            lateness: millis(plan.lateness),
            group_by: plan.group_by,
            missing: plan.missing,
            duplicates: plan.duplicates,
            assets: vec![AssetHistory::default(); assets],
            seen: HashMap::new(),
            rng,
            sequence: 0,
            truths: Vec::new(),
            count: 0,
        }
    }

    /// Whether nothing benign may connect to this host at this time.
    pub(super) fn is_quiet(&self, host: usize, time: Millis) -> bool {
        let spans = self.assets.get(host).map(|past| &past.quiet);
        spans.is_some_and(|spans| spans.iter().any(|(from, to)| (*from..*to).contains(&time)))
    }

    /// What has been planned since the last call, for whoever writes it down.
    pub(super) fn take_truths(&mut self) -> Vec<Truth> {
        std::mem::take(&mut self.truths)
    }

    /// Plans all attacks that can matter to what is published at `now`.
    pub(super) fn plan(&mut self, now: Millis, writer: &mut DocumentWriter, waiting: &mut Waiting) {
        while let Some(every) = self.every
            && self.next <= now.saturating_add(AHEAD)
            && self.next.saturating_add(2 * LONGEST) <= self.end
        {
            let time = self.next + self.rng.between(0, every.min(LONGEST) / 2 + 1);
            self.next += every;
            self.attack(time, writer, waiting);
        }
    }

    fn attack(&mut self, time: Millis, writer: &mut DocumentWriter, waiting: &mut Waiting) {
        let Some(asset) = (0..8)
            .map(|_| self.rng.index(self.assets.len()))
            .find(|&asset| self.assets[asset].rests_until.is_none_or(|until| until <= time))
        else {
            return;
        };
        let count = if self.rng.percent(60) {
            1
        } else {
            self.rng.between(2, 15)
        };
        let gap = self.rng.between(80, 500);
        let time = self.within_one_bucket(time, count * gap);
        let bucket = bucket(time, self.group_by);

        let mut has_share = !self.rng.percent(self.missing.share_access);
        let has_pipe = !has_share || !self.rng.percent(self.missing.pipe_connected);
        let has_connection = !self.rng.percent(self.missing.network_connection);
        has_share |= self.assets[asset].unattributed == Some(bucket);
        let attacker = writer.fleet.workstations();
        let Some(attacker) = (0..8)
            .map(|_| attacker.start + self.rng.index(attacker.len()))
            .find(|&attacker| self.seen.get(&(asset, attacker)) != Some(&bucket))
        else {
            return;
        };
        self.seen.insert((asset, attacker), bucket);
        let past = &mut self.assets[asset];
        past.rests_until = Some(time + LONGEST + REST);
        if !has_share {
            past.unattributed = Some(bucket);
            past.quiet.push_back((time - QUIET, time + LONGEST + QUIET));
            while past
                .quiet
                .front()
                .is_some_and(|(_, to)| *to < time - self.lateness - 2 * AHEAD)
            {
                past.quiet.pop_front();
            }
        }
        self.count += 1;
        let mut stage = Stage {
            attacks: self,
            writer,
            waiting,
            documents: 0,
            published: Vec::new(),
            accesses: Vec::new(),
        };
        let (asset_name, mut sources) = (stage.writer.host(asset).name.clone(), Vec::new());
        if has_share || has_connection {
            sources.push(stage.writer.host(attacker).address);
        }
        stage.teach(asset, time);
        let ports = stage.attacks.rng.between(0, 7_000);
        for number in 0..count {
            let port = NOISE_PORTS.1 + (ports + number * 3).unsigned_abs();
            let moment = time + number * gap;
            stage.published.push(BTreeMap::new());
            if has_share {
                stage.share(asset, attacker, port, moment);
            }
            if has_pipe {
                stage.pipe(asset, moment, !has_share);
            }
            if has_connection {
                stage.connection(asset, attacker, port, moment);
            }
        }
        if has_connection && !has_share && stage.attacks.rng.percent(25) {
            // Others connect at the same time: which of them it was cannot be known.
            for decoy in 1..=2 {
                let workstations = stage.writer.fleet.workstations();
                let other = workstations.start + (attacker - workstations.start + decoy) % workstations.len();
                sources.push(stage.writer.host(other).address);
                stage.connection(asset, other, NOISE_PORTS.1 + 8_000, time);
            }
        }
        sources.sort_unstable();
        let complete_at = stage.complete_at();
        let (documents, mut accesses) = (stage.documents, stage.accesses);
        accesses.sort_unstable();
        let (attribution, confidence) = match (has_share, sources.len()) {
            (true, _) if has_pipe || has_connection => (Attribution::Audited, Confidence::High),
            (true, _) => (Attribution::Audited, Confidence::Medium),
            (false, 0) => (Attribution::None, Confidence::Low),
            (false, 1) => (Attribution::Inferred, Confidence::Medium),
            (false, _) => (Attribution::Ambiguous, Confidence::Low),
        };
        let attacker = writer.host(attacker).address;
        if let (Some(&first_access), Some(&last_access)) = (accesses.first(), accesses.last()) {
            self.truths.push(Truth {
                attack: self.count,
                asset: asset_name,
                pipe: "winreg".to_owned(),
                attacker,
                attribution,
                confidence,
                sources,
                first_access,
                last_access,
                complete_at: EventTime::from_micros(complete_at * 1_000),
                documents,
            });
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

/// One attack while it is being written.
struct Stage<'a> {
    attacks: &'a mut Attacks,
    writer: &'a mut DocumentWriter,
    waiting: &'a mut Waiting,
    documents: u64,
    /// Access by access: when its first document of each kind is published.
    published: Vec<BTreeMap<Kind, Millis>>,
    /// The accesses, by the asset's clock.
    accesses: Vec<EventTime>,
}

impl Stage<'_> {
    /// Writes the document whose gaps are set, and perhaps a copy of it.
    fn write(&mut self, kind: Kind, host: usize, time: Millis) -> EventTime {
        let Attacks {
            rng,
            lateness,
            end,
            duplicates,
            ..
        } = &mut *self.attacks;
        let published = (time + delay(*lateness, rng)).min(*end).max(time);
        let mut document = Vec::with_capacity(4 << 10);
        let logged = self
            .writer
            .write(kind, host, (time, published), rng, &mut document);
        self.documents += 1;
        if let Some(access) = self.published.last_mut() {
            let first = access.entry(kind).or_insert(published);
            *first = published.min(*first);
        }
        let copy = rng
            .percent(*duplicates)
            .then(|| (published + rng.between(0, 5_000)).min(*end));
        for at in [Some(published), copy].into_iter().flatten() {
            self.waiting
                .push(Reverse((at, self.attacks.sequence, document.clone())));
            self.attacks.sequence += 1;
        }
        logged
    }

    /// The asset itself connects somewhere: who listens knows its address from then on.
    fn teach(&mut self, asset: usize, time: Millis) {
        let host = self.writer.host(asset).clone();
        self.writer.values.set(Slot::SourceIp, &host.ip);
        self.writer.values.set(Slot::SourceHost, &host.name);
        self.writer.values.set(Slot::DestinationPort, "389");
        self.write(Kind::NetworkConnection, asset, time - 1_000);
    }

    /// When the last of the kinds is published. What is not a share access counts together with that of its own access:
    /// a connection of another port says nothing of it.
    fn complete_at(&self) -> Millis {
        [Kind::ShareAccess, Kind::PipeConnected, Kind::NetworkConnection]
            .into_iter()
            .filter_map(|kind| {
                let of_one = |access: &BTreeMap<Kind, Millis>| {
                    let (own, share) = (*access.get(&kind)?, access.get(&Kind::ShareAccess));
                    Some(share.map_or(own, |&share| share.max(own)))
                };
                self.published.iter().filter_map(of_one).min()
            })
            .max()
            .unwrap_or_default()
    }

    fn connection(&mut self, asset: usize, client: usize, port: u64, time: Millis) {
        let (by_client, by_server) = match self.attacks.rng.below(5) {
            0 | 1 => (true, false),
            2 | 3 => (false, true),
            _ => (true, true),
        };
        let after = self.attacks.rng.between(-500, 2_000);
        for (is_logged, by_client, host) in [(by_client, true, client), (by_server, false, asset)] {
            if is_logged {
                set_smb(
                    self.writer,
                    (client, asset),
                    port,
                    by_client,
                    &mut self.attacks.rng,
                );
                self.write(Kind::NetworkConnection, host, time + after);
            }
        }
    }

    fn pipe(&mut self, asset: usize, time: Millis, is_access: bool) {
        let after = self.attacks.rng.between(0, 6);
        let values = &mut self.writer.values;
        values.set(
            Slot::Pipe,
            if self.attacks.rng.percent(5) {
                "WINREG"
            } else {
                "winreg"
            },
        );
        values.set(Slot::Image, "System");
        values.set(Slot::User, r"NT AUTHORITY\\SYSTEM");
        let logged = self.write(Kind::PipeConnected, asset, time + after);
        self.accesses.extend(is_access.then_some(logged));
    }

    fn share(&mut self, asset: usize, client: usize, port: u64, time: Millis) {
        let ip = self.writer.host(client).ip.clone();
        let rng = &mut self.attacks.rng;
        let (is_repeated, is_denied) = (rng.percent(20), rng.percent(5));
        let name = if rng.percent(5) { "WinReg" } else { "winreg" };
        let mask = *rng.pick(
            &["0x12019f", "0x3", "0x83", "0x120089"]
                .map(|mask| mask)
                .each_ref(),
        );
        for repeat in 0..=i64::from(is_repeated) {
            let values = &mut self.writer.values;
            values.set(Slot::SourceIp, &ip);
            values.number(Slot::SourcePort, port);
            values.set(Slot::Share, r"\\\\*\\IPC$");
            values.set(Slot::Target, name);
            values.set(Slot::Access, mask);
            values.set(Slot::Account, "svc-deploy");
            if is_denied {
                values.set(Slot::Outcome, "failure");
                values.set(Slot::Keyword, "Audit Failure");
            }
            let after = repeat * self.attacks.rng.between(1, 58);
            let logged = self.write(Kind::ShareAccess, asset, time + after);
            self.accesses.push(logged);
        }
    }
}

/// How late something is published: most soon, a few almost as late as it gets.
pub(super) fn delay(longest: Millis, rng: &mut Rng) -> Millis {
    let part = rng.between(0, 1_000);
    // The fourth power: half of all within a sixteenth of the longest.
    let part = i128::from(part).pow(4);
    i64::try_from(i128::from(longest) * part / 1_000_i128.pow(4)).unwrap_or_default()
}
