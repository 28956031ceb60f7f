//! What the list shows of a document. Documents come from outside: what is missing or of another type is empty, and texts are cut.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// The longest text of a row in characters; the whole stands in the document.
const LONGEST: usize = 300;
/// The most entries of a list.
const MOST: usize = 32;
/// The most alerts that a campaign names as its own.
const MOST_MEMBERS: usize = 1024;

/// One revision of an alert, as the list needs it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Row {
    /// `pipewarden.alert_id`.
    pub(super) id: String,
    /// `pipewarden.revision`.
    pub(super) revision: u64,
    /// `pipewarden.status`.
    status: String,
    /// `pipewarden.suppressed_by`.
    suppressed_by: Option<String>,
    /// `pipewarden.who`.
    who: Option<String>,
    /// `event.action`.
    action: String,
    /// `event.outcome`.
    outcome: String,
    /// `rule.id`.
    rule: String,
    /// `rule.name`.
    rule_name: String,
    /// Ids of `pipewarden.references`, else `rule.reference`.
    references: Vec<String>,
    /// `pipewarden.confidence`.
    confidence: String,
    /// `pipewarden.attribution`.
    attribution: String,
    /// `event.risk_score`.
    risk: u64,
    /// `message`.
    message: String,
    /// `event.start`.
    start: String,
    /// `event.end`.
    end: String,
    /// `event.created`.
    created: String,
    /// `host.name`.
    asset: String,
    /// `pipewarden.asset.roles`.
    roles: Vec<String>,
    /// `source.ip`.
    source_ip: Option<String>,
    /// What the source is called, the surest first.
    source_names: Vec<String>,
    /// `pipewarden.accounts`.
    accounts: Vec<String>,
    /// `pipewarden.pipes`.
    pipes: Vec<String>,
    /// `pipewarden.paths`.
    paths: Vec<String>,
    /// `pipewarden.accesses`.
    accesses: u64,
    /// How many entries `pipewarden.evidence` has.
    evidence: usize,
    /// How many `pipewarden.candidates` has.
    candidates: usize,
    /// How many `pipewarden.conflicts` has.
    conflicts: usize,
    /// `pipewarden.story_id`.
    story: String,
    /// `pipewarden.policy`.
    policy: String,
    /// `pipewarden.exception.id`.
    exception: Option<String>,
    /// Of a campaign: the ids of its alerts.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<String>>,
}

impl Row {
    /// That of a document with this id and revision.
    pub(super) fn of(document: &Value, id: &str, revision: u64) -> Self {
        let at = |path: &str| document.pointer(path);
        let text = |path: &str| at(path).and_then(cut);
        let word = |path: &str| text(path).unwrap_or_default();
        let texts = |path: &str| at(path).map(all).unwrap_or_default();
        let number = |path: &str| at(path).and_then(Value::as_u64).unwrap_or(0);
        let length = |path: &str| at(path).and_then(Value::as_array).map_or(0, Vec::len);
        Self {
            id: id.to_owned(),
            revision,
            status: word("/pipewarden/status"),
            suppressed_by: text("/pipewarden/suppressed_by"),
            who: text("/pipewarden/who"),
            action: word("/event/action"),
            outcome: word("/event/outcome"),
            rule: word("/rule/id"),
            rule_name: word("/rule/name"),
            references: references(document),
            confidence: word("/pipewarden/confidence"),
            attribution: word("/pipewarden/attribution"),
            risk: number("/event/risk_score"),
            message: word("/message"),
            start: word("/event/start"),
            end: word("/event/end"),
            created: word("/event/created"),
            asset: word("/host/name"),
            roles: texts("/pipewarden/asset/roles"),
            source_ip: text("/source/ip"),
            source_names: source_names(document),
            accounts: texts("/pipewarden/accounts"),
            pipes: texts("/pipewarden/pipes"),
            paths: texts("/pipewarden/paths"),
            accesses: number("/pipewarden/accesses"),
            evidence: length("/pipewarden/evidence"),
            candidates: length("/pipewarden/candidates"),
            conflicts: length("/pipewarden/conflicts"),
            story: word("/pipewarden/story_id"),
            policy: word("/pipewarden/policy"),
            exception: text("/pipewarden/exception/id"),
            members: members(document),
        }
    }

