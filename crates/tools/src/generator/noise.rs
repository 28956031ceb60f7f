//! What is benign: the traffic among which an attack hides.

use super::attack::Attacks;
use super::chance::Chance;
use super::kinds::Kind;
use super::scribe::{Millis, Scribe};
use super::template::Slot;

/// Pipes that are opened all day: as Sysmon 18 names them, as Security 5145 does.
const PIPES: &[(&str, &str)] = &[
    ("srvsvc", "srvsvc"),
    ("lsass", "lsarpc"),
    ("lsass", "samr"),
    ("lsass", "netlogon"),
    ("ntsvcs", "svcctl"),
    ("wkssvc", "wkssvc"),
    ("spoolss", "spoolss"),
];

const POLICY: &str = r"aperture.local\\Policies\\{31B2F340-016D-11D2-945F-00C04FB984F9}\\gpt.ini";

/// Appends one benign document that is logged at `time`.
pub(super) fn write(
    kind: Kind,
    at @ (time, _): (Millis, Millis),
    scribe: &mut Scribe,
    attacks: &Attacks,
    chance: &mut Chance,
    out: &mut Vec<u8>,
) {
    let host = match kind {
        Kind::NetworkConnection if chance.percent(40) => smb_connection(time, scribe, attacks, chance),
        Kind::NetworkConnection => connection(scribe, chance),
        Kind::PipeConnected => pipe(scribe, chance),
        Kind::ShareAccess => share(scribe, chance),
        _ => chance.index(scribe.fleet.hosts.len()),
    };
    scribe.write(kind, host, at, chance, out);
}

fn workstation(scribe: &Scribe, chance: &mut Chance) -> usize {
    let all = scribe.fleet.workstations();
    all.start + chance.index(all.len())
}

/// An asset or, more often, a file server.
fn server(scribe: &Scribe, chance: &mut Chance) -> usize {
    let (assets, servers) = (scribe.fleet.assets(), scribe.fleet.servers());
    if chance.percent(25) {
        assets.start + chance.index(assets.len())
    } else {
        servers.start + chance.index(servers.len())
    }
}

/// Any host to somewhere, not over SMB.
fn connection(scribe: &mut Scribe, chance: &mut Chance) -> usize {
    let host = chance.index(scribe.fleet.hosts.len());
    let ip = scribe.fleet.hosts[host].ip.clone();
    let name = scribe.fleet.hosts[host].name.clone();
    let values = &mut scribe.values;
    values.set(Slot::SourceIp, &ip);
    values.set(Slot::SourceHost, &name);
    if chance.percent(10) {
        values.set(Slot::Protocol, "udp");
    }
    host
}

/// A workstation to a server over SMB, logged by either.
fn smb_connection(time: Millis, scribe: &mut Scribe, attacks: &Attacks, chance: &mut Chance) -> usize {
    let client = workstation(scribe, chance);
    let mut target = server(scribe, chance);
    if attacks.is_quiet(target, time) {
        let servers = scribe.fleet.servers();
        target = servers.start + chance.index(servers.len());
    }
    let port =
        super::fill::NOISE_PORTS.0 + chance.below(super::fill::NOISE_PORTS.1 - super::fill::NOISE_PORTS.0);
    smb(scribe, (client, target), port, chance)
}

/// Sets the gaps of an SMB connection and says which end logs it.
pub(super) fn smb(
    scribe: &mut Scribe,
    (client, server): (usize, usize),
    port: u64,
    chance: &mut Chance,
) -> usize {
    let by_client = chance.percent(50);
    set_smb(scribe, (client, server), port, by_client, chance);
    if by_client { client } else { server }
}

/// Sets the gaps of an SMB connection that one end logs.
pub(super) fn set_smb(
    scribe: &mut Scribe,
    (client, server): (usize, usize),
    port: u64,
    by_client: bool,
    chance: &mut Chance,
) {
    let (from, to) = (scribe.host(client).clone(), scribe.host(server).clone());
    let short = to.short();
    let server_name = match chance.below(5) {
        0 => to.name.as_str(),
        1 => short.as_str(),
        _ => "-",
    };
    let values = &mut scribe.values;
    // One receiver in five logs itself as the source.
    let is_reversed = !by_client && chance.percent(20);
    let (source, destination) = if is_reversed {
        ((&to.ip, server_name, 445), (&from.ip, from.name.as_str(), port))
    } else {
        ((&from.ip, from.name.as_str(), port), (&to.ip, server_name, 445))
    };
    values.set(Slot::SourceIp, source.0);
    values.set(Slot::SourceHost, source.1);
    values.number(Slot::SourcePort, source.2);
    values.set(Slot::DestinationIp, destination.0);
    values.set(Slot::DestinationHost, destination.1);
    values.number(Slot::DestinationPort, destination.2);
    values.set(Slot::Initiated, if by_client { "true" } else { "false" });
    values.set(
        Slot::Image,
        if chance.percent(3) {
            "<unknown process>"
        } else {
            "System"
        },
    );
    values.set(Slot::User, r"NT AUTHORITY\\SYSTEM");
}

/// A pipe that no rule watches, or a watched one that a process of the host itself opens.
fn pipe(scribe: &mut Scribe, chance: &mut Chance) -> usize {
    let is_local = chance.percent(5);
    if is_local {
        scribe.values.set(Slot::Pipe, "winreg");
    } else {
        scribe.values.set(Slot::Pipe, PIPES[chance.index(PIPES.len())].0);
        if chance.percent(60) {
            scribe.values.set(Slot::Image, "System");
        }
    }
    if chance.percent(50) {
        server(scribe, chance)
    } else {
        chance.index(scribe.fleet.hosts.len())
    }
}

/// A file or a pipe that no rule watches, on a server.
fn share(scribe: &mut Scribe, chance: &mut Chance) -> usize {
    let client = workstation(scribe, chance);
    let ip = scribe.host(client).ip.clone();
    scribe.values.set(Slot::SourceIp, &ip);
    if chance.percent(50) {
        scribe.values.set(Slot::Share, r"\\\\*\\IPC$");
        scribe
            .values
            .set(Slot::Target, PIPES[chance.index(PIPES.len())].1);
    } else {
        scribe.values.set(Slot::Target, POLICY);
    }
    server(scribe, chance)
}
