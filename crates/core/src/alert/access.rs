//! The document of an alert about accesses to one asset.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::document as doc;
use super::ecs::{AssetFacts, Frame, Outline, Pivots, only, string, strings};
use super::{Document, title};
use crate::detection::{AccessAlert, Candidate, Content, Exception};
use crate::event::{Detail, Observation, Process};

pub(super) fn document(alert: &AccessAlert, frame: &Frame<'_>) -> Document {
    let content = &alert.content;
    let addresses = addresses(content, frame.asset);
    let related = related(content, frame.asset.id, &addresses);
    let mut document = frame.document(Outline {
        message: title::title(content, frame.asset.id, frame.asset.roles),
        category: &["intrusion_detection", "network"],
        outcome: content.outcome,
        first: content.first,
        last: content.last,
        is_excepted: content.exception.is_some(),
        addresses,
        accesses: content.accesses,
        observations: content.counts,
    });
    document.source = content.source_ip.map(|ip| doc::Source {
        ip,
        address: ip.to_string(),
        port: only(&content.source_ports).copied(),
        domain: only(&content.hosts).map(ToString::to_string),
    });
    document.user = only(&content.accounts).map(|account| user(account, content));
    document.file = only(&content.pipes).map(|pipe| doc::File {
        name: pipe.to_string(),
    });
    document.related = related;

    let fields = &mut document.pipewarden;
    fields.superseded_by.clone_from(&content.superseded_by);
    fields.exception = content.exception.as_deref().map(exception);
    fields.source = doc::SourceFields {
        hosts: strings(&content.hosts),
        users: strings(&content.users),
        processes: processes(&content.processes),
    };
    fields.accounts = strings(&content.accounts);
    fields.pipes = strings(&content.pipes);
    fields.candidates = content.candidates.iter().map(candidate).collect();
    fields.evidence = content.evidence.iter().map(|seen| evidence(seen)).collect();
    fields.omitted = doc::OmittedFields::of(content.omitted);
    document
}

/// The asset's addresses: those of the inventory, or, for a host it does not list, those the evidence shows.
fn addresses(content: &Content, asset: &AssetFacts<'_>) -> Vec<IpAddr> {
    if asset.addresses.is_empty() {
        content.destination_ips.clone()
    } else {
        asset.addresses.to_vec()
    }
}

fn related(content: &Content, asset: &str, addresses: &[IpAddr]) -> doc::Related {
    let mut pivots = Pivots::of(asset, addresses);
    pivots.ips.extend(content.source_ip);
    pivots.add_hosts(&content.hosts);
    pivots.add_users(&content.accounts);
    pivots.add_users(&content.users);
    for candidate in &content.candidates {
        pivots.ips.insert(candidate.ip);
        pivots.add_hosts(&candidate.hosts);
        pivots.add_users(&candidate.users);
    }
    pivots.fields()
}

fn user(account: &str, content: &Content) -> doc::User {
    let mut sids: BTreeSet<&Arc<str>> = BTreeSet::new();
    for seen in &content.evidence {
        if let Detail::ShareAccess(share) = &seen.event.detail {
            sids.extend(share.account.as_ref().and_then(|account| account.sid.as_ref()));
        }
    }
    let sid = sids.first().filter(|_| sids.len() == 1);
    doc::User {
        id: sid.map(ToString::to_string),
        ..doc::User::named(account)
    }
}

fn exception(exception: &Exception) -> doc::ExceptionFields {
    doc::ExceptionFields {
        id: exception.id.to_string(),
        action: exception.action,
        reason: exception.reason.to_string(),
        owner: exception.owner.to_string(),
    }
}

fn candidate(candidate: &Candidate) -> doc::Candidate {
    doc::Candidate {
        ip: candidate.ip,
        hosts: strings(&candidate.hosts),
        users: strings(&candidate.users),
        processes: processes(&candidate.processes),
        connections: candidate.connections,
        nearest_ms: candidate.nearest_ms,
        clock_offset_ms: candidate.clock_offset_ms,
    }
}

fn evidence(observation: &Observation) -> doc::Evidence {
    let event = &observation.event;
    let mut evidence = doc::Evidence {
        kind: observation.kind(),
        time: event.time,
        computer: event.computer.to_string(),
        record_id: event.record_id,
        source_ip: None,
        source_port: None,
        pipe: None,
        account: None,
        access_mask: None,
        outcome: None,
        image: None,
        user: None,
        utc_time: None,
    };
    match &event.detail {
        Detail::NetworkConnection(connection) => {
            evidence.source_ip = Some(connection.source_ip);
            evidence.source_port = connection.source_port;
            evidence.image = connection
                .process
                .as_ref()
                .and_then(|process| string(process.image.as_ref()));
            evidence.user = string(connection.user.as_ref());
            evidence.utc_time = string(connection.utc_time.as_ref());
        }
        Detail::PipeConnected(pipe) => {
            evidence.pipe = Some(pipe.pipe.to_string());
            evidence.image = string(pipe.image.as_ref());
            evidence.utc_time = string(pipe.utc_time.as_ref());
        }
        Detail::ShareAccess(share) => {
            evidence.source_ip = share.source_ip;
            evidence.source_port = share.source_port;
            evidence.pipe = Some(share.pipe.to_string());
            evidence.account = share.account.as_ref().map(ToString::to_string);
            evidence.access_mask = string(share.access_mask.as_ref());
            evidence.outcome = share.outcome;
        }
    }
    evidence
}

fn processes(processes: &[Process]) -> Vec<doc::Process> {
    let one = |process: &Process| doc::Process {
        executable: string(process.image.as_ref()),
        entity_id: string(process.guid.as_ref()),
        pid: process.pid,
    };
    processes.iter().map(one).collect()
}
