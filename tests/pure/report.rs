//! What `replay --html` writes: one file with everything in it, and nothing that asks for more.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn replay(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("replay")
        .args(arguments)
        .output()
        .unwrap()
}

/// The file, and the data in it.
fn report(file: &Path, arguments: &[&str]) -> (String, Value) {
    let output = replay(&[&["--html", file.to_str().unwrap()], arguments].concat());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let page = std::fs::read_to_string(file).unwrap();
    let (_, after) = page
        .split_once("<script type=\"application/json\" id=\"report\">")
        .unwrap();
    let data = serde_json::from_str(after.split_once("</script>").unwrap().0).unwrap();
    (page, data)
}

#[test]
fn a_report_holds_every_alert_with_all_revisions_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let (_, data) = report(&folder.path().join("report.html"), &["samples/"]);
    let printed = replay(&[
        "--format",
        "ndjson",
        "--revisions",
        "--show-suppressed",
        "samples/",
    ]);
    let printed = String::from_utf8(printed.stdout).unwrap();
    let mut revisions = 0;
    for document in printed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
    {
        let id = document["pipewarden"]["alert_id"].as_str().unwrap();
        let held = data["details"][id]["documents"].as_array().unwrap();
        assert!(held.contains(&document), "{id}");
        revisions += 1;
    }
    assert!(revisions > 5, "{revisions}");
    let details = data["details"].as_object().unwrap();
    let held: usize = details
        .values()
        .map(|detail| detail["documents"].as_array().unwrap().len())
        .sum();
    assert_eq!(held, revisions);
    assert_eq!(data["alerts"]["rows"].as_array().unwrap().len(), details.len());
    let missed = |detail: &Value| {
        detail["explanation"]["accesses"][0]["missed"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    };
    assert!(details.values().any(missed), "a near miss");
}

#[test]
fn what_is_printed_is_the_same_with_a_report_and_without() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    let with = replay(&["--format", "ndjson", "--html", file.to_str().unwrap(), "samples/"]);
    let without = replay(&["--format", "ndjson", "samples/"]);
    assert_eq!(
        String::from_utf8(with.stdout).unwrap(),
        String::from_utf8(without.stdout).unwrap()
    );
}

#[test]
fn a_report_without_alerts_says_so_and_one_that_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.ndjson");
    std::fs::write(&empty, "").unwrap();
    let (page, data) = report(&folder.path().join("report.html"), &[empty.to_str().unwrap()]);
    assert_eq!(data["alerts"]["rows"], Value::Array(Vec::new()));
    assert!(page.contains("The replay has found no access that a rule watches."));
    let nowhere = folder.path().join("nowhere/report.html");
    let output = replay(&["--html", nowhere.to_str().unwrap(), "samples/"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("--html") && said.contains("nowhere/report.html"),
        "{said}"
    );
}
