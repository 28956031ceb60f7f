//! Every place that names a version of Rust names the same one.

use std::path::Path;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The text between `start` and the next `end`.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).unwrap_or_else(|| panic!("no {start}")).1;
    rest.split_once(end).unwrap_or_else(|| panic!("no {end}")).0
}

#[test]
fn developers_manifest_and_image_have_one_release_of_rust() {
    let toolchain = read("rust-toolchain.toml");
    let (release, _patch) = between(&toolchain, "channel = \"", "\"")
        .rsplit_once('.')
        .unwrap();
    assert_eq!(
        between(&read("Cargo.toml"), "rust-version = \"", "\""),
        release,
        "Cargo.toml"
    );
    assert_eq!(
        between(&read("Dockerfile"), "BUILD_BASE=rust:", "-slim"),
        release,
        "Dockerfile"
    );
    assert!(
        read("docs/deployment.md").contains(&format!("`rust:{release}-slim-bookworm`")),
        "docs/deployment.md"
    );
}

#[test]
fn workflows_leave_the_release_of_rust_to_the_toolchain_file() {
    for workflow in [".github/workflows/ci.yaml", ".github/workflows/release.yaml"] {
        let text = read(workflow);
        assert!(text.contains("rustup toolchain install\n"), "{workflow}");
        for line in text.lines().filter(|line| line.contains("rustup")) {
            assert!(
                !line.contains(|character: char| character.is_ascii_digit()),
                "{workflow}: {line}"
            );
        }
    }
}
