//! Settings that have another name than in earlier versions. An old name is rejected with its new one: a setting that is
//! silently ignored is worse than a start that fails.

/// Old and new name of keys, and of sections whose keys kept their names. The first that matches decides.
const RENAMED: &[(&str, &str)] = &[
    ("identities.bindings_per_address", "bindings.limit_per_address"),
    ("identities.bindings", "bindings.limit"),
    ("identities", "bindings"),
    ("kafka.topics.identities", "kafka.topics.bindings"),
    (
        "detection.limits.identities_per_partition",
        "detection.limits.seen_events_per_partition",
    ),
    (
        "detection.limits.connections_per_asset",
        "detection.limits.session_evidence_per_asset",
    ),
    (
        "detection.limits.connections_per_partition",
        "detection.limits.session_evidence_per_partition",
    ),
    (
        "detection.limits.destination_side_per_asset",
        "detection.limits.accesses_per_asset",
    ),
    (
        "detection.limits.destination_side_per_partition",
        "detection.limits.accesses_per_partition",
    ),
    ("detection.sweep", "detection.campaign"),
];

/// What a key of an earlier version is called now.
pub(super) fn new_name(key: &str) -> Option<String> {
    RENAMED.iter().find_map(|(old, new)| {
        let below = key.strip_prefix(old)?;
        (below.is_empty() || below.starts_with('.')).then(|| format!("{new}{below}"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::super::layers::{keys, tree};
    use super::*;

    #[test]
    fn every_new_name_is_a_setting_and_no_old_one_is() {
        let keys = keys(&tree(&Settings::default()));
        for (old, new) in RENAMED {
            assert!(keys.iter().any(|key| key == new), "{new}");
            assert!(keys.iter().all(|key| key != old), "{old}");
        }
    }

    #[test]
    fn a_key_of_a_renamed_section_is_found_below_the_new_one() {
        assert_eq!(
            new_name("identities.max_age").as_deref(),
            Some("bindings.max_age")
        );
        assert_eq!(new_name("identities.bindings").as_deref(), Some("bindings.limit"));
        assert_eq!(new_name("identitiesx"), None);
    }
}
