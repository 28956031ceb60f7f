//! KQL of Microsoft Sentinel. A join takes both orders, and a window slides exactly.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ipnet::IpNet;
use pipewarden_core::detection::Rule;
use pipewarden_core::event::{Pattern, WatchedShare};

use super::Exported;
use super::eql::escaped;
use super::head::{caption, head};
use super::plan::{Key, Part, Shape, as_sysmon_writes, searches, span};
use crate::winlogbeat::Provider;

const ALSO_LOST: &[&str] = &[
    "Tables are those of the Azure Monitor Agent: SecurityEvent, and Event for Sysmon, whose fields are cut out of the XML in \
     EventData. Where Sysmon comes by another connector (WindowsEvent, a custom table) put that in place of Event.",
    "TimeGenerated is taken for the time of the event.",
    "Names are joined by their first label where one of them is the name of a destination: two hosts of one label in two domains \
     are mixed.",
];

pub(super) fn export(exported: &Exported<'_>) -> String {
    let (rule, settings) = (exported.rule, exported.settings);
    let mut text = String::new();
    for line in head("KQL, Microsoft Sentinel", rule, settings, ALSO_LOST) {
        let _ = writeln!(text, "{}", format!("// {line}").trim_end());
    }
    for search in searches(rule, settings) {
        let _ = writeln!(text, "\n// {}", caption(&search));
        match search.shape {
            Shape::Alone(part) => {
                let _ = writeln!(text, "{}", events(part, exported));
            }
            Shape::Pair(one, other, key, within) => {
                for part in [one, other] {
                    let _ = writeln!(
                        text,
                        "let {} = {}\n| extend {};",
                        part.as_str(),
                        events(part, exported),
                        keys(part, key)
                    );
                }
                let by = match key {
                    Key::SourceTuple => "source_ip, source_port",
                    Key::Computer | Key::DestinationName => "host",
                    Key::WayBack => "host, source_ip",
                };
                let near = if key == Key::WayBack {
                    // The rule looks back as far: both are logged by one clock, and connections late.
                    format!(
                        "(TimeGenerated1 - TimeGenerated) between (-2s .. {})",
                        span(within)
                    )
                } else {
                    format!("abs(TimeGenerated1 - TimeGenerated) <= {}", span(within))
                };
                let _ = writeln!(
                    text,
                    "{}\n| join kind=inner {} on {by}\n| where {near}",
                    one.as_str(),
                    other.as_str()
                );
            }
        }
    }
    text
}

/// What an event is joined by.
fn keys(part: Part, key: Key) -> String {
    let label = |field: &str| format!("host = tolower(tostring(split({field}, \".\")[0]))");
    let is_connection = matches!(
        part,
        Part::Connection | Part::ConnectionSeenByDestination | Part::ConnectionSeenBySource
    );
    match (key, part) {
        (Key::SourceTuple, _) if is_connection => "source_ip = SourceIp, source_port = SourcePort".to_owned(),
        (Key::SourceTuple, _) => "source_ip = IpAddress, source_port = IpPort".to_owned(),
        (Key::Computer, _) => "host = tolower(Computer)".to_owned(),
        (Key::DestinationName, Part::ConnectionSeenBySource) => label("DestinationHostname"),
        (Key::DestinationName, _) => label("Computer"),
        (Key::WayBack, Part::CallBack) => "host = tolower(Computer), source_ip = DestinationIp".to_owned(),
        (Key::WayBack, _) => "host = tolower(Computer), source_ip = IpAddress".to_owned(),
    }
}

const CONNECTION: [&str; 9] = [
    "Protocol",
    "Initiated",
    "SourceIp",
    "SourcePort",
    "DestinationIp",
    "DestinationHostname",
    "DestinationPort",
    "Image",
    "User",
];

