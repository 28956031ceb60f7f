//! Documents against the schemas in `schemas/`.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use jsonschema::Validator;
use serde_json::Value;

static VALIDATORS: LazyLock<Mutex<HashMap<String, &'static Validator>>> = LazyLock::new(Mutex::default);

fn validator(name: &str) -> &'static Validator {
    let mut validators = VALIDATORS.lock().unwrap();
    validators.entry(name.to_owned()).or_insert_with(|| {
        let path = crate::root().join(format!("schemas/{name}.schema.json"));
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

/// Whether the document is valid.
pub fn is_valid(name: &str, document: &Value) -> bool {
    validator(name).is_valid(document)
}

/// Fails unless `finding` is a valid OCSF Detection Finding with the values of the ECS document `alert`.
#[track_caller]
pub fn assert_valid_finding(finding: &Value, alert: &Value) {
    assert_valid("ocsf-detection-finding", finding);
    let own = &alert["pipewarden"];
    let activity = finding["activity_id"].as_u64().unwrap();
    assert_eq!(finding["type_uid"].as_u64().unwrap(), 200_400 + activity);
    assert_eq!(activity == 3, own["status"] != "active", "{finding:#}");
    assert_eq!(finding["is_alert"], own["status"] == "active");
    for (one, other) in [
        (&finding["finding_info"]["uid"], &own["alert_id"]),
        (&finding["metadata"]["correlation_uid"], &own["story_id"]),
        (&finding["message"], &alert["message"]),
        (&finding["risk_score"], &alert["event"]["risk_score"]),
        (&finding["count"], &own["accesses"]),
        (&finding["unmapped"]["pipewarden"]["revision"], &own["revision"]),
        (&finding["unmapped"]["pipewarden"]["risk_by"], &own["risk_by"]),
        (
            &finding["unmapped"]["pipewarden"]["candidates"],
            &own["candidates"],
        ),
    ] {
        assert_eq!(one, other, "{finding:#}\n{alert:#}");
    }
    let evidence: Vec<&Value> = finding["evidences"].as_array().unwrap()[1..]
        .iter()
        .map(|evidence| &evidence["data"])
        .collect();
    assert_eq!(
        evidence,
        own["evidence"].as_array().unwrap().iter().collect::<Vec<_>>()
    );
    for observable in finding["observables"].as_array().unwrap() {
        let mut found = vec![finding];
        for step in observable["name"].as_str().unwrap().split('.') {
            let below = found.iter().map(|here| &here[step.trim_end_matches("[]")]);
            found = if step.ends_with("[]") {
                below.filter_map(Value::as_array).flatten().collect()
            } else {
                below.collect()
            };
        }
        assert!(
            found.contains(&&observable["value"]),
            "{observable} points to nothing"
        );
    }
}
