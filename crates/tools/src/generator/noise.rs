//! What is benign: the traffic among which an attack hides.

use super::attack::Attacks;
use super::document_writer::{DocumentWriter, Millis};
use super::kinds::Kind;
use super::rng::Rng;
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
    writer: &mut DocumentWriter,
    attacks: &Attacks,
    rng: &mut Rng,
    out: &mut Vec<u8>,
) {
    let host = match kind {
        Kind::NetworkConnection if rng.percent(40) => smb_connection(time, writer, attacks, rng),
        Kind::NetworkConnection => connection(writer, rng),
        Kind::PipeConnected => pipe(writer, rng),
        Kind::ShareAccess => share(writer, rng),
        _ => rng.index(writer.fleet.hosts.len()),
    };
    writer.write(kind, host, at, rng, out);
}

fn workstation(writer: &DocumentWriter, rng: &mut Rng) -> usize {
    let all = writer.fleet.workstations();
    all.start + rng.index(all.len())
}

/// An asset or, more often, a file server.
fn server(writer: &DocumentWriter, rng: &mut Rng) -> usize {
    let (assets, servers) = (writer.fleet.assets(), writer.fleet.servers());
    if rng.percent(25) {
        assets.start + rng.index(assets.len())
    } else {
        servers.start + rng.index(servers.len())
    }
}

/// Any host to somewhere, not over SMB.
fn connection(writer: &mut DocumentWriter, rng: &mut Rng) -> usize {
    let host = rng.index(writer.fleet.hosts.len());
    let ip = writer.fleet.hosts[host].ip.clone();
    let name = writer.fleet.hosts[host].name.clone();
    let values = &mut writer.values;
    values.set(Slot::SourceIp, &ip);
    values.set(Slot::SourceHost, &name);
    if rng.percent(10) {
        values.set(Slot::Protocol, "udp");
    }
    host
}

/// A workstation to a server over SMB, logged by either.
fn smb_connection(time: Millis, writer: &mut DocumentWriter, attacks: &Attacks, rng: &mut Rng) -> usize {
    let client = workstation(writer, rng);
    let mut target = server(writer, rng);
    if attacks.is_quiet(target, time) {
        let servers = writer.fleet.servers();
        target = servers.start + rng.index(servers.len());
    }
    let port =
        super::fill::NOISE_PORTS.0 + rng.below(super::fill::NOISE_PORTS.1 - super::fill::NOISE_PORTS.0);
    smb(writer, (client, target), port, rng)
}

/// Sets the gaps of an SMB connection and says which end logs it.
pub(super) fn smb(
    writer: &mut DocumentWriter,
    (client, server): (usize, usize),
    port: u64,
    rng: &mut Rng,
) -> usize {
    let by_client = rng.percent(50);
    set_smb(writer, (client, server), port, by_client, rng);
    if by_client { client } else { server }
}

/// Sets the gaps of an SMB connection that one end logs.
pub(super) fn set_smb(
    writer: &mut DocumentWriter,
    (client, server): (usize, usize),
    port: u64,
    by_client: bool,
    rng: &mut Rng,
) {
    let (from, to) = (writer.host(client).clone(), writer.host(server).clone());
    let short = to.short();
    let server_name = match rng.below(5) {
        0 => to.name.as_str(),
        1 => short.as_str(),
        _ => "-",
    };
    let values = &mut writer.values;
    // One receiver in five logs itself as the source.
    let is_reversed = !by_client && rng.percent(20);
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
        if rng.percent(3) {
            "<unknown process>"
        } else {
            "System"
        },
    );
    values.set(Slot::User, r"NT AUTHORITY\\SYSTEM");
}

/// A pipe that no rule watches, or a watched one that a process of the host itself opens.
fn pipe(writer: &mut DocumentWriter, rng: &mut Rng) -> usize {
    let is_local = rng.percent(5);
    if is_local {
        writer.values.set(Slot::Pipe, "winreg");
    } else {
        writer.values.set(Slot::Pipe, PIPES[rng.index(PIPES.len())].0);
        if rng.percent(60) {
            writer.values.set(Slot::Image, "System");
        }
    }
    if rng.percent(50) {
        server(writer, rng)
    } else {
        rng.index(writer.fleet.hosts.len())
    }
}

/// A file or a pipe that no rule watches, on a server.
fn share(writer: &mut DocumentWriter, rng: &mut Rng) -> usize {
    let client = workstation(writer, rng);
    let ip = writer.host(client).ip.clone();
    writer.values.set(Slot::SourceIp, &ip);
    if rng.percent(50) {
        writer.values.set(Slot::Share, r"\\\\*\\IPC$");
        writer.values.set(Slot::Target, PIPES[rng.index(PIPES.len())].1);
    } else {
        writer.values.set(Slot::Target, POLICY);
    }
    server(writer, rng)
}
