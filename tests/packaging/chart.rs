//! The chart, its rules and its dashboard speak of what the program has, and their pages of what the chart has.
//!
//! `PIPEWARDEN_WRITE_SCHEMAS=1 cargo test --test packaging chart::` writes the types into the schema of the values anew.

use std::collections::BTreeSet;
use std::path::Path;

use pipewarden::telemetry::Metrics;
use pipewarden::{config, detection, inventory};
use serde_json::{Map, Value};

/// Settings that the chart makes itself: a user's would not count.
const OF_THE_CHART: [(&str, &str); 7] = [
    ("Settings", "http"),
    ("RuleSource", "directory"),
    ("ExceptionSource", "file"),
    ("Router", "enabled"),
    ("Correlator", "enabled"),
    ("Correlator", "instance"),
    ("InventorySource", "file"),
];

/// Sections whose every setting is the chart's.
const GONE: [&str; 1] = ["Http"];

/// Properties that would put a secret into a ConfigMap, which whoever may read the namespace can read.
const SECRET_PROPERTIES: &str = r"password|secret|jaas|oauthbearer\.config|ssl\.key\.pem";

/// What stands in the message that refuses one: the validator prints the only value that would be right.
const INSTEAD: &str = "left out here: name a secret and its key in kafka.secretProperties";

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap()
}

fn json(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap()
}

/// Draft 7 keeps definitions elsewhere.
fn move_references(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get_mut("$ref") {
                *reference = reference.replace("#/$defs/", "#/definitions/");
            }
            object.values_mut().for_each(move_references);
        }
        Value::Array(items) => items.iter_mut().for_each(move_references),
        _ => {}
    }
}

/// What the program reads, less what the chart makes itself.
fn definitions() -> Map<String, Value> {
    let mut all = Map::new();
    for (name, schema) in [
        ("Settings", config::json_schema()),
        ("Inventory", inventory::json_schema()),
        ("Rule", detection::json_schema()),
        ("Exceptions", detection::exceptions_json_schema()),
    ] {
        let mut schema = schema.to_value();
        move_references(&mut schema);
        let object = schema.as_object_mut().unwrap();
        let Value::Object(below) = object.remove("$defs").unwrap() else {
            panic!("{name}")
        };
        for key in ["$schema", "title"] {
            object.remove(key);
        }
        all.insert(name.to_owned(), schema);
        for (name, definition) in below {
            let before = all.insert(name.clone(), definition.clone());
            let is_one = before.is_none_or(|before| before == definition);
            assert!(is_one, "{name} is the name of two types");
        }
    }
    for (section, setting) in OF_THE_CHART {
        all[section]["properties"]
            .as_object_mut()
            .unwrap()
            .remove(setting)
            .unwrap();
    }
    for section in GONE {
        all.remove(section).unwrap();
    }
    all["Kafka"]["properties"]["client"]["patternProperties"] =
        serde_json::json!({ SECRET_PROPERTIES: { "const": INSTEAD } });
    for section in all["Settings"]["properties"]
        .as_object_mut()
        .unwrap()
        .values_mut()
    {
        // They name what is the chart's.
        section.as_object_mut().unwrap().remove("default");
    }
    all
}

#[test]
fn values_below_config_are_the_settings_of_the_program() {
    let path = "helm/pipewarden/values.schema.json";
    let mut schema = json(path);
    let expected = Value::Object(definitions());
    if std::env::var_os("PIPEWARDEN_WRITE_SCHEMAS").is_some() {
        schema["definitions"] = expected.clone();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        std::fs::write(path, format!("{schema:#}\n")).unwrap();
    }
    assert!(
        schema["definitions"] == expected,
        "{path} is not what the types say; run PIPEWARDEN_WRITE_SCHEMAS=1 cargo test --test packaging chart::"
    );
}

