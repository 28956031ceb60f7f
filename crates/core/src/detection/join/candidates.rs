//! The possible sources of the accesses of one alert that name none.
//!
//! Accesses and session evidence are compared by binary search, so that a flood of both stays affordable.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use jiff::SignedDuration;

use super::asset::AssetState;
use super::clocks;
use super::content::{Lists, count};
use super::nearby;
use super::source::Client;
use super::stored::{Origin, Slot, Stored};
use crate::detection::exceptions::NamedSource;
use crate::detection::{Candidate, JoinSettings, Strength};
use crate::time::EventTime;

/// The accesses of an alert that have candidates, and the session evidence that shows these.
pub(super) struct Candidates<'a> {
    /// All of them, in order of time.
    accesses: Timeline<'a>,
    by_origin: BTreeMap<Origin, Shown<'a>>,
    settings: &'a JoinSettings,
}

/// What shows one origin to be a candidate.
struct Shown<'a> {
    strength: Strength,
    /// Session evidence near an access, or before one that has no other.
    evidence: BTreeMap<Slot, Near<'a>>,
    /// Ranges of accesses that it may explain; they may overlap.
    explains: Vec<Range<usize>>,
}

/// Session evidence, and how far it is from the nearest access that it is near to, and from the nearest that it may come
/// before.
struct Near<'a> {
    connection: &'a Stored,
    near: Option<Duration>,
    earlier: Option<Duration>,
}

impl Near<'_> {
    fn distance(&self) -> Duration {
        let both = self.near.into_iter().chain(self.earlier);
        both.min().unwrap_or_default()
    }
}

impl<'a> Candidates<'a> {
    /// `accesses` with, for each, whether nothing near it shows a candidate.
    pub(super) fn of(
        accesses: Vec<(&'a Stored, bool)>,
        asset: &'a AssetState,
        settings: &'a JoinSettings,
    ) -> Self {
        let mut lonely: Vec<&Stored> = Vec::new();
        lonely.extend(
            accesses
                .iter()
                .filter(|(_, is_lonely)| *is_lonely)
                .map(|(access, _)| access),
        );
        let all = accesses.into_iter().map(|(access, _)| access).collect();
        let mut candidates = Self {
            accesses: Timeline::of(all, settings),
            by_origin: BTreeMap::new(),
            settings,
        };
        candidates.add_near(asset);
        candidates.add_earlier(&Timeline::of(lonely, settings), asset);
        candidates
    }

    /// Session evidence within the windows of accesses.
    fn add_near(&mut self, asset: &'a AssetState) {
        let Some((first, last)) = self.accesses.bounds() else {
            return;
        };
        let window = self.settings.attribution_window;
        for connection in asset.connections.between(first.minus(window), last.plus(window)) {
            let (from, to) = nearby::accesses_of(connection, self.settings);
            let strength = nearby::shows(connection, asset, self.settings);
            let within = self.accesses.between(from, to);
            self.add(connection, strength, within);
        }
    }

    /// Session evidence before accesses that have no other.
    fn add_earlier(&mut self, lonely: &Timeline<'_>, asset: &'a AssetState) {
        let Some((first, last)) = lonely.bounds() else {
            return;
        };
        let window = self.settings.tuple_window;
        let near = self.settings.attribution_window;
        for connection in asset.connections.between(first.minus(window), last.minus(near)) {
            let (_, to) = nearby::accesses_of(connection, self.settings);
            for access in &lonely.accesses[lonely.between(to, connection.time().plus(window))] {
                if access.time() == to {
                    continue;
                }
                let place = self.accesses.place(access);
                self.add(connection, Strength::Earlier, place..place + 1);
            }
        }
    }

    fn add(&mut self, connection: &'a Stored, strength: Strength, within: Range<usize>) {
        let joined = self.accesses.joined(connection, within);
        let Some(distance) = self.accesses.nearest(connection, &joined, None) else {
            return;
        };
        let Some(origin) = connection.origin() else {
            return;
        };
        let shown = self.by_origin.entry(origin).or_insert_with(|| Shown {
            strength,
            evidence: BTreeMap::new(),
            explains: Vec::new(),
        });
        shown.strength = shown.strength.min(strength);
        shown.explains.extend(joined);
        let near = shown.evidence.entry(connection.slot()).or_insert(Near {
            connection,
            near: None,
            earlier: None,
        });
        let place = if strength == Strength::Earlier {
            &mut near.earlier
        } else {
            &mut near.near
        };
        *place = Some(place.map_or(distance, |known| known.min(distance)));
    }

    /// Session evidence near the accesses, of one origin or of all.
    pub(super) fn evidence_of(&self, origin: Option<Origin>) -> impl Iterator<Item = &'a Stored> {
        let of = self.by_origin.iter();
        let of = of.filter(move |(other, _)| origin.is_none_or(|origin| origin == **other));
        let evidence = of.flat_map(|(_, shown)| shown.evidence.values());
        evidence
            .filter(|near| near.near.is_some())
            .map(|near| near.connection)
    }

