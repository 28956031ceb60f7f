//! What Windows logs of benign sessions: logons, most of them at domain controllers, uses of shares, and what the firewall lets
//! pass.

use super::attack::Attacks;
use super::document_writer::{DocumentWriter, Millis};
use super::fill::NOISE_PORTS;
use super::noise::{server, workstation};
use super::rng::Rng;
use super::template::Slot;

/// Of 100 logons those at domain controllers and at servers, over the network. Of the logons over the network on a day of an
/// estate, 93 in 100 were at domain controllers. The others are of services, on any host.
const LOGONS: [u64; 2] = [80, 6];

/// Of 100 uses of a share those at domain controllers.
const DOMAIN_SHARES: u64 = 70;

/// Sets the gaps of a logon. Gives back who logs it.
pub(super) fn logon(time: Millis, writer: &mut DocumentWriter, attacks: &Attacks, rng: &mut Rng) -> usize {
    let [at_controllers, at_servers] = LOGONS;
    let kind = rng.below(100);
    if kind >= at_controllers + at_servers {
        let values = &mut writer.values;
        values.set(Slot::LogonType, "5");
        values.set(Slot::SourceIp, "-");
        values.set(Slot::SourcePort, "-");
        return rng.index(writer.fleet.hosts.len());
    }
    let host = host(kind < at_controllers, time, writer, attacks, rng);
    let client = workstation(writer, rng);
    let ip = writer.host(client).ip.clone();
    writer.values.set(Slot::SourceIp, &ip);
    host
}

/// Sets the gaps of a use of a share: at domain controllers mostly of the policies.
pub(super) fn share_session(
    time: Millis,
    writer: &mut DocumentWriter,
    attacks: &Attacks,
    rng: &mut Rng,
) -> usize {
    let is_controllers = rng.below(100) < DOMAIN_SHARES;
    let host = host(is_controllers, time, writer, attacks, rng);
    let client = workstation(writer, rng);
    let ip = writer.host(client).ip.clone();
    writer.values.set(Slot::SourceIp, &ip);
    writer.values.set(Slot::Access, "0x1");
    if rng.percent(if is_controllers { 30 } else { 60 }) {
        writer.values.set(Slot::Share, r"\\\\*\\IPC$");
    }
    host
}

/// Sets the gaps of a connection over SMB that the firewall of either end lets pass.
pub(super) fn smb_permitted(
    time: Millis,
    writer: &mut DocumentWriter,
    attacks: &Attacks,
    rng: &mut Rng,
) -> usize {
    let server = host(false, time, writer, attacks, rng);
    let client = workstation(writer, rng);
    let is_logged_by_client = rng.percent(50);
    let (from, to) = (writer.host(client).ip.clone(), writer.host(server).ip.clone());
    let values = &mut writer.values;
    values.set(Slot::SourceIp, &from);
    values.number(
        Slot::SourcePort,
        NOISE_PORTS.0 + rng.below(NOISE_PORTS.1 - NOISE_PORTS.0),
    );
    values.set(Slot::DestinationIp, &to);
    values.set(Slot::DestinationPort, "445");
    values.set(Slot::Application, "System");
    if is_logged_by_client {
        client
    } else {
        values.set(Slot::Direction, "%%14592");
        server
    }
}

/// Who is logged on to, but nobody that must be left alone at this time.
fn host(
    is_controller: bool,
    time: Millis,
    writer: &DocumentWriter,
    attacks: &Attacks,
    rng: &mut Rng,
) -> usize {
    let controllers = writer.fleet.domain_controllers();
    let host = if is_controller && !controllers.is_empty() {
        controllers[rng.index(controllers.len())]
    } else {
        server(writer, rng)
    };
    if attacks.is_quiet(host, time) {
        let servers = writer.fleet.servers();
        servers.start + rng.index(servers.len())
    } else {
        host
    }
}
