//! The schemas of what people write and of what processes tell each other, kept equal to what the program reads; and files of both kinds against them.
//!
//! `PIPEWARDEN_WRITE_SCHEMAS=1 cargo test --test packaging schemas::` writes them anew after a change of the types.

use std::path::{Path, PathBuf};

use pipewarden::config::Settings;
use pipewarden::{config, detection, inventory, rule_tests};
use pipewarden_core::detection::RuleSet;
use pipewarden_core::inventory::Inventory;
use pipewarden_tools::rule_tests::TestFile;
use serde_json::{Value, json};
use testkit::schema;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn generated(name: &str) -> Value {
    let mut schema = match name {
        "configuration" => config::json_schema(),
        "inventory" => inventory::json_schema(),
        "rule" => detection::json_schema(),
        "explanation" => detection::explanation_json_schema(),
        "exceptions" => detection::exceptions_json_schema(),
        "binding" => inventory::binding_json_schema(),
        "rule-tests" => rule_tests::json_schema(),
        _ => unreachable!("{name}"),
    };
    schema.insert(
        "$id".to_owned(),
        format!("https://pipewarden.example/schemas/{name}.schema.json").into(),
    );
    schema.to_value()
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn the_schemas_of_what_the_program_reads_are_what_its_types_say() {
    for name in [
        "configuration",
        "exceptions",
        "explanation",
        "binding",
        "inventory",
        "rule",
        "rule-tests",
    ] {
        let path = root().join(format!("schemas/{name}.schema.json"));
        let text = format!("{:#}\n", generated(name));
        if std::env::var_os("PIPEWARDEN_WRITE_SCHEMAS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == text,
            "{} is not what the types say; run PIPEWARDEN_WRITE_SCHEMAS=1 cargo test --test packaging schemas::",
            path.display()
        );
    }
}

#[test]
fn the_defaults_are_valid_settings_and_a_misspelt_key_is_not() {
    let defaults = serde_json::to_value(Settings::default()).unwrap();
    schema::assert_valid("configuration", &defaults);
    schema::assert_valid("configuration", &json!({}));
    schema::assert_valid(
        "configuration",
        &json!({"detection": {"pair_window": "3s"}, "inventory": {"file": "a.yaml"}}),
    );
    assert!(!schema::is_valid(
        "configuration",
        &json!({"detection": {"pair_windw": "3s"}})
    ));
    assert!(!schema::is_valid(
        "configuration",
        &json!({"router": {"threads": "two"}})
    ));
}

#[test]
fn sample_inventory_and_shipped_rules_are_valid() {
    let text = std::fs::read_to_string(root().join("samples/inventory.yaml")).unwrap();
    schema::assert_valid("inventory", &yaml(&text));
    let mut rules: Vec<PathBuf> = std::fs::read_dir(root().join("rules"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    rules.sort();
    assert!(!rules.is_empty());
    for path in rules {
        let is_tests = path.to_string_lossy().ends_with(".tests.yaml");
        let name = if is_tests { "rule-tests" } else { "rule" };
        schema::assert_valid(name, &yaml(&std::fs::read_to_string(path).unwrap()));
    }
    pipewarden::config::read_rules(&root().join("rules")).unwrap();
}

#[test]
fn what_the_program_refuses_in_an_inventory_or_a_rule_the_schema_refuses_too() {
    for bad in [
        "assets: [{name: a, roles: [janitor]}]",
        "assets: [{name: a, adresses: [10.0.0.1]}]",
        "assets: [{roles: [tier0]}]",
        "hosts: []",
    ] {
        assert!(Inventory::parse(bad, "test").is_err(), "{bad}");
        assert!(!schema::is_valid("inventory", &yaml(bad)), "{bad}");
    }
    let sound = std::fs::read_to_string(root().join("rules/detect-8.yaml")).unwrap();
    for (from, to) in [
        ("risk: 73", "risk: 101"),
        ("TA0007", "TA7"),
        ("id: detect-8", "id: DETECT 8"),
        ("risk:", "rsk:"),
    ] {
        assert!(!schema::is_valid("rule", &yaml(&sound.replace(from, to))), "{to}");
    }
    let sound = std::fs::read_to_string(root().join("rules/detect-8.tests.yaml")).unwrap();
    for (from, to) in [
        ("event_id: 18", "event_id: eighteen"),
        ("confidence: high", "confidence: certain"),
        ("roles: [primary-site-server]", "roles: [janitor]"),
        ("alerts: []", "alert: []"),
        ("cases:", "case:"),
    ] {
        let bad = sound.replace(from, to);
        assert!(!schema::is_valid("rule-tests", &yaml(&bad)), "{to}");
    }
}

#[test]
fn no_rule_file_and_no_test_file_panics() {
    let tests = std::fs::read_to_string(root().join("rules/svcctl.tests.yaml")).unwrap();
    for cut in (0..tests.len()).step_by(9) {
        if let (Some(head), Some(tail)) = (tests.get(..cut), tests.get(cut + 1..)) {
            let _ = TestFile::parse(head);
            let _ = TestFile::parse(&format!("{head}{tail}"));
        }
    }
    let sound = std::fs::read_to_string(root().join("rules/detect-8.yaml")).unwrap();
    for cut in 0..sound.len() {
        if let (Some(head), Some(tail)) = (sound.get(..cut), sound.get(cut + 1..)) {
            let _ = RuleSet::parse(head, "test");
            let _ = RuleSet::parse(&format!("{head}{tail}"), "test");
            let _ = RuleSet::parse(&format!("{head}: [{tail}"), "test");
        }
    }
}