fn events(part: Part, exported: &Exported<'_>) -> String {
    let rule = exported.rule;
    let connection = |initiated: &str, ports: &str| {
        sysmon(
            3,
            &CONNECTION,
            &format!("Protocol =~ \"tcp\" and DestinationPort in ({ports}){initiated}"),
        )
    };
    const SMB: &str = "\"445\", \"139\"";
    match part {
        Part::Connection => connection("", SMB),
        Part::ConnectionSeenByDestination => connection(" and Initiated =~ \"false\"", SMB),
        Part::ConnectionSeenBySource => connection(" and Initiated =~ \"true\"", SMB),
        Part::CallBack => connection(" and Initiated =~ \"true\"", &ports(rule)),
        Part::PipeConnected => {
            let pipes = rule.pipes.pipe_connected.iter();
            let pipes = pipes.flat_map(|pipe| as_sysmon_writes(pipe));
            sysmon(
                18,
                &["PipeName", "Image"],
                &format!(
                    "PipeName in~ ({}) and Image in~ (\"\", \"System\", \"&lt;unknown process&gt;\", \"-\")",
                    list(pipes.map(|pipe| in_xml(&pipe)))
                ),
            )
        }
        Part::ShareAccess => share_accesses(&format!(
            "ShareName endswith @\"\\IPC$\" and RelativeTargetName in~ ({})",
            list(rule.pipes.share_access.iter().map(ToString::to_string))
        )),
        Part::PathAccess => {
            let paths: Vec<String> = rule.shares.iter().map(path).collect();
            share_accesses(&format!("({})", paths.join(" or ")))
        }
        Part::AccountUse => account_uses(exported),
    }
}

/// Events of Sysmon, with these fields.
fn sysmon(id: u16, fields: &[&str], condition: &str) -> String {
    let cut: Vec<String> = fields
        .iter()
        .map(|field| format!("{field} = extract(@'<Data Name=\"{field}\">([^<]*)</Data>', 1, EventData)"))
        .collect();
    format!(
        "Event\n| where Source == \"{}\" and EventID == {id}\n| extend {}\n| where {condition}\n| project TimeGenerated, Computer, {}",
        Provider::SYSMON.name,
        cut.join(",\n    "),
        fields.join(", ")
    )
}

fn share_accesses(condition: &str) -> String {
    format!(
        "SecurityEvent\n| where EventID == 5145 and {condition}\n| where {REMOTE}\n| project TimeGenerated, Computer, IpAddress, \
         IpPort, SubjectDomainName, SubjectUserName, ShareName, RelativeTargetName, AccessMask"
    )
}

const REMOTE: &str = "IpAddress !in (\"\", \"-\", \"127.0.0.1\", \"::1\")";

fn account_uses(exported: &Exported<'_>) -> String {
    let rows = exported.expected.iter().map(|(name, networks)| {
        let of_family = |is_v4: bool| {
            let networks = networks
                .iter()
                .filter(move |network| is_v4 == network.addr().is_ipv4());
            format!("dynamic([{}])", list(networks.map(IpNet::to_string)))
        };
        format!(
            "    \"{}\", {}, {}",
            escaped(name),
            of_family(true),
            of_family(false)
        )
    });
    let rows: Vec<String> = rows.collect();
    format!(
        "let expected = datatable(account: string, ipv4: dynamic, ipv6: dynamic) [\n{}\n];\nSecurityEvent\n| where EventID == 4624 \
         and LogonType == 3\n| where {REMOTE}\n| extend account = tolower(TargetUserName)\n| join kind=inner expected on account\n\
         | where not(coalesce(ipv4_is_in_any_range(IpAddress, ipv4), false))\n    and not(coalesce(ipv6_is_in_any_range(IpAddress, \
         ipv6), false))\n| project TimeGenerated, Computer, IpAddress, IpPort, TargetDomainName, TargetUserName, TargetUserSid, \
         TargetLogonId, AuthenticationPackageName, WorkstationName",
        rows.join(",\n")
    )
}

/// `*` and `?` as a regular expression, of one path with or without a backslash before it.
fn path(watched: &WatchedShare) -> String {
    format!(
        "(ShareName matches regex @\"(?is)^.*\\\\{}$\" and RelativeTargetName matches regex @\"(?is)^\\\\?{}$\")",
        regex(&watched.share),
        regex(&watched.path)
    )
}

/// For a verbatim text: there only a quote is doubled.
fn regex(pattern: &Pattern) -> String {
    let mut regex = String::new();
    for c in pattern.to_string().chars() {
        match c {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '"' => regex.push_str("\"\""),
            _ if c.is_alphanumeric() || matches!(c, '_' | ' ') => regex.push(c),
            _ if c.is_ascii_punctuation() => regex.extend(['\\', c]),
            // A character that stands for nothing but itself.
            _ => regex.push(c),
        }
    }
    regex
}

fn ports(rule: &Rule) -> String {
    let empty = BTreeSet::new();
    let ports = rule.callback.as_ref().map_or(&empty, |watched| &watched.ports);
    list(ports.iter().map(ToString::to_string))
}

/// A text as the XML of an event has it.
fn in_xml(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn list(texts: impl Iterator<Item = String>) -> String {
    let quoted: Vec<String> = texts.map(|text| format!("\"{}\"", escaped(&text))).collect();
    quoted.join(", ")
}
