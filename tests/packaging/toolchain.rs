//! The oldest Rust that will do stands in Cargo.toml; developers and CI take the stable release.

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
fn the_image_is_built_by_the_oldest_release_of_rust_that_the_manifest_allows() {
    let manifest = read("Cargo.toml");
    let release = between(&manifest, "rust-version = \"", "\"");
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
    assert!(read("rust-toolchain.toml").contains("channel = \"stable\""));
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
