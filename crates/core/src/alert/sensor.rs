//! The document of an alert about a sensor that is missing, with a rule of its own.

use super::Document;
use super::document as doc;
use super::ecs::{AssetFacts, Frame, Outline, Weight};
use crate::detection::{Counts, Resolution, Rule, SENSOR_BLIND, SensorBlind};
use crate::event::Kind;
use crate::time::EventTime;

/// The rule of the document.
pub(super) fn sensor_rule() -> Rule {
    Rule {
        id: SENSOR_BLIND.into(),
        name: "A sensor of a protected host is missing".to_owned(),
        description: Some(
            "Other sensors tell of accesses to the host, and this one tells of none of them: its log is not shipped, not \
             switched on, or filtered. Alerts about the host are less sure of their source until it is back."
                .to_owned(),
        ),
        next: [
            "Does the host's log have such events at all (Event Viewer), and does the audit policy or Sysmon's configuration ask for \
             them?",
            "Does the shipper run on the host, and does its filter let them pass?",
            "Was the log cleared (Security 1102) or Sysmon stopped (System 7036, Sysmon 4 and 16)?",
        ]
        .map(str::to_owned)
        .into(),
        risk: 47,
        ..Rule::default()
    }
}

/// The sensor that gives a kind of observation, as it is named to people.
pub fn sensor_name(kind: Kind) -> &'static str {
    match kind {
        Kind::NetworkConnection => "network_connection (Sysmon 3)",
        Kind::Logon => "logon (Security 4624)",
        Kind::ShareSession => "share_session (Security 5140)",
        Kind::PipeConnected => "pipe_connected (Sysmon 18)",
        Kind::ShareAccess => "share_access (Security 5145)",
    }
}

pub(super) fn document(alert: &SensorBlind, frame: &Frame<'_>) -> Document {
    let mut document = frame.document(Outline {
        message: title(alert, frame.asset),
        action: SENSOR_BLIND,
        // Something is wrong with the host; nobody has intruded.
        category: &["host"],
        outcome: None,
        first: EventTime::on_log(alert.first),
        last: EventTime::on_log(alert.last),
        weight: Weight::default(),
        addresses: frame.asset.addresses.to_vec(),
        accesses: alert.accesses(),
        observations: Counts {
            pipe_connected: alert.pipe_connected,
            share_access: alert.share_access,
            ..Counts::default()
        },
    });
    document.pipewarden.sensor = Some(doc::SensorFields {
        kind: alert.sensor,
        resolution: alert.resolution.map(|resolution| resolution.as_str().to_owned()),
    });
    document
}

fn title(alert: &SensorBlind, asset: &AssetFacts<'_>) -> String {
    let name = sensor_name(alert.sensor);
    let host = if asset.roles.is_empty() {
        asset.id.to_owned()
    } else {
        format!("{} ({})", asset.id, asset.roles.join(", "))
    };
    match alert.resolution {
        None => format!(
            "Sensor blind: {} accesses to {host} without any {name}",
            alert.accesses()
        ),
        Some(Resolution::Seen) => format!("Resolved: {name} of {host} is seen again"),
        Some(Resolution::Quiet) => {
            format!("Resolved: too few accesses to {host} to tell whether {name} is missing")
        }
    }
}
