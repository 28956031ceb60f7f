//! The same facts as a Detection Finding of the Open Cybersecurity Schema Framework. It is made from the ECS document,
//! so that the two cannot differ, and from the observations themselves, since OCSF wants the ends of each apart.

mod document;
mod evidence;
mod observables;

use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Map, Value};

use self::document as finding;
use super::attack;
use super::document::{Document, Technique};
use crate::detection::{Confidence, EvidenceRole, Revision, Status};

/// The version of the schema that documents follow: the release of March 2026.
const VERSION: &str = "1.8.0";
const CLASS: u16 = 2004;

/// The finding of one revision, whose ECS document is `ecs`.
pub fn detection_finding(revision: &Revision, ecs: &Document) -> impl Serialize + use<> {
    let (activity_id, activity_name) = activity(revision);
    let (severity_id, severity) = severity(ecs.event.risk_score);
    let fields = &ecs.pipewarden;
    let (confidence_id, confidence, confidence_score) = match fields.confidence {
        Confidence::High => (3, "High", 100),
        Confidence::Medium => (2, "Medium", 70),
        Confidence::Low => (1, "Low", 35),
    };
    let is_active = fields.status == Status::Active;
    // OCSF has no word for an alert that another one replaces.
    let (status_id, status) = match fields.status {
        Status::Active => (1, "New"),
        Status::Suppressed => (3, "Suppressed"),
        Status::Superseded => (99, "Superseded"),
        Status::Resolved => (4, "Resolved"),
    };
    let (start_time, end_time) = (millis(ecs.event.start), millis(ecs.event.end));
    let evidences = evidence::evidences(revision, ecs);
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
        count: fields.accesses,
        message: ecs.message.clone(),
        severity_id,
        severity,
        confidence_id,
        confidence,
        confidence_score,
        risk_score: ecs.event.risk_score,
        status_id,
        status,
        is_alert: is_active,
        metadata: metadata(revision, ecs),
        finding_info: finding_info(revision, ecs),
        observables: observables::observables(&device, &evidences, fields),
        resources: resources(ecs, &device),
        device,
        evidences,
        unmapped: finding::Unmapped {
            pipewarden: unmapped(ecs),
        },
    }
}

/// The protected host; of a campaign, all of them, of which only the first is known in full.
fn resources(ecs: &Document, device: &finding::Device) -> Vec<finding::Resource> {
    let fields = &ecs.pipewarden;
    let host = |name: &str| finding::Resource {
        uid: name.to_owned(),
        name: name.to_owned(),
        hostname: hostname(name),
        ip: None,
        kind: "host",
        role_id: 1,
        role: "Target",
        labels: Vec::new(),
    };
    let first = finding::Resource {
        ip: device.ip,
        labels: fields.asset.roles.clone(),
        ..host(&fields.asset.id)
    };
    let campaign = fields.campaign.iter();
    let touched = campaign.flat_map(|campaign| campaign.assets.iter().skip(1));
    let others = touched.map(|asset| host(&asset.id));
    std::iter::once(first).chain(others).collect()
}

fn activity(revision: &Revision) -> (u8, &'static str) {
    match (revision.status(), revision.is_first) {
        (Status::Superseded | Status::Suppressed | Status::Resolved, _) => (3, "Close"),
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
        logged_time: millis(ecs.event.created),
    }
}

fn finding_info(revision: &Revision, ecs: &Document) -> finding::FindingInfo {
    let fields = &ecs.pipewarden;
    let (first, last) = (millis(ecs.event.start), millis(ecs.event.end));
    let evidence = fields.evidence.iter();
    let evidence = evidence.filter(|seen| seen.role != EvidenceRole::Conflicting);
    let evidence = evidence.map(|seen| millis(seen.time));
    let counts = fields.observations;
    let data_sources = [
        ("Sysmon 3", counts.network_connection),
        ("Security 4624", counts.logon),
        ("Security 5140", counts.share_session),
        ("Sysmon 18", counts.pipe_connected),
        ("Security 5145", counts.share_access),
    ];
    let superseded_by = fields.superseded_by.iter();
    let references: Vec<String> = (fields.references.iter())
        .map(|reference| reference.id.to_string())
        .collect();
    let references = (!references.is_empty()).then_some(finding::Tag {
        name: "references",
        values: references,
    });
    finding::FindingInfo {
        uid: revision.id.to_string(),
        title: ecs.message.clone(),
        desc: ecs.rule.description.clone(),
        created_time: first,
        // When the latest observation of the revision happened, by the hosts' clocks: a replay must give the same
        // document, so a clock of this process cannot be read here.
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
        related_events_count: counts.all(),
        tags: references.into_iter().collect(),
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

/// The `pipewarden` namespace of the ECS document without the evidence, which has a place of its own, and the outcome.
fn unmapped(ecs: &Document) -> Map<String, Value> {
    let fields =
        serde_json::to_value(&ecs.pipewarden).expect("structs of strings and numbers are always JSON");
    let Value::Object(mut fields) = fields else {
        unreachable!("a struct with named fields is an object");
    };
    fields.remove("evidence");
    fields.insert("outcome".to_owned(), ecs.event.outcome.clone().into());
    fields
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
    fn a_host_that_is_known_by_its_address_alone_has_no_host_name() {
        assert_eq!(hostname("10.1.0.50"), None);
        assert_eq!(hostname("fd00::50"), None);
        assert_eq!(hostname("atlas").as_deref(), Some("atlas"));
    }
}
