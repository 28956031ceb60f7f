//! What the final alerts are, said slowly and obviously: the join of the design over a *set* of
//! observations, by nested loops, with no order of arrival, no state, no deadline and no bound.
//!
//! Valid where every access is timely and every connection arrives within `allowed_lateness`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::detection::{
    AlertKey, Attribution, Candidate, Confidence, Content, Counts, JoinSettings, Omitted, Rule, Status,
};
use pipewarden_core::event::{Detail, NetworkConnection, Observation, PipeConnected, ShareAccess};
use pipewarden_core::time::EventTime;

type Seen<'a> = &'a Observation;

/// The content of every alert that stands in the end, by key.
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
            for (group, members) in group(&here, rule, settings) {
                let key = AlertKey {
                    rule: Arc::clone(&rule.id),
                    asset: asset.clone(),
                    source: group.0,
                    bucket: group.1,
                    arrival_bucket: None,
                };
                alerts.insert(key, describe(group.0, &members, &here, rules, settings));
            }
        }
    }
    alerts
}

#[derive(Default)]
struct Members<'a> {
    accesses: Vec<Seen<'a>>,
    explained: Vec<Seen<'a>>,
}

type Group = (Option<IpAddr>, pipewarden_core::time::EventTime);

fn group<'a>(here: &[Seen<'a>], rule: &Rule, settings: &JoinSettings) -> BTreeMap<Group, Members<'a>> {
    let mut groups: BTreeMap<Group, Members<'a>> = BTreeMap::new();
    let of = |share: Seen<'_>| {
        (
            share_access(share).unwrap().source_ip,
            share.event.time.bucket(settings.group_by),
        )
    };
    for &seen in here {
        match &seen.event.detail {
            Detail::ShareAccess(share) if rule.pipes.share_access.contains(&share.pipe) => {
                groups.entry(of(seen)).or_default().accesses.push(seen);
            }
            Detail::PipeConnected(pipe) if rule.pipes.pipe_connected.contains(&pipe.pipe) => {
                let mut explanations: Vec<Seen<'_>> = here
                    .iter()
                    .copied()
                    .filter(|other| {
                        share_access(other).is_some_and(|share| rule.pipes.share_access.contains(&share.pipe))
                    })
                    .filter(|share| distance(share, seen) <= settings.pair_window)
                    .collect();
                explanations.sort_by_key(|share| {
                    let access = share_access(share).unwrap();
                    (
                        distance(share, seen),
                        share.event.time,
                        access.source_ip,
                        access.source_port,
                    )
                });
                match explanations.first() {
                    Some(share) => groups.entry(of(share)).or_default().explained.push(seen),
                    None => groups
                        .entry((None, seen.event.time.bucket(settings.group_by)))
                        .or_default()
                        .accesses
                        .push(seen),
                }
            }
            _ => {}
        }
    }
    groups
}

