//! Explanations for people, and examples of what was skipped.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use owo_colors::OwoColorize as _;

use super::pretty::clean;
use crate::detection::{Explanation, Finding, GroundLog, Reason as Why, Says, Seen};
use crate::engine::Reason;
use crate::event::{Detail, Event, Kind, NetworkConnection};

/// Skipped connections that are remembered, to be held against accesses.
const UNRESOLVED: usize = 65_536;
/// How many of them are printed for each access, the nearest.
const NEAREST: usize = 3;

/// Writes the explanation of an alert, below its block. A `+` joined, a `-` did not.
pub(super) fn write_explanation(out: &mut impl Write, explanation: &Explanation) -> io::Result<()> {
    writeln!(out, "  {}", "why".dimmed())?;
    if let Some(exception) = &explanation.exception {
        writeln!(out, "    {}", clean(&exception.to_string()))?;
    }
    if let Some(unexpected) = &explanation.unexpected {
        writeln!(out, "    {}", clean(unexpected))?;
    }
    for says in [Says::Source, Says::Account, Says::Time, Says::Pipe] {
        let grounds = explanation.rests_on.iter().filter(|ground| ground.says == says);
        let words: Vec<String> = grounds
            .map(|ground| {
                format!(
                    "{} {} of {}",
                    log(ground.log),
                    ground.event,
                    clean(&ground.computer)
                )
            })
            .collect();
        if !words.is_empty() {
            writeln!(out, "    {says}: by {}", words.join(", then "))?;
        }
    }
    for access in &explanation.accesses {
        let time = access.access.time;
        writeln!(out, "    {time}  {}", clean(&access.to_string()))?;
        for joined in &access.joined {
            writeln!(out, "      {} {}", "+".green(), clean(&joined.text))?;
        }
        for missed in &access.missed {
            writeln!(out, "      {} {}", "-".yellow(), clean(&missed.text))?;
        }
    }
    if explanation.omitted_accesses > 0 {
        writeln!(out, "    and {} more accesses", explanation.omitted_accesses)?;
    }
    Ok(())
}

const fn log(log: GroundLog) -> &'static str {
    match log {
        GroundLog::Security => "Security",
        GroundLog::Sysmon => "Sysmon",
        GroundLog::Inventory => "the inventory",
        GroundLog::Binding => "a binding",
    }
}

/// Whether an event that was skipped for this reason could have mattered, had something been known otherwise.
pub(super) const fn could_matter(reason: Reason) -> bool {
    match reason {
        Reason::UnlistedHost | Reason::UnresolvedDestination => true,
        Reason::Event(_) | Reason::NotKept => false,
    }
}

/// Where a connection went, by address and name as the event gives them.
fn destination_of(event: &Event, connection: &NetworkConnection) -> String {
    let ip = connection.destination_ip.map(|ip| ip.to_string());
    // A connection that its server logged is one to that server.
    let name = match &connection.destination_host {
        _ if !connection.initiated => Some(&event.computer),
        named => named.as_ref(),
    };
    match (ip, name) {
        (Some(ip), Some(name)) => format!("{ip} ({name})"),
        (Some(ip), None) => ip,
        (None, Some(name)) => name.to_string(),
        (None, None) => "no address and no name".to_owned(),
    }
}

/// Connections that were skipped because their destination is no asset, by source address and port. An audited access
/// with the same suggests that the destination is one after all.
#[derive(Debug, Default)]
pub(super) struct Unresolved {
    by_tuple: BTreeMap<(IpAddr, u16), Vec<(Seen, Why)>>,
    held: usize,
}

impl Unresolved {
    /// Notes a skipped event, as long as there is room.
    pub(super) fn note(&mut self, event: &Event, file: &str, line: u64) {
        let Detail::NetworkConnection(connection) = &event.detail else {
            return;
        };
        let Some(port) = connection.source_port else {
            return;
        };
        if self.held >= UNRESOLVED {
            return;
        }
        self.held += 1;
        let why = Why::NameNotResolved {
            destination: destination_of(event, connection),
            origin: format!("{file}:{line}"),
        };
        let same = self.by_tuple.entry((connection.source_ip, port)).or_default();
        same.push((Seen::of(event), why));
    }

    /// Adds what would have been the missing connection of an audited access, had its destination been resolved.
    pub(super) fn complete(&self, explanation: &mut Explanation, tuple_window: Duration) {
        for access in &mut explanation.accesses {
            let is_joined = access.joined.iter().any(|joined| joined.reason == Why::SameTuple);
            let (Some(ip), Some(port), false) =
                (access.access.source_ip, access.access.source_port, is_joined)
            else {
                continue;
            };
            let mut found: Vec<Finding> = (self.by_tuple.get(&(ip, port)).into_iter().flatten())
                .map(|(seen, why)| (seen, access.access.time.distance(seen.time), why))
                .filter(|(_, apart, _)| *apart <= tuple_window)
                .map(|(seen, apart, why)| Finding::of(seen.clone(), apart, why.clone()))
                .collect();
            if found.is_empty() {
                continue;
            }
            found.sort_by_key(|finding| (finding.apart, finding.text.clone()));
            found.truncate(NEAREST);
            // It was not the sensor, then.
            access.missed.retain(|missed| {
                !matches!(
                    missed.reason,
                    Why::NotAmongOthers { .. }
                        | Why::SensorSilent {
                            silent: Kind::NetworkConnection,
                            ..
                        }
                )
            });
            access.missed.extend(found);
        }
    }
}

/// What an event was, and why it was skipped.
pub(super) fn describe_skipped(event: &Event, reason: Reason) -> String {
    let kind = event.detail.kind();
    let (source, destination) = match &event.detail {
        Detail::NetworkConnection(connection) => {
            let source = (Some(connection.source_ip), connection.source_port);
            (source, destination_of(event, connection))
        }
        Detail::Logon(logon) => {
            let destination = event.computer.to_string();
            ((Some(logon.source_ip), logon.source_port), destination)
        }
        Detail::ShareSession(session) => {
            let destination = format!("{} of {}", session.share, event.computer);
            ((Some(session.source_ip), session.source_port), destination)
        }
        Detail::PipeConnected(pipe) => {
            let destination = format!("{} of {}", pipe.pipe, event.computer);
            ((None, None), destination)
        }
        Detail::ShareAccess(share) => {
            let destination = format!("{share} of {}", event.computer);
            ((share.source_ip, share.source_port), destination)
        }
    };
    let source = match source {
        (Some(ip), Some(port)) => format!(" from {ip} port {port}"),
        (Some(ip), None) => format!(" from {ip}"),
        (None, _) => String::new(),
    };
    let why = match reason {
        Reason::UnlistedHost => "name not resolved: no asset of the inventory has this address or name",
        Reason::UnresolvedDestination => "name not resolved: the event does not say which host",
        Reason::NotKept => "the settings do not keep such evidence of this asset",
        Reason::Event(skip) => skip.as_str(),
    };
    clean(&format!("{kind}{source} to {destination}: {why}"))
}
