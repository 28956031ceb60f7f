//! What is benign: the traffic among which an attack hides.

use super::attack::Attacks;
use super::document_writer::{DocumentWriter, Millis, Moment};
use super::fill::NOISE_PORTS;
use super::kinds::Kind;
use super::noise_sessions;
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

/// Appends one benign document.
pub(super) fn write(
    kind: Kind,
    at: Moment,
    writer: &mut DocumentWriter,
    attacks: &Attacks,
    rng: &mut Rng,
    out: &mut Vec<u8>,
) {
    let host = match kind {
        Kind::NetworkConnection if rng.percent(40) => smb_connection(at.logged, writer, attacks, rng),
        Kind::NetworkConnection => connection(writer, rng),
        Kind::PipeConnected => pipe(writer, rng),
        Kind::ShareAccess => share(writer, rng),
        Kind::Logon => noise_sessions::logon(at.logged, writer, attacks, rng),
        Kind::ShareSession => noise_sessions::share_session(at.logged, writer, attacks, rng),
        // Most connections are to other ports.
        Kind::ConnectionPermitted if rng.percent(2) => {
            noise_sessions::smb_permitted(at.logged, writer, attacks, rng)
        }
        _ => rng.index(writer.fleet.hosts.len()),
    };
    writer.write(kind, host, at, rng, out);
}

pub(super) fn workstation(writer: &DocumentWriter, rng: &mut Rng) -> usize {
    let all = writer.fleet.workstations();
    all.start + rng.index(all.len())
}

/// An asset or, more often, a file server.
pub(super) fn server(writer: &DocumentWriter, rng: &mut Rng) -> usize {
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
    let mut server = server(writer, rng);
    if attacks.is_quiet(server, time) {
        let servers = writer.fleet.servers();
        server = servers.start + rng.index(servers.len());
    }
    let connection = SmbConnection {
        client,
        server,
        port: NOISE_PORTS.0 + rng.below(NOISE_PORTS.1 - NOISE_PORTS.0),
        is_logged_by_client: rng.percent(50),
    };
    set_smb(writer, &connection, rng);
    if connection.is_logged_by_client {
        client
    } else {
        server
    }
}

/// An SMB connection that one of its ends logs.
pub(super) struct SmbConnection {
    pub(super) client: usize,
    pub(super) server: usize,
    /// The client's.
    pub(super) port: u64,
    /// Whether the client logs it, else the server.
    pub(super) is_logged_by_client: bool,
}

/// One end as Sysmon logs it.
struct End<'a> {
    ip: &'a str,
    name: &'a str,
    port: u64,
}

/// Sets the gaps of an SMB connection.
pub(super) fn set_smb(writer: &mut DocumentWriter, connection: &SmbConnection, rng: &mut Rng) {
    let client = writer.host(connection.client).clone();
    let server = writer.host(connection.server).clone();
    let short = server.short();
    let server_name = match rng.below(5) {
        0 => server.name.as_str(),
        1 => short.as_str(),
        _ => "-",
    };
    let client = End {
        ip: &client.ip,
        name: &client.name,
        port: connection.port,
    };
    let server = End {
        ip: &server.ip,
        name: server_name,
        port: 445,
    };
    // One receiver in five logs itself as the source.
    let is_reversed = !connection.is_logged_by_client && rng.percent(20);
    let (source, destination) = if is_reversed {
        (server, client)
    } else {
        (client, server)
    };
    let is_initiated = if connection.is_logged_by_client {
        "true"
    } else {
        "false"
    };
    let image = if rng.percent(3) {
        "<unknown process>"
    } else {
        "System"
    };
    let values = &mut writer.values;
    values.set(Slot::SourceIp, source.ip);
    values.set(Slot::SourceHost, source.name);
    values.number(Slot::SourcePort, source.port);
    values.set(Slot::DestinationIp, destination.ip);
    values.set(Slot::DestinationHost, destination.name);
    values.number(Slot::DestinationPort, destination.port);
    values.set(Slot::Initiated, is_initiated);
    values.set(Slot::Image, image);
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
