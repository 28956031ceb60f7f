//! Splunk searches. `transaction` takes both orders and slides with the events, which buckets of time would not.

use std::fmt::Write as _;

use pipewarden_core::detection::{JoinSettings, Rule};
use pipewarden_core::event::Pattern;

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

pub(super) fn export(rule: &Rule, settings: &JoinSettings) -> String {
    let mut text = String::from("```\n");
    for line in head("Splunk", rule, settings, ALSO_LOST) {
        let _ = writeln!(text, "{line}");
    }
    text.push_str("```\n");
    for search in searches(rule, settings) {
        let _ = write!(text, "\n``` {} ```\n", caption(&search));
        match search.shape {
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
        Part::Connection | Part::ConnectionSeenByDestination | Part::ConnectionSeenBySource => 3,
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
        Part::PathAccess => format!(
            "`wineventlog_security` EventCode=5145 ({}) IpAddress=* NOT IpAddress IN (\"-\", \"127.0.0.1\", \"::1\")",
            any_path(rule)
        ),
    }
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
