//! A finding about a sensor for people: it tells of no access, so it has no source and nobody who did it.

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
        Some(_) => rows.push(("unknown", format!("{missing}: too few accesses to tell"))),
    }
    let told: Vec<String> = [
        (Kind::PipeConnected, own.observations.pipe_connected),
        (Kind::ShareAccess, own.observations.share_access),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(kind, count)| format!("{count} accesses by {}", sensor_name(kind)))
    .collect();
    if !told.is_empty() {
        let (first, last) = (finding.event.start, finding.event.end);
        rows.push(("told", told.join(", ")));
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

/// What to look at, in the words of docs/telemetry.md.
fn next(missing: Kind) -> &'static str {
    match missing {
        Kind::NetworkConnection => {
            "does Sysmon's NetworkConnect include port 445, is Sysmon 3 shipped by the host or its clients?"
        }
        Kind::PipeConnected => "does Sysmon's PipeEvent include the pipe, is Sysmon 18 shipped?",
        Kind::ShareAccess => "is Detailed File Share audited, is Security 5145 shipped?",
    }
}
