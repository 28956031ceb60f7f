//! The document of a revision: what all kinds of alert have in common. Each kind adds the fields of its own.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::document as doc;
use super::{Document, access, attack, campaign, crowd, sensor};
use crate::detection::{Body, Confidence, Counts, Revision, Rule};
use crate::event::Outcome;
use crate::inventory::Purpose;
use crate::time::EventTime;

/// The version of the Elastic Common Schema that documents follow: the one that `.ci/checks/ecs` holds them to.
const ECS_VERSION: &str = "9.4.0";

/// What the inventory knows of the protected host.
#[derive(Clone, Copy, Debug)]
pub struct AssetFacts<'a> {
    /// Its canonical name.
    pub id: &'a str,
    /// Its addresses in the inventory.
    pub addresses: &'a [IpAddr],
    /// What it is for.
    pub roles: &'a [&'a str],
    /// What the accounts of the alert are for, as far as its rule asks.
    pub purposes: &'a BTreeSet<Purpose>,
    /// The asset that owns the address of the alert's source, where the inventory lists one.
    pub source: Option<&'a str>,
}

/// The document of one revision, `asset` being [the one that it names](Revision::asset). `policy` is the id of the
/// policy in force.
pub fn document(revision: &Revision, asset: &AssetFacts<'_>, policy: &str) -> Document {
    let frame = |rule| Frame {
        revision,
        rule,
        asset,
        policy,
    };
    match &revision.body {
        Body::Access(alert) => access::document(alert, &frame(&alert.rule)),
        Body::SensorBlind(alert) => sensor::document(alert, &frame(&sensor::sensor_rule())),
        Body::Overflow(alert) => crowd::overflow(alert, &frame(&alert.rule)),
        Body::ManySources(alert) => crowd::many_sources(alert, &frame(&alert.rule)),
        Body::Campaign(alert) => campaign::document(alert, &frame(&campaign::campaign_rule(alert))),
    }
}

/// What documents of every kind are made from.
pub(super) struct Frame<'a> {
    revision: &'a Revision,
    rule: &'a Rule,
    pub(super) asset: &'a AssetFacts<'a>,
    policy: &'a str,
}

/// What every kind fills in.
pub(super) struct Outline {
    pub(super) message: String,
    pub(super) action: &'static str,
    pub(super) category: &'static [&'static str],
    pub(super) outcome: Option<Outcome>,
    pub(super) first: EventTime,
    pub(super) last: EventTime,
    pub(super) weight: Weight,
    /// Addresses of the asset.
    pub(super) addresses: Vec<IpAddr>,
    pub(super) accesses: u32,
    pub(super) observations: Counts,
}

impl Frame<'_> {
    /// The document without what only some kinds have: who did it, with what, on what grounds.
    pub(super) fn document(&self, outline: Outline) -> Document {
        let asset = self.asset.id;
        Document {
            timestamp: outline.first,
            event: self.event(&outline),
            pipewarden: self.pipewarden(&outline),
            message: outline.message,
            ecs: doc::Ecs {
                version: ECS_VERSION.to_owned(),
            },
            rule: doc::RuleInfo {
                id: self.rule.id.to_string(),
                name: self.rule.name.clone(),
                description: self.rule.description.clone(),
                reference: self
                    .rule
                    .references
                    .iter()
                    .find_map(|reference| reference.url.clone()),
            },
            tags: self.asset.roles.iter().map(|&role| role.to_owned()).collect(),
            threat: attack::threats(&self.rule.attack),
            source: None,
            destination: doc::Destination {
                address: asset.to_owned(),
                domain: asset.to_owned(),
                ip: only(&outline.addresses).copied(),
                port: None,
            },
            network: None,
            related: Pivots::of(asset, &outline.addresses).fields(),
            host: doc::Host {
                name: asset.to_owned(),
                hostname: asset.to_owned(),
                ip: outline.addresses,
            },
            user: None,
            file: None,
            observer: doc::Observer {
                product: "Pipewarden".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
        }
    }

    fn event(&self, outline: &Outline) -> doc::Event {
        let outcome = match outline.outcome {
            Some(Outcome::Success) => "success",
            Some(Outcome::Failure) => "failure",
            None => "unknown",
        };
        let score = risk_score(self.rule.risk, self.revision.confidence(), outline.weight);
        doc::Event {
            kind: "alert".to_owned(),
            category: outline.category.iter().map(|&word| word.to_owned()).collect(),
            types: vec!["info".to_owned()],
            action: outline.action.to_owned(),
            id: self.revision.id.to_string(),
            module: "pipewarden".to_owned(),
            dataset: "pipewarden.alerts".to_owned(),
            outcome: outcome.to_owned(),
            start: outline.first,
            end: outline.last,
            created: EventTime::on_log(self.revision.created),
            risk_score: score,
            severity: severity(score),
        }
    }

    fn pipewarden(&self, outline: &Outline) -> doc::PipewardenFields {
        let roles = self.asset.roles.iter();
        doc::PipewardenFields {
            alert_id: self.revision.id,
            revision: self.revision.number,
            status: self.revision.status(),
            suppressed_by: None,
            who: None,
            superseded_by: Vec::new(),
            sensor: None,
            campaign: None,
            overflow: None,
            many_sources: None,
            dropped: None,
            exception: None,
            unexpected: None,
            next: self.rule.next.clone(),
            references: self.rule.references.clone(),
            policy: self.policy.to_owned(),
            risk_by: Vec::new(),
            confidence: self.revision.confidence(),
            attribution: self.revision.attribution(),
            story_id: self.revision.story_id().to_string(),
            asset: doc::AssetFields {
                id: self.asset.id.to_owned(),
                roles: roles.map(|&role| role.to_owned()).collect(),
            },
            source: doc::SourceFields::default(),
            accounts: Vec::new(),
            pipes: Vec::new(),
            paths: Vec::new(),
            accesses: outline.accesses,
            untimely: None,
            call_backs: None,
            observations: outline.observations,
            candidates: Vec::new(),
            rests_on: Vec::new(),
            conflicts: Vec::new(),
            evidence: Vec::new(),
            omitted: None,
        }
    }
}

