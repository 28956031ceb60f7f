//! What an alert says: a function of the observations it rests on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::accesses::Accesses;
use super::connections::Connections;
use super::open_alert::OpenAlert;
use super::stored::{Slot, Stored};
use crate::detection::{
    Attribution, Candidate, Confidence, Content, Counts, JoinSettings, Limits, Omitted, Status,
};
use crate::event::{Kind, Observation, Outcome, Process};
use crate::time::{AppendTime, EventTime};

/// What an alert with accesses says, and when the first of them arrived.
pub(super) struct Current {
    pub(super) content: Content,
    pub(super) opened: AppendTime,
}

/// Reads the content of `alert` off the state of its asset and rule; `None` without accesses.
pub(super) fn current(
    alert: &OpenAlert,
    connections: &Connections,
    destination: &Accesses,
    settings: &JoinSettings,
) -> Option<Current> {
    let shares: Vec<&Stored> = alert
        .shares
        .iter()
        .filter_map(|slot| destination.shares.get(slot))
        .map(|share| &share.stored)
        .collect();
    let (explained, unexplained): (Vec<_>, Vec<_>) = alert
        .pipes
        .iter()
        .filter_map(|slot| destination.pipes.get(slot))
        .partition(|pipe| pipe.explained_by.is_some());
    let pipes: Vec<&Stored> = explained
        .iter()
        .chain(&unexplained)
        .map(|pipe| &pipe.stored)
        .collect();
    let accesses: Vec<&Stored> = shares
        .iter()
        .copied()
        .chain(unexplained.iter().map(|pipe| &pipe.stored))
        .collect();

    let first = accesses.iter().map(|access| access.time()).min()?;
    let last = accesses.iter().map(|access| access.time()).max()?;
    let opened = accesses.iter().map(|access| access.arrival).min()?;

    let mut lists = Lists::new(&settings.limits);
    let source = match alert.key.source {
        Some(ip) => audited(ip, &shares, explained.len(), connections, settings),
        None => unresolved(&accesses, connections, settings, &mut lists),
    };
    let counts = Counts {
        network_connection: count(source.connections.len()),
        pipe_connected: count(pipes.len()),
        share_access: count(shares.len()),
    };
    let evidence = evidence(
        [
            source.connections.values().copied().collect(),
            pipes.clone(),
            shares.clone(),
        ],
        &settings.limits,
        &mut lists.omitted,
    );
    let pipe_names = accesses.iter().filter_map(|access| match access.pipe() {
        Some(pipe) => Some(Arc::clone(&pipe.pipe)),
        None => access.share().map(|share| Arc::clone(&share.pipe)),
    });
    let accounts = shares
        .iter()
        .filter_map(|share| share.share()?.account.as_ref())
        .map(|account| Arc::from(account.to_string()));
    let destination_ips = source
        .connections
        .values()
        .filter_map(|stored| stored.connection()?.destination_ip);

    let content = Content {
        status: Status::Active,
        superseded_by: Vec::new(),
        exception: None,
        attribution: source.attribution,
        confidence: source.confidence,
        first,
        last,
        accesses: count(accesses.len()),
        outcome: outcome(&shares),
        source_ip: source.ip,
        source_ports: lists.bounded(source.ports),
        hosts: lists.bounded(source.hosts),
        users: lists.bounded(source.users),
        processes: lists.bounded(source.processes),
        destination_ips: lists.bounded(destination_ips.collect()),
        pipes: lists.bounded(pipe_names.collect()),
        accounts: lists.bounded(accounts.collect()),
        counts,
        candidates: source.candidates,
        evidence,
        omitted: lists.omitted,
    };
    Some(Current { content, opened })
}

/// What is known of the source, before the bounds of the document.
struct Source<'a> {
    attribution: Attribution,
    confidence: Confidence,
    ip: Option<IpAddr>,
    ports: BTreeSet<u16>,
    hosts: BTreeSet<Arc<str>>,
    users: BTreeSet<Arc<str>>,
    processes: BTreeSet<Process>,
    candidates: Vec<Candidate>,
    connections: BTreeMap<Slot, &'a Stored>,
}

