//! Detects changes of the files that the settings name.
//!
//! The files are read, not watched by the operating system: Kubernetes swaps a symbolic link above them, editors rename
//! over them, network file systems send no notification. They are small.

use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use super::{PolicyError, Settings};
use crate::engine::Policy;

/// Rules, inventory and exceptions as they were read last.
#[derive(Debug)]
pub struct Watch {
    settings: Settings,
    seen: u128,
}

impl Watch {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// [`PolicyError`], which names the file and what to change.
    pub fn start(settings: Settings) -> Result<(Self, Policy), PolicyError> {
        // Before the files are read: a change in between is detected by the first check.
        let seen = hash_files(&settings);
        let policy = settings.policy()?;
        Ok((Self { settings, seen }, policy))
    }

    /// The policy that the files make now, if any byte of them has changed since the last call.
    ///
    /// # Errors
    /// [`PolicyError`] inside, once for each change: the policy in force stays.
    pub fn changed(&mut self) -> Option<Result<Policy, PolicyError>> {
        let now = hash_files(&self.settings);
        let before = std::mem::replace(&mut self.seen, now);
        (now != before).then(|| self.settings.policy())
    }
}

/// A hash over all files. One that cannot be read counts as empty; reading it for the policy gives the error.
fn hash_files(settings: &Settings) -> u128 {
    let mut hash = Xxh3::new();
    let mut take = |path: &Path| {
        hash.update(path.as_os_str().as_encoded_bytes());
        hash.update(&std::fs::read(path).unwrap_or_default());
    };
    for file in [&settings.inventory.file, &settings.exceptions.file]
        .into_iter()
        .flatten()
    {
        take(file);
    }
    if let Some(folder) = &settings.rules.directory {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        files.iter().for_each(|file| take(file));
    }
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "assets: [{name: atlas.aperture.local}]";
    const TWO: &str = "assets: [{name: atlas.aperture.local}, {name: glados.aperture.local}]";

    #[test]
    fn a_change_is_reported_once_whether_a_file_or_the_link_above_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        // As Kubernetes lays a ConfigMap: the file is a link into a folder that is a link.
        for (version, text) in [("one", ONE), ("two", TWO)] {
            std::fs::create_dir(folder.path().join(version)).unwrap();
            std::fs::write(folder.path().join(version).join("hosts.yaml"), text).unwrap();
        }
        let data = folder.path().join("..data");
        std::os::unix::fs::symlink("one", &data).unwrap();
        std::os::unix::fs::symlink("..data/hosts.yaml", folder.path().join("hosts.yaml")).unwrap();
        let mut settings = Settings::default();
        settings.inventory.file = Some(folder.path().join("hosts.yaml"));
        let (mut watch, policy) = Watch::start(settings).unwrap();
        assert_eq!(policy.inventory.assets().len(), 1);
        assert!(watch.changed().is_none());

        let swapped = folder.path().join("..data_tmp");
        std::os::unix::fs::symlink("two", &swapped).unwrap();
        std::fs::rename(&swapped, &data).unwrap();
        assert_eq!(watch.changed().unwrap().unwrap().inventory.assets().len(), 2);
        assert!(watch.changed().is_none());

        std::fs::write(folder.path().join("two/hosts.yaml"), "assets: 7").unwrap();
        assert!(watch.changed().unwrap().is_err());
        assert!(watch.changed().is_none(), "an error is reported once");
        std::fs::remove_file(folder.path().join("two/hosts.yaml")).unwrap();
        assert!(watch.changed().unwrap().is_err());
        std::fs::write(folder.path().join("two/hosts.yaml"), ONE).unwrap();
        assert_eq!(
            watch.changed().unwrap().unwrap().checkpoint_id(),
            policy.checkpoint_id()
        );
    }
}
