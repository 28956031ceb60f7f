//! Sigma: a document for every kind of event, and a correlation for every pair (Sigma correlation rules 2.1.0).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ipnet::IpNet;
use pipewarden_core::alert::{Weight, attack_name, risk_score};
use pipewarden_core::detection::Rule;
use pipewarden_core::event::WatchedShare;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Exported;
use super::head::{head, one_line};
use super::plan::{Key, Part, Search, Shape, as_sysmon_writes, searches, span_of_seconds};

const ALSO_LOST: &[&str] = &[
    "The documents of event kinds are no detections of their own, but for share_access, path_access and pipe_connected: \
     convert those alone as well for accesses that nothing corroborates.",
    "All correlations are temporal, not temporal_ordered: event 3 is often written after what it caused. Some backends \
     keep the window to aligned buckets of time, and lose pairs that lie on both sides of a boundary.",
    "A timespan knows whole seconds: a shorter window is rounded up. Not every backend takes aliases, which two of the \
     correlations need.",
    "Whether names are compared without regard to case in group-by is the backend's choice.",
];

#[derive(Serialize)]
struct Document {
    title: String,
    id: Uuid,
    name: String,
    status: &'static str,
    description: String,
    author: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logsource: Option<LogSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detection: Option<Detection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation: Option<Correlation>,
    falsepositives: [&'static str; 1],
    level: &'static str,
}

#[derive(Serialize)]
struct LogSource {
    product: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'static str>,
}

#[derive(Serialize)]
struct Detection {
    selection: Selection,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    remote_named: Fields,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    remote_unnamed: Fields,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    filter_sourceless: Fields,
    /// An account, and from where it is expected, under names with one number.
    #[serde(flatten)]
    accounts: BTreeMap<String, Fields>,
    condition: String,
}

impl Detection {
    /// With nothing beside its selection.
    fn of(selection: Selection, condition: &str) -> Self {
        Self {
            selection,
            remote_named: BTreeMap::new(),
            remote_unnamed: BTreeMap::new(),
            filter_sourceless: BTreeMap::new(),
            accounts: BTreeMap::new(),
            condition: condition.to_owned(),
        }
    }

