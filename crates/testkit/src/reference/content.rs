//! The content of one alert, from the accesses that belong to it and everything that was observed of its asset.

use std::collections::BTreeSet;
use std::sync::Arc;

use pipewarden_core::detection::{
    Attribution, Confidence, Conflict, ConflictKind, Content, Counts, Dropped, Evidence, EvidenceRole,
    Omitted, Status, Strength, Who,
};
use pipewarden_core::event::{Detail, Kind, NetworkConnection, ObservationId, Process};

use super::candidates::{Origin, addresses, is_by_asset, origin};
use super::rivals;
use super::sessions::session;
use super::{Members, Scene, Seen, named, network_connection, share_access, sorted};

pub(super) fn content(scene: &Scene<'_>, who: Who, members: &Members<'_>) -> Content {
    let accesses = &members.accesses;
    let is_audited = |seen: &Seen<'_>| scene.verdict(seen).attribution == Attribution::Audited;
    let (audited, others): (Vec<Seen<'_>>, Vec<Seen<'_>>) = accesses.iter().copied().partition(is_audited);
    let shares: Vec<Seen<'_>> = (accesses.iter().copied())
        .filter(|seen| share_access(seen).is_some())
        .collect();
    let used = used(scene, who, &audited, &others);
    let named_by: &[Seen<'_>] = if who == Who::Unattributed { &[] } else { &used };
    let shown: BTreeSet<_> = others
        .iter()
        .flat_map(|access| scene.shown(access))
        .filter(|(_, strength)| *strength != Strength::Earlier)
        .map(|(seen, _)| seen.id)
        .collect();
    let ports = ports(scene, &audited, named_by, &shown);
    let by_sessions: Vec<Seen<'_>> = (named_by.iter().copied())
        .filter(|seen| shown.contains(&seen.id))
        .collect();
    let by_shares = accesses.iter().filter_map(|seen| account(seen));
    let evidence = evidence(&used, members);
    let (attribution, confidence, conflicts) = found(scene, who, &audited, &others, &used, &evidence);
    let times = || accesses.iter().map(|seen| seen.event.time);
    Content {
        status: if who == Who::Local {
            Status::Suppressed
        } else {
            Status::Active
        },
        superseded_by: Vec::new(),
        exception: None,
        unexpected: None,
        attribution,
        confidence,
        audited: audited.len() as u32,
        conflicts,
        dropped: Dropped::default(),
        first: times().min().unwrap(),
        last: times().max().unwrap(),
        accesses: accesses.len() as u32,
        outcome: Scene::outcome(accesses),
        source_ip: match who {
            Who::Source(ip) => Some(ip),
            Who::Unattributed => None,
            Who::Local => {
                let logged = shares.iter().filter_map(|seen| named(seen));
                logged.chain(addresses(&used)).min()
            }
        },
        source_ports: ports,
        hosts: names(named_by),
        users: users(named_by),
        processes: processes(named_by),
        destination_ips: sorted(sessions(&used).filter_map(|session| session.destination_ip)),
        pipes: sorted(accesses.iter().filter_map(|seen| pipe(seen))),
        paths: sorted(accesses.iter().filter_map(|seen| path(seen))),
        accounts: sorted(by_shares.chain(accounts(&by_sessions))),
        counts: counts(accesses, &used, &evidence),
        call_backs: call_backs(scene, who, accesses).len() as u32,
        candidates: scene.candidates(&others),
        evidence: listed(scene, who, &used, members, &evidence),
        omitted: Omitted::default(),
    }
}

/// How many observations of each kind there are.
fn counts(accesses: &[Seen<'_>], used: &[Seen<'_>], evidence: &[Seen<'_>]) -> Counts {
    let of_kind = |all: &[Seen<'_>], kind| all.iter().filter(|seen| seen.kind() == kind).count() as u32;
    Counts {
        network_connection: of_kind(used, Kind::NetworkConnection),
        logon: of_kind(used, Kind::Logon) + of_kind(accesses, Kind::Logon),
        share_session: of_kind(used, Kind::ShareSession),
        pipe_connected: of_kind(evidence, Kind::PipeConnected),
        share_access: of_kind(accesses, Kind::ShareAccess),
    }
}

/// The source's ports: those that share accesses name, and those of what shows the source where none does.
fn ports(
    scene: &Scene<'_>,
    audited: &[Seen<'_>],
    named_by: &[Seen<'_>],
    shown: &BTreeSet<ObservationId>,
) -> Vec<u16> {
    let mut inferring = shown.clone();
    let is_nameless = |seen: &&Seen<'_>| share_access(seen).is_some_and(|share| share.source_ip.is_none());
    let without_address = audited.iter().filter(is_nameless);
    inferring.extend(
        without_address
            .flat_map(|share| scene.of_share(share))
            .map(|seen| seen.id),
    );
    let logged = audited.iter().filter_map(|seen| match share_access(seen) {
        Some(share) => share.source_port,
        None => session(seen).unwrap().port,
    });
    let shown = named_by.iter().filter(|seen| inferring.contains(&seen.id));
    sorted(logged.chain(shown.filter_map(|seen| session(seen).unwrap().port)))
}

/// The session evidence of an alert: that of the tuples of its share accesses, and what shows the source of its other
/// accesses or, where that is not known, their candidates.
fn used<'a>(scene: &Scene<'a>, who: Who, audited: &[Seen<'a>], others: &[Seen<'a>]) -> Vec<Seen<'a>> {
    let mut ids = BTreeSet::new();
    for share in audited {
        let sessions = scene.of_share(share).into_iter();
        let sessions = sessions.filter(|seen| who != Who::Local || is_by_asset(seen));
        ids.extend(sessions.map(|seen| seen.id));
    }
    for access in others {
        for (seen, strength) in scene.shown(access) {
            let is_of = match who {
                Who::Source(ip) => origin(seen) == Origin::Remote(ip),
                Who::Local => origin(seen) == Origin::Local,
                Who::Unattributed => true,
            };
            if is_of && strength != Strength::Earlier {
                ids.insert(seen.id);
            }
        }
    }
    scene.sessions().filter(|seen| ids.contains(&seen.id)).collect()
}

/// By the best access: by attribution, then by confidence.
fn found(
    scene: &Scene<'_>,
    who: Who,
    audited: &[Seen<'_>],
    others: &[Seen<'_>],
    used: &[Seen<'_>],
    evidence: &[Seen<'_>],
) -> (Attribution, Confidence, Vec<Conflict>) {
    let contradicted = evidence.iter().filter(|seen| scene.is_contradicted(seen));
    let mut conflicts: BTreeSet<Conflict> = contradicted.map(|seen| record_conflict(seen)).collect();
    conflicts.extend(rivals::conflicts(scene, who, audited, others));
    let unclear = (audited.iter().chain(others)).filter(|seen| scene.is_of_several(seen));
    let first = unclear.min_by_key(|seen| (seen.event.time, seen.id));
    conflicts.extend(first.map(|share| {
        Conflict {
            kind: ConflictKind::OtherStrongSource,
            text:
                "sessions with the logon id of a share_access that names no address come from several sources"
                    .into(),
            computer: Some(share.event.computer.clone()),
            record_id: share.event.record_id,
        }
    }));
    let of = if audited.is_empty() { others } else { audited };
    let best = of
        .iter()
        .map(|seen| scene.verdict(seen))
        .map(|verdict| (verdict.attribution, std::cmp::Reverse(verdict.confidence)))
        .min()
        .unwrap();
    let (attribution, mut confidence) = (best.0, best.1.0);
    if attribution == Attribution::Audited {
        let mut in_order = audited.to_vec();
        in_order.sort_by_key(|seen| (seen.event.time, seen.id));
        let doubted = in_order.iter().find_map(|share| {
            if !scene.of_share(share).is_empty() {
                return None;
            }
            let other = scene.others(share).into_iter().next()?;
            Some((other, scene.pipe_of(share)?))
        });
        conflicts.extend(doubted.map(|(other, pipe)| other_conflict(other, pipe)));
    } else if used.iter().any(|seen| scene.is_contradicted(seen)) {
        confidence = Confidence::Low;
    }
    (attribution, confidence, conflicts.into_iter().collect())
}

fn record_conflict(seen: Seen<'_>) -> Conflict {
    let label = seen.event.computer.split('.').next().unwrap();
    let record = seen.event.record_id.unwrap();
    let channel = &seen.event.channel;
    Conflict {
        kind: ConflictKind::DecisiveValues,
        text: format!(
            "two messages bear the record {record} of {label} in {channel} and say different things"
        ),
        computer: Some(label.into()),
        record_id: Some(record),
    }
}

fn other_conflict(other: Origin, pipe: Seen<'_>) -> Conflict {
    let who = other.word();
    Conflict {
        kind: ConflictKind::OtherStrongSource,
        text: format!(
            "{who} was connected as well when the pipe was opened, by the host's own log, and no share_access explains that"
        ),
        computer: Some(pipe.event.computer.clone()),
        record_id: None,
    }
}

/// Connections, accesses and paired pipes, in order of time.
fn evidence<'a>(used: &[Seen<'a>], members: &Members<'a>) -> Vec<Seen<'a>> {
    let mut evidence: Vec<Seen<'_>> = used.to_vec();
    evidence.extend(&members.accesses);
    evidence.extend(&members.paired);
    sort_by_time(&mut evidence);
    evidence
}

fn sort_by_time(observations: &mut [Seen<'_>]) {
    observations.sort_by_key(|seen| {
        (
            seen.event.time,
            seen.kind(),
            &*seen.event.computer,
            seen.event.record_id,
            seen.id,
        )
    });
}

/// The evidence, what contradicts it, and what each is to the alert.
fn listed(
    scene: &Scene<'_>,
    who: Who,
    used: &[Seen<'_>],
    members: &Members<'_>,
    evidence: &[Seen<'_>],
) -> Vec<Evidence> {
    let is_among = |seen: Seen<'_>, all: &[Seen<'_>]| all.iter().any(|other| other.id == seen.id);
    let mut all = evidence.to_vec();
    let others = scene.here.iter().filter(|other| {
        !is_among(other, evidence) && evidence.iter().any(|seen| scene.is_contradiction(seen, other))
    });
    all.extend(others.copied());
    let call_backs = call_backs(scene, who, &members.accesses);
    all.extend(&call_backs);
    sort_by_time(&mut all);
    let entries = all.into_iter().map(|seen| {
        let (role, paired_ms) = if is_among(seen, &call_backs) {
            (EvidenceRole::CallBack, None)
        } else if !is_among(seen, evidence) {
            (EvidenceRole::Conflicting, None)
        } else if is_among(seen, &members.paired) {
            let share = scene.share_of(seen).unwrap();
            let micros = seen.event.time.as_micros() - share.event.time.as_micros();
            (EvidenceRole::Pair, Some(micros / 1_000))
        } else if is_among(seen, used) && !seen.is_local {
            (EvidenceRole::Session, None)
        } else if is_among(seen, used) || who == Who::Local {
            (EvidenceRole::Local, None)
        } else {
            (EvidenceRole::Access, None)
        };
        Evidence {
            observation: Arc::new(seen.clone()),
            role,
            paired_ms,
        }
    });
    entries.collect()
}

/// Connections of the asset to the source, from 2 s before an access until the rule's span after it.
fn call_backs<'a>(scene: &Scene<'a>, who: Who, accesses: &[Seen<'_>]) -> Vec<Seen<'a>> {
    let (Who::Source(source), Some(watched)) = (who, &scene.rule.callback) else {
        return Vec::new();
    };
    let is_one = |seen: &Seen<'_>| {
        network_connection(seen).is_some_and(|connection| {
            connection.of_client
                && connection.destination_ip == Some(source)
                && watched.ports.contains(&connection.destination_port)
        }) && accesses.iter().any(|access| {
            let after = seen.event.time.as_micros() - access.event.time.as_micros();
            -2_000_000 <= after && after <= watched.within.as_micros() as i64
        })
    };
    scene.here.iter().copied().filter(is_one).collect()
}

/// The details of connections.
fn sessions<'a>(from: &[Seen<'a>]) -> impl Iterator<Item = &'a NetworkConnection> {
    from.iter().filter_map(|seen| network_connection(seen))
}

/// The accounts of sessions.
pub(super) fn accounts(from: &[Seen<'_>]) -> Vec<Arc<str>> {
    let accounts = from.iter().filter_map(|seen| session(seen)?.account);
    sorted(accounts.map(|account| Arc::from(account.to_string())))
}

fn by_the_client<'a>(from: &[Seen<'a>]) -> impl Iterator<Item = &'a NetworkConnection> {
    sessions(from).filter(|session| session.initiated)
}

pub(super) fn names(from: &[Seen<'_>]) -> Vec<Arc<str>> {
    sorted(sessions(from).filter_map(|session| session.source_host.clone()))
}

pub(super) fn users(from: &[Seen<'_>]) -> Vec<Arc<str>> {
    sorted(by_the_client(from).filter_map(|session| session.user.clone()))
}

pub(super) fn processes(from: &[Seen<'_>]) -> Vec<Process> {
    sorted(by_the_client(from).filter_map(|session| session.process.clone()))
}

/// The pipe of an access, if it opened one.
fn pipe(access: Seen<'_>) -> Option<Arc<str>> {
    match &access.event.detail {
        Detail::ShareAccess(share) => share.pipe().cloned(),
        Detail::PipeConnected(connected) => Some(Arc::clone(&connected.pipe)),
        Detail::Logon(_) => None,
        Detail::NetworkConnection(_) | Detail::ShareSession(_) => {
            unreachable!("other session evidence is no access")
        }
    }
}

/// The path of an access, if it opened one outside the share of pipes.
fn path(access: Seen<'_>) -> Option<Arc<str>> {
    let access = share_access(access)?;
    let share = access.share.as_deref()?;
    Some(Arc::from(format!("{share}\\{}", access.path)))
}

fn account(seen: Seen<'_>) -> Option<Arc<str>> {
    let account = match share_access(seen) {
        Some(share) => share.account.as_ref()?,
        None => session(seen)?.account?,
    };
    Some(Arc::from(account.to_string()))
}
