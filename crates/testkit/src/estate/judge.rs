//! Compares alerts with what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use pipewarden_core::alert::Document;
use pipewarden_core::detection::{CAMPAIGN, Confidence, EvidenceRole, SENSOR_BLIND, Status};
use pipewarden_core::event::Kind;
use pipewarden_engine::AlertRecord;

use super::attacks::{Attack, AttackKind};
use super::figures::{AttackOutcome, Judgement, RISKY};
use super::hosts::HostId;
use super::traffic::Traffic;
use super::truth::{Access, By};

/// Takes in revisions, and keeps of each alert what is judged.
#[derive(Default)]
pub(super) struct Judge {
    last: BTreeMap<String, Alert>,
    /// Sensors that were found blind at any time.
    blind: BTreeSet<(HostId, Kind)>,
}

/// The last revision of an alert.
struct Alert {
    message: String,
    rule: String,
    status: Status,
    is_local: bool,
    risk: u8,
    confidence: Confidence,
    source: Option<IpAddr>,
    candidates: Vec<IpAddr>,
    /// Whether it is about an account that is used from elsewhere.
    is_account_use: bool,
    /// Of the truth, those that its evidence shows.
    accesses: BTreeSet<usize>,
}

impl Alert {
    /// Whether it is about accesses, and stands on the alerts topic.
    fn is_told(&self) -> bool {
        self.status == Status::Active && self.rule != CAMPAIGN && self.rule != SENSOR_BLIND
    }

    /// An access of the host to itself, preferably one that the host's own audit shows.
    fn own_access<'a>(&self, traffic: &'a Traffic) -> Option<&'a Access> {
        let accesses = self.accesses.iter().map(|&index| traffic.truth.access(index));
        let own = accesses.filter(|access| access.by == By::Itself);
        own.max_by_key(|access| access.is_audited)
    }
}

impl Judge {
    pub(super) fn take(&mut self, records: Vec<AlertRecord>, traffic: &Traffic) {
        for record in records {
            let document: Document = serde_json::from_slice(&record.value).expect("a correlator wrote it");
            if let Some(sensor) = &document.pipewarden.sensor
                && record.status == Status::Active
                && let Some(host) = traffic.hosts.asset(&document.pipewarden.asset.id)
            {
                self.blind.insert((host, sensor.kind));
            }
            let alert = alert(&record, &document, traffic);
            self.last.insert(record.key, alert);
        }
    }

    pub(super) fn judgement(&self, traffic: &Traffic, attacks: &[Attack]) -> Judgement {
        let mut judgement = Judgement::default();
        for alert in self.last.values() {
            count(alert, &mut judgement, traffic, attacks);
        }
        for &(host, kind) in &self.blind {
            let is_false = traffic.hosts.host(host).logs.yields(kind);
            if is_false {
                let name = &traffic.hosts.host(host).name;
                judgement.wrong.push(format!("sensor blind: {kind} of {name}"));
                judgement.blind_sensors_false += 1;
            } else {
                judgement.blind_sensors += 1;
            }
        }
        for (number, attack) in attacks.iter().enumerate() {
            let outcome = self.outcome(number, traffic);
            let kind = judgement.attacks.entry(attack.kind).or_default();
            *kind.entry(outcome).or_default() += 1;
        }
        judgement.wrong.sort();
        judgement
    }

    /// The best that any alert says of an attack.
    fn outcome(&self, number: usize, traffic: &Traffic) -> AttackOutcome {
        let is_it = |&index: &usize| traffic.truth.access(index).by == By::Attack(number);
        let mut best = AttackOutcome::Silent;
        for alert in self.last.values() {
            let Some(&access) = alert.accesses.iter().find(|index| is_it(index)) else {
                continue;
            };
            let sources = traffic.truth.access(access).sources;
            let is_named = alert.source.is_some_and(|source| sources.contains(&source));
            let is_listed = alert.candidates.iter().any(|ip| sources.contains(ip));
            let outcome = match alert.status {
                Status::Suppressed => AttackOutcome::Suppressed,
                Status::Active if is_named && alert.risk >= RISKY => AttackOutcome::Named,
                Status::Active if is_named => AttackOutcome::NamedLow,
                Status::Active if is_listed => AttackOutcome::Listed,
                Status::Active => AttackOutcome::Missed,
                Status::Superseded | Status::Resolved => continue,
            };
            best = best.min(outcome);
        }
        best
    }
}

