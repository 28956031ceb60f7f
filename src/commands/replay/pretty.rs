//! An alert as a block for people: what, who, from where, how sure, why.

use std::io::{self, Write};

use owo_colors::OwoColorize as _;

use super::explain_text::write_explanation;
use super::guide::{self, Guide};
use super::{campaign, crowd, sensor};
use crate::alert::{
    Candidate, Document, Evidence, ExceptionFields, NamedBy, PipewardenFields, Process, UnexpectedFields,
};
use crate::detection::{Action, Attribution, Confidence, Explanation, Status};
use crate::event::{Kind, Outcome};
use crate::text::plural;

/// Writes one alert, and below it its explanation, if there is one. Colours are always written; the stream takes them
/// out where they don't belong.
pub(super) fn write_alert(
    out: &mut impl Write,
    alert: &Document,
    explanation: Option<&Explanation>,
    guide: &mut Guide,
) -> io::Result<()> {
    let own = &alert.pipewarden;
    writeln!(out, "{}  {}", level(own), clean(&alert.message).bold())?;
    let is_about_accesses = own.sensor.is_none() && own.overflow.is_none() && own.many_sources.is_none();
    let rows = match (&own.sensor, &own.overflow, &own.many_sources) {
        (Some(sensor), ..) => sensor::rows(alert, sensor),
        (_, Some(overflow), _) => crowd::overflow_rows(alert, overflow),
        (.., Some(many)) => crowd::many_sources_rows(alert, many),
        _ => access_rows(alert),
    };
    let rule = format!(
        "{} ({}), risk {}{}",
        clean(&alert.rule.name),
        alert.rule.id,
        alert.event.risk_score,
        guide::raised(&own.risk_by)
    );
    let alert_id = own.alert_id.to_string();
    for (name, text) in [("rule", rule)]
        .into_iter()
        .chain(rows)
        .chain(guide.rows(alert))
        .chain([("alert", alert_id)])
    {
        if !text.is_empty() {
            writeln!(out, "  {:<10} {text}", name.dimmed())?;
        }
    }
    if is_about_accesses {
        candidates(out, own)?;
        match &own.campaign {
            Some(fields) => campaign::write_hosts(out, alert, fields)?,
            None => timeline(out, alert)?,
        }
        if let Some(explanation) = explanation {
            write_explanation(out, explanation)?;
        }
    }
    writeln!(out)
}

fn level(own: &PipewardenFields) -> String {
    let level = own.confidence.as_str().to_uppercase();
    match own.confidence {
        _ if own.status == Status::Suppressed => "SUPPRESSED".dimmed().to_string(),
        _ if own.status == Status::Resolved => "RESOLVED".green().bold().to_string(),
        Confidence::High => level.red().bold().to_string(),
        Confidence::Medium => level.yellow().bold().to_string(),
        Confidence::Low => level.cyan().bold().to_string(),
    }
}

/// Names and texts of the rows of an alert about accesses.
fn access_rows(alert: &Document) -> Vec<(&'static str, String)> {
    let own = &alert.pipewarden;
    let mut rows = vec![
        ("when", when(alert)),
        ("who", joined(&own.accounts)),
        ("from", from(alert)),
        ("with", with(own)),
        ("to", asset(own)),
        ("sure", why(own.attribution, own.confidence).to_owned()),
    ];
    let conflicts = own.conflicts.iter();
    rows.extend(conflicts.map(|conflict| ("but", clean(&conflict.text))));
    if let Some(dropped) = own.dropped.filter(|dropped| dropped.accesses > 0) {
        let accesses = plural(dropped.accesses as usize, "access");
        rows.push((
            "dropped",
            format!("{accesses} counted, and not listed as evidence"),
        ));
    }
    if let Some(exception) = &own.exception {
        let action = match exception.action {
            Action::Suppress => "suppressed",
            Action::Downgrade => "downgraded",
        };
        let ExceptionFields {
            id, reason, owner, ..
        } = exception;
        let text = format!("{action} by {id}: {} ({})", clean(reason), clean(owner));
        rows.push(("exception", text));
    }
    if let Some(unexpected) = &own.unexpected {
        let UnexpectedFields {
            accounts,
            only_from,
            exception,
            owner,
        } = unexpected;
        let (accounts, places) = (joined(accounts), joined(only_from));
        let text = format!("{accounts} only from {places}, by {exception} ({})", clean(owner));
        rows.push(("expected", text));
    }
    if own.status == Status::Superseded {
        let ids: Vec<String> = own.superseded_by.iter().map(ToString::to_string).collect();
        rows.push(("superseded", format!("by {}", ids.join(", "))));
    }
    rows
}

