//! The final alerts, computed slowly and obviously: the join over a *set* of observations, by nested loops, with no order of
//! arrival, no state, no deadline and no bound.
//!
//! Valid where every access is timely and every connection arrives within `allowed_lateness`.

mod candidates;
mod content;
mod pairs;
mod rivals;
mod sessions;
mod who;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::detection::{AlertKey, Content, EvidenceRole, JoinSettings, Rule, Who};
use pipewarden_core::event::{Detail, NetworkConnection, Observation, PipeConnected, ShareAccess};
use pipewarden_core::time::EventTime;

use crate::world;

type Seen<'a> = &'a Observation;

/// Everything that was observed of one asset, as one rule sees it.
struct Scene<'a> {
    here: Vec<Seen<'a>>,
    rule: &'a Rule,
    rules: &'a [Rule],
    settings: &'a JoinSettings,
    /// Of each connected pipe that has one, the share access that is the same access.
    pairs: BTreeMap<usize, usize>,
}

/// The content of every alert that is active or local in the end, by key.
pub fn final_alerts(
    observations: &[Observation],
    rules: &[Rule],
    settings: &JoinSettings,
) -> BTreeMap<AlertKey, Content> {
    let mut once: BTreeMap<_, Seen<'_>> = BTreeMap::new();
    for observation in observations {
        once.entry(observation.id).or_insert(observation);
    }
    let all: Vec<Seen<'_>> = once.into_values().collect();
    let assets: BTreeSet<_> = all.iter().map(|seen| seen.asset.clone()).collect();
    let mut alerts = BTreeMap::new();
    for rule in rules {
        for asset in &assets {
            let here: Vec<Seen<'_>> = all.iter().copied().filter(|seen| seen.asset == *asset).collect();
            let scene = Scene {
                pairs: pairs::pairs(&here, rule, settings),
                here,
                rule,
                rules,
                settings,
            };
            for ((who, bucket), members) in scene.groups() {
                let key = AlertKey {
                    rule: Arc::clone(&rule.id),
                    asset: asset.clone(),
                    who,
                    bucket,
                    arrival_bucket: None,
                };
                alerts.insert(key, content::content(&scene, who, &members));
            }
        }
    }
    alerts
}

/// The accesses that share an alert.
#[derive(Default)]
struct Members<'a> {
    accesses: Vec<Seen<'a>>,
    /// Connected pipes that belong to one of the share accesses.
    paired: Vec<Seen<'a>>,
}

