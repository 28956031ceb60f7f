//! Files of exceptions that are anything at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use pipewarden_core::detection::Exceptions;
use pipewarden_core::inventory::Inventory;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::mutate;

/// Whether a text is a file of exceptions. It is accepted or an error, and no incomplete entry is accepted: as the fuzz
/// target `exceptions` checks.
#[track_caller]
fn are_exceptions(text: &str) -> bool {
    let none = Exceptions::none_for(Arc::new(Inventory::empty()));
    match none.and(text, "hostile") {
        Ok(exceptions) => {
            let mut ids = BTreeSet::new();
            for entry in exceptions.entries() {
                assert!(
                    ids.insert(&entry.id) && !entry.id.starts_with("builtin-"),
                    "{text}"
                );
                assert!(
                    !entry.reason.trim().is_empty() && !entry.owner.trim().is_empty(),
                    "{text}"
                );
                assert!(entry.expires.is_some(), "{text}");
            }
            true
        }
        Err(error) => {
            assert!(error.to_string().starts_with("hostile: "), "{error}");
            false
        }
    }
}

/// A valid file of exceptions.
fn exceptions_file() -> Value {
    json!({"exceptions": [
        {
            "id": "scanner", "reason": "It scans.", "owner": "soc@aperture.local", "expires": "2027-06-30",
            "action": "suppress", "sources": {"addresses": ["10.1.9.0/24", "::1"], "hosts": ["scan1"], "roles": ["tier0"]},
            "accounts": ["APERTURE\\svc-scan"],
        },
        {
            "id": "night", "reason": "It runs at night.", "owner": "soc@aperture.local", "expires": "2027-06-30",
            "action": "suppress", "sids": ["S-1-5-21-1-2-3-1105"], "processes": ["C:\\scan\\*.exe"],
            "only_from": ["10.1.9.0/24"], "attribution": ["audited", "inferred"],
            "times": {"between": ["22:00-04:00"], "days": ["fri", "sat"], "zone": "Europe/Berlin"},
        },
        {
            "id": "backup", "reason": "It backs up.", "owner": "soc@aperture.local", "expires": "2027-06-30T12:00:00Z",
            "action": "downgrade", "broad": true, "assets": {"names": ["atlas"], "roles": ["cas"]},
        },
    ]})
}

#[test]
fn exceptions_are_an_error_with_a_reason_or_complete_whatever_replaces_any_value() {
    let (mut accepted, mut rejected) = (0, 0);
    for seed in 0..5_000 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut file = exceptions_file();
        for _ in 0..random.random_range(0..3) {
            mutate(&mut file, &mut random);
        }
        // JSON is YAML.
        if are_exceptions(&file.to_string()) {
            accepted += 1;
        } else {
            rejected += 1;
        }
    }
    assert!(
        accepted > 500 && rejected > 500,
        "both happen: {accepted} accepted, {rejected} rejected"
    );
}

proptest! {
    #[test]
    fn any_text_at_all_as_exceptions_is_answered(text in r#"[ -~\n\t\u{85}\u{feff}é]{0,200}"#) {
        are_exceptions(&text);
    }

    #[test]
    fn exceptions_cut_off_or_with_any_text_inside_are_answered(place in 0usize..1_000, text in r#"[ -~\n]{0,20}"#) {
        let mut file = exceptions_file().to_string();
        let place = (0..=place.min(file.len())).rev().find(|&place| file.is_char_boundary(place)).unwrap();
        are_exceptions(&file[..place]);
        file.insert_str(place, &text);
        are_exceptions(&file);
    }
}
