//! The content of an alert: a function of the observations it rests on.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::accesses::Accesses;
use super::asset::AssetState;
use super::evidence::evidence;
use super::open_alert::OpenAlert;
use super::source::{Source, audited, unattributed};
use super::stored::Stored;
use crate::detection::{Content, Counts, JoinSettings, Limits, Omitted, Status};
use crate::event::Outcome;
use crate::time::AppendTime;

/// The content of an alert with accesses, and when the first of them arrived.
pub(super) struct Current {
    pub(super) content: Content,
    pub(super) opened: AppendTime,
}

/// What an alert consists of, apart from evidence of its source.
struct Members<'a> {
    shares: Vec<&'a Stored>,
    /// Explained ones, then others.
    pipes: Vec<&'a Stored>,
    /// How many of the pipe connections are explained by a share access.
    explained: usize,
    /// Share accesses, and pipe connections that nothing explains.
    accesses: Vec<&'a Stored>,
}

impl<'a> Members<'a> {
    fn of(alert: &OpenAlert, destination: &'a Accesses) -> Self {
        let shares = alert
            .shares
            .iter()
            .filter_map(|slot| destination.shares.get(slot));
        let shares: Vec<&Stored> = shares.map(|share| &share.stored).collect();
        let pipes = alert.pipes.iter().filter_map(|slot| destination.pipes.get(slot));
        let (explained, unexplained): (Vec<_>, Vec<_>) = pipes.partition(|pipe| pipe.explained_by.is_some());
        let unexplained = unexplained.iter().map(|pipe| &pipe.stored);
        let pipes = explained
            .iter()
            .map(|pipe| &pipe.stored)
            .chain(unexplained.clone());
        Self {
            pipes: pipes.collect(),
            explained: explained.len(),
            accesses: shares.iter().copied().chain(unexplained).collect(),
            shares,
        }
    }

    fn pipe_names(&self) -> BTreeSet<Arc<str>> {
        let names = self.accesses.iter().filter_map(|access| match access.pipe() {
            Some(pipe) => Some(&pipe.pipe),
            None => access.share().map(|share| &share.pipe),
        });
        names.cloned().collect()
    }

    fn accounts(&self) -> BTreeSet<Arc<str>> {
        let shares = self.shares.iter().filter_map(|stored| stored.share());
        let accounts = shares.filter_map(|share| share.account.as_ref());
        accounts.map(|account| Arc::from(account.to_string())).collect()
    }

    /// Success if any access is known to have been granted, else failure if any is known to have been denied.
    fn outcome(&self) -> Option<Outcome> {
        let shares = self.shares.iter().filter_map(|stored| stored.share());
        // `Success` sorts before `Failure`.
        shares.filter_map(|share| share.outcome).min()
    }
}

/// Reads the content of `alert` off the state of its asset and, there, of its rule; `None` without accesses.
pub(super) fn current(
    alert: &OpenAlert,
    asset: &AssetState,
    destination: &Accesses,
    settings: &JoinSettings,
) -> Option<Current> {
    let members = Members::of(alert, destination);
    let accesses = &members.accesses;
    let first = accesses.iter().map(|access| access.time()).min()?;
    let last = accesses.iter().map(|access| access.time()).max()?;
    let opened = accesses.iter().map(|access| access.arrival).min()?;

    let mut lists = Lists::new(&settings.limits);
    let source = match alert.key.source {
        Some(ip) => audited(
            ip,
            &members.shares,
            members.explained,
            &asset.connections,
            settings,
        ),
        None => unattributed(accesses, asset, settings, &mut lists),
    };
    let evidence = evidence(
        [
            source.connections.values().copied().collect(),
            members.pipes.clone(),
            members.shares.clone(),
        ],
        &settings.limits,
        &mut lists.omitted,
    );
    let counts = Counts {
        network_connection: count(source.connections.len()),
        pipe_connected: count(members.pipes.len()),
        share_access: count(members.shares.len()),
    };
    let destination_ips = destination_ips(&source);
    let content = Content {
        status: Status::Active,
        superseded_by: Vec::new(),
        exception: None,
        attribution: source.attribution,
        confidence: source.confidence,
        first,
        last,
        accesses: count(accesses.len()),
        outcome: members.outcome(),
        source_ip: source.ip,
        source_ports: lists.bounded(source.ports),
        hosts: lists.bounded(source.hosts),
        users: lists.bounded(source.users),
        processes: lists.bounded(source.processes),
        destination_ips: lists.bounded(destination_ips),
        pipes: lists.bounded(members.pipe_names()),
        accounts: lists.bounded(members.accounts()),
        counts,
        candidates: source.candidates,
        evidence,
        omitted: lists.omitted,
    };
    Some(Current { content, opened })
}

/// Addresses of the asset that connections show.
fn destination_ips(source: &Source<'_>) -> BTreeSet<IpAddr> {
    let connections = source
        .connections
        .values()
        .filter_map(|stored| stored.connection());
    connections
        .filter_map(|connection| connection.destination_ip)
        .collect()
}

/// Applies the bound on lists and counts what it leaves out.
pub(super) struct Lists {
    pub(super) limit: usize,
    pub(super) omitted: Omitted,
}

impl Lists {
    fn new(limits: &Limits) -> Self {
        Self {
            limit: limits.list_entries,
            omitted: Omitted::default(),
        }
    }

    pub(super) fn bounded<T>(&mut self, all: BTreeSet<T>) -> Vec<T> {
        self.omitted.others += count(all.len().saturating_sub(self.limit));
        all.into_iter().take(self.limit).collect()
    }
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).expect("bounds keep the numbers of what is in state below 32 bits")
}
