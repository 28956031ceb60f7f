//! Java programs from Maven Central.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The libraries that a pom of the repository names and what these need, fetched once and kept below `target`. Test binaries that
/// start at once wait for each other. `name` is that of the program and its version.
pub fn libraries(name: &str, pom: &str) -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let folder = target.join(name);
    std::fs::create_dir_all(&target).map_err(|error| error.to_string())?;
    let lock = File::create(target.join("libraries.lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    // The pom that the libraries were fetched by stands beside them.
    let (pom, fetched_by) = (root.join(pom), folder.join("pom.xml"));
    let wanted = std::fs::read(&pom).map_err(|error| error.to_string())?;
    if std::fs::read(&fetched_by).is_ok_and(|fetched| fetched == wanted) {
        return Ok(folder.join("lib"));
    }
    eprintln!("fetching {name} from Maven Central");
    // A library whose checksum is not that of the registry ends it.
    let fetched = Command::new("mvn")
        .args(["-q", "-B", "-C", "-f"])
        .arg(&pom)
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", folder.join("lib").display()))
        .output()
        .map_err(|error| format!("mvn: {error}"))?;
    if !fetched.status.success() {
        return Err(format!("mvn: {}", String::from_utf8_lossy(&fetched.stdout)));
    }
    std::fs::write(&fetched_by, wanted).map_err(|error| error.to_string())?;
    Ok(folder.join("lib"))
}
