//! Whatever arrives is read, skipped or refused with a reason: no panic, and nothing of ours is ever skipped.

mod exceptions;
mod sessions;
mod shortcuts;

use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::event::{
    AccountNames, DecodeError, Decoded, Decoder, ReadOf, SessionEvents, Skip, Watched,
};
use proptest::prelude::*;
use rand::{Rng, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use testkit::escape::rewritten;
use testkit::{shapes, size, winlogbeat};

use self::sessions::{other_session_evidence, session_evidence};

/// How many random documents: quick, in CI, in full.
const DOCUMENTS: [u64; 3] = [5_000, 20_000, 1_000_000];

fn decoder() -> Decoder {
    let winreg = || ["winreg".into()].into_iter().collect();
    let pipes = Watched {
        pipe_connected: winreg(),
        share_access: winreg(),
        call_back_ports: [80].into(),
        ..Watched::default()
    };
    let all_but_dc = || ReadOf::AllBut(Arc::new(["dc1.aperture.local".to_owned()].into()));
    Decoder::new(pipes, Duration::from_secs(30 * 60)).with_session_events(SessionEvents {
        logons: all_but_dc(),
        share_sessions: all_but_dc(),
        watched_accounts: AccountNames::new(["svc-push".to_owned()].into()),
        ..SessionEvents::default()
    })
}

/// The documents that mutations start from: ours in every shape, and some that are not.
fn documents() -> Vec<Value> {
    let mut documents: Vec<Value> = shapes::all()
        .iter()
        .flat_map(|shape| shape.events().map(Value::clone))
        .chain(session_evidence())
        .collect();
    let mut other = winlogbeat::pipe(0);
    other["winlog"]["provider_name"] = "Microsoft-Windows-PowerShell".into();
    other["event"]["provider"] = "Microsoft-Windows-PowerShell".into();
    other["winlog"]["channel"] = "Microsoft-Windows-PowerShell/Operational".into();
    documents.push(other);
    documents.extend(other_session_evidence());
    // Sysmon's other events: the bulk of what arrives, which only their id tells from ours.
    for shape in shapes::all() {
        documents.push(with_other_id(shape.connection));
    }
    documents.push(
        json!({"message": "event_id\": \"3\", \"Image\": \"C:\\Users\\x\"", "winlog": {"event_id": "4103"}}),
    );
    documents
}

/// The same event under an id of no interest, wherever a shape has it.
fn with_other_id(mut document: Value) -> Value {
    fn change(value: &mut Value) {
        let Some(entries) = value.as_object_mut() else {
            return;
        };
        for (name, value) in entries {
            match name.as_str() {
                "event_id" | "code" | "EventID" | "#text" if value.is_number() => *value = json!(10),
                "event_id" | "code" | "EventID" | "#text" if value.is_string() => *value = json!("10"),
                _ => change(value),
            }
        }
    }
    change(&mut document);
    document
}

/// Changes one value somewhere to one that a program reading carelessly would trip over.
fn mutate(value: &mut Value, random: &mut impl Rng) {
    match value {
        Value::Object(entries) if !entries.is_empty() && random.random_bool(0.85) => {
            let index = random.random_range(0..entries.len());
            let key = entries.keys().nth(index).unwrap().clone();
            if random.random_bool(0.1) {
                entries.remove(&key);
            } else {
                mutate(&mut entries[&key], random);
            }
        }
        _ => {
            let others = [
                json!(null),
                json!(true),
                json!(-1),
                json!(5145),
                json!(3),
                json!(1.5e300),
                json!(u64::MAX),
                json!(""),
                json!("-"),
                json!("Microsoft-Windows-Sysmon"),
                json!("5145"),
                json!(4624),
                json!("5140"),
                json!("+5156"),
                json!("dc1.aperture.local"),
                json!("445"),
                json!(445.0),
                json!(["139"]),
                json!("Sysmon"),
                json!(18),
                json!("+3"),
                json!(" 3"),
                json!("0018"),
                json!("\u{2003}3\n"),
                json!({"#text": 3}),
                json!({"code": "18", "event_id": 10}),
                json!([]),
                json!({}),
                json!(["winreg"]),
                json!({"winreg": 1}),
                json!("\u{0}\u{1f}\u{2028}\u{1F600}"),
                json!("0xffffffffffffffffffff"),
                json!("::1%eth0"),
                json!("9999-99-99T99:99:99Z"),
                json!("-9999-01-01T00:00:00Z"),
                json!("9999-12-31T23:59:59.999999999Z"),
                json!("\\\\\\\\winreg"),
            ];
            *value = others[random.random_range(0..others.len())].clone();
        }
    }
}

/// What the prefilter promises: a message that it skips holds nothing of ours.
#[track_caller]
fn assert_sound(message: &[u8]) -> bool {
    let decoder = decoder();
    let skipped = matches!(
        decoder.decode(message),
        Ok(Decoded {
            outcome: Err(Skip::Prefiltered),
            ..
        })
    );
    let plain = decoder.decode_unfiltered(message);
    if skipped {
        let holds_nothing = match &plain {
            Ok(decoded) => {
                decoded.outcome.is_err() && decoded.call_back.is_none() && decoded.claims.is_empty()
            }
            Err(_) => true,
        };
        assert!(holds_nothing, "{plain:?}\n{}", String::from_utf8_lossy(message));
    } else {
        assert_eq!(decoder.decode(message), plain);
    }
    assert_eq!(decoder.can_matter(message), !skipped);
    let (mut each, mut each_plain) = (Vec::new(), Vec::new());
    decoder.decode_each(message, &mut |element, _, decoded| each.push((element, decoded)));
    decoder.decode_each_unfiltered(message, &mut |element, _, decoded| {
        each_plain.push((element, decoded))
    });
    if skipped {
        assert_eq!(each, [(None, decoder.decode(message))]);
        let holds_events = |(_, decoded): &(_, Result<Decoded, _>)| {
            decoded
                .as_ref()
                .is_ok_and(|decoded| decoded.outcome.is_ok() || decoded.call_back.is_some())
        };
        assert!(!each_plain.iter().any(holds_events), "{each_plain:?}");
    } else {
        assert_eq!(each, each_plain);
    }
    skipped
}

#[test]
fn what_the_prefilter_skips_holds_no_event_that_matters_however_it_is_written() {
    let documents = documents();
    let (mut skipped, mut read) = (0, 0);
    for seed in 0..size::of(DOCUMENTS) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut document = documents[random.random_range(0..documents.len())].clone();
        for _ in 0..random.random_range(0..4) {
            mutate(&mut document, &mut random);
        }
        if assert_sound(&rewritten(&document, &mut random)) {
            skipped += 1;
        } else {
            read += 1;
        }
    }
    assert!(
        skipped > 500 && read > 500,
        "both happen: {skipped} skipped, {read} read"
    );
}

