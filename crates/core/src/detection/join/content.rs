//! What an alert says: a function of the observations it rests on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use super::accesses::Accesses;
use super::asset::AssetState;
use super::clocks;
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

/// Reads the content of `alert` off the state of its asset and, there, of its rule; `None` without accesses.
pub(super) fn current(
    alert: &OpenAlert,
    asset: &AssetState,
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
        Some(ip) => audited(ip, &shares, explained.len(), &asset.connections, settings),
        None => unattributed(&accesses, asset, settings, &mut lists),
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

fn unattributed<'a>(
    accesses: &[&Stored],
    asset: &'a AssetState,
    settings: &JoinSettings,
    lists: &mut Lists,
) -> Source<'a> {
    let timeline = Timeline::of(accesses, settings);
    let near = timeline.connections_near(&asset.connections);
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
        .map(|(&ip, seen)| {
            let is_near = |stored: &Stored| timeline.nearest(stored, settings.tuple_window, None).is_some();
            let offset = clocks::offset_of(ip, asset, settings, is_near);
            (timeline.rank(seen, offset), ip, offset, seen)
        })
        .collect();
    candidates.sort_by_key(|&(rank, ip, ..)| (rank, ip));
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
            .map(|(_, ip, offset, seen)| candidate(ip, offset, seen, lists))
            .collect(),
        connections: near
            .into_iter()
            .map(|(stored, _)| (stored.slot(), stored))
            .collect(),
    }
}

fn candidate(
    ip: IpAddr,
    offset: Option<SignedDuration>,
    seen: &[(&Stored, Duration)],
    lists: &mut Lists,
) -> Candidate {
    let nearest = seen
        .iter()
        .map(|&(_, distance)| distance)
        .min()
        .unwrap_or_default();
    let client = Client::of(seen.iter().map(|&(stored, _)| stored));
    Candidate {
        ip,
        hosts: lists.bounded(client.hosts),
        users: lists.bounded(client.users),
        processes: lists.bounded(client.processes),
        connections: count(seen.len()),
        nearest_ms: u64::try_from(nearest.as_millis()).unwrap_or(u64::MAX),
        clock_offset_ms: offset.and_then(|offset| i64::try_from(offset.as_millis()).ok()),
    }
}

fn ports_of(seen: &[(&Stored, Duration)]) -> BTreeSet<u16> {
    seen.iter()
        .filter_map(|(stored, _)| stored.connection()?.source_port)
        .collect()
}

/// The accesses of an alert in order of time. Distances to them take a binary search, so that a flood of accesses and
/// connections stays affordable.
struct Timeline<'a> {
    accesses: Vec<&'a Stored>,
    settings: &'a JoinSettings,
}

impl<'a> Timeline<'a> {
    fn of(accesses: &[&'a Stored], settings: &'a JoinSettings) -> Self {
        let mut accesses = accesses.to_vec();
        accesses.sort_by_key(|access| access.slot());
        Self { accesses, settings }
    }

    /// Every connection within the attribution window of some access, with the distance to the nearest such access.
    fn connections_near<'b>(&self, connections: &'b Connections) -> Vec<(&'b Stored, Duration)> {
        let (Some(first), Some(last)) = (self.accesses.first(), self.accesses.last()) else {
            return Vec::new();
        };
        let window = self.settings.attribution_window;
        connections
            .between(first.time().minus(window), last.time().plus(window))
            .filter_map(|connection| Some((connection, self.nearest(connection, window, None)?)))
            .collect()
    }

    /// How near the nearest of these connections is to an access, by the asset's clock as far as it is known.
    fn rank(&self, seen: &[(&Stored, Duration)], offset: Option<SignedDuration>) -> Duration {
        let ranks = seen.iter().filter_map(|&(connection, distance)| {
            let offset = offset.filter(|_| clocks::is_by_client(connection));
            match offset {
                Some(_) => self.nearest(connection, self.settings.attribution_window, offset),
                None => Some(distance),
            }
        });
        ranks.min().unwrap_or_default()
    }

    /// The distance of `stored` to the nearest of the accesses that are within `window` of the time it bears. An offset of
    /// its clock moves it before the distance is taken, and never into another window.
    fn nearest(&self, stored: &Stored, window: Duration, offset: Option<SignedDuration>) -> Option<Duration> {
        let (from, to) = (stored.time().minus(window), stored.time().plus(window));
        let time = stored.time().set_back(offset.unwrap_or_default());
        let start = time.clamp(from, to);
        let next = self.accesses.partition_point(|access| access.time() < start);
        let joins = |access: &&&Stored| access.within_span(stored, self.settings.join_span());
        let before = self.accesses[..next]
            .iter()
            .rev()
            .take_while(|access| access.time() >= from)
            .find(joins);
        let after = self.accesses[next..]
            .iter()
            .take_while(|access| access.time() <= to)
            .find(joins);
        let both = before.into_iter().chain(after);
        both.map(|access| access.time().distance(time)).min()
    }
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
