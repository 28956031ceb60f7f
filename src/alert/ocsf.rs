//! The same facts as a Detection Finding of the Open Cybersecurity Schema Framework. It is made from the ECS document,
//! so that the two cannot tell different stories, and from the observations themselves, whose ends OCSF wants apart.

mod document;
mod observables;

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use self::document as finding;
use super::document::{Document, Technique};
use super::{Evidence, attack};
use crate::detection::{Confidence, Revision, Status};
use crate::event::{self, Detail, Observation};

/// The version of the schema that documents follow: the newest release when they were made.
const VERSION: &str = "1.8.0";
const CLASS: u16 = 2004;

/// The image that Sysmon writes where it does not know: no name of a process.
const UNKNOWN_PROCESS: &str = "<unknown process>";
/// The `ProcessGuid` that goes with it: no identity.
const NO_GUID: &str = "{00000000-0000-0000-0000-000000000000}";

/// The finding of one revision, whose ECS document is `ecs`.
pub fn detection_finding(revision: &Revision, ecs: &Document) -> impl Serialize + use<> {
    let (activity_id, activity_name) = activity(revision);
    let (severity_id, severity) = severity(ecs.event.risk_score);
    let own = &ecs.pipewarden;
    let (confidence_id, confidence, confidence_score) = match own.confidence {
        Confidence::High => (3, "High", 100),
        Confidence::Medium => (2, "Medium", 70),
        Confidence::Low => (1, "Low", 35),
    };
    let is_active = own.status == Status::Active;
    let (start_time, end_time) = (millis(ecs.event.start), millis(ecs.event.end));
    let evidences = evidences(revision, ecs);
    let device = device(ecs);
    finding::Finding {
        activity_id,
        activity_name,
        category_uid: 2,
        category_name: "Findings",
        class_uid: CLASS,
        class_name: "Detection Finding",
        type_uid: u32::from(CLASS) * 100 + u32::from(activity_id),
        type_name: format!("Detection Finding: {activity_name}"),
        time: start_time,
        start_time,
        end_time,
        count: own.accesses,
        message: ecs.message.clone(),
        severity_id,
        severity,
        confidence_id,
        confidence,
        confidence_score,
        risk_score: ecs.event.risk_score,
        // Every other status tells what an analyst has done, and no analyst has been here.
        status_id: if is_active { 1 } else { 99 },
        status: if is_active { "New" } else { "Superseded" },
        is_alert: is_active,
        metadata: metadata(revision, ecs),
        finding_info: finding_info(revision, ecs),
        observables: observables::observables(&device, &evidences, own),
        resources: vec![finding::Resource {
            uid: own.asset.id.clone(),
            name: own.asset.id.clone(),
            hostname: device.hostname.clone(),
            ip: device.ip,
            kind: "host",
            role_id: 1,
            role: "Target",
            labels: own.asset.roles.clone(),
        }],
        device,
        evidences,
        unmapped: finding::Unmapped {
            pipewarden: unmapped(ecs),
        },
    }
}

fn activity(revision: &Revision) -> (u8, &'static str) {
    match (revision.content.status, revision.is_first) {
        (Status::Superseded, _) => (3, "Close"),
        (Status::Active, true) => (1, "Create"),
        (Status::Active, false) => (2, "Update"),
    }
}

/// The bounds are those by which Elastic's own rules give a score a severity.
fn severity(risk_score: u8) -> (u8, &'static str) {
    match risk_score {
        0 => (1, "Informational"),
        1..=21 => (2, "Low"),
        22..=47 => (3, "Medium"),
        48..=73 => (4, "High"),
        74.. => (5, "Critical"),
    }
}

fn metadata(revision: &Revision, ecs: &Document) -> finding::Metadata {
    finding::Metadata {
        version: VERSION,
        product: finding::Product {
            name: "Pipewarden",
            vendor_name: "Pipewarden",
            version: env!("CARGO_PKG_VERSION"),
        },
        uid: format!("{}-{}", revision.id, revision.number),
        correlation_uid: ecs.pipewarden.story_id.clone(),
        sequence: i32::try_from(revision.number).ok(),
        is_truncated: ecs.pipewarden.omitted.is_some().then_some(true),
    }
}

fn finding_info(revision: &Revision, ecs: &Document) -> finding::FindingInfo {
    let own = &ecs.pipewarden;
    let (first, last) = (millis(ecs.event.start), millis(ecs.event.end));
    let evidence = own.evidence.iter().map(|seen| millis(seen.time));
    let counts = own.observations;
    let data_sources = [
        ("Sysmon 3", counts.network_connection),
        ("Sysmon 18", counts.pipe_connected),
        ("Security 5145", counts.share_access),
    ];
    let superseded_by = own.superseded_by.iter();
    let references = ecs.rule.reference.iter().map(|names| finding::Tag {
        name: "references",
        values: names.split(", ").map(str::to_owned).collect(),
    });
    finding::FindingInfo {
        uid: revision.id.to_string(),
        title: ecs.message.clone(),
        desc: ecs.rule.description.clone(),
        created_time: first,
        // When what the revision rests on was last added to, by the hosts' clocks: no clock of ours may speak here.
        modified_time: evidence.fold(last, i64::max),
        first_seen_time: first,
        last_seen_time: last,
        analytic: finding::Analytic {
            uid: ecs.rule.id.clone(),
            name: ecs.rule.name.clone(),
            desc: ecs.rule.description.clone(),
            type_id: 1,
            kind: "Rule",
        },
        attacks: attacks(ecs),
        data_sources: (data_sources.into_iter())
            .filter_map(|(source, seen)| (seen > 0).then_some(source))
            .collect(),
        related_events: superseded_by
            .map(|id| finding::RelatedEvent {
                uid: id.to_string(),
                desc: "A finding that replaces this one",
            })
            .collect(),
        related_events_count: counts.network_connection + counts.pipe_connected + counts.share_access,
        tags: references.collect(),
    }
}

