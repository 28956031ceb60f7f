//! The final alerts, computed slowly and obviously: the join over a *set* of observations, by nested loops, with no order of
//! arrival, no state, no deadline and no bound.
//!
//! Valid where every access is timely and every connection arrives within `allowed_lateness`.

mod content;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::detection::{AlertKey, Content, JoinSettings, Rule};
use pipewarden_core::event::{Detail, NetworkConnection, Observation, PipeConnected, ShareAccess};
use pipewarden_core::time::EventTime;

use self::content::Alert;

type Seen<'a> = &'a Observation;

/// The content of every alert that is active in the end, by key.
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
            for (group, members) in groups(&here, rule, settings) {
                let key = AlertKey {
                    rule: Arc::clone(&rule.id),
                    asset: asset.clone(),
                    source: group.source,
                    bucket: group.bucket,
                    arrival_bucket: None,
                };
                let alert = Alert {
                    source: group.source,
                    members: &members,
                    here: &here,
                    rules,
                    settings,
                };
                alerts.insert(key, alert.content());
            }
        }
    }
    alerts
}

/// The accesses of one rule to one asset that share an alert.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    source: Option<IpAddr>,
    bucket: EventTime,
}

#[derive(Default)]
struct Members<'a> {
    accesses: Vec<Seen<'a>>,
    /// Connected pipes that belong to one of the share accesses.
    paired: Vec<Seen<'a>>,
}

/// Every access of a rule by its group: share accesses by their source, connected pipes by that of their share access.
fn groups<'a>(here: &[Seen<'a>], rule: &Rule, settings: &JoinSettings) -> BTreeMap<Group, Members<'a>> {
    let mut groups: BTreeMap<Group, Members<'a>> = BTreeMap::new();
    let group_of = |seen: Seen<'_>| Group {
        source: share_access(seen).and_then(|share| share.source_ip),
        bucket: seen.event.time.bucket(settings.group_by),
    };
    for &seen in here {
        match &seen.event.detail {
            Detail::ShareAccess(share) if rule.pipes.share_access.contains(&share.pipe) => {
                groups.entry(group_of(seen)).or_default().accesses.push(seen);
            }
            Detail::PipeConnected(pipe) if rule.pipes.pipe_connected.contains(&pipe.pipe) => {
                match pair_of(seen, here, rule, settings) {
                    Some(share) => groups.entry(group_of(share)).or_default().paired.push(seen),
                    None => groups.entry(group_of(seen)).or_default().accesses.push(seen),
                }
            }
            _ => {}
        }
    }
    groups
}

/// The share access that a connected pipe belongs to: the nearest one within the window.
fn pair_of<'a>(pipe: Seen<'_>, here: &[Seen<'a>], rule: &Rule, settings: &JoinSettings) -> Option<Seen<'a>> {
    let mut pairs: Vec<Seen<'a>> = Vec::new();
    for &other in here {
        let is_of_rule =
            share_access(other).is_some_and(|share| rule.pipes.share_access.contains(&share.pipe));
        if is_of_rule && distance(other, pipe) <= settings.pair_window {
            pairs.push(other);
        }
    }
    pairs.sort_by_key(|other| {
        let share = share_access(other).unwrap();
        (
            distance(other, pipe),
            other.event.time,
            share.source_ip,
            share.source_port,
        )
    });
    pairs.first().copied()
}

/// When the entry `passing` ends, in microseconds: 2024-10-24T15:25:00Z.
pub const PASSING_ENDS: i64 = 1_729_783_500_000_000;

/// The entry of `world::exceptions` that covers an alert, if one does.
pub fn exception(key: &AlertKey, content: &Content, settings: &JoinSettings) -> Option<&'static str> {
    let asset = key.asset.as_str();
    let all = |texts: &[Arc<str>], allowed: &[&str]| {
        !texts.is_empty()
            && texts
                .iter()
                .all(|text| allowed.contains(&text.to_lowercase().as_str()))
    };
    let from = |is_covered: &dyn Fn(IpAddr, &[Arc<str>]) -> bool| match content.source_ip {
        Some(ip) => is_covered(ip, &content.hosts),
        None => {
            let mut candidates = content.candidates.iter();
            !content.candidates.is_empty()
                && candidates.all(|candidate| is_covered(candidate.ip, &candidate.hosts))
        }
    };
    let stays_open =
        settings.group_by + settings.tuple_window + settings.allowed_lateness + settings.clock_skew;
    let closes = key.bucket.as_micros() + stays_open.as_micros() as i64;
    if from(&|ip, _| ip.to_string() == "10.1.0.1") && all(&content.pipes, &["winreg", "lsass"]) {
        Some("scanner")
    } else if closes < PASSING_ENDS
        && all(&content.accounts, &[r"aperture\user0", r"aperture\user1"])
        && asset == "asset0.aperture.local"
    {
        Some("passing")
    } else if from(&|_, hosts| all(hosts, &["client2.aperture.local"])) && asset == "asset1.aperture.local" {
        Some("known-host")
    } else {
        None
    }
}

fn distance(a: &Observation, b: &Observation) -> Duration {
    a.event.time.distance(b.event.time)
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