    /// All of them, with the names that they gave themselves.
    pub(super) fn names(&self) -> Vec<NamedSource> {
        let all = self.by_origin.values();
        all.map(|shown| shown.client().named(shown.ip())).collect()
    }

    /// The list of the document.
    pub(super) fn ranked(&self, asset: &AssetState, lists: &mut Lists) -> Vec<Candidate> {
        let mut ranked: Vec<_> = self
            .by_origin
            .iter()
            .map(|(&origin, shown)| {
                let explains = shown.explained();
                let offset = self.offset(origin, asset);
                let order = (
                    shown.strength,
                    std::cmp::Reverse(explains),
                    self.corrected(shown, offset),
                    shown.ip(),
                );
                (order, origin, explains, offset, shown)
            })
            .collect();
        ranked.sort_unstable_by_key(|&(order, origin, ..)| (order, origin));
        lists.omitted.candidates = count(ranked.len().saturating_sub(lists.limit));
        ranked.truncate(lists.limit);
        let ranked = ranked.into_iter();
        ranked
            .map(|(_, origin, explains, offset, shown)| {
                let client = shown.client();
                let nearest = shown.evidence.values().map(Near::distance).min();
                Candidate {
                    ip: shown.ip(),
                    is_local: origin == Origin::Local,
                    strength: shown.strength,
                    explains: count(explains),
                    hosts: lists.bounded(client.hosts),
                    users: lists.bounded(client.users),
                    accounts: lists.bounded(client.accounts),
                    processes: lists.bounded(client.processes),
                    connections: count(shown.evidence.len()),
                    nearest_ms: u64::try_from(nearest.unwrap_or_default().as_millis())
                        .expect("event times differ by 64 bits of microseconds at most"),
                    clock_offset_ms: offset.and_then(|offset| i64::try_from(offset.as_millis()).ok()),
                }
            })
            .collect()
    }

    /// How far the clock of a candidate is ahead of the asset's, by sessions near the accesses.
    fn offset(&self, origin: Origin, asset: &AssetState) -> Option<SignedDuration> {
        let Origin::Remote(ip) = origin else {
            return None;
        };
        let window = self.settings.tuple_window;
        let is_near = |stored: &Stored| {
            let within = self
                .accesses
                .between(stored.time().minus(window), stored.time().plus(window));
            !self.accesses.joined(stored, within).is_empty()
        };
        clocks::offset_of(ip, asset, self.settings, is_near)
    }

    /// The distance of a candidate's nearest evidence to an access, by the asset's clock as far as it is known.
    fn corrected(&self, shown: &Shown<'_>, offset: Option<SignedDuration>) -> Duration {
        let distances = shown.evidence.values().map(|near| {
            let Some(offset) = offset.filter(|_| near.near.is_some() && !near.connection.is_by_asset())
            else {
                return near.distance();
            };
            let (from, to) = nearby::accesses_of(near.connection, self.settings);
            let joined = self
                .accesses
                .joined(near.connection, self.accesses.between(from, to));
            let corrected = self.accesses.nearest(near.connection, &joined, Some(offset));
            corrected
                .into_iter()
                .chain(near.earlier)
                .min()
                .unwrap_or_default()
        });
        distances.min().unwrap_or_default()
    }
}

