//! What a finding about a sensor says in the place of a rule, a title and a category.

use super::document as doc;
use crate::detection::{Content, Resolution, Rule, SENSOR_BLIND, SensorFinding};
use crate::event::Kind;

/// What stands in the place of a rule.
pub fn sensor_rule() -> Rule {
    Rule {
        id: SENSOR_BLIND.into(),
        name: "A sensor of a protected host is missing".to_owned(),
        description: Some(
            "Other sensors tell of accesses to the host, and this one tells of none of them: its log is not shipped, not \
             switched on, or filtered. Alerts about the host are less sure of their source until it is back."
                .to_owned(),
        ),
        enabled: true,
        pipes: crate::detection::Pipes::default(),
        risk: 47,
        references: Vec::new(),
        attack: Vec::new(),
    }
}

/// `event.category`: it is the host that something is wrong with, and nobody has intruded.
pub(super) fn category() -> Vec<String> {
    vec!["host".to_owned()]
}

/// `pipewarden.sensor`
pub(super) fn own(finding: SensorFinding) -> doc::SensorFields {
    doc::SensorFields {
        kind: finding.sensor,
        resolution: finding
            .resolution
            .map(|resolution| resolution.as_str().to_owned()),
    }
}

/// The sensor that gives a kind of observation, as it is named to people.
pub fn sensor_name(kind: Kind) -> &'static str {
    match kind {
        Kind::NetworkConnection => "network_connection (Sysmon 3)",
        Kind::PipeConnected => "pipe_connected (Sysmon 18)",
        Kind::ShareAccess => "share_access (Security 5145)",
    }
}

pub(super) fn title(finding: SensorFinding, content: &Content, asset: &str, roles: &[&str]) -> String {
    let name = sensor_name(finding.sensor);
    let roles = if roles.is_empty() {
        String::new()
    } else {
        format!(" ({})", roles.join(", "))
    };
    let told = content.accesses;
    match finding.resolution {
        None => format!("Sensor blind: {told} accesses to {asset}{roles} without any {name}"),
        Some(Resolution::Seen) => format!("Resolved: {name} of {asset}{roles} is seen again"),
        Some(Resolution::Quiet) => {
            format!("Resolved: too few accesses to {asset}{roles} to tell whether {name} is missing")
        }
    }
}
