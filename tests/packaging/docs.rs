//! The tables of docs/ name everything that exists, and nothing that does not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pipewarden::config::Settings;
use pipewarden::telemetry::Metrics;
use serde_json::Value;

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The code in the first column of every table row.
fn first_column(page: &str) -> BTreeSet<String> {
    page.lines()
        .filter_map(|line| {
            line.strip_prefix("| `")?
                .split_once('`')
                .map(|(name, _)| name.to_owned())
        })
        .collect()
}

fn keys(tree: &Value, path: &str, all: &mut BTreeSet<String>) {
    for (key, below) in tree.as_object().unwrap() {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        if below.is_object() && path != "kafka.client" {
            keys(below, &path, all);
        } else {
            all.insert(path);
        }
    }
}

#[test]
fn every_setting_is_described_with_its_default() {
    let page = page("docs/configuration.md");
    let defaults = serde_json::to_value(Settings::default()).unwrap();
    let mut expected = BTreeSet::new();
    keys(&defaults, "", &mut expected);
    assert_eq!(first_column(&page), expected);
    for key in expected {
        let value = defaults.pointer(&format!("/{}", key.replace('.', "/"))).unwrap();
        let shown = match value {
            Value::String(text) => text.clone(),
            Value::Array(items) => items[0].as_str().unwrap().to_owned(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Null | Value::Object(_) => continue,
        };
        let row = format!("| `{key}` | `{shown}` |");
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn every_metric_is_described() {
    let described: BTreeSet<String> = first_column(&page("docs/operations.md"))
        .into_iter()
        .filter(|name| name.starts_with("pipewarden_"))
        .collect();
    assert_eq!(described, Metrics::new().names());
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "samples/README.md",
        "helm/pipewarden/README.md",
    ]
    .map(|page| root.join(page))
    .into();
    pages.extend(
        std::fs::read_dir(root.join("docs"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "md")),
    );
    pages
}

#[test]
fn the_table_of_the_readme_names_every_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = page("README.md");
    for page in pages() {
        let name = page.strip_prefix(root).unwrap().to_str().unwrap();
        let row = format!("\n| [{name}]({name}) | ");
        assert!(name == "README.md" || readme.contains(&row), "{name}");
    }
}

#[test]
fn examples_in_json_and_yaml_can_be_read() {
    let mut number = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in text.split("\n```").skip(1).step_by(2) {
            let (language, code) = block.split_once('\n').unwrap();
            let problem = match language {
                "json" => serde_json::from_str::<Value>(code)
                    .err()
                    .map(|error| error.to_string()),
                "yaml" => serde_saphyr::from_str::<Value>(code)
                    .err()
                    .map(|error| error.to_string()),
                _ => continue,
            };
            assert_eq!(problem, None, "{}:\n{code}", page.display());
            number += 1;
        }
    }
    assert!(number > 10, "{number} examples");
}

/// What GitHub makes of a page's headings for links: lower case, dashes for spaces, no other punctuation.
fn anchors(page: &Path) -> BTreeSet<String> {
    let mut is_code = false;
    let mut anchors = BTreeSet::new();
    for line in std::fs::read_to_string(page).unwrap().lines() {
        is_code ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if is_code || heading == line {
            continue;
        }
        let kept = heading
            .trim()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() });
        anchors.insert(kept.collect());
    }
    anchors
}

#[test]
fn every_link_between_pages_leads_to_a_file_and_a_heading() {
    let mut headings = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap().join(file)
            };
            assert!(target.exists(), "{}: {link}", page.display());
            if !heading.is_empty() {
                assert!(anchors(&target).contains(heading), "{}: {link}", page.display());
                headings += 1;
            }
        }
    }
    assert!(headings > 10, "{headings} links to headings");
}

#[test]
fn every_test_that_a_page_names_exists() {
    let mut number = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for name in text
            .split("`tests/")
            .skip(1)
            .filter_map(|rest| rest.split('`').next())
        {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
            assert!(file.exists(), "{}: tests/{name}", page.display());
            number += 1;
        }
    }
    assert!(number > 10, "{number} tests");
}
