//! Elastic EQL. A sequence knows one order, so each pair is written in both.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use ipnet::IpNet;
use pipewarden_core::detection::Rule;

use super::Exported;
use super::head::{caption, head};
use super::plan::{Key, Part, Shape, as_sysmon_writes, searches, span};
use crate::winlogbeat::Provider;

const ALSO_LOST: &[&str] = &[
    "Fields are those of Winlogbeat or Elastic Agent after Elastic's ingest pipelines. Of raw Winlogbeat events the ends \
     of a connection are winlog.event_data.SourceIp and so on, as text.",
    "A sequence knows one order, and event 3 is often written after what it caused: each pair is here in both orders, \
     as two queries. Of equal timestamps neither order may hold.",
];

pub(super) fn export(exported: &Exported<'_>) -> String {
    let (rule, settings) = (exported.rule, exported.settings);
    let mut text = String::new();
    for line in head("Elastic EQL", rule, settings, ALSO_LOST) {
        let _ = writeln!(text, "{}", format!("// {line}").trim_end());
    }
    for search in searches(rule, settings) {
        match search.shape {
            Shape::Alone(part) => {
                let _ = write!(text, "\n// {}\n{}\n", caption(&search), event(part, exported));
            }
            Shape::Pair(one, other, key, within) => {
                // What was caused by an access does not come before it.
                let orders = [(one, other), (other, one)];
                let orders = &orders[..if key == Key::WayBack { 1 } else { 2 }];
                for &(first, second) in orders {
                    let _ = write!(
                        text,
                        "\n// {} First {}.\nsequence with maxspan={}\n  [{}] by {}\n  [{}] by {}\n",
                        caption(&search),
                        first.as_str(),
                        span(within),
                        event(first, exported),
                        by(first, key),
                        event(second, exported),
                        by(second, key),
                    );
                }
            }
        }
    }
    text
}

fn by(part: Part, key: Key) -> &'static str {
    match (key, part) {
        (Key::SourceTuple, _) => "source.ip, source.port",
        (Key::DestinationName, Part::ConnectionSeenBySource) => "destination.domain",
        (Key::Computer | Key::DestinationName, _) => "winlog.computer_name",
        (Key::WayBack, Part::CallBack) => "winlog.computer_name, destination.ip",
        (Key::WayBack, _) => "winlog.computer_name, source.ip",
    }
}

fn event(part: Part, exported: &Exported<'_>) -> String {
    let rule = exported.rule;
    let sysmon = format!("winlog.provider_name == \"{}\"", Provider::SYSMON.name);
    let connection = format!(
        "any where {sysmon} and event.code == \"3\" and network.transport == \"tcp\" and destination.port in (445, 139)"
    );
    match part {
        Part::Connection => connection,
        Part::ConnectionSeenByDestination => {
            format!("{connection} and network.direction in (\"ingress\", \"inbound\")")
        }
        Part::ConnectionSeenBySource => {
            format!("{connection} and network.direction in (\"egress\", \"outbound\")")
        }
        Part::PipeConnected => format!(
            "any where {sysmon} and event.code == \"18\" and file.name in~ ({}) and \
             (process.executable == null or process.executable in (\"System\", \"<unknown process>\", \"-\"))",
            list(
                rule.pipes
                    .pipe_connected
                    .iter()
                    .flat_map(|pipe| as_sysmon_writes(pipe))
            )
        ),
        Part::ShareAccess => format!(
            "any where winlog.provider_name == \"{}\" and event.code == \"5145\" and \
             winlog.event_data.ShareName like~ \"*\\\\IPC$\" and winlog.event_data.RelativeTargetName in~ ({}) and \
             source.ip != null and source.ip != \"127.0.0.1\" and source.ip != \"::1\"",
            Provider::SECURITY.name,
            list(names(&rule.pipes.share_access))
        ),
        Part::CallBack => {
            let ports = rule.callback.iter().flat_map(|watched| &watched.ports);
            let ports: Vec<String> = ports.map(ToString::to_string).collect();
            format!(
                "any where {sysmon} and event.code == \"3\" and network.transport == \"tcp\" and destination.port in ({}) and \
                 network.direction in (\"egress\", \"outbound\")",
                ports.join(", ")
            )
        }
        Part::AccountUse => format!(
            "any where winlog.provider_name == \"{}\" and event.code == \"4624\" and winlog.event_data.LogonType == \"3\" and \
             source.ip != null and source.ip != \"127.0.0.1\" and source.ip != \"::1\" and ({})",
            Provider::SECURITY.name,
            any_account(exported)
        ),
        Part::PathAccess => format!(
            "any where winlog.provider_name == \"{}\" and event.code == \"5145\" and ({}) and source.ip != null and \
             source.ip != \"127.0.0.1\" and source.ip != \"::1\"",
            Provider::SECURITY.name,
            any_path(rule)
        ),
    }
}

fn any_account(exported: &Exported<'_>) -> String {
    let accounts = exported.expected.iter().map(|(name, networks)| {
        format!(
            "(winlog.event_data.TargetUserName in~ ({}) and not cidrMatch(source.ip, {}))",
            list([name.clone()].into_iter()),
            list(networks.iter().map(IpNet::to_string))
        )
    });
    accounts.collect::<Vec<_>>().join(" or ")
}

/// `*` and `?` mean in `like~` what they mean in a rule.
fn any_path(rule: &Rule) -> String {
    let paths = rule.shares.iter().map(|watched| {
        format!(
            "(winlog.event_data.ShareName like~ \"*\\\\{}\" and winlog.event_data.RelativeTargetName like~ (\"{}\", \"\\\\{}\"))",
            escaped(&watched.share.to_string()),
            escaped(&watched.path.to_string()),
            escaped(&watched.path.to_string())
        )
    });
    paths.collect::<Vec<_>>().join(" or ")
}

fn names(pipes: &BTreeSet<Arc<str>>) -> impl Iterator<Item = String> {
    pipes.iter().map(ToString::to_string)
}

fn list(names: impl Iterator<Item = String>) -> String {
    let quoted: Vec<String> = names.map(|name| format!("\"{}\"", escaped(&name))).collect();
    quoted.join(", ")
}

/// EQL and SPL escape alike within double quotes.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
