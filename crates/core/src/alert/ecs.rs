//! From what the join says to the document.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::document as doc;
use super::{Document, attack, sensor, sweep, title};
use crate::detection::{About, Candidate, Confidence, Content, Exception, Omitted, Revision, Rule};
use crate::event::{Detail, Observation, Outcome, Process};

/// The version of the Elastic Common Schema that documents follow.
const ECS_VERSION: &str = "8.17.0";

/// What the alert says of the protected host.
#[derive(Clone, Copy, Debug)]
pub struct AssetFacts<'a> {
    /// Its canonical name.
    pub id: &'a str,
    /// Its addresses in the inventory.
    pub addresses: &'a [IpAddr],
    /// What it is for.
    pub roles: &'a [&'a str],
}

/// The document of one revision.
/// `policy` is the id of the policy in force.
pub fn document(revision: &Revision, rule: &Rule, asset: &AssetFacts<'_>, policy: &str) -> Document {
    let content = &revision.content;
    let addresses = addresses(content, asset);
    Document {
        timestamp: content.first,
        message: match &revision.about {
            About::Accesses => title::title(content, asset.id, asset.roles),
            About::Sensor(finding) => sensor::title(*finding, content, asset.id, asset.roles),
            About::Sweep(finding) => sweep::title(finding, content),
        },
        ecs: doc::Ecs {
            version: ECS_VERSION.to_owned(),
        },
        event: event(revision, rule),
        rule: doc::RuleInfo {
            id: rule.id.to_string(),
            name: rule.name.clone(),
            description: rule.description.clone(),
            reference: (!rule.references.is_empty()).then(|| rule.references.join(", ")),
        },
        threat: attack::threats(&rule.attack),
        source: content.source_ip.map(|ip| doc::Source {
            ip,
            address: ip.to_string(),
            port: only(&content.source_ports).copied(),
            domain: only(&content.hosts).map(ToString::to_string),
        }),
        destination: doc::Destination {
            address: asset.id.to_owned(),
            domain: asset.id.to_owned(),
            ip: only(&addresses).copied(),
        },
        host: doc::Host {
            name: asset.id.to_owned(),
            hostname: asset.id.to_owned(),
            ip: addresses.clone(),
        },
        user: only(&content.accounts).map(|account| user(account, content)),
        file: only(&content.pipes).map(|pipe| doc::File {
            name: pipe.to_string(),
        }),
        related: related(revision, asset, &addresses),
        observer: doc::Observer {
            product: "Pipewarden".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        pipewarden: own(revision, asset, policy),
    }
}

fn event(revision: &Revision, rule: &Rule) -> doc::Event {
    let content = &revision.content;
    let outcome = match content.outcome {
        Some(Outcome::Success) => "success",
        Some(Outcome::Failure) => "failure",
        None => "unknown",
    };
    doc::Event {
        kind: "alert".to_owned(),
        category: match revision.about {
            About::Sensor(_) => sensor::category(),
            About::Accesses | About::Sweep(_) => vec!["intrusion_detection".to_owned(), "network".to_owned()],
        },
        types: vec!["info".to_owned()],
        id: revision.id.to_string(),
        module: "pipewarden".to_owned(),
        dataset: "pipewarden.alerts".to_owned(),
        outcome: outcome.to_owned(),
        start: content.first,
        end: content.last,
        risk_score: risk_score(rule.risk, content.confidence, content.exception.is_some()),
    }
}

/// The rule's risk times 1.0, 0.7 or 0.35, a quarter of that where an exception covers the alert, rounded half up.
pub fn risk_score(risk: u8, confidence: Confidence, is_excepted: bool) -> u8 {
    let percent = match confidence {
        Confidence::High => 100,
        Confidence::Medium => 70,
        Confidence::Low => 35,
    };
    let share = if is_excepted { 4 } else { 1 };
    u8::try_from((u32::from(risk) * percent + 50 * share) / (100 * share)).unwrap_or(u8::MAX)
}

fn exception(exception: &Exception) -> doc::ExceptionFields {
    doc::ExceptionFields {
        id: exception.id.to_string(),
        action: exception.action,
        reason: exception.reason.to_string(),
        owner: exception.owner.to_string(),
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

fn user(account: &str, content: &Content) -> doc::User {
    let sids: BTreeSet<&Arc<str>> = content
        .evidence
        .iter()
        .filter_map(|seen| match &seen.event.detail {
            Detail::ShareAccess(share) => share.account.as_ref()?.sid.as_ref(),
            _ => None,
        })
        .collect();
    let (domain, name) = match account.split_once('\\') {
        Some((domain, name)) => (Some(domain.to_owned()), name),
        None => (None, account),
    };
    let id = if sids.len() == 1 {
        sids.first().map(ToString::to_string)
    } else {
        None
    };
    doc::User {
        name: name.to_owned(),
        domain,
        id,
    }
}

fn related(revision: &Revision, asset: &AssetFacts<'_>, addresses: &[IpAddr]) -> doc::Related {
    let content = &revision.content;
    let swept = match &revision.about {
        About::Sweep(sweep) => sweep.assets.as_slice(),
        _ => &[],
    };
    let candidates = &content.candidates;
    let ip: BTreeSet<IpAddr> = (content.source_ip.into_iter())
        .chain(addresses.iter().copied())
        .chain(candidates.iter().map(|candidate| candidate.ip))
        .collect();
    let hosts: BTreeSet<&str> = [asset.id]
        .into_iter()
        .chain(content.hosts.iter().map(AsRef::as_ref))
        .chain(swept.iter().map(|swept| swept.asset.as_str()))
        .chain(
            candidates
                .iter()
                .flat_map(|candidate| &candidate.hosts)
                .map(AsRef::as_ref),
        )
        .collect();
    let user: BTreeSet<&str> = (content.accounts.iter().chain(&content.users))
        .chain(candidates.iter().flat_map(|candidate| &candidate.users))
        .map(AsRef::as_ref)
        .collect();
    doc::Related {
        ip: ip.into_iter().collect(),
        hosts: hosts.into_iter().map(str::to_owned).collect(),
        user: user.into_iter().map(str::to_owned).collect(),
    }
}

fn own(revision: &Revision, asset: &AssetFacts<'_>, policy: &str) -> doc::Own {
    let content = &revision.content;
    doc::Own {
        alert_id: revision.id,
        revision: revision.number,
        status: content.status,
        superseded_by: content.superseded_by.clone(),
        sensor: match revision.about {
            About::Sensor(finding) => Some(sensor::own(finding)),
            _ => None,
        },
        sweep: match &revision.about {
            About::Sweep(finding) => Some(sweep::own(finding)),
            _ => None,
        },
        exception: content.exception.as_deref().map(exception),
        policy: policy.to_owned(),
        confidence: content.confidence,
        attribution: content.attribution,
        // A sensor has one finding for ever.
        story_id: match revision.about {
            About::Sensor(_) => revision.id.to_string(),
            About::Accesses | About::Sweep(_) => revision.key.story_id().to_string(),
        },
        asset: doc::AssetFields {
            id: asset.id.to_owned(),
            roles: asset.roles.iter().map(|role| (*role).to_owned()).collect(),
        },
        source: doc::SourceFields {
            hosts: strings(&content.hosts),
            users: strings(&content.users),
            processes: processes(&content.processes),
        },
        accounts: strings(&content.accounts),
        pipes: strings(&content.pipes),
        accesses: content.accesses,
        observations: content.counts,
        candidates: content.candidates.iter().map(candidate).collect(),
        evidence: content.evidence.iter().map(|seen| evidence(seen)).collect(),
        omitted: (content.omitted != Omitted::default()).then_some(content.omitted),
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

fn strings(texts: &[Arc<str>]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn string(text: Option<&Arc<str>>) -> Option<String> {
    text.map(ToString::to_string)
}

/// The item, if there is one and only one.
fn only<T>(items: &[T]) -> Option<&T> {
    match items {
        [only] => Some(only),
        _ => None,
    }
}
