//! Who may have made an access that names no source.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use pipewarden_core::detection::{Candidate, Strength};
use pipewarden_core::time::EventTime;

use super::content::{accounts, names, processes, users};
use super::sessions::session;
use super::{Scene, Seen, distance, named, network_connection, share_access, sorted};

/// The asset itself is one, by whichever address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    Remote(IpAddr),
    Local,
}

impl Origin {
    /// As the text of a conflict names it.
    pub(super) fn word(self) -> String {
        match self {
            Self::Remote(ip) => ip.to_string(),
            Self::Local => "the host itself".to_owned(),
        }
    }
}

pub(super) fn origin(connection: Seen<'_>) -> Origin {
    if connection.is_local {
        Origin::Local
    } else {
        Origin::Remote(session(connection).unwrap().ip)
    }
}

/// Whether the asset itself logged session evidence.
pub(super) fn is_by_asset(seen: Seen<'_>) -> bool {
    seen.is_local || network_connection(seen).is_none_or(|connection| !connection.initiated)
}

/// How many microseconds after an access the asset may log a session behind it.
fn late(seen: Seen<'_>) -> i64 {
    if network_connection(seen).is_some() {
        3_000_000
    } else {
        1_000_000
    }
}

impl<'a> Scene<'a> {
    /// Connections that show a candidate for an access, with what they show: those near it or, where there are none, those
    /// before.
    pub(super) fn shown(&self, access: Seen<'_>) -> Vec<(Seen<'a>, Strength)> {
        let (mut near, mut earlier) = (Vec::new(), Vec::new());
        for seen in self.sessions() {
            let after = seen.event.time.as_micros() - access.event.time.as_micros();
            let window = self.settings.attribution_window.as_micros() as i64;
            let limit = if is_by_asset(seen) {
                late(seen).min(window)
            } else {
                window
            };
            if -window <= after && after <= limit {
                near.push((seen, self.shows(seen)));
            } else if after < -window && -after <= self.settings.tuple_window.as_micros() as i64 {
                earlier.push((seen, Strength::Earlier));
            }
        }
        if near.is_empty() { earlier } else { near }
    }