#[test]
fn sysmons_other_events_are_skipped_unparsed_in_every_shape() {
    for shape in shapes::all() {
        let document = with_other_id(shape.connection);
        assert!(
            assert_sound(document.to_string().as_bytes()),
            "{}: {document}",
            shape.name
        );
    }
}

#[test]
fn session_evidence_that_does_not_matter_is_skipped_unparsed() {
    for document in other_session_evidence() {
        assert!(assert_sound(document.to_string().as_bytes()), "{document}");
    }
}

#[test]
fn any_name_and_any_value_written_in_any_way_pass_if_together_they_are_a_known_id() {
    let names = ["event_id", "code", "EventID", "#text", "x"];
    let others: Vec<Value> = shapes::all()
        .into_iter()
        .map(|shape| with_other_id(shape.connection))
        .collect();
    let ids = [
        json!(3),
        json!(18),
        json!(5145),
        json!("3"),
        json!("+18"),
        json!(" 5145\t"),
        json!(4624),
        json!("5140"),
        json!(" 5156"),
        json!("003"),
        json!(4),
        json!("33"),
    ];
    for seed in 0..size::of(DOCUMENTS) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut document = others[random.random_range(0..others.len())].clone();
        // An id of ours at a random place: in the header where it counts, or anywhere else.
        let name = names[random.random_range(0..names.len())];
        let id = ids[random.random_range(0..ids.len())].clone();
        let place = match random.random_range(0..4) {
            0 => &mut document["winlog"],
            1 => &mut document["event"],
            2 => &mut document["Event"]["System"],
            _ => &mut document,
        };
        if place.is_object() {
            place[name] = id;
        }
        assert_sound(&rewritten(&document, &mut random));
    }
}

