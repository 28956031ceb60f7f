use serde_json::json;

use super::*;

#[test]
fn the_length_of_a_letter_is_that_of_the_encoder() {
    for code in 0..=0x2_ffff_u32 {
        let Some(letter) = char::from_u32(code) else {
            continue;
        };
        let encoded = serde_json::to_vec(&letter.to_string()).unwrap();
        assert_eq!(encoded_letter(letter), encoded.len() - 2, "{code:#x}");
    }
}

#[test]
fn a_document_that_fits_is_left_as_it_is() {
    let document = json!({"message": "x".repeat(20_000), "pipewarden": {"evidence": []}});
    let encoded = encode(&document, LEAST_MAX_BYTES * 2);
    assert_eq!(serde_json::from_slice::<Value>(&encoded).unwrap(), document);
}

#[test]
fn evidence_is_kept_of_each_kind_in_turn_and_what_is_left_out_is_counted() {
    let entry =
        |kind: &str, number: usize| json!({"kind": kind, "number": number, "text": "\u{1}".repeat(512)});
    let mut evidence: Vec<Value> = (0..2_000)
        .map(|number| entry("network_connection", number))
        .collect();
    evidence.extend((0..3).map(|number| entry("share_access", number)));
    let omitted = json!({"evidence": 5, "candidates": 0, "others": 0});
    let document = json!({"pipewarden": {"evidence": evidence, "omitted": omitted}});
    let encoded = encode(&document, LEAST_MAX_BYTES);
    assert!(encoded.len() <= LEAST_MAX_BYTES);
    let cut: Value = serde_json::from_slice(&encoded).unwrap();
    let kept = cut["pipewarden"]["evidence"].as_array().unwrap();
    let shares = kept
        .iter()
        .filter(|entry| entry["kind"] == "share_access")
        .count();
    assert_eq!(shares, 3.min(kept.len() / 2));
    let omitted = &cut["pipewarden"]["omitted"];
    assert_eq!(omitted["evidence"], 5 + 2_003 - kept.len());
    let whole = serde_json::to_vec(&document).unwrap().len();
    let missing = usize::try_from(omitted["bytes"].as_u64().unwrap()).unwrap();
    assert!(whole - encoded.len() <= missing && missing < whole);
}

#[test]
fn a_text_is_cut_between_two_characters_and_says_so() {
    let mut text = "\u{1}é".repeat(100);
    shorten(&mut text, 64);
    assert!(encoded_text(&text) <= 64 && text.ends_with(CUT), "{text:?}");
    let once = text.clone();
    shorten(&mut text, 64);
    assert_eq!(text, once);
    let mut again = "\u{1}é".repeat(100);
    shorten(&mut again, 128);
    shorten(&mut again, 64);
    assert_eq!(again, once, "in steps or at once");
}

#[test]
fn a_stub_stands_for_the_same_revision_and_says_why() {
    let document = json!({
        "message": "x".repeat(5_000),
        "pipewarden": {"alert_id": "8c6f3f9e-1f4c-5a5e-9a8b-0d3c0f7a1b2c", "revision": u64::MAX,
            "evidence": [{"kind": "share_access"}], "candidates": [], "accounts": vec!["y".repeat(500); 64]}});
    let stub = stub(&serde_json::to_vec(&document).unwrap(), "record_too_large").unwrap();
    assert!(stub.len() <= STUB_MAX_BYTES);
    let stub: Value = serde_json::from_slice(&stub).unwrap();
    let own = &stub["pipewarden"];
    assert_eq!(own["alert_id"], document["pipewarden"]["alert_id"]);
    assert_eq!(own["revision"], document["pipewarden"]["revision"]);
    assert_eq!(own["evidence"], json!([]));
    assert_eq!(own["omitted"]["rejected"], "record_too_large");
    assert_eq!(
        (&own["omitted"]["evidence"], &own["omitted"]["others"]),
        (&1.into(), &62.into())
    );
    assert!(
        stub["message"]
            .as_str()
            .unwrap()
            .starts_with("In short, since the broker")
    );
}