/// One entry per sub-technique or, where the rule names none, per technique.
fn attacks(ecs: &Document) -> Vec<finding::Attack> {
    let named = |technique: &Technique| finding::Named {
        uid: technique.id.clone(),
        name: technique.name.clone(),
    };
    let mut attacks = Vec::new();
    for threat in &ecs.threat {
        for technique in &threat.technique {
            let attack = |sub_technique| finding::Attack {
                version: attack::VERSION,
                tactic: finding::Named {
                    uid: threat.tactic.id.clone(),
                    name: threat.tactic.name.clone(),
                },
                technique: named(technique),
                sub_technique,
            };
            if technique.subtechnique.is_empty() {
                attacks.push(attack(None));
            }
            let below = technique.subtechnique.iter();
            attacks.extend(below.map(|sub| attack(Some(named(sub)))));
        }
    }
    attacks
}

fn device(ecs: &Document) -> finding::Device {
    let roles = &ecs.pipewarden.asset.roles;
    // A host without a role, or with the one that workstations have too, may be anything.
    let is_server = roles.iter().any(|role| role != "unlisted" && role != "tier0");
    finding::Device {
        name: ecs.host.name.clone(),
        hostname: hostname(&ecs.host.name),
        ip: ecs.destination.ip,
        type_id: u8::from(is_server),
        kind: if is_server { "Server" } else { "Unknown" },
    }
}

/// A host that is known by its address alone has that for a name.
fn hostname(name: &str) -> Option<String> {
    name.parse::<IpAddr>().is_err().then(|| name.to_owned())
}

fn evidences(revision: &Revision, ecs: &Document) -> Vec<finding::Evidence> {
    let destination = finding::Endpoint {
        ip: ecs.destination.ip.or_else(|| ecs.host.name.parse().ok()),
        port: None,
        hostname: hostname(&ecs.host.name),
    };
    let observed = revision.content.evidence.iter().zip(&ecs.pipewarden.evidence);
    let observed = observed.map(|(observation, told)| observed_evidence(observation, told, &destination));
    let mut evidences = vec![access(ecs, &destination)];
    evidences.extend(observed);
    evidences
}

/// Who, from where, what, on which host: as far as there is one answer.
fn access(ecs: &Document, destination: &finding::Endpoint) -> finding::Evidence {
    let source = ecs.source.as_ref().map(|source| finding::Endpoint {
        ip: Some(source.ip),
        port: source.port,
        hostname: source.domain.clone(),
    });
    let account = ecs.user.as_ref().map(|user| finding::User {
        name: user.name.clone(),
        domain: user.domain.clone(),
        uid: user.id.clone(),
    });
    let told = &ecs.pipewarden.source;
    let process = match (told.processes.as_slice(), told.users.as_slice()) {
        ([one], users) => process(
            one.executable.as_deref(),
            one.entity_id.as_deref(),
            one.pid,
            if let [user] = users {
                Some(user.as_str())
            } else {
                None
            },
        ),
        _ => None,
    };
    finding::Evidence {
        name: "access",
        src_endpoint: source,
        dst_endpoint: Some(destination.clone()),
        actor: actor(account, process),
        file: ecs.file.as_ref().map(|pipe| named_pipe(&pipe.name)),
        ..finding::Evidence::default()
    }
}

