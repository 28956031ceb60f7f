//! Writes the documents of one attack, and what must be found of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use pipewarden_core::detection::{Attribution, Confidence};
use pipewarden_core::time::EventTime;

use super::attack::{Attack, delay};
use super::document_writer::{DocumentWriter, Millis, Moment};
use super::fill::NOISE_PORTS;
use super::kinds::Kind;
use super::noise::{SmbConnection, set_smb};
use super::publish_queue::PublishQueue;
use super::rng::Rng;
use super::template::{Slot, hex};
use super::truth::Truth;

/// When documents of attacks are published.
#[derive(Debug)]
pub(super) struct Publishing {
    /// Nothing is published later.
    pub(super) end: Millis,
    /// How late a document may be published.
    pub(super) lateness: Millis,
    /// How many percent are published twice.
    pub(super) duplicates: u8,
}

/// One attack while it is being written.
pub(super) struct AttackWriter<'a> {
    number: u64,
    publishing: &'a Publishing,
    rng: &'a mut Rng,
    writer: &'a mut DocumentWriter,
    queue: &'a mut PublishQueue,
    documents: u64,
    /// Whether any access was granted.
    is_granted: bool,
    /// Access by access: when its first document of each kind is published.
    published: Vec<BTreeMap<Kind, Millis>>,
    /// The accesses, by the asset's clock.
    accesses: Vec<EventTime>,
    /// The addresses that what is logged leaves as the source.
    sources: Vec<IpAddr>,
    /// The session's on the asset.
    logon_id: u64,
}

impl<'a> AttackWriter<'a> {
    pub(super) fn new(
        number: u64,
        publishing: &'a Publishing,
        rng: &'a mut Rng,
        writer: &'a mut DocumentWriter,
        queue: &'a mut PublishQueue,
    ) -> Self {
        let logon_id = rng.bits();
        Self {
            number,
            publishing,
            rng,
            writer,
            queue,
            documents: 0,
            is_granted: false,
            published: Vec::new(),
            accesses: Vec::new(),
            sources: Vec::new(),
            logon_id,
        }
    }

    /// Writes every document of the attack.
    pub(super) fn write_all(&mut self, attack: &Attack) {
        let (asset, attacker) = (attack.asset, attack.attacker);
        if attack.has_share || attack.has_connection {
            self.sources.push(self.writer.host(attacker).address);
        }
        self.connection_by_asset(asset, attack.time);
        // Others connect at the same time: which of them it was cannot be known, unless one log only shows one of them.
        let has_decoys = attack.has_connection && !attack.has_share && self.rng.percent(25);
        let ends = has_decoys.then(|| self.rng.percent(50));
        let ports = self.rng.between(0, 7_000);
        // Only where it tells nothing new: what else it is worth is not for the generator to say.
        if attack.has_share && attack.has_connection && self.rng.percent(50) {
            let port = NOISE_PORTS.1 + ports.unsigned_abs();
            self.session(asset, attacker, port, attack.time);
        }
        for number in 0..attack.accesses {
            let port = NOISE_PORTS.1 + (ports + number * 3).unsigned_abs();
            let time = attack.time + number * attack.gap;
            self.published.push(BTreeMap::new());
            // What Windows denies opens no pipe.
            let is_denied = attack.has_share && self.share_access(asset, attacker, port, time);
            self.is_granted |= !is_denied;
            if attack.has_pipe && !is_denied {
                self.pipe_connected(asset, time, !attack.has_share);
            }
            if attack.has_connection {
                self.network_connection(asset, attacker, port, time, ends);
            }
        }
        if has_decoys {
            for decoy in 1..=2 {
                let workstations = self.writer.fleet.workstations();
                let other = workstations.start + (attacker - workstations.start + decoy) % workstations.len();
                self.sources.push(self.writer.host(other).address);
                self.network_connection(asset, other, NOISE_PORTS.1 + 8_000, attack.time, ends);
            }
        }
    }

    /// What must be found of what has been written.
    pub(super) fn truth(mut self, attack: &Attack) -> Option<Truth> {
        let complete_at = self.complete_at();
        self.sources.sort_unstable();
        self.accesses.sort_unstable();
        let has_pipe = |access: &BTreeMap<Kind, Millis>| access.contains_key(&Kind::PipeConnected);
        let is_corroborated = attack.has_connection || self.published.iter().any(has_pipe);
        let (attribution, confidence) = match (attack.has_share, self.sources.len()) {
            (true, _) if is_corroborated => (Attribution::Audited, Confidence::High),
            (true, _) => (Attribution::Audited, Confidence::Medium),
            (false, 0) => (Attribution::None, Confidence::Low),
            (false, 1) => (Attribution::Inferred, Confidence::Medium),
            (false, _) => (Attribution::Ambiguous, Confidence::Low),
        };
        Some(Truth {
            attack: self.number,
            asset: self.writer.host(attack.asset).name.clone(),
            pipe: "winreg".to_owned(),
            attacker: self.writer.host(attack.attacker).address,
            attribution,
            confidence,
            first_access: *self.accesses.first()?,
            last_access: *self.accesses.last()?,
            sources: self.sources,
            complete_at: EventTime::from_micros(complete_at * 1_000),
            denied: !self.is_granted,
            documents: self.documents,
        })
    }

