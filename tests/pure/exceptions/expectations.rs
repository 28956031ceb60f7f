//! Expectations: accounts that an entry expects from some places only.

use serde_json::{Value, json};

use super::{SCANNER, replayed, run, text};

/// The account of the sample, whose source is 10.1.0.101.
fn expected_from(places: &str) -> String {
    format!(
        r"
exceptions:
  - id: backup
    reason: The backup reads the registry before it starts.
    owner: backup@aperture.local
    expires: 2040-06-30
    action: suppress
    accounts: ['APERTURE\testsubject4']
    only_from: {places}
"
    )
}

#[test]
fn the_same_account_from_elsewhere_raises_the_risk_and_the_document_says_so() {
    let alert = replayed(&expected_from("[10.1.0.60, 'role:domain-controller', glados]"));
    let own = &alert["pipewarden"];
    assert_eq!(own["status"], "active");
    assert_eq!(own["exception"], Value::Null);
    assert_eq!(own["unexpected"]["exception"], "backup");
    assert_eq!(own["unexpected"]["owner"], "backup@aperture.local");
    assert_eq!(own["unexpected"]["accounts"][0], r"APERTURE\TESTSUBJECT4");
    assert_eq!(
        own["unexpected"]["only_from"],
        json!(["10.1.0.60", "role:domain-controller", "glados.aperture.local"])
    );
    assert_eq!(alert["event"]["risk_score"], 93, "73 + 20");
    let title = alert["message"].as_str().unwrap();
    assert!(title.ends_with("and is not expected from there"), "{title}");

    let pretty = run(
        &expected_from("[10.1.0.60]"),
        &["replay", super::SAMPLE, "--format", "pretty", "--explain"],
    );
    let pretty = text(&pretty.stdout);
    assert!(
        pretty.contains(r"APERTURE\TESTSUBJECT4 only from 10.1.0.60, by backup (backup@aperture.local)")
            && pretty.contains(r"backup expects APERTURE\TESTSUBJECT4 only from 10.1.0.60"),
        "{pretty}"
    );
}

#[test]
fn from_where_it_is_expected_the_entry_covers_it() {
    for places in ["[10.1.0.101]", "[10.1.0.96/28, 10.9.0.0/16]"] {
        let alert = replayed(&expected_from(places));
        assert_eq!(alert["pipewarden"]["status"], "suppressed", "{places}");
        assert_eq!(alert["pipewarden"]["unexpected"], Value::Null, "{places}");
    }
}

#[test]
fn what_any_entry_about_the_account_expects_is_expected() {
    let two = |first: &str, second: &str| {
        let second = expected_from(second)
            .replace("exceptions:\n", "")
            .replace("id: backup", "id: other");
        format!("{}{second}", expected_from(first))
    };
    let alert = replayed(&two("[10.1.0.60]", "[10.1.0.101]"));
    assert_eq!(alert["pipewarden"]["exception"]["id"], "other");
    assert_eq!(alert["pipewarden"]["unexpected"], Value::Null);
    let alert = replayed(&two("[10.1.0.60]", "[10.1.0.61]"));
    assert_eq!(
        alert["pipewarden"]["unexpected"]["exception"], "backup",
        "the first"
    );
}

#[test]
fn nothing_covers_an_account_that_is_not_where_it_is_expected() {
    let entry = expected_from("[10.1.0.60]").replace("exceptions:\n", "");
    let alert = replayed(&format!("{SCANNER}{entry}"));
    assert_eq!(
        alert["pipewarden"]["exception"],
        Value::Null,
        "the scanner's entry comes first, and covers nothing"
    );
    assert_eq!(alert["pipewarden"]["unexpected"]["exception"], "backup");
    // Once the expectation has expired it says nothing.
    let expired = entry.replace("2040-06-30", "2024-10-23");
    let alert = replayed(&format!("{SCANNER}{expired}"));
    assert_eq!(alert["pipewarden"]["exception"]["id"], "scanner");
    assert_eq!(alert["pipewarden"]["unexpected"], Value::Null);
}

#[test]
fn an_account_is_meant_by_its_sid_as_well() {
    let by_sid = |sid: &str| {
        expected_from("[10.1.0.60]").replace(
            r"accounts: ['APERTURE\testsubject4']",
            &format!("sids: [S-1-5-21-1004336348-1177238915-682003330-{sid}]"),
        )
    };
    assert_eq!(
        replayed(&by_sid("1000"))["pipewarden"]["unexpected"]["exception"],
        "backup"
    );
    assert_eq!(replayed(&by_sid("1001"))["pipewarden"]["unexpected"], Value::Null);
}
