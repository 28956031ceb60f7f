//! Everything that can be changed in one event.

use pipewarden_tools::winlogbeat::{Definition, SHARE_ACCESS};

use super::draft::{self, Draft};
use super::estate::{ASSETS, CLIENTS, SCANNER};

/// A text that is longer than any bound on one.
fn long() -> String {
    "\u{1}".repeat(20_000)
}

const ADDRESSES: [&str; 10] = [
    "10.1.0.102",
    SCANNER,
    "10.1.0.50",
    "127.0.0.1",
    "::1",
    "0.0.0.0",
    "fe80::50",
    "::ffff:10.1.0.103",
    "-",
    "nobody",
];
const PORTS: [&str; 6] = ["49153", "445", "0", "65536", "-", "49153.0"];

/// The values that a field is changed to.
fn values(field: &str) -> Vec<String> {
    let few = |values: &[&str]| values.iter().map(|value| value.to_string()).collect();
    let mut values: Vec<String> = match field {
        "SourceIp" | "DestinationIp" | "IpAddress" | "SourceAddress" | "DestAddress" => few(&ADDRESSES),
        "SourcePort" | "DestinationPort" | "IpPort" | "DestPort" => few(&PORTS),
        "PipeName" | "RelativeTargetName" => {
            few(&["winreg", "\\WINREG", "\\lsass", "samr", "other", "", "-"])
        }
        "ShareName" => few(&["\\\\*\\C$", "\\\\*\\ipc$"]),
        "Image" | "Application" => few(&["C:\\Windows\\System32\\svchost.exe", "<unknown process>", "-"]),
        "Initiated" => few(&["true", "false", "maybe"]),
        "Direction" => few(&["%%14592", "%%14593", "-"]),
        "SubjectUserName" | "TargetUserName" => few(&["svc-monitor", "ATLAS$", "-"]),
        "SubjectUserSid" | "TargetUserSid" => few(&["S-1-5-21-1-2-3-4", "S-1-5-7", "-"]),
        "SubjectLogonId" | "TargetLogonId" => few(&["0x1", "-"]),
        "SourceHostname" | "DestinationHostname" => few(&["atlas", "dp1.aperture.local", "sentry3", "-"]),
        "LogonType" => few(&["2", "10"]),
        _ => few(&["-"]),
    };
    values.push(long());
    values
}

/// The same event with one thing changed, in every way, and what that is.
pub fn changes(draft: &Draft) -> Vec<(String, Draft)> {
    let mut changes = Vec::new();
    for (field, own) in &draft.fields {
        for value in values(field).into_iter().filter(|value| value != own) {
            let shown: String = value.chars().take(20).collect();
            changes.push((format!("{field} is {shown:?}"), draft.clone().with(field, &value)));
        }
        let mut without = draft.clone();
        without.fields.retain(|(name, _)| name != field);
        changes.push((format!("without {field}"), without));
    }
    let computers = [
        ASSETS[0].name,
        ASSETS[1].name,
        CLIENTS[0].name,
        "evil.example",
        "atlas",
        "atlas.evil.example",
        "ATLAS",
    ];
    for computer in computers
        .into_iter()
        .filter(|computer| *computer != draft.computer)
    {
        let computer = computer.to_owned();
        changes.push((
            format!("logged by {computer}"),
            Draft {
                computer,
                ..draft.clone()
            },
        ));
    }
    for shift in [
        -9_999_000, -601_000, -3_000, -700, -1, 1, 40, 700, 1_900, 9_500, 601_000, 9_999_000,
    ] {
        let time = draft.time + shift;
        changes.push((
            format!("{shift} ms later"),
            Draft {
                time,
                ..draft.clone()
            },
        ));
    }
    for outcome in [Some("success"), Some("failure"), None] {
        changes.push((
            format!("outcome {outcome:?}"),
            Draft {
                outcome,
                ..draft.clone()
            },
        ));
    }
    for record in [0, draft.record + 1, u64::from(u32::MAX)] {
        changes.push((
            format!("record {record}"),
            Draft {
                record,
                ..draft.clone()
            },
        ));
    }
    for other in other_kinds(draft) {
        changes.push((format!("as a {}", other.definition.id), other));
    }
    changes.push(("a copy".to_owned(), draft.clone()));
    changes
}

/// Where the event says that its source is.
pub fn source(draft: &Draft) -> (String, u16) {
    let first = |fields: [&str; 3]| {
        let found = fields
            .into_iter()
            .map(|field| draft.get(field))
            .find(|value| !value.is_empty());
        found.unwrap_or("10.1.0.101").to_owned()
    };
    let port = first(["SourcePort", "IpPort", "SourcePort"]);
    (
        first(["SourceIp", "IpAddress", "SourceAddress"]),
        port.parse().unwrap_or(49_152),
    )
}

/// The other kinds under the same record id.
fn other_kinds(draft: &Draft) -> Vec<Draft> {
    let (ip, port) = source(draft);
    let from = (&*ip, port);
    let (time, computer) = (draft.time, &*draft.computer);
    let account = draft::USER;
    let all = [
        draft::connection(time, computer, true, from, ASSETS[0].ip),
        draft::connection(time, computer, false, from, ASSETS[0].ip),
        draft::connection(time, computer, false, from, &ip),
        draft::pipe(time, computer, "\\winreg"),
        draft::share(time, computer, from, account, "winreg"),
        draft::logon(time, computer, from, account),
        draft::share_session(time, computer, from, account),
        draft::permitted(time, computer, from, ASSETS[0].ip),
    ];
    let is_other = |other: &Draft| {
        let kind = |definition: &Definition| (definition.id, definition.provider.name);
        kind(other.definition) != kind(draft.definition) || draft.definition.id == 3
    };
    all.into_iter()
        .filter(is_other)
        .map(|other| Draft {
            record: draft.record,
            shape: draft.shape,
            ..other
        })
        .collect()
}

/// Whether an event is one that 5145 is.
pub fn is_share(draft: &Draft) -> bool {
    draft.definition.id == SHARE_ACCESS.id
}