impl<'a> Scene<'a> {
    /// Every access by whose it is and when; connected pipes with their share access.
    fn groups(&self) -> BTreeMap<(Who, EventTime), Members<'a>> {
        let mut groups: BTreeMap<(Who, EventTime), Members<'a>> = BTreeMap::new();
        let group_of = |seen: Seen<'_>| {
            (
                self.verdict(seen).who,
                seen.event.time.bucket(self.settings.group_by),
            )
        };
        for (index, &seen) in self.here.iter().enumerate() {
            if let Some(&share) = self.pairs.get(&index) {
                groups
                    .entry(group_of(self.here[share]))
                    .or_default()
                    .paired
                    .push(seen);
            } else if self.is_access(seen) {
                groups.entry(group_of(seen)).or_default().accesses.push(seen);
            }
        }
        groups
    }

    fn is_access(&self, seen: Seen<'_>) -> bool {
        let is_use = self.rule.accounts.is_some() && world::is_use_from_elsewhere(seen);
        is_use || self.rule.watches(&seen.event.detail)
    }

    /// The connected pipe of a share access.
    fn pipe_of(&self, share: Seen<'_>) -> Option<Seen<'a>> {
        let mut pairs = self.pairs.iter();
        let found = pairs.find(|&(_, &paired)| self.here[paired].id == share.id);
        found.map(|(&pipe, _)| self.here[pipe])
    }

    /// The share access of a connected pipe.
    fn share_of(&self, pipe: Seen<'_>) -> Option<Seen<'a>> {
        let mut pairs = self.pairs.iter();
        let found = pairs.find(|&(&paired, _)| self.here[paired].id == pipe.id);
        found.map(|(_, &share)| self.here[share])
    }

    /// Whether something else bears the same record of the same log and says something else.
    fn is_contradicted(&self, seen: Seen<'_>) -> bool {
        self.here.iter().any(|other| self.is_contradiction(seen, other))
    }

    /// Whether two observations bear the same record of the same log and say different things.
    fn is_contradiction(&self, seen: Seen<'_>, other: Seen<'_>) -> bool {
        let label = |seen: Seen<'_>| seen.event.computer.split('.').next().unwrap().to_owned();
        let is_call_back = network_connection(other).is_some_and(|connection| connection.of_client);
        seen.event.record_id.is_some()
            && !is_call_back
            && other.event.record_id == seen.event.record_id
            && other.event.channel == seen.event.channel
            && label(other) == label(seen)
            && distance(other, seen) <= self.settings.pair_window
            && decisive(other) != decisive(seen)
    }
}

/// What decides who did what.
fn decisive(seen: Seen<'_>) -> String {
    match &seen.event.detail {
        Detail::NetworkConnection(session) => format!(
            "3 {} {:?} {:?} {} {}",
            session.source_ip,
            session.source_port,
            session.destination_ip,
            session.destination_port,
            session.initiated
        ),
        Detail::Logon(logon) => format!(
            "4624 {} {:?} {:?}",
            logon.source_ip, logon.source_port, logon.account
        ),
        Detail::ShareSession(session) => format!(
            "5140 {} {:?} {:?} {:?}",
            session.source_ip, session.source_port, session.account, session.outcome
        ),
        Detail::PipeConnected(pipe) => format!("18 {}", pipe.pipe),
        Detail::ShareAccess(share) => {
            let account = share.account.as_ref();
            let who = account.map(|account| match &account.sid {
                Some(sid) => sid.to_string(),
                None => account.to_string().to_lowercase(),
            });
            let logon = account.and_then(|account| account.logon_id.clone());
            format!(
                "5145 {:?} {} {:?} {:?} {who:?} {logon:?} {:?}",
                share.share, share.path, share.source_ip, share.source_port, share.outcome
            )
        }
    }
}

/// When the entry `passing` ends, in microseconds: 2024-10-24T15:25:00Z.
pub const PASSING_ENDS: i64 = 1_729_783_500_000_000;

/// The entry of `world::exceptions` that covers an alert, if one does, and what it does to it.
pub fn exception(
    key: &AlertKey,
    content: &Content,
    settings: &JoinSettings,
) -> Option<(&'static str, &'static str)> {
    let Who::Source(source) = key.who else {
        return None;
    };
    if is_unexpected(key, content) {
        return None;
    }
    let asset = key.asset.as_str();
    let all = |texts: &[Arc<str>], allowed: &[&str]| {
        !texts.is_empty()
            && texts
                .iter()
                .all(|text| allowed.contains(&text.to_lowercase().as_str()))
    };
    let stays_open =
        settings.group_by + settings.tuple_window + settings.allowed_lateness + settings.clock_skew;
    let closes = key.bucket.as_micros() + stays_open.as_micros() as i64;
    let accesses = (content.evidence.iter()).filter(|seen| seen.role == EvidenceRole::Access);
    let mut shares = accesses.filter_map(|seen| share_access(&seen.observation));
    let is_certain = content.audited == content.accesses
        && shares.all(|share| share.source_ip.is_some())
        && content.conflicts.is_empty();
    let action = if is_certain { "suppress" } else { "downgrade" };
    let named_by = (content.evidence.iter()).filter(|seen| seen.role != EvidenceRole::Conflicting);
    let own_names: Vec<Arc<str>> = sorted(named_by.filter_map(|seen| {
        let session = network_connection(&seen.observation).filter(|session| session.initiated)?;
        session.source_host.clone()
    }));
    let names_pipes = content.paths.is_empty() && all(&content.pipes, &["winreg", "lsass"]);
    if source.to_string() == "10.1.0.1" && names_pipes {
        Some(("scanner", action))
    } else if closes < PASSING_ENDS
        && all(&content.accounts, &[r"aperture\user0", r"aperture\user1"])
        && asset == "asset0.aperture.local"
    {
        Some(("passing", action))
    } else if all(&own_names, &["client2.aperture.local"]) && asset == "asset1.aperture.local" {
        Some(("known-host", "downgrade"))
    } else if source.to_string() == "10.1.0.0" && names_pipes && is_at_hours(content) {
        Some(("hours", action))
    } else if source.to_string() == "10.1.0.1" && all(&content.accounts, &[r"aperture\user2"]) {
        Some(("expected", "downgrade"))
    } else {
        None
    }
}

/// Whether the entry `expected` of `world::exceptions` expects an account of an alert elsewhere.
pub fn is_unexpected(key: &AlertKey, content: &Content) -> bool {
    let is_elsewhere = key.who.source().is_some_and(|ip| ip.to_string() != "10.1.0.1");
    let mut accounts = content.accounts.iter();
    is_elsewhere && accounts.any(|account| account.to_lowercase() == r"aperture\user2")
}

/// Whether every access is audited and at the hours of the entry `hours`.
fn is_at_hours(content: &Content) -> bool {
    let minute = |time: EventTime| time.as_micros().div_euclid(60_000_000).rem_euclid(24 * 60);
    let is_then = |time| {
        let minute = minute(time);
        (15 * 60 + 4..15 * 60 + 8).contains(&minute) || (17 * 60 + 12..17 * 60 + 20).contains(&minute)
    };
    let accesses = (content.evidence.iter()).filter(|seen| seen.role == EvidenceRole::Access);
    let mut times = accesses.map(|seen| seen.observation.event.time);
    content.audited == content.accesses && times.all(is_then)
}

fn distance(a: &Observation, b: &Observation) -> Duration {
    a.event.time.distance(b.event.time)
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    items.collect::<BTreeSet<T>>().into_iter().collect()
}

fn network_connection(seen: &Observation) -> Option<&NetworkConnection> {
    match &seen.event.detail {
        Detail::NetworkConnection(connection) => Some(connection),
        _ => None,
    }
}

fn pipe_connected(seen: &Observation) -> Option<&PipeConnected> {
    match &seen.event.detail {
        Detail::PipeConnected(pipe) => Some(pipe),
        _ => None,
    }
}

/// The detail of a share access.
pub fn share_access(seen: &Observation) -> Option<&ShareAccess> {
    match &seen.event.detail {
        Detail::ShareAccess(share) => Some(share),
        _ => None,
    }
}

/// The address that a share access names.
fn named(seen: &Observation) -> Option<IpAddr> {
    share_access(seen)?.source_ip
}