fn audited<'a>(
    ip: IpAddr,
    shares: &[&Stored],
    explained: usize,
    connections: &'a Connections,
    settings: &JoinSettings,
) -> Source<'a> {
    let mut evidence = BTreeMap::new();
    let mut ports = BTreeSet::new();
    for share in shares {
        let Some(port) = share.share().and_then(|share| share.source_port) else {
            continue;
        };
        ports.insert(port);
        evidence.extend(
            connections
                .of_tuple(ip, port, share.time(), settings.tuple_window)
                .filter(|connection| connection.within_span(share, settings.join_span()))
                .map(|connection| (connection.slot(), connection)),
        );
    }
    let corroborated = explained > 0 || !evidence.is_empty();
    let client = Client::of(evidence.values().copied());
    Source {
        attribution: Attribution::Audited,
        confidence: if corroborated {
            Confidence::High
        } else {
            Confidence::Medium
        },
        ip: Some(ip),
        ports,
        hosts: client.hosts,
        users: client.users,
        processes: client.processes,
        candidates: Vec::new(),
        connections: evidence,
    }
}

fn unresolved<'a>(
    accesses: &[&Stored],
    connections: &'a Connections,
    settings: &JoinSettings,
    lists: &mut Lists,
) -> Source<'a> {
    let near = connections_near(accesses, connections, settings);
    let mut by_source: BTreeMap<IpAddr, Vec<(&Stored, Duration)>> = BTreeMap::new();
    for &(stored, distance) in &near {
        if let Some(connection) = stored.connection() {
            by_source
                .entry(connection.source_ip)
                .or_default()
                .push((stored, distance));
        }
    }
    let (attribution, confidence) = match by_source.len() {
        0 => (Attribution::None, Confidence::Low),
        1 => (Attribution::Inferred, Confidence::Medium),
        _ => (Attribution::Ambiguous, Confidence::Low),
    };
    let only = (by_source.len() == 1)
        .then(|| by_source.first_key_value())
        .flatten();
    let client = only
        .map(|(_, seen)| Client::of(seen.iter().map(|&(stored, _)| stored)))
        .unwrap_or_default();
    let mut candidates: Vec<_> = by_source
        .iter()
        .filter_map(|(&ip, seen)| Some((seen.iter().map(|&(_, distance)| distance).min()?, ip, seen)))
        .collect();
    candidates.sort_by_key(|&(nearest, ip, _)| (nearest, ip));
    lists.omitted.candidates = count(candidates.len().saturating_sub(lists.limit));
    candidates.truncate(lists.limit);
    Source {
        attribution,
        confidence,
        ip: only.map(|(&ip, _)| ip),
        ports: only.map(|(_, seen)| ports_of(seen)).unwrap_or_default(),
        hosts: client.hosts,
        users: client.users,
        processes: client.processes,
        candidates: candidates
            .into_iter()
            .map(|(nearest, ip, seen)| candidate(ip, nearest, seen, lists))
            .collect(),
        connections: near
            .into_iter()
            .map(|(stored, _)| (stored.slot(), stored))
            .collect(),
    }
}

fn candidate(ip: IpAddr, nearest: Duration, seen: &[(&Stored, Duration)], lists: &mut Lists) -> Candidate {
    let client = Client::of(seen.iter().map(|&(stored, _)| stored));
    Candidate {
        ip,
        hosts: lists.bounded(client.hosts),
        users: lists.bounded(client.users),
        processes: lists.bounded(client.processes),
        connections: count(seen.len()),
        nearest_ms: u64::try_from(nearest.as_millis()).unwrap_or(u64::MAX),
    }
}

fn ports_of(seen: &[(&Stored, Duration)]) -> BTreeSet<u16> {
    seen.iter()
        .filter_map(|(stored, _)| stored.connection()?.source_port)
        .collect()
}

