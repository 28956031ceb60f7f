//! How far the clock of a source is ahead of the clock of an asset.
//!
//! A `network_connection` that the client logged and a `share_access` of the same source address and port show one
//! session by two clocks. The first access of a session comes after its connection, at once or after a wait: so the
//! time of the connection, less that of its first access, is a sample of the offset that a wait can only lower. Only a
//! clock that is ahead can be told from waits that way, by the greatest samples; several that agree, so that no single
//! session decides.
//!
//! Where the asset's logons or uses of IPC$ are kept, they show the other end of a session without a wait: then the median
//! of three or more tells in either direction.
//!
//! An offset ranks the candidates of an alert and does nothing else: windows compare the times of the events
//! themselves.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::SignedDuration;

use super::asset::AssetState;
use super::stored::{Slot, Stored};
use super::{Join, connections, links};
use crate::detection::JoinSettings;
use crate::event::AssetId;
use crate::time::EventTime;

/// Fewer sessions than this show nothing: each may have waited for its first access.
const MIN_SESSIONS: usize = 3;

/// How many of an asset's latest share accesses its own estimate rests on, which only metrics show.
const LATEST: usize = 256;

/// How far an asset's clock is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockState {
    /// The asset.
    pub asset: AssetId,
    /// How far its clock is ahead of the clocks of those who use it, by its sessions in state: below zero, since only a
    /// clock of theirs that is ahead of its own can be told.
    pub ahead: SignedDuration,
}

impl Join {
    /// The clocks of the inventory's assets, as far as sessions show them.
    pub fn clocks(&self) -> impl Iterator<Item = ClockState> {
        let judged = self
            .state
            .assets
            .iter()
            .filter(|(asset, _)| self.sensors.lists(asset));
        judged.filter_map(|(asset, state)| {
            Some(ClockState {
                asset: asset.clone(),
                ahead: offset_of_asset(state, &self.state.settings)?,
            })
        })
    }
}

/// How far the clock of `source` is ahead of the asset's, by the sessions that `is_near` holds for at both ends.
/// `None` where they are too few.
pub(super) fn offset_of(
    source: IpAddr,
    asset: &AssetState,
    settings: &JoinSettings,
    is_near: impl Fn(&Stored) -> bool,
) -> Option<SignedDuration> {
    if let Some(offset) = by_sessions(source, asset, settings, &is_near) {
        return Some(offset);
    }
    let shares = asset.accesses.values().flat_map(|rule| rule.shares_from(source));
    ahead(shares.filter(|share| is_near(share)), asset, settings, &is_near)
}

/// How far the asset's clock is ahead of the clocks of those who use it, by its latest sessions.
fn offset_of_asset(asset: &AssetState, settings: &JoinSettings) -> Option<SignedDuration> {
    let shares = asset
        .accesses
        .values()
        .flat_map(|rule| rule.shares.values().rev().take(LATEST).map(|share| &share.stored))
        .filter(|stored| stored.share().is_some());
    ahead(shares, asset, settings, |_| true).map(|offset| -offset)
}

/// Connections from the tuple of a share access, by their own clocks, that are samples together with it.
pub(super) fn sessions<'a>(
    share: &'a Stored,
    asset: &'a AssetState,
    settings: &'a JoinSettings,
) -> impl Iterator<Item = &'a Stored> {
    links::evidence_of(share, asset, settings).filter(|connection| is_by_client(connection))
}

/// Share accesses over the session that a connection begins.
pub(super) fn accesses_of<'a>(
    connection: &'a Stored,
    asset: &'a AssetState,
    settings: &'a JoinSettings,
) -> impl Iterator<Item = &'a Stored> {
    let rules = asset.accesses.values();
    let tuple = connections::tuple(connection);
    tuple.into_iter().flat_map(move |(ip, port)| {
        let shares = rules
            .clone()
            .flat_map(move |rule| rule.shares_of_tuple(ip, port, connection.time(), settings.tuple_window));
        shares
            .map(|share| &share.stored)
            .filter(|share| share.share().is_some() && share.within_span(connection, settings.join_span()))
    })
}

/// Whether session evidence is one end of a session whose other end is known, so that it shows an offset.
pub(super) fn shows_an_offset(evidence: &Stored, asset: &AssetState, settings: &JoinSettings) -> bool {
    let Some((ip, port)) = connections::tuple(evidence) else {
        return false;
    };
    let is_by_client = is_by_client(evidence);
    let mut ends = asset
        .connections
        .of_tuple(ip, port, evidence.time(), settings.tuple_window);
    let is_other_end = |other: &Stored| {
        other.within_span(evidence, settings.join_span())
            && if is_by_client {
                other.connection().is_none()
            } else {
                self::is_by_client(other)
            }
    };
    ends.any(is_other_end) || is_by_client && accesses_of(evidence, asset, settings).next().is_some()
}

/// Whether the client logged it. What the server logged has the asset's own clock.
pub(super) fn is_by_client(connection: &Stored) -> bool {
    connection
        .connection()
        .is_some_and(|connection| connection.initiated)
}

/// By the sessions that the client logged and that Windows logged on the asset: neither end waits, so that the median
/// tells. `None` where they are too few.
fn by_sessions(
    source: IpAddr,
    asset: &AssetState,
    settings: &JoinSettings,
    is_near: impl Fn(&Stored) -> bool,
) -> Option<SignedDuration> {
    let window = settings.tuple_window;
    let connections = asset
        .connections
        .from(source)
        .filter(|stored| is_by_client(stored) && is_near(stored));
    let mut samples: Vec<SignedDuration> = connections
        .filter_map(|connection| {
            let (ip, port) = connections::tuple(connection)?;
            let ends = asset.connections.of_tuple(ip, port, connection.time(), window);
            let ends = ends.filter(|other| {
                other.connection().is_none()
                    && other.within_span(connection, settings.join_span())
                    && is_near(other)
            });
            let first = ends.map(Stored::time).min()?;
            Some(connection.time().since(first))
        })
        .collect();
    samples.sort_unstable();
    let is_enough = samples.len() >= MIN_SESSIONS;
    is_enough.then(|| samples[(samples.len() - 1) / 2])
}

fn ahead<'a>(
    shares: impl Iterator<Item = &'a Stored>,
    asset: &'a AssetState,
    settings: &'a JoinSettings,
    is_near: impl Fn(&Stored) -> bool,
) -> Option<SignedDuration> {
    let mut first_access: BTreeMap<Slot, EventTime> = BTreeMap::new();
    for share in shares {
        for connection in sessions(share, asset, settings).filter(|connection| is_near(connection)) {
            let first = first_access.entry(connection.slot()).or_insert(share.time());
            *first = share.time().min(*first);
        }
    }
    let mut samples: Vec<SignedDuration> = first_access
        .into_iter()
        .map(|((connected, _), accessed)| connected.since(accessed))
        .collect();
    samples.sort_unstable_by(|a, b| b.cmp(a));
    let width = SignedDuration::try_from(settings.attribution_window).unwrap_or(SignedDuration::MAX);
    let agreeing = samples
        .windows(MIN_SESSIONS)
        .find(|agreeing| agreeing[0] - agreeing[MIN_SESSIONS - 1] < width)?;
    Some(agreeing[1]).filter(SignedDuration::is_positive)
}