#[test]
fn the_chart_installs_the_version_it_lies_beside() {
    let chart = yaml("helm/pipewarden/Chart.yaml");
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

/// The leaves of a tree of values: whatever is no map, and maps that are empty or free.
fn leaves(tree: &Value, path: &str, all: &mut Vec<(String, Value)>) {
    for (key, below) in tree.as_object().unwrap() {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let is_free = path.ends_with(".resources") || path == "dashboard.labels";
        if below.as_object().is_some_and(|below| !below.is_empty()) && !is_free {
            leaves(below, &path, all);
        } else {
            all.push((path, below.clone()));
        }
    }
}

#[test]
fn every_value_is_described_with_its_default_and_nothing_else_is() {
    let page = read("helm/pipewarden/README.md");
    let mut expected = Vec::new();
    leaves(&yaml("helm/pipewarden/values.yaml"), "", &mut expected);
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), expected.len());
    for ((path, value), row) in expected.iter().zip(rows) {
        let shown = match value {
            Value::String(text) if text.is_empty() => String::new(),
            Value::String(text) => format!("`{text}` "),
            other => format!("`{other}` "),
        };
        let start = format!("| `{path}` | {shown}| ");
        assert!(row.starts_with(&start), "{start}\n{row}");
    }
}

/// Every name in a query that could be a metric of ours. Suffixes of histograms are taken off.
fn metrics_of(query: &str) -> BTreeSet<String> {
    query
        .split(|character: char| !(character.is_ascii_alphanumeric() || character == '_' || character == ':'))
        .filter(|word| word.starts_with("pipewarden_"))
        .map(|word| {
            let word = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| word.strip_suffix(suffix))
                .unwrap_or(word);
            word.to_owned()
        })
        .collect()
}

fn rules() -> Vec<Value> {
    let file = yaml("helm/pipewarden/files/prometheus-rules.yaml");
    let groups = file["groups"].as_array().unwrap().clone();
    groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap().clone())
        .collect()
}

/// The panels that ask something.
fn panels() -> Vec<Value> {
    let all = json("helm/pipewarden/files/dashboard.json");
    let panels = all["panels"].as_array().unwrap().clone();
    panels
        .into_iter()
        .filter(|panel| panel["type"] != "row")
        .collect()
}

#[test]
fn rules_and_panels_ask_for_metrics_that_exist() {
    let known = Metrics::new().names();
    let recorded: BTreeSet<String> = rules()
        .iter()
        .filter_map(|rule| rule["record"].as_str().map(str::to_owned))
        .collect();
    let mut queries: Vec<String> = rules()
        .iter()
        .map(|rule| rule["expr"].as_str().unwrap().to_owned())
        .collect();
    for panel in panels() {
        let targets = panel["targets"].as_array().unwrap();
        queries.extend(
            targets
                .iter()
                .map(|target| target["expr"].as_str().unwrap().to_owned()),
        );
    }
    for query in queries {
        let query = recorded
            .iter()
            .fold(query, |query, name| query.replace(name, "recorded"));
        for metric in metrics_of(&query) {
            assert!(known.contains(&metric), "{metric} does not exist: {query}");
        }
    }
}

#[test]
fn every_alerting_rule_is_tested_and_has_a_section_in_the_runbook() {
    let (runbook, tests) = (
        read("docs/runbook.md"),
        read("helm/pipewarden/ci/prometheus-rules.test.yaml"),
    );
    let sections: BTreeSet<&str> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let mut names = BTreeSet::new();
    for rule in rules() {
        let Some(name) = rule["alert"].as_str() else {
            continue;
        };
        for annotation in ["summary", "description", "runbook"] {
            assert!(
                rule["annotations"][annotation].is_string(),
                "{name}: {annotation}"
            );
        }
        let url = rule["annotations"]["runbook_url"].as_str().unwrap_or_default();
        let section = format!("/docs/runbook.md#{}", name.to_lowercase());
        assert!(
            url.starts_with("https://") && url.ends_with(&section),
            "{name}: {url}"
        );
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{name}");
        assert!(sections.contains(name), "docs/runbook.md has no section {name}");
        assert!(tests.contains(name), "{name} is not tested");
        names.insert(name.to_owned());
    }
    let of_alerts = sections
        .iter()
        .filter(|section| section.starts_with("Pipewarden"));
    assert!(
        of_alerts.clone().all(|section| names.contains(*section)),
        "{sections:?}"
    );
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() {
    let panels = panels();
    assert!(!panels.is_empty());
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(!panel["description"].as_str().unwrap().is_empty(), "{title}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}");
        for target in panel["targets"].as_array().unwrap() {
            assert!(
                target["expr"]
                    .as_str()
                    .unwrap()
                    .contains("namespace=~\"$namespace\""),
                "{title}"
            );
        }
    }
}
