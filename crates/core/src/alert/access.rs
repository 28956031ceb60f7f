//! The document of an alert about accesses to one asset.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::document as doc;
use super::ecs::{AssetFacts, Frame, Outline, Pivots, Weight, only, string, strings};
use super::evidence::{evidence, rests_on};
use super::{Document, title};
use crate::detection::{
    AccessAlert, Candidate, Conflict, Content, Covering, Dropped, EvidenceRole, Status, Unexpected, Who,
};
use crate::event::{Account, Detail, Outcome, Process};

pub(super) fn document(alert: &AccessAlert, frame: &Frame<'_>) -> Document {
    let content = &alert.content;
    let addresses = addresses(content, frame.asset);
    let names = names(alert, frame.asset);
    let name = names.first().map(|named| named.name.as_str());
    let name = name.or_else(|| only(&content.hosts).map(|host| &**host));
    let related = related(content, frame.asset, &addresses, &names);
    let raised = raised(alert, frame.asset);
    let mut document = frame.document(Outline {
        message: title::title(alert, name, frame.asset),
        action: action(alert),
        category: &["intrusion_detection", "network"],
        outcome: content.outcome,
        first: content.first,
        last: content.last,
        weight: Weight {
            is_denied: content.outcome == Some(Outcome::Failure),
            is_excepted: content.exception.is_some(),
            is_local: alert.key.who == Who::Local,
            risk_by: risk_by(&raised, content),
        },
        addresses,
        accesses: content.accesses,
        observations: content.counts,
    });
    document.source = content.source_ip.map(|ip| doc::Source {
        ip,
        address: ip.to_string(),
        port: only(&content.source_ports).copied(),
        domain: name.map(str::to_owned),
    });
    document.destination.port = only(&destination_ports(content)).copied();
    // A logon may be for any service.
    let is_over_smb = alert.rule.accounts.is_none() || document.destination.port.is_some();
    document.network = content.source_ip.filter(|_| is_over_smb).map(network);
    document.user = only(&content.accounts).map(|account| user(account, content));
    document.file = file(&content.pipes, &content.paths);
    document.related = related;

    let fields = &mut document.pipewarden;
    fields.suppressed_by = (content.status == Status::Suppressed).then_some(match alert.key.who {
        Who::Local => doc::SuppressedBy::Local,
        Who::Source(_) | Who::Unattributed => doc::SuppressedBy::Exception,
    });
    fields.who = Some(alert.key.who.as_str().to_owned());
    fields.superseded_by.clone_from(&content.superseded_by);
    fields.exception = content.exception.as_ref().map(exception);
    fields.unexpected = content.unexpected.as_ref().map(unexpected);
    fields.dropped = (content.dropped != Dropped::default()).then_some(content.dropped);
    // Accesses are in one alert with those that are as timely.
    fields.untimely = alert.key.arrival_bucket.map(|_| content.accesses);
    fields.call_backs = (content.call_backs > 0).then_some(content.call_backs);
    fields.risk_by = raised;
    fields.rests_on = rests_on(content, &names);
    fields.conflicts = content.conflicts.iter().map(conflict).collect();
    fields.source = doc::SourceFields {
        names,
        hosts: strings(&content.hosts),
        users: strings(&content.users),
        processes: processes(&content.processes),
    };
    fields.accounts = strings(&content.accounts);
    fields.pipes = strings(&content.pipes);
    fields.paths = strings(&content.paths);
    fields.candidates = content.candidates.iter().map(candidate).collect();
    fields.evidence = content.evidence.iter().map(evidence).collect();
    fields.omitted = doc::OmittedFields::of(content.omitted);
    document
}