impl Shown<'_> {
    /// Its address; of the asset itself the least.
    fn ip(&self) -> IpAddr {
        let sessions = self
            .evidence
            .values()
            .filter_map(|near| near.connection.session());
        let addresses = sessions.map(|session| session.source_ip);
        addresses.min().expect("a candidate has session evidence")
    }

    fn client(&self) -> Client {
        Client::of(self.evidence.values().map(|near| near.connection))
    }

    /// How many accesses it may explain.
    fn explained(&self) -> usize {
        let mut ranges = self.explains.clone();
        ranges.sort_unstable_by_key(|range| (range.start, range.end));
        let mut until = 0;
        let mut number = 0;
        for range in ranges {
            number += range.end.saturating_sub(range.start.max(until));
            until = until.max(range.end);
        }
        number
    }
}

/// Accesses in order of time.
struct Timeline<'a> {
    accesses: Vec<&'a Stored>,
    settings: &'a JoinSettings,
    /// The first and the last arrival: what joins with both joins with all.
    arrivals: Option<(&'a Stored, &'a Stored)>,
}

impl<'a> Timeline<'a> {
    fn of(mut accesses: Vec<&'a Stored>, settings: &'a JoinSettings) -> Self {
        accesses.sort_by_key(|access| access.slot());
        let by_arrival = |access: &&&Stored| access.arrival;
        let first = accesses.iter().min_by_key(by_arrival).copied();
        let last = accesses.iter().max_by_key(by_arrival).copied();
        Self {
            arrivals: first.zip(last),
            accesses,
            settings,
        }
    }

    fn bounds(&self) -> Option<(EventTime, EventTime)> {
        Some((self.accesses.first()?.time(), self.accesses.last()?.time()))
    }

    /// The place of an access that is among them.
    fn place(&self, access: &Stored) -> usize {
        self.accesses
            .partition_point(|other| other.slot() < access.slot())
    }

    /// The accesses between two times, both included.
    fn between(&self, from: EventTime, to: EventTime) -> Range<usize> {
        let start = self.accesses.partition_point(|access| access.time() < from);
        let end = self.accesses.partition_point(|access| access.time() <= to);
        start..end.max(start)
    }

    /// Those of a range whose arrivals are near enough to join, as ranges.
    fn joined(&self, stored: &Stored, within: Range<usize>) -> Vec<Range<usize>> {
        let span = self.settings.join_span();
        let joins = |access: &Stored| access.within_span(stored, span);
        if within.is_empty() {
            return Vec::new();
        }
        if self
            .arrivals
            .is_some_and(|(first, last)| joins(first) && joins(last))
        {
            return vec![within];
        }
        let each = within.filter(|&index| joins(self.accesses[index]));
        each.map(|index| index..index + 1).collect()
    }

    /// The distance of `stored` to the nearest access of these ranges, which are in order. An offset of its clock moves it
    /// before the distance is taken.
    fn nearest(
        &self,
        stored: &Stored,
        within: &[Range<usize>],
        offset: Option<SignedDuration>,
    ) -> Option<Duration> {
        let time = stored.time().set_back(offset.unwrap_or_default());
        let in_range = |range: &Range<usize>| {
            let accesses = &self.accesses[range.clone()];
            let next = accesses.partition_point(|access| access.time() < time);
            let around = accesses[..next].last().into_iter().chain(accesses.get(next));
            around.map(|access| access.time().distance(time)).min()
        };
        within.iter().filter_map(in_range).min()
    }
}

/// The addresses that evidence of one origin shows.
pub(super) fn addresses<'a>(connections: impl Iterator<Item = &'a Stored>) -> BTreeSet<IpAddr> {
    connections
        .filter_map(|stored| Some(stored.session()?.source_ip))
        .collect()
}
