//! Explanations for people, and examples of what was skipped.

use std::io::{self, Write};

use owo_colors::OwoColorize as _;

use super::pretty::clean;
use crate::detection::Explanation;
use crate::event::{Detail, Event};
use crate::pipeline::Reason;

/// Writes why an alert says what it says, below its block. A `+` joined, a `-` did not.
pub(super) fn write_explanation(out: &mut impl Write, explanation: &Explanation) -> io::Result<()> {
    writeln!(out, "  {}", "why".dimmed())?;
    if let Some(exception) = &explanation.exception {
        writeln!(out, "    {}", clean(&exception.to_string()))?;
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

/// Whether an event that was skipped for this reason could have mattered, had something been known otherwise.
pub(super) const fn could_matter(reason: Reason) -> bool {
    match reason {
        Reason::UnlistedHost | Reason::LocalAccess | Reason::UnresolvedDestination => true,
        Reason::Event(_) => false,
    }
}

/// What an event was, and why it was skipped.
pub(super) fn tell_skipped(event: &Event, reason: Reason) -> String {
    let kind = event.detail.kind();
    let (source, destination) = match &event.detail {
        Detail::NetworkConnection(connection) => {
            let ip = connection.destination_ip.map(|ip| ip.to_string());
            // A connection that its server logged is one to that server.
            let name = match &connection.destination_host {
                _ if !connection.initiated => Some(&event.computer),
                named => named.as_ref(),
            };
            let destination = match (ip, name) {
                (Some(ip), Some(name)) => format!("{ip} ({name})"),
                (Some(ip), None) => ip,
                (None, Some(name)) => name.to_string(),
                (None, None) => "no address and no name".to_owned(),
            };
            let source = (Some(connection.source_ip), connection.source_port);
            (source, destination)
        }
        Detail::PipeConnected(pipe) => {
            let destination = format!("{} of {}", pipe.pipe, event.computer);
            ((None, None), destination)
        }
        Detail::ShareAccess(share) => {
            let destination = format!("{} of {}", share.pipe, event.computer);
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
        Reason::LocalAccess => "its source is the host itself",
        Reason::UnresolvedDestination => "name not resolved: the event does not say which host",
        Reason::Event(skip) => skip.as_str(),
    };
    clean(&format!("{kind}{source} to {destination}: {why}"))
}
