//! Documents against the schemas in `schemas/`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use jsonschema::Validator;
use serde_json::Value;

static VALIDATORS: LazyLock<Mutex<HashMap<String, &'static Validator>>> = LazyLock::new(Mutex::default);

fn validator(name: &str) -> &'static Validator {
    let mut validators = VALIDATORS.lock().unwrap();
    validators.entry(name.to_owned()).or_insert_with(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{name}.schema.json"));
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap();
        Box::leak(Box::new(validator))
    })
}

/// Fails with every violation of `schemas/<name>.schema.json`.
#[track_caller]
pub fn assert_valid(name: &str, document: &Value) {
    let problems: Vec<String> = validator(name)
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(
        problems.is_empty(),
        "not a valid {name}:\n{}\n{document:#}",
        problems.join("\n")
    );
}

/// Whether the schema takes the document.
#[allow(dead_code)]
pub fn is_valid(name: &str, document: &Value) -> bool {
    validator(name).is_valid(document)
}
