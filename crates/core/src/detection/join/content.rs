//! The content of an alert: a function of the observations it rests on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::accesses::{Accesses, Share, tuple};
use super::asset::AssetState;
use super::candidates::{Candidates, addresses};
use super::evidence::Exhibits;
use super::members::Members;
use super::open_alert::OpenAlert;
use super::rivals;
use super::source::{Client, Others, Source};
use super::standing::Standing;
use super::stored::{Origin, Slot, Stored};
use super::{call_backs, conflicts, links};
use crate::detection::accounts::{OneAccount, shown};
use crate::detection::exceptions::Subject;
use crate::detection::{
    Attribution, Confidence, Conflict, Content, Counts, Dropped, JoinSettings, Limits, Omitted, Status,
    WatchedCallBack, Who,
};
use crate::event::Kind;
use crate::inventory::Domains;
use crate::time::{AppendTime, EventTime};

/// The content of an alert with accesses, when the first of them arrived, and what exceptions are compared with.
pub(super) struct Current {
    pub(super) content: Content,
    pub(super) opened: AppendTime,
    pub(super) subject: Subject,
}

/// Reads the content of `alert` off the state of its asset and, there, of its rule; `None` without accesses.
pub(super) fn current(
    alert: &OpenAlert,
    asset: &AssetState,
    accesses: &Accesses,
    (keeps_logons, callback): (bool, Option<&WatchedCallBack>),
    (settings, domains): (&JoinSettings, &Domains),
) -> Option<Current> {
    let members = Members::of(alert, accesses);
    let times = members.times()?;
    let reader = Reader {
        who: alert.key.who,
        members: &members,
        asset,
        accesses,
        keeps_logons,
        callback,
        settings,
        domains,
    };
    Some(reader.current(times))
}

/// How sure an alert is of its source, by its best access.
struct Found {
    attribution: Attribution,
    confidence: Confidence,
    conflicts: BTreeSet<Conflict>,
}

/// What the content of one alert is read off.
struct Reader<'a, 'b> {
    who: Who,
    members: &'b Members<'a>,
    asset: &'a AssetState,
    accesses: &'a Accesses,
    /// Whether the asset's logons are kept, which would show who else was there.
    keeps_logons: bool,
    /// What its rule watches of connections that the asset makes.
    callback: Option<&'b WatchedCallBack>,
    settings: &'a JoinSettings,
    domains: &'b Domains,
}

