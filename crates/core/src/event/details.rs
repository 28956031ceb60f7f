//! The kinds, each from the fields it needs.

mod access;
mod call_back;
mod session;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use self::access::{pipe_connected, share_access};
use super::decoded::{AddressClaim, DecodeError, Decoded, Skip, Watched, Word};
use super::document::Document;
use super::field::Scalar;
use super::record::{Code, OddFields, Record};
use super::{Agent, Detail, Event, Log, NetworkConnection, Process, TimeSource, names};
use crate::time::EventTime;

const SMB_PORTS: [u16; 2] = [445, 139];

/// The connection that the logging computer made, if it is to one of these ports.
struct CallBack<'w> {
    ports: &'w BTreeSet<u16>,
    found: Option<NetworkConnection>,
}

/// Why a payload gives no detail.
enum Unusable {
    Skipped(Skip),
    Undecodable(DecodeError),
}

impl From<Skip> for Unusable {
    fn from(skip: Skip) -> Self {
        Self::Skipped(skip)
    }
}

impl From<DecodeError> for Unusable {
    fn from(error: DecodeError) -> Self {
        Self::Undecodable(error)
    }
}

/// Reads the payload of an event that can matter.
pub(super) fn decode(
    record: &Record<'_, '_>,
    watched: &Watched,
    time: (EventTime, TimeSource),
) -> Result<Decoded, DecodeError> {
    let (mut claims, mut odd) = (Vec::new(), OddFields::default());
    let mut call_back = CallBack {
        ports: &watched.call_back_ports,
        found: None,
    };
    let detail = match record.code {
        Code::NetworkConnection => network_connection(record, time.0, &mut claims, &mut call_back, &mut odd),
        Code::PipeConnected => pipe_connected(record, watched),
        Code::ShareAccess => share_access(record, watched, &mut odd),
        Code::Logon => session::logon(record, &mut odd),
        Code::ShareSession => session::share_session(record, &mut odd),
        Code::ConnectionPermitted => {
            session::connection_permitted(record, time.0, &mut claims, &mut call_back, &mut odd)
        }
    };
    let mut event = |detail| -> Result<Event, DecodeError> {
        Ok(Event {
            time: time.0,
            time_source: time.1,
            computer: record.computer()?,
            channel: record.channel(),
            record_id: record.record_id(&mut odd),
            detail,
        })
    };
    let outcome = match detail {
        Ok(detail) => Ok(event(detail)?),
        Err(Unusable::Skipped(skip)) => Err(skip),
        Err(Unusable::Undecodable(error)) => return Err(error),
    };
    let call_back = match (call_back.found.map(Detail::NetworkConnection), &outcome) {
        (Some(detail), Ok(same)) => Some(Event {
            detail,
            ..same.clone()
        }),
        (Some(detail), Err(_)) => Some(event(detail)?),
        (None, _) => None,
    };
    Ok(Decoded {
        agent: (outcome.is_ok() || call_back.is_some())
            .then(|| agent(record.document))
            .flatten(),
        outcome,
        call_back,
        claims,
        odd_fields: odd.0,
    })
}

/// Who shipped the document, by its own word.
fn agent(document: &Document<'_>) -> Option<Arc<Agent>> {
    let (agent, beat) = (&document.agent, &document.beat);
    let name = agent.name.or(&agent.hostname).or(&beat.name).or(&beat.hostname);
    let agent = Agent {
        id: shared(&agent.id),
        name: shared(name),
        kind: shared(&agent.kind),
        version: shared(agent.version.or(&beat.version)),
    };
    (!agent.is_empty()).then(|| Arc::new(agent))
}

/// One end of a connection, before it is known which.
#[derive(Clone)]
struct End {
    ip: Option<IpAddr>,
    port: Option<u16>,
    host: Option<Arc<str>>,
}

impl End {
    fn is_smb(&self) -> bool {
        self.port.is_some_and(|port| SMB_PORTS.contains(&port))
    }
}

/// Source and destination, as they are written.
fn ends(record: &Record<'_, '_>, odd: &mut OddFields) -> (End, End) {
    let (data, document) = (record.data, record.document);
    let source = End {
        ip: ip(data.source_ip.or(&document.source.ip), "SourceIp", odd),
        port: port(data.source_port.or(&document.source.port), "SourcePort", odd),
        host: host(data.source_hostname.or(&document.source.domain)),
    };
    let destination = End {
        ip: ip(
            data.destination_ip.or(&document.destination.ip),
            "DestinationIp",
            odd,
        ),
        port: port(
            data.destination_port.or(&document.destination.port),
            "DestinationPort",
            odd,
        ),
        host: host(data.destination_hostname.or(&document.destination.domain)),
    };
    (source, destination)
}

fn network_connection(
    record: &Record<'_, '_>,
    time: EventTime,
    claims: &mut Vec<AddressClaim>,
    call_back: &mut CallBack<'_>,
    odd: &mut OddFields,
) -> Result<Detail, Unusable> {
    let data = record.data;
    let transport = data.protocol.text().or(record.document.network.transport.text());
    if transport.is_some_and(|transport| !transport.eq_ignore_ascii_case("tcp")) {
        return Err(Skip::OtherTransport.into());
    }
    let ends = ends(record, odd);
    let initiated = initiated(record, odd);
    call_back.found = call_back::of(record, &ends, initiated, call_back.ports)?;
    Ok(Detail::NetworkConnection(NetworkConnection {
        process: process(record),
        user: user(record),
        utc_time: shared(&data.utc_time),
        ..connection(record, time, ends, initiated, claims, odd)?
    }))
}

