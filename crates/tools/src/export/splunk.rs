//! Splunk searches. `transaction` takes both orders and slides with the events, which buckets of time would not.

use std::fmt::Write as _;

use pipewarden_core::detection::Rule;
use pipewarden_core::event::Pattern;

use super::Exported;
use super::eql::escaped;
use super::head::{caption, head};
use super::plan::{Key, Part, Shape, as_sysmon_writes, searches, span_of_seconds};

const ALSO_LOST: &[&str] = &[
    "Fields are those of Splunk's add-ons for Sysmon and Windows with XML events. Define the macros sysmon and \
     wineventlog_security as your indexes and sources of Sysmon and Security events.",
    "transaction cuts time greedily: it takes in what else shares the key, and a pair can fall between two of its \
     transactions. It knows whole seconds, and drops what it evicts when memory is short (limits.conf).",
    "Names are joined by their first label: two hosts of one label in two domains are mixed.",
    "A ? of a path, which stands for one character, is written as *, which stands for any number of them.",
];

pub(super) fn export(exported: &Exported<'_>) -> String {
    let (rule, settings) = (exported.rule, exported.settings);
    let mut text = String::from("```\n");
    for line in head("Splunk", rule, settings, ALSO_LOST) {
        let _ = writeln!(text, "{line}");
    }
    text.push_str("```\n");
    for search in searches(rule, settings) {
        let _ = write!(text, "\n``` {} ```\n", caption(&search));
        match search.shape {
            Shape::Alone(Part::AccountUse) => {
                let _ = writeln!(text, "{}", events(Part::AccountUse, rule));
                let _ = writeln!(text, "| where {}", any_account(exported));
                let _ = writeln!(
                    text,
                    "| table _time Computer TargetDomainName TargetUserName TargetUserSid IpAddress IpPort WorkstationName \
                     AuthenticationPackageName"
                );
            }
            Shape::Alone(part) => {
                let _ = writeln!(text, "{}", events(part, rule));
                let _ = writeln!(
                    text,
                    "| table _time Computer PipeName RelativeTargetName IpAddress IpPort SubjectDomainName \
                     SubjectUserName AccessMask"
                );
            }
            Shape::Pair(one, other, key, within) => {
                let _ = writeln!(text, "({}) OR ({})", events(one, rule), events(other, rule));
                let by = match key {
                    Key::SourceTuple => {
                        text.push_str(
                            "| eval source_ip=if(EventCode=3, SourceIp, IpAddress), \
                             source_port=if(EventCode=3, SourcePort, IpPort)\n",
                        );
                        "source_ip source_port"
                    }
                    Key::Computer => "Computer",
                    Key::DestinationName => {
                        text.push_str(
                            "| eval label=lower(mvindex(split(if(EventCode=3, DestinationHostname, Computer), \".\"), 0))\n",
                        );
                        "label"
                    }
                    Key::WayBack => {
                        text.push_str("| eval source_ip=if(EventCode=3, DestinationIp, IpAddress)\n");
                        "Computer source_ip"
                    }
                };
                let _ = writeln!(text, "| transaction {by} maxspan={}", span_of_seconds(within));
                let _ = writeln!(text, "| search EventCode={} EventCode={}", code(one), code(other));
                let _ = writeln!(
                    text,
                    "| table _time Computer SourceIp SourcePort IpAddress IpPort Image User SubjectDomainName \
                     SubjectUserName PipeName RelativeTargetName duration"
                );
            }
        }
    }
    text
}

const fn code(part: Part) -> u16 {
    match part {
        Part::Connection
        | Part::ConnectionSeenByDestination
        | Part::ConnectionSeenBySource
        | Part::CallBack => 3,
        Part::AccountUse => 4624,
        Part::PipeConnected => 18,
        Part::ShareAccess | Part::PathAccess => 5145,
    }
}

fn events(part: Part, rule: &Rule) -> String {
    const CONNECTION: &str = "`sysmon` EventCode=3 Protocol=tcp DestinationPort IN (445, 139)";
    match part {
        Part::Connection => CONNECTION.to_owned(),
        Part::ConnectionSeenByDestination => format!("{CONNECTION} Initiated=false"),
        Part::ConnectionSeenBySource => format!("{CONNECTION} Initiated=true"),
        Part::PipeConnected => format!(
            "`sysmon` EventCode=18 PipeName IN ({}) \
             (Image IN (\"System\", \"<unknown process>\", \"-\") OR NOT Image=*)",
            list(
                rule.pipes
                    .pipe_connected
                    .iter()
                    .flat_map(|pipe| as_sysmon_writes(pipe))
            )
        ),
        Part::ShareAccess => format!(
            "`wineventlog_security` EventCode=5145 ShareName=\"*\\\\IPC$\" RelativeTargetName IN ({}) \
             IpAddress=* NOT IpAddress IN (\"-\", \"127.0.0.1\", \"::1\")",
            list(rule.pipes.share_access.iter().map(ToString::to_string))
        ),
        Part::CallBack => {
            let ports = rule.callback.iter().flat_map(|watched| &watched.ports);
            let ports: Vec<String> = ports.map(ToString::to_string).collect();
            format!(
                "`sysmon` EventCode=3 Protocol=tcp Initiated=true DestinationPort IN ({})",
                ports.join(", ")
            )
        }
        Part::AccountUse => {
            "`wineventlog_security` EventCode=4624 LogonType=3 IpAddress=* NOT IpAddress IN (\"-\", \
                             \"127.0.0.1\", \"::1\")"
                .to_owned()
        }
        Part::PathAccess => format!(
            "`wineventlog_security` EventCode=5145 ({}) IpAddress=* NOT IpAddress IN (\"-\", \"127.0.0.1\", \"::1\")",
            any_path(rule)
        ),
    }
}

fn any_account(exported: &Exported<'_>) -> String {
    let accounts = exported.expected.iter().map(|(name, networks)| {
        let within = networks
            .iter()
            .map(|network| format!("cidrmatch(\"{network}\", IpAddress)"));
        format!(
            "(lower(TargetUserName)=\"{}\" AND NOT ({}))",
            escaped(name),
            within.collect::<Vec<_>>().join(" OR ")
        )
    });
    accounts.collect::<Vec<_>>().join(" OR ")
}

/// SPL knows no sign for one character.
fn any_path(rule: &Rule) -> String {
    let written = |pattern: &Pattern| escaped(&pattern.to_string()).replace('?', "*");
    let paths = rule.shares.iter().map(|watched| {
        format!(
            "(ShareName=\"*\\\\{}\" RelativeTargetName IN (\"{}\", \"\\\\{}\"))",
            written(&watched.share),
            written(&watched.path),
            written(&watched.path)
        )
    });
    paths.collect::<Vec<_>>().join(" OR ")
}

fn list(names: impl Iterator<Item = String>) -> String {
    let quoted: Vec<String> = names.map(|name| format!("\"{}\"", escaped(&name))).collect();
    quoted.join(", ")
}