    /// When the last of the kinds is published. What is not a share access counts together with that of its own access:
    /// a connection of another port is no evidence of it.
    fn complete_at(&self) -> Millis {
        [Kind::ShareAccess, Kind::PipeConnected, Kind::NetworkConnection]
            .into_iter()
            .filter_map(|kind| {
                let of_one = |access: &BTreeMap<Kind, Millis>| {
                    let (own, share) = (*access.get(&kind)?, access.get(&Kind::ShareAccess));
                    Some(share.map_or(own, |&share| share.max(own)))
                };
                self.published.iter().filter_map(of_one).min()
            })
            .max()
            .unwrap_or_default()
    }

    /// Writes the document whose gaps are set, and perhaps a copy of it. Gives back the time that it bears.
    fn write(&mut self, kind: Kind, host: usize, time: Millis) -> EventTime {
        let Publishing {
            end,
            lateness,
            duplicates,
        } = *self.publishing;
        let published = (time + delay(lateness, self.rng)).min(end).max(time);
        let mut document = Vec::with_capacity(4 << 10);
        let at = Moment {
            logged: time,
            published,
        };
        let logged = self.writer.write(kind, host, at, self.rng, &mut document);
        self.documents += 1;
        if let Some(access) = self.published.last_mut() {
            let first = access.entry(kind).or_insert(published);
            *first = published.min(*first);
        }
        if self.rng.percent(duplicates) {
            let again = (published + self.rng.between(0, 5_000)).min(end);
            self.queue.push_attack(published, document.clone());
            self.queue.push_attack(again, document);
        } else {
            self.queue.push_attack(published, document);
        }
        logged
    }

    /// The asset itself connects somewhere, which binds its address to it.
    fn connection_by_asset(&mut self, asset: usize, time: Millis) {
        let host = self.writer.host(asset).clone();
        self.writer.values.set(Slot::SourceIp, &host.ip);
        self.writer.values.set(Slot::SourceHost, &host.name);
        self.writer.values.set(Slot::DestinationPort, "389");
        self.write(Kind::NetworkConnection, asset, time - 1_000);
    }

    /// Logged by the client, the server or both or, if that is given, by the client or else the server alone.
    fn network_connection(
        &mut self,
        asset: usize,
        client: usize,
        port: u64,
        time: Millis,
        by_client: Option<bool>,
    ) {
        let (by_client, by_server) = match (by_client, self.rng.below(5)) {
            (Some(by_client), _) => (by_client, !by_client),
            (None, 0 | 1) => (true, false),
            (None, 2 | 3) => (false, true),
            (None, _) => (true, true),
        };
        let after = self.rng.between(-500, 2_000);
        for (is_logged, by_client, host) in [(by_client, true, client), (by_server, false, asset)] {
            if is_logged {
                let connection = SmbConnection {
                    client,
                    server: asset,
                    port,
                    is_logged_by_client: by_client,
                };
                set_smb(self.writer, &connection, self.rng);
                self.write(Kind::NetworkConnection, host, time + after);
            }
        }
    }

    /// What the asset's own Security log tells of the session.
    fn session(&mut self, asset: usize, client: usize, port: u64, time: Millis) {
        let host = self.writer.host(client);
        let (ip, short) = (host.ip.clone(), host.short());
        let before = self.rng.between(3, 140);
        for (kind, before) in [(Kind::Logon, before), (Kind::ShareSession, before / 2)] {
            let values = &mut self.writer.values;
            values.set(Slot::SourceIp, &ip);
            values.number(Slot::SourcePort, port);
            values.set(Slot::Account, "svc-deploy");
            values.set(Slot::Workstation, &short);
            values.set(Slot::Share, r"\\\\*\\IPC$");
            values.set(Slot::Access, "0x1");
            self.set_logon_id();
            self.write(kind, asset, time - before);
        }
    }

    fn set_logon_id(&mut self) {
        let logon_id = self.logon_id;
        self.writer.values.write(Slot::Logon, |out| {
            out.extend_from_slice(b"0x");
            hex(out, logon_id, 8);
        });
    }

    fn pipe_connected(&mut self, asset: usize, time: Millis, is_access: bool) {
        let after = self.rng.between(0, 6);
        let name = if self.rng.percent(5) { "WINREG" } else { "winreg" };
        let values = &mut self.writer.values;
        values.set(Slot::Pipe, name);
        values.set(Slot::Image, "System");
        values.set(Slot::User, r"NT AUTHORITY\\SYSTEM");
        let logged = self.write(Kind::PipeConnected, asset, time + after);
        self.accesses.extend(is_access.then_some(logged));
    }

    /// Whether the access is denied.
    fn share_access(&mut self, asset: usize, client: usize, port: u64, time: Millis) -> bool {
        let ip = self.writer.host(client).ip.clone();
        let (is_repeated, is_denied) = (self.rng.percent(20), self.rng.percent(5));
        let name = if self.rng.percent(5) { "WinReg" } else { "winreg" };
        let mask = self.rng.pick(&["0x12019f", "0x3", "0x83", "0x120089"]);
        for repeat in 0..=i64::from(is_repeated) {
            let values = &mut self.writer.values;
            values.set(Slot::SourceIp, &ip);
            values.number(Slot::SourcePort, port);
            values.set(Slot::Share, r"\\\\*\\IPC$");
            values.set(Slot::Target, name);
            values.set(Slot::Access, mask);
            values.set(Slot::Account, "svc-deploy");
            if is_denied {
                values.set(Slot::Outcome, "failure");
                values.set(Slot::Keyword, "Audit Failure");
            }
            self.set_logon_id();
            let after = repeat * self.rng.between(1, 58);
            let logged = self.write(Kind::ShareAccess, asset, time + after);
            self.accesses.push(logged);
        }
        is_denied
    }
}