    /// About how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        let lists = [
            &self.roles,
            &self.source_names,
            &self.accounts,
            &self.pipes,
            &self.paths,
            &self.references,
        ];
        let in_lists: usize = lists
            .into_iter()
            .chain(&self.members)
            .flatten()
            .map(|text| text.len() + 24)
            .sum();
        size_of::<Self>() + self.message.len() + self.asset.len() + in_lists + 256
    }
}

fn cut(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    Some(match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    })
}

fn all(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(cut)
        .take(MOST)
        .collect()
}

fn references(document: &Value) -> Vec<String> {
    let listed = document
        .pointer("/pipewarden/references")
        .and_then(Value::as_array);
    match listed {
        Some(listed) => listed
            .iter()
            .filter_map(|entry| cut(entry.get("id")?))
            .take(MOST)
            .collect(),
        None => document
            .pointer("/rule/reference")
            .and_then(cut)
            .into_iter()
            .collect(),
    }
}

fn source_names(document: &Value) -> Vec<String> {
    let named = document
        .pointer("/pipewarden/source/names")
        .and_then(Value::as_array);
    let named = named
        .into_iter()
        .flatten()
        .filter_map(|entry| cut(entry.get("name")?));
    let hosts = document
        .pointer("/pipewarden/source/hosts")
        .map(all)
        .unwrap_or_default();
    let mut names: Vec<String> = Vec::new();
    for name in named.chain(hosts) {
        if !names.contains(&name) && names.len() < MOST {
            names.push(name);
        }
    }
    names
}

/// Both `campaign` and `sweep` list assets with the ids of their alerts.
fn members(document: &Value) -> Option<Vec<String>> {
    let assets = ["/pipewarden/campaign/assets", "/pipewarden/sweep/assets"]
        .iter()
        .find_map(|path| document.pointer(path)?.as_array())?;
    let ids = assets
        .iter()
        .filter_map(|asset| asset.get("alert_ids")?.as_array())
        .flatten();
    Some(ids.filter_map(cut).take(MOST_MEMBERS).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_of_other_types_than_expected_makes_an_empty_row() {
        let odd = json!({
            "message": 7, "host": [], "event": {"risk_score": -1, "created": {}},
            "pipewarden": {"accounts": {"a": 1}, "evidence": "x", "source": {"names": [1, {"name": null}]}, "references": [{}],
                           "campaign": {"assets": [{"alert_ids": "no"}, 7]}},
        });
        let row = Row::of(&odd, "id", 3);
        let empty = Row {
            id: "id".to_owned(),
            revision: 3,
            members: Some(Vec::new()),
            ..Row::default()
        };
        assert_eq!(row, empty);
    }

    #[test]
    fn long_texts_and_lists_are_cut_at_characters() {
        let long = "ü".repeat(LONGEST + 1);
        let many: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let row = Row::of(
            &json!({"message": long, "pipewarden": {"accounts": many}}),
            "id",
            0,
        );
        assert_eq!(row.message, format!("{}…", "ü".repeat(LONGEST)));
        assert_eq!(row.accounts.len(), MOST);
    }

    #[test]
    fn a_name_that_two_give_is_listed_once_with_the_surer_first() {
        let document = json!({"pipewarden": {"source": {
            "names": [{"name": "a", "from": "inventory"}, {"name": "b", "from": "client"}], "hosts": ["b", "c"],
        }}});
        assert_eq!(Row::of(&document, "id", 0).source_names, ["a", "b", "c"]);
    }
}