/// Counts one alert.
fn count(alert: &Alert, judgement: &mut Judgement, traffic: &Traffic, attacks: &[Attack]) {
    let of = |is_one: &dyn Fn(By) -> bool| {
        let mut accesses = alert.accesses.iter();
        accesses.any(|&index| is_one(traffic.truth.access(index).by))
    };
    match alert.status {
        Status::Suppressed if alert.is_local => judgement.local_suppressed += 1,
        Status::Suppressed => judgement.suppressed += 1,
        Status::Active if alert.rule == CAMPAIGN => {
            judgement.campaigns += 1;
            if alert.risk >= RISKY {
                let sources = attackers(traffic, attacks);
                let is_attacker = alert.source.is_some_and(|source| sources.contains(&source));
                judgement.campaigns_of_attackers += usize::from(is_attacker);
                judgement.campaigns_of_others += usize::from(!is_attacker);
            }
        }
        _ => {}
    }
    if !alert.is_told() {
        return;
    }
    *judgement
        .alerts
        .entry((band(alert.risk), alert.confidence))
        .or_default() += 1;
    if let Some(access) = alert.own_access(traffic) {
        // Without an audit a host itself is one candidate among others.
        if access.is_audited {
            judgement.local_told += 1;
            judgement.wrong.push(alert.message.clone());
        } else {
            judgement.local_in_doubt += 1;
        }
    }
    if alert.risk < RISKY {
        return;
    }
    judgement.risky += 1;
    let Some(source) = alert.source else {
        return;
    };
    let had_a_part = |&index: &usize| traffic.truth.access(index).sources.contains(&source);
    // Nobody but relays has the account of another host.
    let is_relay = alert.is_account_use && relays(traffic, attacks).contains(&source);
    if is_relay {
        judgement.risky_of_attackers += 1;
    } else if !alert.accesses.iter().any(had_a_part) {
        judgement.risky_of_others += 1;
        judgement.wrong.push(alert.message.clone());
    } else if of(&|by| matches!(by, By::Attack(_))) {
        judgement.risky_of_attackers += 1;
    } else {
        judgement.risky_of_routine += 1;
    }
}

/// The addresses that attackers have.
fn attackers(traffic: &Traffic, attacks: &[Attack]) -> BTreeSet<IpAddr> {
    addresses(traffic, attacks.iter())
}

/// Those of attackers that use the account of another host.
fn relays(traffic: &Traffic, attacks: &[Attack]) -> BTreeSet<IpAddr> {
    addresses(
        traffic,
        attacks.iter().filter(|attack| attack.kind == AttackKind::Relay),
    )
}

fn addresses<'a>(traffic: &Traffic, attacks: impl Iterator<Item = &'a Attack>) -> BTreeSet<IpAddr> {
    let clients = attacks.map(|attack| traffic.hosts.host(attack.wish.client));
    let addresses = clients.flat_map(|client| [Some(client.ip), client.ipv6, client.nat]);
    addresses.flatten().collect()
}

fn alert(record: &AlertRecord, document: &Document, traffic: &Traffic) -> Alert {
    let own = &document.pipewarden;
    let shown = own.evidence.iter().filter(|evidence| {
        matches!(
            evidence.role,
            EvidenceRole::Access | EvidenceRole::Pair | EvidenceRole::Local
        )
    });
    let accesses = shown.filter_map(|evidence| {
        let log = match evidence.kind {
            Kind::PipeConnected => 0,
            Kind::ShareAccess | Kind::Logon => 1,
            _ => return None,
        };
        let host = traffic.hosts.asset(&evidence.computer)?;
        traffic.truth.of_record(host, log, evidence.record_id?)
    });
    Alert {
        message: format!("{} {}", document.event.start, document.message),
        rule: record.rule.to_string(),
        status: record.status,
        is_local: own.who.as_deref() == Some("local"),
        risk: document.event.risk_score,
        confidence: record.confidence,
        source: document.source.as_ref().map(|source| source.ip),
        is_account_use: document.event.action == "account-use",
        candidates: own.candidates.iter().map(|candidate| candidate.ip).collect(),
        accesses: accesses.collect(),
    }
}

/// The least risk of its band.
fn band(risk: u8) -> u8 {
    [73, RISKY, 21, 0]
        .into_iter()
        .find(|least| risk >= *least)
        .unwrap_or_default()
}
