//! The content of one alert, from the accesses that belong to it and everything that was observed of its asset.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::detection::{
    Attribution, Candidate, Confidence, Content, Counts, JoinSettings, Omitted, Rule, Status,
};
use pipewarden_core::event::{Detail, NetworkConnection, Process, ShareAccess};
use pipewarden_core::time::EventTime;

use super::{Members, Seen, distance, network_connection, pipe_connected, share_access};

/// An alert, as what it is computed from.
pub(super) struct Alert<'a> {
    /// The source, where share accesses name it.
    pub(super) source: Option<IpAddr>,
    pub(super) members: &'a Members<'a>,
    /// Everything that was observed of the asset.
    pub(super) here: &'a [Seen<'a>],
    pub(super) rules: &'a [Rule],
    pub(super) settings: &'a JoinSettings,
}

impl<'a> Alert<'a> {
    pub(super) fn content(&self) -> Content {
        let members = self.members;
        let mut shares: Vec<Seen<'_>> = members.accesses.clone();
        shares.retain(|seen| share_access(seen).is_some());
        let used = self.connections(&shares);
        let candidates = match self.source {
            Some(_) => Vec::new(),
            None => self.candidates(&used),
        };
        let (attribution, confidence, source_ip) = self.attribution(&used, &candidates);
        let named: &[Seen<'_>] = if source_ip.is_some() { &used } else { &[] };
        let ports = match self.source {
            Some(_) => sorted(
                shares
                    .iter()
                    .filter_map(|seen| share_access(seen).unwrap().source_port),
            ),
            None => sorted(sessions(named).filter_map(|session| session.source_port)),
        };
        let evidence = self.evidence(&used);
        let pipes_connected = evidence.iter().filter(|seen| pipe_connected(seen).is_some());
        Content {
            status: Status::Active,
            superseded_by: Vec::new(),
            exception: None,
            attribution,
            confidence,
            first: members.accesses.iter().map(|seen| seen.event.time).min().unwrap(),
            last: members.accesses.iter().map(|seen| seen.event.time).max().unwrap(),
            accesses: members.accesses.len() as u32,
            outcome: (shares.iter())
                .filter_map(|seen| share_access(seen).unwrap().outcome)
                .min(),
            source_ip,
            source_ports: ports,
            hosts: names(named),
            users: users(named),
            processes: processes(named),
            destination_ips: sorted(sessions(&used).filter_map(|session| session.destination_ip)),
            pipes: sorted(members.accesses.iter().map(|seen| pipe(seen))),
            accounts: sorted(shares.iter().filter_map(|seen| account(seen))),
            counts: Counts {
                network_connection: used.len() as u32,
                pipe_connected: pipes_connected.count() as u32,
                share_access: shares.len() as u32,
            },
            candidates,
            evidence: evidence.into_iter().cloned().map(Arc::new).collect(),
            omitted: Omitted::default(),
        }
    }

    /// The connections that are evidence: with a known source, those from the same port near a share access; otherwise all
    /// that are near an access.
    fn connections(&self, shares: &[Seen<'_>]) -> Vec<Seen<'a>> {
        let mut used = Vec::new();
        for &seen in self.here {
            let Some(session) = network_connection(seen) else {
                continue;
            };
            let is_used = match self.source {
                Some(ip) => shares.iter().any(|share| {
                    let port = share_access(share).unwrap().source_port;
                    session.source_ip == ip
                        && port.is_some()
                        && session.source_port == port
                        && distance(share, seen) <= self.settings.tuple_window
                }),
                None => self.is_near_access(seen, self.settings.attribution_window),
            };
            if is_used {
                used.push(seen);
            }
        }
        used
    }

    fn is_near_access(&self, seen: Seen<'_>, window: Duration) -> bool {
        let mut accesses = self.members.accesses.iter();
        accesses.any(|access| distance(access, seen) <= window)
    }

    /// The sources that the accesses may have come from, the most likely first.
    fn candidates(&self, used: &[Seen<'a>]) -> Vec<Candidate> {
        let mut ranked: Vec<(Duration, Candidate)> = Vec::new();
        for ip in sorted(sessions(used).map(|session| session.source_ip)) {
            let mut from: Vec<Seen<'_>> = used.to_vec();
            from.retain(|seen| network_connection(seen).unwrap().source_ip == ip);
            let offset = self.clock_offset(ip);
            let candidate = Candidate {
                ip,
                hosts: names(&from),
                users: users(&from),
                processes: processes(&from),
                connections: from.len() as u32,
                nearest_ms: self.nearest(&from).as_millis() as u64,
                clock_offset_ms: offset.map(|micros| micros / 1000),
            };
            ranked.push((self.rank(&from, offset), candidate));
        }
        ranked.sort_by_key(|(rank, candidate)| (*rank, candidate.ip));
        ranked.into_iter().map(|(_, candidate)| candidate).collect()
    }

    /// The least distance of a connection to an access.
    fn nearest(&self, from: &[Seen<'_>]) -> Duration {
        let mut distances = Vec::new();
        for seen in from {
            for access in &self.members.accesses {
                distances.push(distance(access, seen));
            }
        }
        distances.into_iter().min().unwrap()
    }

    /// The same by the asset's clock, over connections near the access. It is compared in full, while documents round it to
    /// milliseconds.
    fn rank(&self, from: &[Seen<'_>], offset: Option<i64>) -> Duration {
        let mut distances = Vec::new();
        for seen in from {
            let is_by_client = network_connection(seen).unwrap().initiated;
            let ahead = offset.filter(|_| is_by_client).unwrap_or(0);
            let time = EventTime::from_micros(seen.event.time.as_micros() - ahead);
            for access in &self.members.accesses {
                if distance(access, seen) <= self.settings.attribution_window {
                    distances.push(access.event.time.distance(time));
                }
            }
        }
        distances.into_iter().min().unwrap()
    }

    /// How many microseconds the clock of `source` is ahead of the asset's: the lower median, over its connections, of the
    /// connection's time less that of the first access from the same port. Three at least, all near an access of the alert.
    fn clock_offset(&self, source: IpAddr) -> Option<i64> {
        let window = self.settings.tuple_window;
        let mut near: Vec<Seen<'_>> = self.here.to_vec();
        near.retain(|seen| self.is_near_access(seen, window));
        let mut samples: Vec<i64> = Vec::new();
        for connection in &near {
            let Some(session) = network_connection(connection).filter(|session| session.initiated) else {
                continue;
            };
            let first = (near.iter())
                .filter(|seen| distance(seen, connection) <= window)
                .filter(|seen| {
                    share_access(seen).is_some_and(|share| {
                        self.is_watched(share)
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

    fn is_watched(&self, share: &ShareAccess) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rule| rule.pipes.share_access.contains(&share.pipe))
    }

    fn attribution(
        &self,
        used: &[Seen<'_>],
        candidates: &[Candidate],
    ) -> (Attribution, Confidence, Option<IpAddr>) {
        match (self.source, candidates) {
            (Some(ip), _) if used.is_empty() && self.members.paired.is_empty() => {
                (Attribution::Audited, Confidence::Medium, Some(ip))
            }
            (Some(ip), _) => (Attribution::Audited, Confidence::High, Some(ip)),
            (None, []) => (Attribution::None, Confidence::Low, None),
            (None, [only]) => (Attribution::Inferred, Confidence::Medium, Some(only.ip)),
            (None, _) => (Attribution::Ambiguous, Confidence::Low, None),
        }
    }

    /// Connections, accesses and paired pipes, in order of time.
    fn evidence(&self, used: &[Seen<'a>]) -> Vec<Seen<'a>> {
        let mut evidence: Vec<Seen<'_>> = used.to_vec();
        evidence.extend(&self.members.accesses);
        evidence.extend(&self.members.paired);
        evidence.sort_by_key(|seen| {
            (
                seen.event.time,
                seen.kind(),
                &*seen.event.computer,
                seen.event.record_id,
                seen.id,
            )
        });
        evidence
    }
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    items.collect::<BTreeSet<T>>().into_iter().collect()
}

/// The details of connections.
fn sessions<'a>(from: &[Seen<'a>]) -> impl Iterator<Item = &'a NetworkConnection> {
    from.iter().map(|seen| network_connection(seen).unwrap())
}

fn by_the_client<'a>(from: &[Seen<'a>]) -> impl Iterator<Item = &'a NetworkConnection> {
    sessions(from).filter(|session| session.initiated)
}

fn names(from: &[Seen<'_>]) -> Vec<Arc<str>> {
    sorted(sessions(from).filter_map(|session| session.source_host.clone()))
}

fn users(from: &[Seen<'_>]) -> Vec<Arc<str>> {
    sorted(by_the_client(from).filter_map(|session| session.user.clone()))
}

fn processes(from: &[Seen<'_>]) -> Vec<Process> {
    sorted(by_the_client(from).filter_map(|session| session.process.clone()))
}

/// The pipe of an access.
fn pipe(access: Seen<'_>) -> Arc<str> {
    match &access.event.detail {
        Detail::ShareAccess(share) => Arc::clone(&share.pipe),
        Detail::PipeConnected(connected) => Arc::clone(&connected.pipe),
        Detail::NetworkConnection(_) => unreachable!("a connection is no access"),
    }
}

fn account(seen: Seen<'_>) -> Option<Arc<str>> {
    let account = share_access(seen).unwrap().account.as_ref()?;
    Some(Arc::from(account.to_string()))
}
