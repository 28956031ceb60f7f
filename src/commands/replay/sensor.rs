//! A finding about a sensor for people: it is about no access, so it has no source and no account.

use super::pretty::asset;
use crate::alert::{Document, SensorFields, sensor_name};
use crate::event::Kind;

/// Names and texts of the rows that stand in the place of an access's.
pub(super) fn rows(finding: &Document, sensor: &SensorFields) -> Vec<(&'static str, String)> {
    let own = &finding.pipewarden;
    let missing = sensor_name(sensor.kind);
    let mut rows = vec![("asset", asset(own))];
    match sensor.resolution.as_deref() {
        None => rows.push(("missing", missing.to_owned())),
        Some("seen") => rows.push(("back", missing.to_owned())),
        Some(_) => rows.push(("unknown", format!("{missing}: too few accesses to judge"))),
    }
    let seen_by: Vec<String> = [
        (Kind::PipeConnected, own.observations.pipe_connected),
        (Kind::ShareAccess, own.observations.share_access),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(kind, count)| format!("{count} accesses by {}", sensor_name(kind)))
    .collect();
    if !seen_by.is_empty() {
        let (first, last) = (finding.event.start, finding.event.end);
        rows.push(("seen", seen_by.join(", ")));
        rows.push((
            "since",
            format!("{first} at the latest, the first access without it; the last at {last}"),
        ));
    }
    if sensor.resolution.is_none() {
        rows.push(("next", next(sensor.kind).to_owned()));
    }
    rows
}

/// The settings to check, as docs/telemetry.md names them.
fn next(missing: Kind) -> &'static str {
    match missing {
        Kind::NetworkConnection => {
            "does Sysmon's NetworkConnect include port 445, is Sysmon 3 shipped by the host or its clients?"
        }
        Kind::Logon => "is Logon audited, is Security 4624 shipped?",
        Kind::ShareSession => "is File Share audited, is Security 5140 shipped?",
        Kind::PipeConnected => "does Sysmon's PipeEvent include the pipe, is Sysmon 18 shipped?",
        Kind::ShareAccess => "is Detailed File Share audited, is Security 5145 shipped?",
    }
}