/// The protected host.
pub(super) fn asset(own: &PipewardenFields) -> String {
    format!("{}{}", clean(&own.asset.id), parenthesised(&own.asset.roles))
}

fn when(alert: &Document) -> String {
    let own = &alert.pipewarden;
    if own.campaign.is_some() {
        campaign::when(alert)
    } else if alert.event.start == alert.event.end {
        alert.event.start.to_string()
    } else {
        format!(
            "{} to {}, {} accesses",
            alert.event.start, alert.event.end, own.accesses
        )
    }
}

fn from(alert: &Document) -> String {
    let own = &alert.pipewarden;
    let Some(source) = &alert.source else {
        return String::new();
    };
    let mut text = source.ip.to_string();
    if let Some(port) = source.port {
        text.push_str(&format!(" port {port}"));
    }
    for named in &own.source.names {
        let by = match named.from {
            NamedBy::Inventory => "by the inventory",
            NamedBy::Client => "by its own log",
            NamedBy::Binding => "by a binding of that time",
        };
        text.push_str(&format!(", {} {by}", clean(&named.name)));
    }
    if own.source.names.is_empty() {
        text.push_str(&parenthesised(&own.source.hosts));
    }
    text
}

/// What ran on the source, and as whom.
fn with(own: &PipewardenFields) -> String {
    ran(&own.source.processes, &own.source.users)
}

/// Processes and the users that they ran as.
fn ran(processes: &[Process], users: &[String]) -> String {
    let processes: Vec<String> = processes.iter().map(describe).collect();
    let text = processes.join(", ");
    match (text.is_empty(), users) {
        (_, []) => text,
        (true, users) => format!("user {}", joined(users)),
        (false, users) => format!("{text} as {}", joined(users)),
    }
}

fn describe(process: &Process) -> String {
    let image = process.executable.as_deref().unwrap_or("process");
    match process.pid {
        Some(pid) => format!("{} (pid {pid})", clean(image)),
        None => clean(image),
    }
}

fn why(attribution: Attribution, confidence: Confidence) -> &'static str {
    match (attribution, confidence) {
        (Attribution::Audited, Confidence::High) => "audited: 5145 names the source, and a second log agrees",
        (Attribution::Audited, _) => "audited: 5145 names the source; no second log confirms it",
        (Attribution::Inferred, Confidence::Low) => {
            "inferred: of several hosts the only one that the asset's own log shows, contradicted, or logons are not kept"
        }
        (Attribution::Inferred, _) => "inferred: the only host that was seen to connect within the window",
        (Attribution::Ambiguous, _) => "ambiguous: several hosts connected within the window",
        (Attribution::None, _) => "no source: nothing shows who connected",
    }
}

fn candidates(out: &mut impl Write, own: &PipewardenFields) -> io::Result<()> {
    // The one candidate of an inferred alert is its source, which is shown already.
    let is_source_only = own.attribution != Attribution::None && own.candidates.len() < 2;
    if own.candidates.is_empty() || is_source_only {
        return Ok(());
    }
    writeln!(out, "  {}", "candidates, likeliest first".dimmed())?;
    for (place, candidate) in (1..).zip(&own.candidates) {
        writeln!(
            out,
            "    {place}. {}",
            describe_candidate(candidate, own.accesses)
        )?;
        let mut ran = vec![ran(&candidate.processes, &candidate.users)];
        if !candidate.accounts.is_empty() {
            ran.push(format!("account {}", joined(&candidate.accounts)));
        }
        ran.retain(|part| !part.is_empty());
        if !ran.is_empty() {
            writeln!(out, "       {}", ran.join(", "))?;
        }
    }
    Ok(())
}

