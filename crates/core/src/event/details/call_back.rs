//! Connections that a host makes, kept for that host: one that was just made to do something may connect to whoever made it.

use std::collections::BTreeSet;

use super::{End, process, user};
use crate::event::decoded::DecodeError;
use crate::event::record::Record;
use crate::event::{Log, NetworkConnection, names};

/// The connection to one of these ports that the logging computer made, by its own word.
pub(super) fn of(
    record: &Record<'_, '_>,
    (source, destination): &(End, End),
    initiated: Option<bool>,
    ports: &BTreeSet<u16>,
) -> Result<Option<NetworkConnection>, DecodeError> {
    let port = destination.port.filter(|port| ports.contains(port));
    let ends = source.ip.zip(destination.ip);
    let (Some(destination_port), Some((source_ip, destination_ip)), Some(true)) = (port, ends, initiated)
    else {
        return Ok(None);
    };
    if source_ip == destination_ip || names::is_local(source_ip) || names::is_local(destination_ip) {
        return Ok(None);
    }
    Ok(Some(NetworkConnection {
        source_ip,
        source_port: source.port,
        source_host: Some(record.computer()?),
        destination_ip: Some(destination_ip),
        destination_port,
        destination_host: destination.host.clone(),
        initiated: true,
        of_client: true,
        reported_by: Log::Sysmon,
        process: process(record),
        user: user(record),
        utc_time: None,
    }))
}
