//! Who accessed an asset, how that is known, and how sure it is.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::accesses::{Accesses, Share, tuple};
use super::asset::AssetState;
use super::stored::{Origin, Slot, Stored};
use super::{links, nearby};
use crate::detection::exceptions::NamedSource;
use crate::detection::{Confidence, JoinSettings, Strength};
use crate::event::Process;
use crate::time::EventTime;

/// Whether a share access is by the asset itself: as the router marked it or, where its address is link-local, as a
/// connection of the asset to itself from the same port shows, which the asset logged.
pub(super) fn is_local(share: &Stored, asset: &AssetState, settings: &JoinSettings) -> bool {
    share.observation.is_local
        || tuple(share).is_some_and(|(ip, port)| {
            is_link_local(ip)
                && asset
                    .connections
                    .of_tuple(ip, port, share.time(), settings.tuple_window)
                    .any(|own| is_to_itself(own) && own.within_span(share, settings.join_span()))
        })
}

/// Whether an address means a host only to its neighbours, so that no inventory lists it.
pub(super) const fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// Whether the asset logged a connection whose both ends are one address.
pub(super) fn is_to_itself(connection: &Stored) -> bool {
    connection.observation.is_local
        && connection
            .connection()
            .is_some_and(|both| both.destination_ip == Some(both.source_ip))
}

/// Sources but one that were connected to an asset by its own log, in order of time.
pub(super) struct Others<'a> {
    own: Option<Origin>,
    /// Both included.
    times: (EventTime, EventTime),
    /// Gathered when it is first asked for: most sources have evidence of their own, and nobody asks then.
    strong: OnceCell<Vec<&'a Stored>>,
    asset: &'a AssetState,
    settings: &'a JoinSettings,
}

impl<'a> Others<'a> {
    /// Those that were connected within the attribution window of something between two times.
    pub(super) fn than(
        own: Option<Origin>,
        times: (EventTime, EventTime),
        asset: &'a AssetState,
        settings: &'a JoinSettings,
    ) -> Self {
        Self {
            own,
            times,
            strong: OnceCell::new(),
            asset,
            settings,
        }
    }

    fn strong(&self) -> &[&'a Stored] {
        self.strong.get_or_init(|| {
            let window = self.settings.attribution_window + self.settings.pair_window;
            let (first, last) = self.times;
            let connections = &self.asset.connections;
            connections
                .between(first.minus(window), last.plus(window))
                .filter(|evidence| evidence.origin() != self.own)
                .filter(|evidence| nearby::shows(evidence, self.asset, self.settings) == Strength::Strong)
                .collect()
        })
    }

    /// How sure the source of a share access is, without what contradicts it.
    pub(super) fn confidence(&self, share: &Share, accesses: &Accesses) -> Confidence {
        if share.standing.is_some() {
            // It is named by its logon id alone.
            return Confidence::Medium;
        }
        if links::has_evidence(&share.stored, self.asset, self.settings) {
            return Confidence::High;
        }
        match accesses.pair_of(share) {
            Some(pipe) if self.near(&pipe.stored).next().is_none() && !self.is_incomplete(&pipe.stored) => {
                Confidence::High
            }
            _ => Confidence::Medium,
        }
    }

    /// The pipe connection of a share access that may be another's, and the least of those whose it may be; of those that a
    /// bound has dropped none is known.
    pub(super) fn doubt<'b>(
        &self,
        share: &Share,
        accesses: &'b Accesses,
    ) -> Option<(Option<Origin>, &'b Stored)> {
        if links::has_evidence(&share.stored, self.asset, self.settings) {
            return None;
        }
        let pipe = &accesses.pair_of(share)?.stored;
        match self.near(pipe).min() {
            None if self.is_incomplete(pipe) => Some((None, pipe)),
            other => Some((Some(other?), pipe)),
        }
    }

    /// Whether a bound has dropped session evidence near a pipe connection.
    fn is_incomplete(&self, pipe: &Stored) -> bool {
        let times = (pipe.time(), pipe.time());
        let dropped = &self.asset.connections.dropped;
        dropped.near(times, pipe.arrival, self.settings) > 0
    }

    /// Those that were connected near a pipe connection and have no share access of their own there: it may be theirs.
    fn near<'b>(&'b self, pipe: &'b Stored) -> impl Iterator<Item = Origin> + use<'a, 'b> {
        let window = self.settings.attribution_window;
        let (from, to) = (pipe.time().minus(window), pipe.time().plus(window));
        let strong = self.strong();
        let start = strong.partition_point(|connection| connection.time() < from);
        let mut explained = BTreeSet::new();
        strong[start..]
            .iter()
            .take_while(move |connection| connection.time() <= to)
            .filter(|connection| connection.within_span(pipe, self.settings.join_span()))
            .filter_map(|connection| connection.origin())
            .filter(move |&origin| {
                if explained.contains(&origin) {
                    return false;
                }
                let has_its_own = has_share(origin, pipe, self.asset, self.settings);
                if has_its_own {
                    explained.insert(origin);
                }
                !has_its_own
            })
    }
}

/// Whether an origin has a share access of its own near a pipe connection.
fn has_share(origin: Origin, pipe: &Stored, asset: &AssetState, settings: &JoinSettings) -> bool {
    let window = settings.attribution_window;
    let joins = |share: &Stored| share.within_span(pipe, settings.join_span());
    asset.accesses.values().any(|accesses| match origin {
        Origin::Local => accesses.local_shares_near(pipe.time(), window).any(joins),
        Origin::Remote(ip) => accesses.shares_from_near(ip, pipe.time(), window).any(joins),
    })
}

/// What is known of the source of an alert, before the bounds of the document.
#[derive(Default)]
pub(super) struct Source<'a> {
    pub(super) ports: BTreeSet<u16>,
    pub(super) client: Client,
    /// The session evidence that the document shows.
    pub(super) connections: BTreeMap<Slot, &'a Stored>,
}

/// What session evidence shows of the host at its source end.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) hosts: BTreeSet<Arc<str>>,
    /// Those of `hosts` that it gave itself.
    pub(super) own_names: BTreeSet<Arc<str>>,
    pub(super) users: BTreeSet<Arc<str>>,
    /// Those of its sessions on the asset.
    pub(super) accounts: BTreeSet<Arc<str>>,
    pub(super) processes: BTreeSet<Process>,
}

impl Client {
    /// As exceptions see it, at this address.
    pub(super) fn named(&self, ip: IpAddr) -> NamedSource {
        NamedSource {
            ip,
            own_names: self.own_names.clone(),
            processes: self.processes.clone(),
        }
    }

    pub(super) fn of<'a>(evidence: impl Iterator<Item = &'a Stored>) -> Self {
        let mut client = Self::default();
        for stored in evidence {
            let account = stored.session().and_then(|session| session.account);
            let account = account.filter(|account| !account.is_anonymous());
            client
                .accounts
                .extend(account.map(|account| Arc::from(account.to_string())));
            let Some(connection) = stored.connection() else {
                continue;
            };
            client.hosts.extend(connection.source_host.clone());
            // A connection that the server logged names the server's process, not the client's.
            if connection.initiated {
                client.own_names.extend(connection.source_host.clone());
                client.users.extend(connection.user.clone());
                client.processes.extend(connection.process.clone());
            }
        }
        client
    }
}