/// What `related` lists: the asset, and whatever a kind adds.
pub(super) struct Pivots<'a> {
    pub(super) ips: BTreeSet<IpAddr>,
    pub(super) hosts: BTreeSet<&'a str>,
    pub(super) users: BTreeSet<&'a str>,
}

impl<'a> Pivots<'a> {
    pub(super) fn of(asset: &'a str, addresses: &[IpAddr]) -> Self {
        Self {
            ips: addresses.iter().copied().collect(),
            hosts: BTreeSet::from([asset]),
            users: BTreeSet::new(),
        }
    }

    pub(super) fn add_hosts(&mut self, hosts: &'a [Arc<str>]) {
        self.hosts.extend(hosts.iter().map(|host| &**host));
    }

    /// Users, as they are written and without their domains.
    pub(super) fn add_users(&mut self, users: &'a [Arc<str>]) {
        for user in users {
            self.users.insert(user);
            self.users
                .extend(user.split_once('\\').map(|(_domain, name)| name));
        }
    }

    pub(super) fn fields(self) -> doc::Related {
        doc::Related {
            ip: self.ips.into_iter().collect(),
            hosts: self.hosts.into_iter().map(str::to_owned).collect(),
            user: self.users.into_iter().map(str::to_owned).collect(),
        }
    }
}

/// What else than its confidence counts for the risk of an alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Whether every access was denied: 0.8.
    pub is_denied: bool,
    /// Whether an exception covers it: a quarter.
    pub is_excepted: bool,
    /// Whether the asset did it itself: nothing.
    pub is_local: bool,
    /// What circumstances add that make it worse.
    pub risk_by: u8,
}

/// The rule's risk times 1.0, 0.7 or 0.35 by confidence, and what else counts, at most 100, rounded half up.
pub fn risk_score(risk: u8, confidence: Confidence, weight: Weight) -> u8 {
    if weight.is_local {
        return 0;
    }
    let percent = match confidence {
        Confidence::High => 100,
        Confidence::Medium => 70,
        Confidence::Low => 35,
    };
    let tenths = if weight.is_denied { 8 } else { 10 };
    let share = if weight.is_excepted { 4 } else { 1 };
    let whole = 100 * 10 * share;
    let score = u32::from(risk) * percent * tenths + u32::from(weight.risk_by) * 1_000;
    let score = (score.min(100 * 1_000) + whole / 2) / whole;
    u8::try_from(score).expect("it is at most 100")
}

/// The severity of a score: the nearest of those that Elastic's own rules have, the greater of two.
pub fn severity(risk_score: u8) -> u8 {
    const SEVERITIES: [u8; 4] = [99, 73, 47, 21];
    let nearest = SEVERITIES
        .iter()
        .min_by_key(|severity| severity.abs_diff(risk_score));
    *nearest.expect("there are four")
}

pub(super) fn strings(texts: &[Arc<str>]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

pub(super) fn string(text: Option<&Arc<str>>) -> Option<String> {
    text.map(ToString::to_string)
}

/// The item, if there is one and only one.
pub(super) fn only<T>(items: &[T]) -> Option<&T> {
    match items {
        [only] => Some(only),
        _ => None,
    }
}