    /// The list of candidates for several accesses, the likeliest first.
    pub(super) fn candidates(&self, accesses: &[Seen<'a>]) -> Vec<Candidate> {
        let mut origins: BTreeMap<Origin, Vec<(usize, Seen<'a>, Strength)>> = BTreeMap::new();
        for (index, access) in accesses.iter().enumerate() {
            for (seen, strength) in self.shown(access) {
                origins
                    .entry(origin(seen))
                    .or_default()
                    .push((index, seen, strength));
            }
        }
        let mut ranked = Vec::new();
        for (origin, shown) in origins {
            let offset = match origin {
                Origin::Remote(ip) => self.clock_offset(ip, accesses),
                Origin::Local => None,
            };
            let explained: BTreeSet<usize> = shown.iter().map(|&(index, ..)| index).collect();
            let strength = shown.iter().map(|&(_, _, strength)| strength).min().unwrap();
            let mut from: Vec<Seen<'_>> = Vec::new();
            for &(_, seen, _) in &shown {
                if from.iter().all(|known| known.id != seen.id) {
                    from.push(seen);
                }
            }
            let nearest = |apart: &dyn Fn(&(usize, Seen<'a>, Strength)) -> Duration| {
                shown.iter().map(apart).min().unwrap()
            };
            let corrected = nearest(&|&(index, seen, strength)| {
                let is_moved = !is_by_asset(seen) && strength != Strength::Earlier;
                let ahead = offset.filter(|_| is_moved).unwrap_or(0);
                let time = EventTime::from_micros(seen.event.time.as_micros() - ahead);
                accesses[index].event.time.distance(time)
            });
            let candidate = Candidate {
                ip: from.iter().map(|seen| session(seen).unwrap().ip).min().unwrap(),
                is_local: origin == Origin::Local,
                strength,
                explains: explained.len() as u32,
                hosts: names(&from),
                users: users(&from),
                accounts: accounts(&from),
                processes: processes(&from),
                connections: from.len() as u32,
                nearest_ms: nearest(&|&(index, seen, _)| distance(accesses[index], seen)).as_millis() as u64,
                clock_offset_ms: offset.map(|micros| micros / 1000),
            };
            ranked.push((corrected, origin, candidate));
        }
        ranked.sort_by(|(a_distance, a_origin, a), (b_distance, b_origin, b)| {
            let place = |distance, origin, candidate: &Candidate| {
                let explains = std::cmp::Reverse(candidate.explains);
                (candidate.strength, explains, distance, candidate.ip, origin)
            };
            place(*a_distance, *a_origin, a).cmp(&place(*b_distance, *b_origin, b))
        });
        ranked.into_iter().map(|(_, _, candidate)| candidate).collect()
    }

    /// How many microseconds the clock of `source` is ahead of the asset's, by its sessions near the accesses: of each the
    /// connection's time less that of the other end, or of the first access. Of the latter the second of the three greatest
    /// that agree, if it is above zero.
    fn clock_offset(&self, source: IpAddr, accesses: &[Seen<'_>]) -> Option<i64> {
        self.by_sessions(source, accesses)
            .or_else(|| self.by_accesses(source, accesses))
    }

    /// By three sessions or more that Windows logged on the asset as well: the median, the lower of two.
    fn by_sessions(&self, source: IpAddr, accesses: &[Seen<'_>]) -> Option<i64> {
        let window = self.settings.tuple_window;
        let is_near = |seen: Seen<'_>| accesses.iter().any(|access| distance(access, seen) <= window);
        let mut samples = Vec::new();
        for seen in self.sessions().filter(|seen| is_near(seen)) {
            let Some(connection) = network_connection(seen).filter(|connection| connection.initiated) else {
                continue;
            };
            let ends = self.sessions().filter(|other| {
                let end = session(other).unwrap();
                network_connection(other).is_none()
                    && connection.source_ip == source
                    && (end.ip, end.port) == (source, connection.source_port)
                    && end.port.is_some()
                    && distance(seen, other) <= window
                    && is_near(other)
            });
            let first = ends.map(|end| end.event.time.as_micros()).min();
            samples.extend(first.map(|first| seen.event.time.as_micros() - first));
        }
        samples.sort_unstable();
        (samples.len() >= 3).then(|| samples[(samples.len() - 1) / 2])
    }

    /// By share accesses: only a clock that is ahead.
    fn by_accesses(&self, source: IpAddr, accesses: &[Seen<'_>]) -> Option<i64> {
        let window = self.settings.tuple_window;
        let is_near = |seen: Seen<'_>| accesses.iter().any(|access| distance(access, seen) <= window);
        let mut samples = Vec::new();
        for connection in self.sessions() {
            let Some(session) = network_connection(connection) else {
                continue;
            };
            if !session.initiated || session.source_ip != source || !is_near(connection) {
                continue;
            }
            let first = (self.here.iter())
                .filter(|seen| distance(seen, connection) <= window && is_near(seen))
                .filter(|seen| {
                    share_access(seen).is_some_and(|share| {
                        self.is_watched(seen)
                            && share.source_port.is_some()
                            && share.source_port == session.source_port
                    }) && named(seen) == Some(source)
                })
                .map(|seen| seen.event.time.as_micros())
                .min();
            samples.extend(first.map(|first| connection.event.time.as_micros() - first));
        }
        samples.sort_unstable();
        samples.reverse();
        let width = self.settings.attribution_window.as_micros() as i64;
        for three in samples.windows(3) {
            if three[0] - three[2] < width {
                return (three[1] > 0).then_some(three[1]);
            }
        }
        None
    }
}

/// All origins of connections near an access, with the best of each.
pub(super) fn strengths(shown: &[(Seen<'_>, Strength)]) -> BTreeMap<Origin, Strength> {
    let mut best = BTreeMap::new();
    for &(seen, strength) in shown {
        let known = best.entry(origin(seen)).or_insert(strength);
        *known = strength.min(*known);
    }
    best
}

/// The addresses of session evidence.
pub(super) fn addresses(from: &[Seen<'_>]) -> Vec<IpAddr> {
    sorted(from.iter().map(|seen| session(seen).unwrap().ip))
}