#[test]
fn an_event_that_matters_is_found_however_its_characters_are_escaped() {
    for (seed, document) in (0..).zip(documents().into_iter().take(72)) {
        let expected = decoder()
            .decode_unfiltered(document.to_string().as_bytes())
            .unwrap();
        assert!(expected.outcome.is_ok() || expected.call_back.is_some());
        for seed in seed * 1_000..seed * 1_000 + 100 {
            let written = rewritten(&document, &mut ChaCha8Rng::seed_from_u64(seed));
            assert_eq!(
                decoder().decode(&written).as_ref(),
                Ok(&expected),
                "{}",
                String::from_utf8_lossy(&written)
            );
        }
    }
}

#[test]
fn a_document_cut_off_at_any_byte_is_an_error() {
    for document in documents() {
        let text = document.to_string();
        for end in 0..text.len() {
            match decoder().decode_unfiltered(&text.as_bytes()[..end]) {
                Err(DecodeError::InvalidJson(_) | DecodeError::InvalidUtf8 { .. }) => {}
                other => panic!("{other:?}: {}", &text[..end]),
            }
        }
    }
}

#[test]
fn a_byte_that_is_no_utf_8_is_an_error_with_its_place() {
    let text = winlogbeat::share(0, winlogbeat::CLIENT, 1).to_string();
    for place in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[place] = 0xff;
        let outcome = decoder().decode_unfiltered(&bytes);
        assert_eq!(outcome, Err(DecodeError::InvalidUtf8 { valid_up_to: place }));
    }
}

#[test]
fn a_duplicate_key_is_an_error_where_readers_would_disagree() {
    let text = winlogbeat::share(0, winlogbeat::CLIENT, 1).to_string();
    for (field, twice) in [
        ("\"event_id\":", "\"event_id\":\"3\",\"event_id\":"),
        ("\"IpAddress\":", "\"IpAddress\":\"10.9.9.9\",\"IpAddress\":"),
        ("\"winlog\":", "\"winlog\":{},\"winlog\":"),
        (
            "\"@timestamp\":",
            "\"@timestamp\":\"2031-01-01T00:00:00Z\",\"@timestamp\":",
        ),
    ] {
        let doubled = text.replacen(field, twice, 1);
        assert_ne!(doubled, text);
        assert!(
            matches!(
                decoder().decode(doubled.as_bytes()),
                Err(DecodeError::DuplicateKey(_))
            ),
            "{doubled}"
        );
    }
}

#[test]
fn nesting_ten_thousand_deep_is_skipped_or_an_error_but_never_followed() {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
    let share = winlogbeat::share(0, winlogbeat::CLIENT, 1).to_string();
    for value in [deep("[", "]"), deep("{\"a\":", "}")] {
        let beside = share.replacen('{', &format!("{{\"junk\":{value},"), 1);
        let inside = share.replacen("\"10.1.0.101\"", &value, 1);
        assert_ne!(inside, share);
        for text in [beside, inside, value] {
            match decoder().decode_unfiltered(text.as_bytes()) {
                Ok(_)
                | Err(
                    DecodeError::TooDeep(_) | DecodeError::NotAnObject(_) | DecodeError::NotWinlogbeat(_),
                ) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_string_of_a_megabyte_is_read() {
    let long = "A\\\"\u{e9}".repeat(250_000);
    let document = winlogbeat::with(winlogbeat::pipe(0), "RuleName", long.clone().into());
    assert!(
        decoder()
            .decode(document.to_string().as_bytes())
            .unwrap()
            .outcome
            .is_ok()
    );
    let document = winlogbeat::with(winlogbeat::pipe(0), "PipeName", long.into());
    assert_eq!(
        decoder().decode(document.to_string().as_bytes()).unwrap().outcome,
        Err(Skip::OtherPipe)
    );
}

proptest! {
    #[test]
    fn any_bytes_at_all_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        assert_sound(&bytes);
    }

    #[test]
    fn any_text_in_place_of_any_value_is_answered(text in ".{0,40}", place in 0usize..40) {
        let mut document = winlogbeat::detect_8()[place % 3].clone();
        let data = document["winlog"]["event_data"].as_object_mut().unwrap();
        let key = data.keys().nth(place % data.len()).unwrap().clone();
        data[&key] = text.into();
        assert_sound(document.to_string().as_bytes());
    }
}