    /// Without what bears no source's address, or the host's own.
    fn from_elsewhere(selection: Selection) -> Self {
        Self {
            filter_sourceless: sourceless(),
            ..Self::of(selection, "selection and not filter_sourceless")
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Selection {
    /// All of its fields.
    One(Fields),
    /// All fields of one of these.
    Any(Vec<Fields>),
}

type Fields = BTreeMap<&'static str, Value>;

#[derive(Serialize)]
struct Correlation {
    #[serde(rename = "type")]
    kind: &'static str,
    rules: [String; 2],
    #[serde(rename = "group-by")]
    group_by: Vec<&'static str>,
    timespan: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    aliases: BTreeMap<&'static str, BTreeMap<String, &'static str>>,
}

pub(super) fn export(exported: &Exported<'_>) -> String {
    let (rule, settings) = (exported.rule, exported.settings);
    let mut text = String::new();
    for line in head("Sigma, correlation rules 2.1.0", rule, settings, ALSO_LOST) {
        let _ = writeln!(text, "{}", format!("# {line}").trim_end());
    }
    let searches = searches(rule, settings);
    let parts: BTreeSet<Part> = searches
        .iter()
        .flat_map(|search| match search.shape {
            Shape::Alone(part) => vec![part],
            Shape::Pair(one, other, ..) => vec![one, other],
        })
        .collect();
    let correlations = searches.iter().filter_map(|search| correlation(search, rule));
    let events = parts.iter().map(|part| event(*part, exported, &searches));
    for document in events.chain(correlations) {
        text.push_str("---\n");
        // A plain struct of texts has no way to fail.
        text.push_str(&serde_saphyr::to_string(&document).unwrap_or_default());
    }
    text
}

fn correlation(search: &Search, rule: &Rule) -> Option<Document> {
    let Shape::Pair(one, other, key, within) = search.shape else {
        return None;
    };
    let field = |alias: &'static str, names: [&'static str; 2]| {
        let of = [one, other]
            .into_iter()
            .zip(names)
            .map(|(part, name)| (name_of(part, rule), name));
        (alias, of.collect::<BTreeMap<String, &'static str>>())
    };
    let (group_by, aliases) = match key {
        Key::SourceTuple => (
            vec!["source_ip", "source_port"],
            BTreeMap::from([
                field("source_ip", ["IpAddress", "SourceIp"]),
                field("source_port", ["IpPort", "SourcePort"]),
            ]),
        ),
        Key::Computer => (vec!["Computer"], BTreeMap::new()),
        Key::DestinationName => (
            vec!["destination"],
            BTreeMap::from([field("destination", ["Computer", "DestinationHostname"])]),
        ),
        Key::WayBack => (
            vec!["Computer", "source_ip"],
            BTreeMap::from([field("source_ip", ["IpAddress", "DestinationIp"])]),
        ),
    };
    Some(Document {
        logsource: None,
        detection: None,
        correlation: Some(Correlation {
            kind: "temporal",
            rules: [name_of(one, rule), name_of(other, rule)],
            group_by,
            timespan: span_of_seconds(within),
            aliases,
        }),
        level: level(search, rule),
        ..document(rule, search.name, search.meaning)
    })
}

fn event(part: Part, exported: &Exported<'_>, searches: &[Search]) -> Document {
    let rule = exported.rule;
    let alone = searches.iter().find(|search| search.shape == Shape::Alone(part));
    let meaning = match (alone, part) {
        (Some(search), _) => search.meaning,
        (None, Part::ConnectionSeenByDestination) => {
            "A connection to an SMB port, logged by its destination."
        }
        (None, Part::ConnectionSeenBySource) => "A connection to an SMB port, logged by its source.",
        (None, Part::CallBack) => "A connection of the host to another, logged by the host.",
        (None, _) => "A connection to an SMB port.",
    };
    let mut event = Document {
        logsource: Some(log_source(part)),
        detection: Some(detection(part, exported)),
        level: alone.map_or("informational", |search| level(search, rule)),
        ..document(rule, part.as_str(), meaning)
    };
    if alone.is_none() {
        // A part of a correlation; by itself it is no finding.
        meaning.clone_into(&mut event.description);
        event.tags.clear();
    }
    event
}

fn document(rule: &Rule, name: &str, meaning: &str) -> Document {
    let title = format!("{} - {}", one_line(&rule.name), name.replace('_', " "));
    Document {
        title: title.chars().take(256).collect(),
        id: id(rule, name),
        name: full_name(rule, name),
        status: "experimental",
        description: match &rule.description {
            Some(description) => format!("{meaning} {}", one_line(description)),
            None => meaning.to_owned(),
        },
        author: "Pipewarden",
        tags: tags(rule),
        logsource: None,
        detection: None,
        correlation: None,
        falsepositives: ["Management, monitoring, scanning and backup hosts that do it by right"],
        level: "informational",
    }
}

/// Sigma's own names: `network_connection` is Sysmon 3, `pipe_created` is Sysmon 17 and 18.
fn log_source(part: Part) -> LogSource {
    let (category, service) = match part {
        Part::ShareAccess | Part::PathAccess | Part::AccountUse => (None, Some("security")),
        Part::PipeConnected => (Some("pipe_created"), None),
        _ => (Some("network_connection"), None),
    };
    LogSource {
        product: "windows",
        category,
        service,
    }
}

fn detection(part: Part, exported: &Exported<'_>) -> Detection {
    let rule = exported.rule;
    let connection = |initiated: Option<&str>, ports: Value| {
        let mut selection = BTreeMap::from([("Protocol", json!("tcp")), ("DestinationPort", ports)]);
        selection.extend(initiated.map(|flag| ("Initiated", json!(flag))));
        Detection::of(Selection::One(selection), "selection")
    };
    let smb = || json!([445, 139]);
    match part {
        Part::Connection => connection(None, smb()),
        Part::ConnectionSeenByDestination => connection(Some("false"), smb()),
        Part::ConnectionSeenBySource => connection(Some("true"), smb()),
        Part::CallBack => {
            let ports = rule.callback.iter().flat_map(|watched| &watched.ports);
            connection(Some("true"), ports.copied().collect::<Vec<u16>>().into())
        }
        Part::PipeConnected => {
            let pipes = rule.pipes.pipe_connected.iter();
            let pipes: Vec<String> = pipes.flat_map(|pipe| as_sysmon_writes(&escaped(pipe))).collect();
            let selection = Selection::One(BTreeMap::from([
                ("EventID", json!(18)),
                ("PipeName", json!(pipes)),
            ]));
            Detection {
                remote_named: BTreeMap::from([("Image", json!(["System", "<unknown process>", "-"]))]),
                remote_unnamed: BTreeMap::from([("Image", Value::Null)]),
                ..Detection::of(selection, "selection and 1 of remote_*")
            }
        }
        Part::ShareAccess => {
            let pipes: Vec<String> = rule.pipes.share_access.iter().map(|pipe| escaped(pipe)).collect();
            Detection::from_elsewhere(Selection::One(BTreeMap::from([
                ("EventID", json!(5145)),
                ("ShareName|endswith", json!("\\IPC$")),
                ("RelativeTargetName", json!(pipes)),
            ])))
        }
        Part::PathAccess => {
            Detection::from_elsewhere(Selection::Any(rule.shares.iter().map(of_path).collect()))
        }
        Part::AccountUse => of_accounts(exported),
    }
}

/// Each account with where it is expected.
fn of_accounts(exported: &Exported<'_>) -> Detection {
    let mut accounts = BTreeMap::new();
    let mut elsewhere = Vec::new();
    for (number, (name, networks)) in (1..).zip(&exported.expected) {
        let networks: Vec<String> = networks.iter().map(IpNet::to_string).collect();
        let named = BTreeMap::from([("TargetUserName", json!(escaped(name)))]);
        accounts.insert(format!("account_{number}"), named);
        let expected = BTreeMap::from([("IpAddress|cidr", json!(networks))]);
        accounts.insert(format!("expected_{number}"), expected);
        elsewhere.push(format!("(account_{number} and not expected_{number})"));
    }
    let selection = Selection::One(BTreeMap::from([
        ("EventID", json!(4624)),
        ("LogonType", json!(3)),
    ]));
    Detection {
        accounts,
        condition: format!(
            "selection and not filter_sourceless and ({})",
            elsewhere.join(" or ")
        ),
        ..Detection::from_elsewhere(selection)
    }
}

/// `*` and `?` mean in Sigma what they mean in a rule.
fn of_path(watched: &WatchedShare) -> Fields {
    let (share, path) = (
        watched.share.to_string(),
        watched.path.to_string().replace('\\', "\\\\"),
    );
    BTreeMap::from([
        ("EventID", json!(5145)),
        ("ShareName|endswith", json!(format!("\\{share}"))),
        ("RelativeTargetName", json!(as_sysmon_writes(&path))),
    ])
}

fn sourceless() -> Fields {
    BTreeMap::from([("IpAddress", json!(["-", "127.0.0.1", "::1", null]))])
}

/// Sigma takes `*` and `?` for wildcards, and a backslash before either for itself.
fn escaped(pipe: &str) -> String {
    pipe.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?")
}

fn name_of(part: Part, rule: &Rule) -> String {
    full_name(rule, part.as_str())
}

fn full_name(rule: &Rule, name: &str) -> String {
    format!("{}_{name}", rule.id.replace('-', "_"))
}

/// The same for the same rule and document, whoever exports it.
fn id(rule: &Rule, name: &str) -> Uuid {
    Uuid::new_v5(
        &Uuid::NAMESPACE_OID,
        format!("pipewarden/sigma/{}/{name}", rule.id).as_bytes(),
    )
}

fn tags(rule: &Rule) -> Vec<String> {
    let tactics = rule
        .attack
        .iter()
        .map(|attack| match attack_name(&attack.tactic) {
            Some(name) => format!("attack.{}", name.to_lowercase().replace(' ', "-")),
            None => format!("attack.{}", attack.tactic.to_lowercase()),
        });
    let techniques = rule
        .attack
        .iter()
        .map(|attack| format!("attack.{}", attack.technique.to_lowercase()));
    let each_once: BTreeSet<String> = tactics.chain(techniques).collect();
    each_once.into_iter().collect()
}

/// By the bounds of an alert's severity.
fn level(search: &Search, rule: &Rule) -> &'static str {
    match risk_score(rule.risk, search.confidence, Weight::default()) {
        0 => "informational",
        1..=21 => "low",
        22..=47 => "medium",
        48..=73 => "high",
        74.. => "critical",
    }
}
