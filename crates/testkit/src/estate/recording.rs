//! A day as files hold it, for whoever reads recordings.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use pipewarden_core::alert::Document;
use pipewarden_core::detection::{Attribution, Confidence, EvidenceRole};
use pipewarden_core::event::Kind;
use pipewarden_core::time::{AppendTime, EventTime};
use pipewarden_tools::generator::Truth;

use super::attacks::{Act, Attack};
use super::hosts::Hosts;
use super::truth::By;
use super::{Day, Millis};

/// The number of Sysmon's log among the two of a host.
const SYSMON: usize = 0;

/// What a day leaves behind.
#[derive(Debug)]
pub struct Recording {
    /// The documents, in the order in which they arrive.
    pub documents: Vec<Vec<u8>>,
    /// The protected servers, as an inventory file.
    pub inventory: String,
    /// The attacks, as `pipewarden generate --truth` writes them: by whom, against what and when. How they can be known is not
    /// told.
    pub truths: Vec<Truth>,
    /// The records that show an access of an attack: computer, whether they are Sysmon's, and number.
    shown: BTreeSet<(String, bool, u64)>,
}

impl Day {
    /// Lives it, and keeps all of it in memory.
    pub fn record(self) -> Recording {
        let mut routine = self.routine();
        let mut documents = Vec::new();
        while let Some((_, document)) = routine.next() {
            documents.push(document);
        }
        let traffic = &routine.traffic;
        let attacks = (1..).zip(routine.attacks());
        let truths = attacks.map(|(number, attack)| truth(number, attack, &traffic.hosts));
        let records = traffic.truth.records(|by| matches!(by, By::Attack(_)));
        let shown = records.map(|(host, log, number)| {
            let name = traffic.hosts.host(host).name.to_lowercase();
            (name, log == SYSMON, number)
        });
        Recording {
            inventory: traffic.hosts.inventory(),
            truths: truths.collect(),
            shown: shown.collect(),
            documents,
        }
    }
}

impl Recording {
    /// Whether an alert is about an access of an attack.
    pub fn shows_attack(&self, alert: &Document) -> bool {
        let evidence = alert.pipewarden.evidence.iter();
        let mut accesses =
            evidence.filter(|seen| matches!(seen.role, EvidenceRole::Access | EvidenceRole::Pair));
        accesses.any(|seen| {
            let is_sysmon = seen.kind == Kind::PipeConnected;
            let record = |number| (seen.computer.to_lowercase(), is_sysmon, number);
            seen.record_id
                .is_some_and(|number| self.shown.contains(&record(number)))
        })
    }
}

fn truth(attack: u64, by: &Attack, hosts: &Hosts) -> Truth {
    let (client, server) = (hosts.host(by.wish.client), hosts.host(by.wish.server));
    let sources: BTreeSet<IpAddr> = [Some(client.ip), client.ipv6, client.nat]
        .into_iter()
        .flatten()
        .collect();
    let opens: Millis = by.opens + server.clock;
    let access = EventTime::on_log(AppendTime::from_millis(opens));
    Truth {
        attack,
        asset: server.name.clone(),
        pipe: match by.act {
            Act::Open(pipe) => pipe.to_owned(),
            Act::ReadBootMedia | Act::LogOn => String::new(),
        },
        attacker: client.nat.unwrap_or(client.ip),
        attribution: Attribution::Audited,
        confidence: Confidence::High,
        sources: sources.into_iter().collect(),
        first_access: access,
        last_access: access,
        complete_at: access.plus(Duration::from_secs(60)),
        denied: false,
        documents: 0,
    }
}