/// A connection by its ends as they are written, and by whether the logging computer opened it.
fn connection(
    record: &Record<'_, '_>,
    time: EventTime,
    (source, destination): (End, End),
    initiated: Option<bool>,
    claims: &mut Vec<AddressClaim>,
    odd: &OddFields,
) -> Result<NetworkConnection, Unusable> {
    // Some receivers log themselves as the source. Where nothing shows who began, the ports decide.
    let is_reversed = initiated != Some(true) && source.is_smb() && !destination.is_smb();
    let (client, server) = if is_reversed {
        (destination, source)
    } else {
        (source, destination)
    };
    let computer = record.computer()?;
    // Which end is the computer's own must be written: whoever may choose a port must not choose that, too.
    let own = match initiated {
        Some(true) => client.ip.map(|ip| (ip, Word::Client)),
        Some(false) if server.is_smb() && !client.is_smb() && !is_reversed => {
            server.ip.map(|ip| (ip, Word::Server))
        }
        _ => None,
    };
    if let Some((address, says)) = own.filter(|&(ip, _)| names::is_routable(ip)) {
        claims.push(AddressClaim {
            address,
            computer: Arc::clone(&computer),
            time,
            says,
        });
    }
    let initiated = initiated.unwrap_or(!is_reversed);
    let Some(destination_port) = server.port.filter(|_| server.is_smb()) else {
        return Err(without_smb_port(&client, &server, odd));
    };
    let source_ip = client.ip.ok_or(missing("SourceIp", "an IP address", odd))?;
    Ok(NetworkConnection {
        source_ip,
        source_port: client.port,
        source_host: if initiated { Some(computer) } else { client.host },
        destination_ip: server.ip,
        destination_port,
        destination_host: server.host,
        initiated,
        of_client: false,
        reported_by: Log::Sysmon,
        process: None,
        user: None,
        utc_time: None,
    })
}

/// A connection to another port matters to nobody, but one whose ports are missing or cannot be read may be to SMB.
fn without_smb_port(client: &End, server: &End, odd: &OddFields) -> Unusable {
    for name in ["DestinationPort", "SourcePort"] {
        if odd.has(name) {
            return missing(name, "a port from 0 to 65535", odd).into();
        }
    }
    if client.port.is_none() && server.port.is_none() {
        return DecodeError::MissingField("DestinationPort").into();
    }
    Skip::OtherPort.into()
}

/// Why a field that an event must have is not there.
fn missing(field: &'static str, expected: &'static str, odd: &OddFields) -> DecodeError {
    if odd.has(field) {
        DecodeError::BadField { field, expected }
    } else {
        DecodeError::MissingField(field)
    }
}

/// Who opened the connection: `Initiated`, or the direction that the Sysmon module makes of it.
fn initiated(record: &Record<'_, '_>, odd: &mut OddFields) -> Option<bool> {
    let flag = &record.data.initiated;
    let value = flag.text().and_then(|text| {
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        (is("true") || is("false")).then(|| is("true"))
    });
    odd.unless_empty(flag, "Initiated", value)
        .or_else(|| initiated_by_direction(record.document.network.direction.text()?))
}

/// Whether a direction in words is that of a connection which the logging computer opened.
fn initiated_by_direction(direction: &str) -> Option<bool> {
    match direction.to_ascii_lowercase().as_str() {
        "egress" | "outbound" => Some(true),
        "ingress" | "inbound" => Some(false),
        _ => None,
    }
}

/// The process on the logging computer.
fn process(record: &Record<'_, '_>) -> Option<Process> {
    let (data, moved) = (record.data, &record.document.process);
    process_of(
        data.image.or(&moved.executable),
        data.process_guid.or(&moved.entity_id),
        data.process_id.or(&moved.pid),
    )
}

fn process_of(image: &Scalar<'_>, guid: &Scalar<'_>, pid: &Scalar<'_>) -> Option<Process> {
    let process = Process {
        image: shared(image),
        guid: shared(guid),
        pid: pid.number().and_then(|pid| u32::try_from(pid).ok()),
    };
    let is_named = process.image.is_some() || process.guid.is_some() || process.pid.is_some();
    is_named.then_some(process)
}

/// The user of the process on the logging computer. The top-level `user` of raw shapes is the account of the Sysmon
/// service itself, so it counts only where the ends of the connection have been moved to the top level as well.
fn user(record: &Record<'_, '_>) -> Option<Arc<str>> {
    if let Some(user) = shared(&record.data.user) {
        return Some(user);
    }
    let (moved, user) = (&record.document.source, &record.document.user);
    if !record.data.source_ip.is_empty() || moved.ip.is_empty() {
        return None;
    }
    let name = user.name.text()?;
    Some(match user.domain.text() {
        Some(domain) => format!("{domain}\\{name}").into(),
        None => name.into(),
    })
}

/// A text as it is kept. State is bounded by the number of observations, so the size of each must be bounded, too.
fn shared(field: &Scalar<'_>) -> Option<Arc<str>> {
    field
        .text()
        .map(|text| names::truncate(&names::unescape_backslashes(text)).into())
}

fn host(field: &Scalar<'_>) -> Option<Arc<str>> {
    field
        .text()
        .map(|name| names::truncate(&names::host(name)).into())
}

fn ip(field: &Scalar<'_>, name: &'static str, odd: &mut OddFields) -> Option<IpAddr> {
    odd.unless_empty(field, name, field.text().and_then(names::address))
}

/// A port; 0 is what Windows writes for none.
fn port(field: &Scalar<'_>, name: &'static str, odd: &mut OddFields) -> Option<u16> {
    let port = field.number().and_then(|port| u16::try_from(port).ok());
    odd.unless_empty(field, name, port).filter(|&port| port != 0)
}
