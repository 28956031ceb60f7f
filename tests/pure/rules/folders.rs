//! Folders of rules in place of the built-in ones, and rules that the inventory gives nothing to find.

use super::{assert_contains, pipewarden, stderr, stdout};

#[test]
fn the_built_in_rules_are_listed_and_written_once_with_cases_that_hold() {
    let listed = stdout(&pipewarden(&["rules"]));
    assert_contains(&listed, &["detect-8", "on", "efsrpc", "off"]);
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    let rules = rules.to_str().unwrap();
    assert!(pipewarden(&["rules", "--write", rules]).status.success());
    let tested = pipewarden(&["test", rules]);
    assert!(tested.status.success(), "{}", stdout(&tested));
    // Of a folder in the order of its files.
    let sorted = |text: String| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(stdout(&tested)), sorted(stdout(&pipewarden(&["test"]))));
    let again = pipewarden(&["rules", "--write", rules]);
    assert!(!again.status.success());
    assert_contains(&stderr(&again), &["is there already", "name a new folder"]);
}

#[test]
fn a_rule_of_a_folder_without_the_built_in_one_that_it_names_is_told_where_that_is() {
    let folder = tempfile::tempdir().unwrap();
    let rule = "id: own\nname: Own\nrisk: 47\npipes: {pipe_connected: [own], share_access: [own]}\nchain: [detect-8]\n";
    std::fs::write(folder.path().join("own.yaml"), rule).unwrap();
    let checked = pipewarden(&["check", "--rules", folder.path().to_str().unwrap()]);
    assert_contains(
        &stderr(&checked),
        &["its chain names detect-8", "pipewarden rules --write"],
    );
}

#[test]
fn replay_says_which_rules_the_inventory_gives_nothing_to_find() {
    let without = stderr(&pipewarden(&["replay", "samples/detect-8.ndjson"]));
    assert_contains(
        &without,
        &["rules that the inventory gives nothing to find: detect-1 detect-3 detect-7"],
    );
    let inventory = [
        "replay",
        "--inventory",
        "samples/inventory.yaml",
        "samples/detect-8.ndjson",
    ];
    let with = stderr(&pipewarden(&inventory));
    assert!(!with.contains("detect-7"), "{with}");
}