/// Every connection within the attribution window of some access, with the distance to the nearest such
/// access. One walk over the connections and a binary search each, so that a flood of both stays affordable.
fn connections_near<'a>(
    accesses: &[&Stored],
    connections: &'a Connections,
    settings: &JoinSettings,
) -> Vec<(&'a Stored, Duration)> {
    let mut ordered: Vec<&Stored> = accesses.to_vec();
    ordered.sort_by_key(|access| access.slot());
    let (Some(first), Some(last)) = (ordered.first(), ordered.last()) else {
        return Vec::new();
    };
    let window = settings.attribution_window;
    connections
        .between(first.time().minus(window), last.time().plus(window))
        .filter_map(|connection| {
            let next = ordered.partition_point(|access| access.time() < connection.time());
            let nearest = |side: &mut dyn Iterator<Item = &&Stored>| {
                side.map(|access| (access.time().distance(connection.time()), access))
                    .take_while(|(distance, _)| *distance <= window)
                    .find(|(_, access)| access.within_span(connection, settings.join_span()))
                    .map(|(distance, _)| distance)
            };
            let before = nearest(&mut ordered[..next].iter().rev());
            let after = nearest(&mut ordered[next..].iter());
            Some((connection, before.into_iter().chain(after).min()?))
        })
        .collect()
}

/// What connections tell of the host at their source end.
#[derive(Default)]
struct Client {
    hosts: BTreeSet<Arc<str>>,
    users: BTreeSet<Arc<str>>,
    processes: BTreeSet<Process>,
}

impl Client {
    fn of<'a>(connections: impl Iterator<Item = &'a Stored>) -> Self {
        let mut client = Self::default();
        for connection in connections.filter_map(Stored::connection) {
            client.hosts.extend(connection.source_host.clone());
            // A connection that the server logged names the server's process, not the client's.
            if connection.initiated {
                client.users.extend(connection.user.clone());
                client.processes.extend(connection.process.clone());
            }
        }
        client
    }
}

/// Success if any access is known to have been granted, else failure if any is known to have been refused.
fn outcome(shares: &[&Stored]) -> Option<Outcome> {
    // `Success` sorts before `Failure`.
    shares.iter().filter_map(|share| share.share()?.outcome).min()
}

/// The evidence of all kinds, in order of time. Where the bound leaves some out, each kind keeps its earliest:
/// entries are taken in turn from each kind until the bound is reached.
fn evidence(kinds: [Vec<&Stored>; 3], limits: &Limits, omitted: &mut Omitted) -> Vec<Arc<Observation>> {
    let total: usize = kinds.iter().map(Vec::len).sum();
    let mut ranked: Vec<_> = kinds
        .into_iter()
        .flat_map(|mut kind| {
            kind.sort_by_key(|stored| (place(stored), stored.observation.id));
            kind.into_iter()
                .enumerate()
                .map(|(index, stored)| (index, place(stored), stored))
        })
        .collect();
    if total > limits.evidence {
        ranked.sort_by_key(|&(index, place, stored)| (index, place, stored.observation.id));
        ranked.truncate(limits.evidence);
        omitted.evidence = count(total - limits.evidence);
    }
    ranked.sort_by_key(|&(_, place, stored)| (place, stored.observation.id));
    ranked
        .into_iter()
        .map(|(_, _, stored)| Arc::clone(&stored.observation))
        .collect()
}

/// Where an observation stands in a timeline; equal only for events that nothing but their content separates.
fn place(stored: &Stored) -> (EventTime, Kind, &str, Option<u64>) {
    let event = &stored.observation.event;
    (
        event.time,
        stored.observation.kind(),
        &event.computer,
        event.record_id,
    )
}

/// Applies the bound on lists and counts what it leaves out.
struct Lists {
    limit: usize,
    omitted: Omitted,
}

impl Lists {
    fn new(limits: &Limits) -> Self {
        Self {
            limit: limits.list_entries,
            omitted: Omitted::default(),
        }
    }

    fn bounded<T>(&mut self, all: BTreeSet<T>) -> Vec<T> {
        self.omitted.others += count(all.len().saturating_sub(self.limit));
        all.into_iter().take(self.limit).collect()
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