fn observed_evidence(
    observation: &Observation,
    told: &Evidence,
    destination: &finding::Endpoint,
) -> finding::Evidence {
    let event = &observation.event;
    let base = finding::Evidence {
        name: observation.kind().as_str(),
        uid: event
            .record_id
            .map(|record| format!("{}/{}/{record}", event.computer, event.channel)),
        dst_endpoint: Some(destination.clone()),
        data: Some(told.clone()),
        ..finding::Evidence::default()
    };
    match &event.detail {
        Detail::NetworkConnection(connection) => {
            let process = connection
                .process
                .as_ref()
                .and_then(|process| sysmon_process(process, connection.user.as_ref()));
            // The process ran on the computer that logged it: the source's is the actor's, the asset's is not.
            let (actors, own) = if connection.initiated {
                (process, None)
            } else {
                (None, process)
            };
            finding::Evidence {
                src_endpoint: Some(finding::Endpoint {
                    ip: Some(connection.source_ip),
                    port: connection.source_port,
                    hostname: connection.source_host.as_ref().and_then(|host| hostname(host)),
                }),
                dst_endpoint: Some(finding::Endpoint {
                    ip: connection.destination_ip.or(destination.ip),
                    port: Some(connection.destination_port),
                    hostname: destination.hostname.clone(),
                }),
                connection_info: Some(finding::ConnectionInfo {
                    direction_id: if connection.initiated { 2 } else { 1 },
                    direction: if connection.initiated {
                        "Outbound"
                    } else {
                        "Inbound"
                    },
                    protocol_num: 6,
                    protocol_name: "tcp",
                }),
                actor: actor(None, actors),
                process: own,
                ..base
            }
        }
        Detail::PipeConnected(pipe) => finding::Evidence {
            file: Some(named_pipe(&pipe.pipe)),
            ..base
        },
        Detail::ShareAccess(share) => finding::Evidence {
            src_endpoint: share.source_ip.map(|ip| finding::Endpoint {
                ip: Some(ip),
                port: share.source_port,
                hostname: None,
            }),
            actor: actor(share.account.as_ref().map(account), None),
            file: Some(named_pipe(&share.pipe)),
            ..base
        },
    }
}

fn actor(user: Option<finding::User>, process: Option<finding::Process>) -> Option<finding::Actor> {
    (user.is_some() || process.is_some()).then_some(finding::Actor { user, process })
}

fn account(account: &event::Account) -> finding::User {
    finding::User {
        name: account.name.to_string(),
        domain: account.domain.as_ref().map(ToString::to_string),
        uid: account.sid.as_ref().map(ToString::to_string),
    }
}

fn sysmon_process(seen: &event::Process, user: Option<&Arc<str>>) -> Option<finding::Process> {
    process(
        seen.image.as_deref(),
        seen.guid.as_deref(),
        seen.pid,
        user.map(AsRef::as_ref),
    )
}

/// `None` where neither a pid nor an identity is known: OCSF demands one. The image is in `data` all the same.
fn process(
    image: Option<&str>,
    guid: Option<&str>,
    pid: Option<u32>,
    user: Option<&str>,
) -> Option<finding::Process> {
    let image = image.filter(|image| *image != UNKNOWN_PROCESS);
    let uid = guid.filter(|guid| *guid != NO_GUID).map(str::to_owned);
    (uid.is_some() || pid.is_some()).then(|| finding::Process {
        name: image.map(|image| image.rsplit('\\').next().unwrap_or(image).to_owned()),
        path: image.filter(|image| image.contains('\\')).map(str::to_owned),
        pid,
        uid,
        user: user.map(|user| match user.split_once('\\') {
            Some((domain, name)) => finding::User {
                name: name.to_owned(),
                domain: Some(domain.to_owned()),
                uid: None,
            },
            None => finding::User {
                name: user.to_owned(),
                domain: None,
                uid: None,
            },
        }),
    })
}

fn named_pipe(name: &str) -> finding::File {
    finding::File {
        name: name.to_owned(),
        type_id: 6,
        kind: "Named Pipe",
    }
}

/// The `pipewarden` namespace of the ECS document without the evidence, which has a place of its own, and the outcome.
fn unmapped(ecs: &Document) -> Map<String, Value> {
    // Serialising a plain struct into memory has no way to fail.
    let mut own = match serde_json::to_value(&ecs.pipewarden) {
        Ok(Value::Object(own)) => own,
        _ => Map::new(),
    };
    own.remove("evidence");
    own.insert("outcome".to_owned(), ecs.event.outcome.clone().into());
    own
}

fn millis(time: crate::time::EventTime) -> i64 {
    time.as_micros().div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_of_the_built_in_rule_is_high_for_two_confidences_and_medium_for_the_lowest() {
        assert_eq!(
            [73, 51, 26].map(|score| severity(score).1),
            ["High", "High", "Medium"]
        );
        assert_eq!([0, 1, 100].map(|score| severity(score).0), [1, 2, 5]);
    }

    #[test]
    fn a_process_that_sysmon_could_not_name_has_neither_name_nor_identity() {
        assert_eq!(process(Some(UNKNOWN_PROCESS), Some(NO_GUID), None, None), None);
        let unnamed = process(Some(UNKNOWN_PROCESS), Some(NO_GUID), Some(6392), Some("-")).unwrap();
        assert_eq!((unnamed.name, unnamed.uid, unnamed.pid), (None, None, Some(6392)));
        let named = process(Some(r"C:\Tools\pssrecon.exe"), None, Some(7), Some(r"APERTURE\x")).unwrap();
        assert_eq!(named.name.as_deref(), Some("pssrecon.exe"));
        assert_eq!(named.user.unwrap().domain.as_deref(), Some("APERTURE"));
        let system = process(Some("System"), None, Some(4), None).unwrap();
        assert_eq!((system.name.as_deref(), system.path), (Some("System"), None));
    }

    #[test]
    fn a_host_that_is_known_by_its_address_alone_has_no_host_name() {
        assert_eq!(hostname("10.1.0.50"), None);
        assert_eq!(hostname("fd00::50"), None);
        assert_eq!(hostname("atlas").as_deref(), Some("atlas"));
    }
}