impl<'a> Reader<'a, '_> {
    fn current(&self, (first, last): (EventTime, EventTime)) -> Current {
        let members = self.members;
        let attributable = members
            .accesses()
            .filter_map(|(access, standing)| {
                Some((access, standing.filter(|standing| !standing.is_audited())?))
            })
            .map(|(access, standing)| (access, standing.is_empty()));
        let candidates = Candidates::of(attributable.collect(), self.asset, self.settings);
        let source = self.source(&candidates);
        let found = self.with_dropped(self.found(&source, (first, last)));
        let mut lists = Lists::new(&self.settings.limits);
        let call_backs = call_backs::of_alert(self.who, members, self.asset, self.callback, self.settings);
        let mut exhibits = self.exhibits(&source, &found);
        exhibits.call_backs(call_backs.iter().copied());
        let evidence = exhibits.listed(&self.settings.limits, &mut lists.omitted);
        let (destination_ips, source_ip) = (destination_ips(&source), self.source_ip(&source));
        let subject = self.subject(&source, &candidates, &found);
        let counts = self.counts(&source);
        let Client {
            hosts,
            users,
            processes,
            ..
        } = if self.who != Who::Unattributed {
            source.client
        } else {
            Client::default()
        };
        let content = Content {
            status: Status::Active,
            superseded_by: Vec::new(),
            exception: None,
            unexpected: None,
            attribution: found.attribution,
            confidence: found.confidence,
            audited: members.number_audited(self.who),
            conflicts: lists.bounded(found.conflicts),
            first,
            last,
            accesses: members.number(),
            dropped: self.dropped((first, last)),
            outcome: members.outcome(),
            source_ip,
            source_ports: lists.bounded(source.ports),
            hosts: lists.bounded(hosts),
            users: lists.bounded(users),
            processes: lists.bounded(processes),
            destination_ips: lists.bounded(destination_ips),
            pipes: lists.bounded(subject.pipes.clone()),
            paths: lists.bounded(subject.paths.clone()),
            accounts: lists.bounded(shown(&subject.accounts)),
            counts,
            call_backs: count(call_backs.len()),
            candidates: candidates.ranked(self.asset, &mut lists),
            evidence,
            omitted: lists.omitted,
        };
        Current {
            content,
            opened: members.opened().unwrap_or(AppendTime::MIN),
            subject,
        }
    }

    /// How many observations of each kind it rests on.
    fn counts(&self, source: &Source<'_>) -> Counts {
        let of_kind = |kind| {
            let evidence = source.connections.values();
            count(
                evidence
                    .filter(|stored| stored.observation.kind() == kind)
                    .count(),
            )
        };
        let logons = count(self.members.logons().count());
        Counts {
            network_connection: of_kind(Kind::NetworkConnection),
            logon: of_kind(Kind::Logon) + logons,
            share_session: of_kind(Kind::ShareSession),
            pipe_connected: count(self.members.pipes().count()),
            share_access: count(self.members.shares.len()) - logons,
        }
    }

    /// What bounds have dropped of it, and of session evidence near its accesses: that of a share access may be long before it.
    fn dropped(&self, times: (EventTime, EventTime)) -> Dropped {
        let opened = self.members.opened().unwrap_or(AppendTime::MIN);
        let dropped = &self.asset.connections.dropped;
        let may_lack = |share: &&Share| links::may_lack_evidence(&share.stored, self.asset, self.settings);
        let window = if !dropped.is_empty() && self.members.shares.iter().any(may_lack) {
            self.settings.tuple_window
        } else {
            self.settings.attribution_window
        };
        Dropped {
            evidence: dropped.within(window, times, opened, self.settings),
            accesses: self.members.dropped.map_or(0, |dropped| dropped.number),
        }
    }

    /// The session evidence of the source: of the tuples of share accesses, and what infers the source of others. Of an
    /// unattributed alert that of all candidates.
    fn source(&self, candidates: &Candidates<'a>) -> Source<'a> {
        let mut connections: BTreeMap<Slot, &Stored> = BTreeMap::new();
        let mut ports = BTreeSet::new();
        for share in self.members.audited() {
            ports.extend(tuple(&share.stored).map(|(_, port)| port));
            let evidence = links::evidence_of(&share.stored, self.asset, self.settings);
            // What others say of a session of the asset with itself makes nothing local.
            for evidence in evidence.filter(|seen| self.who != Who::Local || seen.is_by_asset()) {
                let session = evidence.session().filter(|_| share.standing.is_some());
                ports.extend(session.and_then(|session| session.source_port));
                connections.insert(evidence.slot(), evidence);
            }
        }
        for connection in candidates.evidence_of(self.origin()) {
            if self.who != Who::Unattributed {
                ports.extend(connection.session().and_then(|session| session.source_port));
            }
            connections.insert(connection.slot(), connection);
        }
        Source {
            ports,
            client: Client::of(connections.values().copied()),
            connections,
        }
    }

    fn exhibits(&self, source: &Source<'a>, found: &Found) -> Exhibits<'a> {
        let mut exhibits = Exhibits::of(self.who);
        exhibits.sessions(source.connections.values().copied());
        exhibits.accesses(self.members.accesses().map(|(access, _)| access));
        for pipe in &self.members.paired {
            let share = pipe.share.and_then(|share| self.accesses.shares.get(&share));
            // A pipe connection is paired as long as its share access is there.
            share
                .iter()
                .for_each(|share| exhibits.pair(&pipe.stored, &share.stored));
        }
        if !found.conflicts.is_empty() {
            exhibits.contradictions(self.asset, self.settings);
        }
        exhibits
    }

    /// Where the session evidence of its source comes from, if that is known.
    const fn origin(&self) -> Option<Origin> {
        match self.who {
            Who::Source(ip) => Some(Origin::Remote(ip)),
            Who::Local => Some(Origin::Local),
            Who::Unattributed => None,
        }
    }

    fn source_ip(&self, source: &Source<'_>) -> Option<IpAddr> {
        match self.who {
            Who::Source(ip) => Some(ip),
            Who::Unattributed => None,
            Who::Local => {
                let shares = self.members.shares.iter();
                let logged = shares.filter_map(|share| share.stored.named_source());
                let connected = addresses(source.connections.values().copied());
                logged.chain(connected).min()
            }
        }
    }

    /// By the best access: by attribution, then by confidence.
    fn found(&self, source: &Source<'_>, times: (EventTime, EventTime)) -> Found {
        let (members, asset, settings) = (self.members, self.asset, self.settings);
        let stored = source.connections.values().copied();
        let shares = members.shares.iter().map(|share| &share.stored);
        let all = stored.chain(members.pipes()).chain(shares);
        let mut conflicts = conflicts::of_records(all, asset, settings);
        conflicts.extend(rivals::conflicts(members, self.origin(), self.accesses, settings));
        conflicts.extend(members.named_by_several().map(conflicts::several_sources));
        let is_doubtful = |share: &Share| {
            let mut named_by = links::evidence_of(&share.stored, asset, settings).chain([&share.stored]);
            !conflicts.is_empty()
                && named_by.any(|stored| conflicts::is_contradicted(stored, asset, settings))
        };
        let mut audited: Vec<&Share> = members.audited().collect();
        if audited.is_empty() {
            return self.inferred(source, conflicts);
        }
        let others = Others::than(self.origin(), times, asset, settings);
        let confidence = |share: &Share| {
            let confidence = others.confidence(share, self.accesses);
            if is_doubtful(share) {
                confidence.lowered()
            } else {
                confidence
            }
        };
        let best = audited.iter().map(|share| confidence(share)).max();
        let confidence = best.unwrap_or(Confidence::Low);
        // However sure the others are: the pipe of this one may be somebody else's, and no exception may hide that.
        audited.sort_by_key(|share| (share.stored.time(), share.stored.observation.id));
        let in_doubt = audited
            .iter()
            .find_map(|share| others.doubt(share, self.accesses));
        conflicts.extend(in_doubt.map(|(other, pipe)| conflicts::other_source(other, pipe)));
        Found {
            attribution: Attribution::Audited,
            confidence,
            conflicts,
        }
    }

    /// The same with the accesses that bounds left no room for: by what each of them said, a share access named the source.
    fn with_dropped(&self, found: Found) -> Found {
        let has_dropped = self.members.dropped.is_some() && self.who != Who::Unattributed;
        if !has_dropped || found.attribution == Attribution::Audited {
            return found;
        }
        Found {
            attribution: Attribution::Audited,
            confidence: Confidence::Medium,
            ..found
        }
    }

    fn inferred(&self, source: &Source<'_>, conflicts: BTreeSet<Conflict>) -> Found {
        let verdicts = self.members.accesses().filter_map(|(_, standing)| standing);
        let best = verdicts
            .map(Standing::verdict)
            .map(|verdict| (verdict.attribution, std::cmp::Reverse(verdict.confidence)))
            .min();
        let (attribution, confidence) =
            best.map_or((Attribution::None, Confidence::Low), |best| (best.0, best.1.0));
        let confidence = if self.keeps_logons {
            confidence
        } else {
            Confidence::Low
        };
        let is_incomplete =
            (self.members.accesses()).any(|(_, standing)| standing.is_some_and(Standing::is_incomplete));
        let mut conflicts = conflicts;
        conflicts.extend(is_incomplete.then(conflicts::dropped_evidence));
        let mut named_by = source.connections.values();
        let is_doubtful = !conflicts.is_empty()
            && named_by.any(|stored| conflicts::is_contradicted(stored, self.asset, self.settings));
        Found {
            attribution,
            confidence: if is_doubtful {
                confidence.lowered()
            } else {
                confidence
            },
            conflicts,
        }
    }

    /// Those that share accesses name, and of inferred accesses those of the source's sessions.
    fn accounts(&self, candidates: &Candidates<'_>) -> BTreeSet<OneAccount> {
        let is_inferred = self.who != Who::Unattributed;
        let evidence = is_inferred.then(|| candidates.evidence_of(self.origin()));
        let sessions = evidence.into_iter().flatten().filter_map(Stored::session);
        let by_sessions = sessions.filter_map(|session| session.account);
        let by_sessions = by_sessions.filter(|account| !account.is_anonymous());
        self.members.accounts(by_sessions, self.domains)
    }

    fn subject(&self, source: &Source<'_>, candidates: &Candidates<'_>, found: &Found) -> Subject {
        let sources = match self.who {
            Who::Source(ip) => vec![source.client.named(ip)],
            Who::Unattributed | Who::Local => candidates.names(),
        };
        let accounts = self.accounts(candidates);
        self.members
            .subject(self.who, sources, accounts, !found.conflicts.is_empty())
    }
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
