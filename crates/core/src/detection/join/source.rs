//! Who accessed an asset: the named source, or the candidates.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use jiff::SignedDuration;

use super::asset::AssetState;
use super::clocks;
use super::connections::Connections;
use super::content::{Lists, count};
use super::stored::{Slot, Stored};
use super::timeline::{Near, Timeline};
use crate::detection::{Attribution, Candidate, Confidence, JoinSettings};
use crate::event::Process;

/// What is known of the source, before the bounds of the document.
pub(super) struct Source<'a> {
    pub(super) attribution: Attribution,
    pub(super) confidence: Confidence,
    pub(super) ip: Option<IpAddr>,
    pub(super) ports: BTreeSet<u16>,
    pub(super) hosts: BTreeSet<Arc<str>>,
    pub(super) users: BTreeSet<Arc<str>>,
    pub(super) processes: BTreeSet<Process>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) connections: BTreeMap<Slot, &'a Stored>,
}

/// The source that share accesses name. `explained` is how many pipe connections they explain.
pub(super) fn audited<'a>(
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

/// The source of accesses that name none, if only one connected near them; else candidates.
pub(super) fn unattributed<'a>(
    accesses: &[&Stored],
    asset: &'a AssetState,
    settings: &JoinSettings,
    lists: &mut Lists,
) -> Source<'a> {
    let timeline = Timeline::of(accesses, settings);
    let near = timeline.connections_near(&asset.connections);
    let mut by_source: BTreeMap<IpAddr, Vec<Near<'_>>> = BTreeMap::new();
    for &near in &near {
        if let Some(connection) = near.connection.connection() {
            by_source.entry(connection.source_ip).or_default().push(near);
        }
    }
    let (attribution, confidence) = match by_source.len() {
        0 => (Attribution::None, Confidence::Low),
        1 => (Attribution::Inferred, Confidence::Medium),
        _ => (Attribution::Ambiguous, Confidence::Low),
    };
    let only = by_source.first_key_value().filter(|_| by_source.len() == 1);
    let client = only.map(|(_, near)| Client::near(near)).unwrap_or_default();
    let source_ip = only.map(|(&ip, _)| ip);
    let ports = only.map(|(_, near)| ports_of(near)).unwrap_or_default();
    Source {
        attribution,
        confidence,
        ip: source_ip,
        ports,
        hosts: client.hosts,
        users: client.users,
        processes: client.processes,
        candidates: candidates(&by_source, &timeline, asset, lists),
        connections: near
            .into_iter()
            .map(|near| (near.connection.slot(), near.connection))
            .collect(),
    }
}

/// Nearest first by the asset's clock, then by address.
fn candidates(
    by_source: &BTreeMap<IpAddr, Vec<Near<'_>>>,
    timeline: &Timeline<'_>,
    asset: &AssetState,
    lists: &mut Lists,
) -> Vec<Candidate> {
    let settings = timeline.settings;
    let is_near = |stored: &Stored| timeline.nearest(stored, settings.tuple_window, None).is_some();
    let mut ranked = Vec::with_capacity(by_source.len());
    for (&ip, near) in by_source {
        let offset = clocks::offset_of(ip, asset, settings, is_near);
        ranked.push((timeline.rank(near, offset), ip, offset, near));
    }
    ranked.sort_by_key(|&(rank, ip, ..)| (rank, ip));
    lists.omitted.candidates = count(ranked.len().saturating_sub(lists.limit));
    ranked.truncate(lists.limit);
    let ranked = ranked.into_iter();
    ranked
        .map(|(_, ip, offset, near)| candidate(ip, offset, near, lists))
        .collect()
}

fn candidate(ip: IpAddr, offset: Option<SignedDuration>, near: &[Near<'_>], lists: &mut Lists) -> Candidate {
    let distances = near.iter().map(|near| near.distance);
    let nearest = distances.min().expect("a candidate has a connection");
    let client = Client::near(near);
    Candidate {
        ip,
        hosts: lists.bounded(client.hosts),
        users: lists.bounded(client.users),
        processes: lists.bounded(client.processes),
        connections: count(near.len()),
        nearest_ms: u64::try_from(nearest.as_millis())
            .expect("event times differ by 64 bits of microseconds at most"),
        clock_offset_ms: offset.and_then(|offset| i64::try_from(offset.as_millis()).ok()),
    }
}

fn ports_of(near: &[Near<'_>]) -> BTreeSet<u16> {
    let connections = near.iter().filter_map(|near| near.connection.connection());
    connections
        .filter_map(|connection| connection.source_port)
        .collect()
}

/// What connections show of the host at their source end.
#[derive(Default)]
struct Client {
    hosts: BTreeSet<Arc<str>>,
    users: BTreeSet<Arc<str>>,
    processes: BTreeSet<Process>,
}

impl Client {
    fn near(near: &[Near<'_>]) -> Self {
        Self::of(near.iter().map(|near| near.connection))
    }

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