/// What makes the alert worse than the risk of its rule says: that the asset connected back, then what the rule names. Nothing does
/// what the asset did itself.
fn raised(alert: &AccessAlert, asset: &AssetFacts<'_>) -> Vec<doc::RiskByFields> {
    let content = &alert.content;
    if alert.key.who == Who::Local {
        return Vec::new();
    }
    let called_back = alert.rule.callback.iter().filter(|_| content.call_backs > 0);
    let called_back = called_back.map(|watched| doc::RiskByFields {
        by: watched.risk_by,
        role: None,
        purpose: None,
        outcome: None,
        process: None,
        call_backs: Some(content.call_backs),
    });
    let entries = alert.rule.risk_by.iter();
    let raised = entries.filter_map(|entry| entry.holds(content, asset.roles, asset.purposes));
    let raised = raised.map(|raised| doc::RiskByFields {
        by: raised.by,
        role: raised.role,
        purpose: raised.purpose,
        outcome: raised.outcome,
        process: string(raised.process.as_ref()),
        call_backs: None,
    });
    called_back.chain(raised).collect()
}

/// What else than the rule and the confidence counts, added up: an account that an exception expects elsewhere as well.
fn risk_by(raised: &[doc::RiskByFields], content: &Content) -> u8 {
    let by_account = content.unexpected.as_ref().map_or(0, |_| Unexpected::RISK_BY);
    let raised = raised.iter().map(|raised| raised.by);
    raised.fold(by_account, u8::saturating_add)
}

/// A pipe weighs more than a path: it is how hosts are administered.
fn action(alert: &AccessAlert) -> &'static str {
    let content = &alert.content;
    if alert.rule.accounts.is_some() {
        "account-use"
    } else if content.pipes.is_empty() && !content.paths.is_empty() {
        "share-access"
    } else {
        "named-pipe-access"
    }
}

/// What was opened, if that is one pipe or one path.
pub(super) fn file(pipes: &[Arc<str>], paths: &[Arc<str>]) -> Option<doc::File> {
    match (pipes, paths) {
        ([pipe], []) => Some(doc::File {
            name: pipe.to_string(),
            path: None,
        }),
        ([], [path]) => Some(doc::File {
            name: path.rsplit('\\').next().unwrap_or(path).to_owned(),
            path: Some(path.to_string()),
        }),
        _ => None,
    }
}

/// The asset's addresses: those of the inventory, or, for a host it does not list, those the evidence shows.
fn addresses(content: &Content, asset: &AssetFacts<'_>) -> Vec<IpAddr> {
    if asset.addresses.is_empty() {
        content.destination_ips.clone()
    } else {
        asset.addresses.to_vec()
    }
}

/// The names of the source: the asset of the inventory that owns its address, then what it calls itself in its own log; where
/// neither is known, what bindings of that time call it. Of what the asset did itself only the inventory has the name: whoever
/// else claims that address names himself.
fn names(alert: &AccessAlert, asset: &AssetFacts<'_>) -> Vec<doc::SourceName> {
    let content = &alert.content;
    let named = |name: &str, from| doc::SourceName {
        name: name.to_owned(),
        from,
    };
    let (mut own, mut bound): (BTreeSet<&str>, BTreeSet<&str>) = (BTreeSet::new(), BTreeSet::new());
    for seen in &content.evidence {
        let (source, own_name) = match &seen.observation.event.detail {
            Detail::NetworkConnection(connection) if connection.of_client => (None, None),
            Detail::NetworkConnection(connection) => {
                let own_name = connection.source_host.as_deref().filter(|_| connection.initiated);
                (Some(connection.source_ip), own_name)
            }
            Detail::Logon(logon) => (Some(logon.source_ip), None),
            Detail::ShareSession(session) => (Some(session.source_ip), None),
            Detail::ShareAccess(share) => (share.source_ip, None),
            Detail::PipeConnected(_) => (None, None),
        };
        if alert.key.who != Who::Local
            && source.is_some()
            && source == content.source_ip
            && seen.role != EvidenceRole::Conflicting
        {
            own.extend(own_name);
            bound.extend(seen.observation.source_name.as_deref());
        }
    }
    let listed = asset.source.map(|name| named(name, doc::NamedBy::Inventory));
    if listed.is_none() && own.is_empty() {
        let bound = bound.into_iter();
        return bound.map(|name| named(name, doc::NamedBy::Binding)).collect();
    }
    let own = own.into_iter().filter(|name| Some(*name) != asset.source);
    listed
        .into_iter()
        .chain(own.map(|name| named(name, doc::NamedBy::Client)))
        .collect()
}

