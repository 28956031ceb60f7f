//! `schemas/index/`: what an index has to know of alerts before the first one arrives, made of the schema of alerts. Every field
//! that a document may have is in it, so that none is mapped by the first value that happens to come.
//!
//! `PIPEWARDEN_WRITE_SCHEMAS=1 cargo test --test packaging index::` writes the files anew.

use std::path::Path;

use serde_json::{Map, Value, json};

/// What is read and not looked up, or longer than a keyword may be.
const TEXTS: [&str; 4] = [
    "message",
    "pipewarden.next",
    "pipewarden.conflicts.text",
    "pipewarden.exception.reason",
];

/// The longest text, in characters, that is looked up whole. ECS has the same; an index takes no term of more than 32,766 bytes.
const LONGEST_KEYWORD: u32 = 1024;

fn read(path: &str) -> Value {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// How a value of the schema is indexed, `path` being its place in the document.
fn mapping(schema: &Value, path: &str, definitions: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return mapping(&definitions[name], path, definitions);
    }
    // Which of several forms an object has does not matter: the index knows the fields of all.
    let forms = schema["oneOf"].as_array().cloned();
    let forms = forms.unwrap_or_else(|| vec![schema.clone()]);
    let objects = forms.iter().filter_map(|form| form["properties"].as_object());
    let mut fields = Map::new();
    for (name, below) in objects.flatten() {
        // A sub-technique has none of its own.
        if name == "subtechnique" && path.ends_with(name) {
            continue;
        }
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        fields.insert(name.clone(), mapping(below, &path, definitions));
    }
    if !fields.is_empty() {
        return json!({ "properties": fields });
    }
    // A list is indexed as its entries are.
    match schema["type"].as_str() {
        Some("array") => mapping(&schema["items"], path, definitions),
        _ => leaf(schema, path),
    }
}

fn leaf(schema: &Value, path: &str) -> Value {
    let sample = schema.get("const").unwrap_or(&schema["enum"][0]);
    let is_address = schema["anyOf"][0]["format"] == "ipv4";
    let kind = match schema["type"].as_str() {
        // As ECS has it.
        _ if path == "event.risk_score" => "float",
        _ if TEXTS.contains(&path) => "match_only_text",
        _ if schema["format"] == "date-time" => "date",
        _ if is_address => "ip",
        Some("integer") => "long",
        Some("boolean") => "boolean",
        Some("string") => "keyword",
        None if sample.is_number() => "long",
        None if sample.is_string() || sample.is_array() => "keyword",
        other => panic!("{path}: how is {other:?} indexed? {schema}"),
    };
    if kind == "keyword" {
        json!({ "type": kind, "ignore_above": LONGEST_KEYWORD })
    } else {
        json!({ "type": kind })
    }
}

/// The body of `PUT _index_template/pipewarden-alerts`.
fn template(composed_of: &[&str]) -> Value {
    let schema = read("schemas/alert.schema.json");
    let fields = mapping(&schema, "", &schema["$defs"]);
    let mut template = json!({
        "index_patterns": ["pipewarden.alerts", "pipewarden.alerts-*", "pipewarden.suppressed", "pipewarden.suppressed-*"],
        "priority": 500,
        "template": {
            // A value that its type cannot take is not searched for; it keeps no alert out of the index.
            "settings": {"index": {"mapping": {"ignore_malformed": true}}},
            "mappings": {
                // Of fields that a later version adds.
                "date_detection": false,
                "dynamic_templates": [
                    {"addresses": {
                        "match_mapping_type": "string",
                        "match_pattern": "regex",
                        "match": "^(.*_)?ip$",
                        "mapping": {"type": "ip"},
                    }},
                    {"texts": {
                        "match_mapping_type": "string",
                        "mapping": {"type": "keyword", "ignore_above": LONGEST_KEYWORD},
                    }},
                ],
                "properties": fields["properties"],
            },
        },
    });
    if !composed_of.is_empty() {
        template["composed_of"] = json!(composed_of);
    }
    template
}

#[test]
fn the_index_templates_are_what_the_schema_of_alerts_says_and_differ_by_what_elasticsearch_adds() {
    for (name, composed_of) in [("opensearch", &[][..]), ("elasticsearch", &["ecs@mappings"])] {
        let path = format!("schemas/index/{name}.json");
        let made = template(composed_of);
        if std::env::var_os("PIPEWARDEN_WRITE_SCHEMAS").is_some() {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
            std::fs::write(file, format!("{made:#}\n")).unwrap();
        }
        assert!(
            read(&path) == made,
            "{path} is not what the schema of alerts says; run PIPEWARDEN_WRITE_SCHEMAS=1 cargo test --test packaging index::"
        );
    }
}

/// Paths and types of what a mapping holds.
fn types(fields: &Value, path: &str, all: &mut Vec<(String, String)>) {
    for (name, field) in fields["properties"].as_object().unwrap() {
        let path = format!("{path}{name}");
        match field["type"].as_str() {
            Some(kind) => all.push((path, kind.to_owned())),
            None => types(field, &format!("{path}."), all),
        }
    }
}

#[test]
fn addresses_times_and_numbers_of_alerts_are_indexed_as_such_wherever_they_stand() {
    let mut all = Vec::new();
    let template = read("schemas/index/opensearch.json");
    types(&template["template"]["mappings"], "", &mut all);
    all.sort();
    let of_type = |kind: &str| -> Vec<&str> {
        let of_type = all.iter().filter(|(_, found)| found == kind);
        of_type.map(|(path, _)| path.as_str()).collect()
    };
    assert_eq!(
        of_type("ip"),
        [
            "destination.ip",
            "host.ip",
            "pipewarden.candidates.ip",
            "pipewarden.evidence.destination_ip",
            "pipewarden.evidence.source_ip",
            "pipewarden.overflow.first.ip",
            "pipewarden.overflow.last.ip",
            "related.ip",
            "source.ip",
        ]
    );
    for time in [
        "@timestamp",
        "event.created",
        "event.end",
        "event.start",
        "pipewarden.campaign.assets.first",
        "pipewarden.evidence.time",
        "pipewarden.overflow.last.time",
    ] {
        assert!(of_type("date").contains(&time), "{time}");
    }
    for number in ["event.severity", "source.port", "pipewarden.revision"] {
        assert!(of_type("long").contains(&number), "{number}");
    }
}