fn describe_candidate(candidate: &Candidate, accesses: u32) -> String {
    let clock = match candidate.clock_offset_ms {
        Some(ahead @ 1..) => format!(", clock {ahead} ms ahead"),
        Some(behind @ ..=-1) => format!(", clock {} ms behind", behind.unsigned_abs()),
        Some(0) | None => String::new(),
    };
    format!(
        "{}{}, {}, explains {} of {}, {}, {} ms away{clock}",
        candidate.ip,
        parenthesised(&candidate.hosts),
        if candidate.local {
            "the host itself"
        } else {
            candidate.strength.as_str()
        },
        candidate.explains,
        plural(accesses as usize, "access"),
        plural(candidate.connections as usize, "connection"),
        candidate.nearest_ms
    )
}

fn timeline(out: &mut impl Write, alert: &Document) -> io::Result<()> {
    writeln!(out, "  {}", "evidence".dimmed())?;
    let start = alert.event.start.as_micros();
    for evidence in &alert.pipewarden.evidence {
        let micros = evidence.time.as_micros() - start;
        let sign = if micros < 0 { '-' } else { '+' };
        let apart = micros.unsigned_abs() / 1_000;
        let offset = format!("{sign}{}.{:03} s", apart / 1_000, apart % 1_000);
        writeln!(
            out,
            "    {offset:>12}  {:<18}  {}",
            evidence.kind.to_string(),
            describe_evidence(evidence)
        )?;
    }
    if let Some(omitted) = &alert.pipewarden.omitted
        && omitted.entries.evidence > 0
    {
        writeln!(out, "                  and {} more", omitted.entries.evidence)?;
    }
    Ok(())
}

fn describe_evidence(evidence: &Evidence) -> String {
    let source = match (evidence.source_ip, evidence.source_port) {
        (Some(ip), Some(port)) => format!("from {ip} port {port}"),
        (Some(ip), None) => format!("from {ip}"),
        (None, _) => String::new(),
    };
    let mut parts = Vec::new();
    match evidence.kind {
        Kind::NetworkConnection => {
            parts.push(source);
            parts.extend(evidence.image.as_deref().map(clean));
            parts.extend(evidence.log.map(|_| "by Security 5156".to_owned()));
        }
        Kind::Logon => {
            parts.push(source);
            parts.extend(evidence.account.as_deref().map(clean));
            parts.extend(evidence.authentication_package.as_deref().map(clean));
            let workstation = evidence.workstation.as_deref();
            parts.extend(workstation.map(|name| format!("workstation {}", clean(name))));
        }
        Kind::ShareSession => {
            parts.extend(evidence.share.as_deref().map(clean));
            parts.push(source);
            parts.extend(evidence.account.as_deref().map(clean));
        }
        Kind::PipeConnected => parts.extend(
            evidence
                .pipe
                .as_deref()
                .map(|pipe| format!("pipe {}", clean(pipe))),
        ),
        Kind::ShareAccess => {
            let (share, path) = (evidence.share.as_deref(), evidence.path.as_deref());
            parts.push(match (&evidence.pipe, share, path) {
                (Some(pipe), ..) => format!("pipe {}", clean(pipe)),
                (None, Some(share), Some(path)) => format!("path {}", clean(&format!("{share}\\{path}"))),
                _ => String::new(),
            });
            parts.push(source);
            parts.extend(evidence.account.as_deref().map(clean));
            parts.extend(
                evidence
                    .access_mask
                    .as_deref()
                    .map(|mask| format!("mask {}", clean(mask))),
            );
            parts.extend((evidence.outcome == Some(Outcome::Failure)).then(|| "denied".to_owned()));
        }
    }
    parts.push(format!("logged by {}", clean(&evidence.computer)));
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

pub(super) fn joined(names: &[String]) -> String {
    names
        .iter()
        .map(|name| clean(name))
        .collect::<Vec<_>>()
        .join(", ")
}

pub(super) fn parenthesised(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!(" ({})", joined(names))
    }
}

/// Text from outside, made safe for a terminal: what would move the cursor or colour the screen is shown as an
/// escape instead, and so is what would turn the direction of writing.
pub(crate) fn clean(text: &str) -> String {
    let is_risky = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .fold(String::with_capacity(text.len()), |mut safe, c| {
            if is_risky(c) {
                safe.extend(c.escape_default())
            } else {
                safe.push(c)
            }
            safe
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_cannot_write_to_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\r\n\u{202e}c"), "a\\u{1b}[2Jb\\r\\n\\u{202e}c");
    }
}