fn related(
    content: &Content,
    asset: &AssetFacts<'_>,
    addresses: &[IpAddr],
    names: &[doc::SourceName],
) -> doc::Related {
    let mut pivots = Pivots::of(asset.id, addresses);
    pivots.hosts.extend(names.iter().map(|named| named.name.as_str()));
    pivots.ips.extend(content.source_ip);
    pivots.add_hosts(&content.hosts);
    pivots.add_users(&content.accounts);
    pivots.add_users(&content.users);
    pivots.users.extend(sids(content).into_iter().map(|sid| &**sid));
    for candidate in &content.candidates {
        pivots.ips.insert(candidate.ip);
        pivots.add_hosts(&candidate.hosts);
        pivots.add_users(&candidate.users);
    }
    pivots.fields()
}

fn user(account: &str, content: &Content) -> doc::User {
    let sids = sids(content);
    let sid = sids.first().filter(|_| sids.len() == 1);
    doc::User {
        id: sid.map(ToString::to_string),
        ..doc::User::named(account)
    }
}

/// The SIDs of the accounts, in so far as they tell one account from another.
fn sids(content: &Content) -> BTreeSet<&Arc<str>> {
    let evidence = content.evidence.iter();
    let accounts = evidence.filter_map(|seen| match &seen.observation.event.detail {
        Detail::ShareAccess(share) if seen.role != EvidenceRole::Conflicting => share.account.as_ref(),
        Detail::Logon(logon) if seen.role == EvidenceRole::Access => logon.account.as_ref(),
        _ => None,
    });
    accounts.filter_map(Account::lasting_sid).collect()
}

/// The ports of the asset that connections of the source show.
fn destination_ports(content: &Content) -> Vec<u16> {
    let evidence = content.evidence.iter();
    let connections = evidence.filter_map(|seen| match &seen.observation.event.detail {
        Detail::NetworkConnection(connection) if seen.role == EvidenceRole::Session => Some(connection),
        _ => None,
    });
    let of_source = connections.filter(|connection| Some(connection.source_ip) == content.source_ip);
    let ports: BTreeSet<u16> = of_source.map(|connection| connection.destination_port).collect();
    ports.into_iter().collect()
}

fn network(source: IpAddr) -> doc::Network {
    doc::Network {
        transport: "tcp".to_owned(),
        protocol: "smb".to_owned(),
        kind: if source.is_ipv4() { "ipv4" } else { "ipv6" }.to_owned(),
    }
}

pub(super) fn exception(covering: &Covering) -> doc::ExceptionFields {
    let entry = &covering.entry;
    doc::ExceptionFields {
        id: entry.id.to_string(),
        action: covering.action,
        reason: entry.reason.to_string(),
        owner: entry.owner.to_string(),
    }
}

fn unexpected(unexpected: &Unexpected) -> doc::UnexpectedFields {
    let entry = &unexpected.entry;
    doc::UnexpectedFields {
        accounts: strings(&unexpected.accounts),
        only_from: entry.only_from().iter().map(ToString::to_string).collect(),
        exception: entry.id.to_string(),
        owner: entry.owner.to_string(),
    }
}

fn conflict(conflict: &Conflict) -> doc::Conflict {
    doc::Conflict {
        kind: conflict.kind,
        text: conflict.text.clone(),
        computer: string(conflict.computer.as_ref()),
        record_id: conflict.record_id,
    }
}

fn candidate(candidate: &Candidate) -> doc::Candidate {
    doc::Candidate {
        ip: candidate.ip,
        local: candidate.is_local,
        strength: candidate.strength,
        explains: candidate.explains,
        hosts: strings(&candidate.hosts),
        users: strings(&candidate.users),
        accounts: strings(&candidate.accounts),
        processes: processes(&candidate.processes),
        connections: candidate.connections,
        nearest_ms: candidate.nearest_ms,
        clock_offset_ms: candidate.clock_offset_ms,
    }
}

fn processes(processes: &[Process]) -> Vec<doc::Process> {
    let one = |process: &Process| doc::Process {
        executable: string(process.image.as_ref()),
        entity_id: string(process.guid.as_ref()),
        pid: process.pid,
    };
    processes.iter().map(one).collect()
}