fn describe(
    source: Option<IpAddr>,
    members: &Members<'_>,
    here: &[Seen<'_>],
    rules: &[Rule],
    settings: &JoinSettings,
) -> Content {
    let shares: Vec<Seen<'_>> = members
        .accesses
        .iter()
        .copied()
        .filter(|seen| share_access(seen).is_some())
        .collect();
    let used: Vec<Seen<'_>> = here
        .iter()
        .copied()
        .filter(|seen| match (source, network_connection(seen)) {
            (_, None) => false,
            (Some(ip), Some(connection)) => shares.iter().any(|share| {
                let port = share_access(share).unwrap().source_port;
                connection.source_ip == ip
                    && port.is_some()
                    && connection.source_port == port
                    && distance(share, seen) <= settings.tuple_window
            }),
            (None, Some(_)) => members
                .accesses
                .iter()
                .any(|access| distance(access, seen) <= settings.attribution_window),
        })
        .collect();

    let mut candidates: Vec<(Duration, Candidate)> = Vec::new();
    if source.is_none() {
        let ips: BTreeSet<IpAddr> = used
            .iter()
            .map(|seen| network_connection(seen).unwrap().source_ip)
            .collect();
        for ip in ips {
            let from: Vec<Seen<'_>> = used
                .iter()
                .copied()
                .filter(|seen| network_connection(seen).unwrap().source_ip == ip)
                .collect();
            let nearest = from
                .iter()
                .flat_map(|seen| members.accesses.iter().map(|access| distance(access, seen)))
                .min()
                .unwrap();
            let offset = clock_offset(ip, members, here, rules, settings);
            // By the full distance, which the document rounds to milliseconds, and by the asset's clock.
            let rank = from
                .iter()
                .flat_map(|seen| {
                    let is_by_client = network_connection(seen).unwrap().initiated;
                    let ahead = offset.filter(|_| is_by_client).unwrap_or(0);
                    let time = EventTime::from_micros(seen.event.time.as_micros() - ahead);
                    let near = |access: &&Seen<'_>| distance(access, seen) <= settings.attribution_window;
                    let near = members.accesses.iter().filter(near);
                    near.map(move |access| access.event.time.distance(time))
                })
                .min()
                .unwrap();
            candidates.push((
                rank,
                Candidate {
                    ip,
                    hosts: names(&from),
                    users: users(&from),
                    processes: processes(&from),
                    connections: from.len() as u32,
                    nearest_ms: nearest.as_millis() as u64,
                    clock_offset_ms: offset.map(|micros| micros / 1000),
                },
            ));
        }
    }
    candidates.sort_by_key(|(rank, candidate)| (*rank, candidate.ip));
    let candidates: Vec<Candidate> = candidates.into_iter().map(|(_, candidate)| candidate).collect();

    let (attribution, confidence, source_ip) = match (source, candidates.as_slice()) {
        (Some(ip), _) if used.is_empty() && members.explained.is_empty() => {
            (Attribution::Audited, Confidence::Medium, Some(ip))
        }
        (Some(ip), _) => (Attribution::Audited, Confidence::High, Some(ip)),
        (None, []) => (Attribution::None, Confidence::Low, None),
        (None, [only]) => (Attribution::Inferred, Confidence::Medium, Some(only.ip)),
        (None, _) => (Attribution::Ambiguous, Confidence::Low, None),
    };
    let named: &[Seen<'_>] = if source_ip.is_some() { &used } else { &[] };
    let ports: BTreeSet<u16> = if source.is_some() {
        shares
            .iter()
            .filter_map(|share| share_access(share).unwrap().source_port)
            .collect()
    } else {
        named
            .iter()
            .filter_map(|seen| network_connection(seen).unwrap().source_port)
            .collect()
    };
    let mut evidence: Vec<Seen<'_>> = used
        .iter()
        .chain(&members.accesses)
        .chain(&members.explained)
        .copied()
        .collect();
    evidence.sort_by_key(|seen| {
        (
            seen.event.time,
            seen.kind(),
            &*seen.event.computer,
            seen.event.record_id,
            seen.id,
        )
    });
    let pipes: BTreeSet<Arc<str>> = members
        .accesses
        .iter()
        .map(|seen| match &seen.event.detail {
            Detail::ShareAccess(share) => Arc::clone(&share.pipe),
            Detail::PipeConnected(pipe) => Arc::clone(&pipe.pipe),
            Detail::NetworkConnection(_) => unreachable!(),
        })
        .collect();
    Content {
        status: Status::Active,
        superseded_by: Vec::new(),
        exception: None,
        attribution,
        confidence,
        first: members.accesses.iter().map(|seen| seen.event.time).min().unwrap(),
        last: members.accesses.iter().map(|seen| seen.event.time).max().unwrap(),
        accesses: members.accesses.len() as u32,
        outcome: shares
            .iter()
            .filter_map(|share| share_access(share).unwrap().outcome)
            .min(),
        source_ip,
        source_ports: ports.into_iter().collect(),
        hosts: names(named),
        users: users(named),
        processes: processes(named),
        destination_ips: sorted(
            used.iter()
                .filter_map(|seen| network_connection(seen).unwrap().destination_ip),
        ),
        pipes: pipes.into_iter().collect(),
        accounts: sorted(shares.iter().filter_map(|share| {
            share_access(share)
                .unwrap()
                .account
                .as_ref()
                .map(|account| Arc::from(account.to_string()))
        })),
        counts: Counts {
            network_connection: used.len() as u32,
            pipe_connected: evidence
                .iter()
                .filter(|seen| pipe_connected(seen).is_some())
                .count() as u32,
            share_access: shares.len() as u32,
        },
        candidates,
        evidence: evidence.into_iter().cloned().map(Arc::new).collect(),
        omitted: Omitted::default(),
    }
}

/// How many microseconds the clock of `source` is ahead of the asset's: the lower median, over its connections, of the
/// connection's time less that of the first access from the same port. Three at least, all near an access of the alert.
fn clock_offset(
    source: IpAddr,
    members: &Members<'_>,
    here: &[Seen<'_>],
    rules: &[Rule],
    settings: &JoinSettings,
) -> Option<i64> {
    let is_near = |seen: &Seen<'_>| {
        let mut accesses = members.accesses.iter();
        accesses.any(|access| distance(access, seen) <= settings.tuple_window)
    };
    let is_watched = |share: &ShareAccess| {
        let mut rules = rules.iter();
        rules.any(|rule| rule.pipes.share_access.contains(&share.pipe))
    };
    let mut samples: Vec<i64> = Vec::new();
    for connection in here.iter().filter(|seen| is_near(seen)) {
        let Some(session) = network_connection(connection).filter(|session| session.initiated) else {
            continue;
        };
        let first = here
            .iter()
            .filter(|seen| is_near(seen) && distance(seen, connection) <= settings.tuple_window)
            .filter(|seen| {
                share_access(seen).is_some_and(|share| {
                    is_watched(share)
                        && session.source_ip == source
                        && share.source_ip == Some(source)
                        && share.source_port.is_some()
                        && share.source_port == session.source_port
                })
            })
            .map(|seen| seen.event.time.as_micros())
            .min();
        samples.extend(first.map(|first| connection.event.time.as_micros() - first));
    }
    samples.sort_unstable();
    (samples.len() >= 3).then(|| samples[(samples.len() - 1) / 2])
}

/// When the entry `passing` ends, in microseconds: 2024-10-24T15:25:00Z.
pub const PASSING_ENDS: i64 = 1_729_783_500_000_000;

/// Which of the entries of `world::exceptions` covers an alert, if one does.
pub fn exception(key: &AlertKey, content: &Content, settings: &JoinSettings) -> Option<&'static str> {
    let asset = key.asset.as_str();
    let all = |texts: &[Arc<str>], allowed: &[&str]| {
        !texts.is_empty()
            && texts
                .iter()
                .all(|text| allowed.contains(&text.to_lowercase().as_str()))
    };
    let from = |is_meant: &dyn Fn(IpAddr, &[Arc<str>]) -> bool| match content.source_ip {
        Some(ip) => is_meant(ip, &content.hosts),
        None => {
            let candidates = &content.candidates;
            !candidates.is_empty()
                && candidates
                    .iter()
                    .all(|candidate| is_meant(candidate.ip, &candidate.hosts))
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

/// Of a share access, what it says.
pub fn share_access(seen: &Observation) -> Option<&ShareAccess> {
    match &seen.event.detail {
        Detail::ShareAccess(share) => Some(share),
        _ => None,
    }
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    items.collect::<BTreeSet<T>>().into_iter().collect()
}

fn names(from: &[Seen<'_>]) -> Vec<Arc<str>> {
    sorted(
        from.iter()
            .filter_map(|seen| network_connection(seen).unwrap().source_host.clone()),
    )
}

fn by_the_client<'a>(from: &'a [Seen<'a>]) -> impl Iterator<Item = &'a NetworkConnection> {
    from.iter()
        .filter_map(|seen| network_connection(seen))
        .filter(|connection| connection.initiated)
}

fn users(from: &[Seen<'_>]) -> Vec<Arc<str>> {
    sorted(by_the_client(from).filter_map(|connection| connection.user.clone()))
}

fn processes(from: &[Seen<'_>]) -> Vec<pipewarden_core::event::Process> {
    sorted(by_the_client(from).filter_map(|connection| connection.process.clone()))
}
