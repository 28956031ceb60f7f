//! Odd fields cost themselves, not the event; many documents in one message are many documents.

use std::time::Duration;

use pipewarden_core::detection::RuleSet;
use pipewarden_core::event::{DecodeError, Decoder, Detail, Event, Skip};
use pipewarden_core::log::{Offset, Partition};
use pipewarden_engine::{DeadLetter, DeadLetterReason, NoEvent, Origin, Router};
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::winlogbeat::{detect_8, with};

fn decoder() -> Decoder {
    Decoder::new(RuleSet::builtin().watched(), Duration::from_secs(1_800))
}

/// The event of a message, and the fields that were left out.
#[track_caller]
fn decoded(message: &str) -> (Event, Vec<&'static str>) {
    let decoded = decoder().decode(message.as_bytes()).unwrap();
    (decoded.outcome.unwrap(), decoded.odd_fields)
}

#[test]
fn an_odd_field_is_left_out_and_named_and_the_event_counts() {
    let [connection, _, share] = detect_8();
    let plain = |event: &Value| decoded(&event.to_string()).0.detail;
    for (event, field, value, named) in [
        (&share, "IpPort", json!("N/A"), "IpPort"),
        (&share, "IpPort", json!(-1), "IpPort"),
        (&share, "IpAddress", json!("somewhere"), "IpAddress"),
        (&connection, "SourcePort", json!({"port": 1}), "SourcePort"),
        (&connection, "SourcePort", json!(49839.5), "SourcePort"),
        (&connection, "DestinationIp", json!("10.1.0"), "DestinationIp"),
        (&connection, "Initiated", json!("maybe"), "Initiated"),
    ] {
        let (odd, fields) = decoded(&with(event.clone(), field, value).to_string());
        assert_eq!(fields, [named], "{field}");
        match (plain(event), odd.detail) {
            (Detail::ShareAccess(plain), Detail::ShareAccess(odd)) => assert_eq!(odd.path, plain.path),
            (Detail::NetworkConnection(plain), Detail::NetworkConnection(odd)) => {
                assert_eq!(
                    (odd.source_ip, odd.destination_port),
                    (plain.source_ip, plain.destination_port)
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn doubles_and_lists_of_one_are_what_they_stand_for() {
    let [connection, _, share] = detect_8();
    for (event, field, odd, plain) in [
        (&share, "IpPort", json!(49839.0), json!(49839)),
        (&share, "IpAddress", json!(["10.1.0.101"]), json!("10.1.0.101")),
        (&share, "AccessMask", json!(["0x12019f"]), json!("0x12019f")),
        (&connection, "DestinationPort", json!(445.0), json!(445)),
        (&connection, "SourcePort", json!([[49839.0]]), json!(49839)),
    ] {
        let odd = decoded(&with(event.clone(), field, odd).to_string());
        let plain = decoded(&with(event.clone(), field, plain).to_string());
        assert_eq!(odd, plain, "{field}");
        assert!(odd.1.is_empty());
    }
    let mut ids = share.clone();
    ids["winlog"]["event_id"] = json!([5145.0]);
    assert_eq!(decoded(&ids.to_string()), decoded(&share.to_string()));
}

#[test]
fn nxlogs_own_time_will_do_where_nothing_has_made_a_timestamp_of_it() {
    let own = json!({
        "EventTime": "2026-03-02T10:15:04.302123+00:00", "Hostname": "cm01.example", "EventID": 5145,
        "SourceName": "Microsoft-Windows-Security-Auditing", "Channel": "Security", "RecordNumber": 9001,
        "ShareName": r"\\*\IPC$", "RelativeTargetName": "winreg", "IpAddress": "10.1.0.101", "IpPort": "49839",
    });
    let (event, _) = decoded(&own.to_string());
    assert_eq!(event.time.as_micros(), 1_772_446_504_302_123);
    let shipped = decoded(&with_timestamp(own, "2026-03-02T10:15:05Z").to_string()).0;
    assert_eq!(
        shipped.time.as_micros(),
        1_772_446_505_000_000,
        "what a shipper says goes first"
    );
}

fn with_timestamp(mut document: Value, time: &str) -> Value {
    document["@timestamp"] = time.into();
    document
}

#[test]
fn half_a_character_costs_no_more_than_itself() {
    let [_, _, share] = detect_8();
    let text = with(share, "SubjectUserName", json!("HALF")).to_string();
    let (event, fields) = decoded(&text.replace("HALF", "te\\ud83dst"));
    let Detail::ShareAccess(access) = event.detail else {
        panic!("{event:?}");
    };
    assert_eq!(&*access.account.unwrap().name, "te\u{fffd}st");
    assert_eq!(fields, ["text"]);
}

#[test]
fn an_event_of_ours_without_its_fields_is_undecodable_and_never_another_port_or_pipe() {
    let [connection, pipe, share] = detect_8();
    for (event, missing) in [
        (connection, "DestinationPort"),
        (pipe, "PipeName"),
        (share, "ShareName"),
    ] {
        let mut event = event;
        let winlog = event["winlog"].as_object_mut().unwrap();
        let data = winlog.remove("event_data").unwrap();
        winlog.insert("user_data".to_owned(), data);
        let error = decoder().decode(event.to_string().as_bytes()).unwrap_err();
        assert_eq!(error, DecodeError::MissingField(missing));
    }
    let [connection, ..] = detect_8();
    let unreadable = with(connection.clone(), "DestinationPort", json!("smb"));
    let error = decoder().decode(unreadable.to_string().as_bytes()).unwrap_err();
    assert!(
        matches!(
            error,
            DecodeError::BadField {
                field: "DestinationPort",
                ..
            }
        ),
        "{error}"
    );
    let other = with(connection, "DestinationPort", json!("3389"));
    assert_eq!(
        decoder().decode(other.to_string().as_bytes()).unwrap().outcome,
        Err(Skip::OtherPort)
    );
}

/// What a router makes of a message: events, and the dead letters of what is none.
fn read(message: Option<&[u8]>) -> (Vec<Event>, Vec<DeadLetter>) {
    let policy = testkit::simulation::policy(&Default::default(), "test");
    let origin = Origin {
        topic: "winlogbeat",
        partition: Partition::new(3),
        offset: Offset::new(7),
    };
    let (mut events, mut letters) = (Vec::new(), Vec::new());
    Router::new(&policy).read_each(message, origin, &mut |read| match read {
        Ok(received) => events.push(received.event),
        Err(NoEvent::DeadLetter(letter)) => letters.push(letter),
        Err(NoEvent::Skipped(_)) => {}
    });
    (events, letters)
}

#[test]
fn each_wrapper_gives_the_events_that_the_documents_give_alone() {
    let [one, two, three] = detect_8();
    let alone: Vec<Event> = [&one, &two, &three]
        .map(|event| decoded(&event.to_string()).0)
        .to_vec();
    let hit = |event: &Value| json!({"_index": "x", "_source": event});
    let text = |event: &Value| json!({"message": event.to_string(), "@timestamp": "2026-03-02T10:15:04Z"});
    for message in [
        json!([one, two, three]),
        json!({"records": [one, two, three]}),
        json!({"took": 3, "hits": {"total": {"value": 3}, "hits": [hit(&one), hit(&two), hit(&three)]}}),
        json!([text(&one), {"event": {"original": two.to_string()}}, hit(&three)]),
        json!({"message": json!([one, two, three]).to_string()}),
        json!({"message": json!({"message": json!([one, two, three]).to_string()}).to_string()}),
    ] {
        let (events, letters) = read(Some(message.to_string().as_bytes()));
        assert_eq!(events, alone, "{message}");
        assert!(letters.is_empty(), "{letters:?}");
    }
}

#[test]
fn what_is_no_document_is_a_dead_letter_that_names_its_element() {
    let [one, two, _] = detect_8();
    let mut damaged = two.clone();
    damaged["@timestamp"] = json!("yesterday");
    let message = json!([one, 7, damaged, two]).to_string();
    let (events, letters) = read(Some(message.as_bytes()));
    assert_eq!(events.len(), 2);
    let named: Vec<_> = letters
        .iter()
        .map(|letter| (letter.element, letter.reason, letter.key()))
        .collect();
    assert_eq!(
        named,
        [
            (
                Some(1),
                DeadLetterReason::NotAnObject,
                "winlogbeat-3-7-1".to_owned()
            ),
            (Some(2), DeadLetterReason::BadField, "winlogbeat-3-7-2".to_owned()),
        ]
    );
    assert_eq!(letters[0].original().unwrap(), b"7");

    let truncated = &message[..message.len() - 1];
    let (events, letters) = read(Some(truncated.as_bytes()));
    assert_eq!(
        (events.len(), letters.len()),
        (2, 3),
        "what stands before the break counts"
    );
    assert_eq!(letters[2].element, Some(4));
}

#[test]
fn many_elements_that_are_no_documents_are_a_few_dead_letters() {
    let message = json!([detect_8()[0], vec![5145; 100_000]]).to_string();
    let flat = message.replacen(",[5145", ",5145", 1).replace("]]", "]");
    let (events, letters) = read(Some(flat.as_bytes()));
    assert_eq!((events.len(), letters.len()), (1, 17));
    assert_eq!(
        letters[16].message,
        "99984 more elements of the message cannot be read"
    );
}

#[test]
fn null_and_empty_values_and_unknown_objects_have_reasons_of_their_own() {
    for (message, reason) in [
        (None, DeadLetterReason::NullValue),
        (Some(&b""[..]), DeadLetterReason::EmptyValue),
        (
            Some(br#"{"code": 3, "provider": "Sysmon", "secret": "swordfish"}"#),
            DeadLetterReason::NotWinlogbeat,
        ),
    ] {
        let (events, letters) = read(message);
        assert!(events.is_empty());
        assert_eq!(
            letters.iter().map(|letter| letter.reason).collect::<Vec<_>>(),
            [reason]
        );
        assert!(!letters[0].message.contains("swordfish"), "keys, not values");
    }
    let (_, letters) = read(Some(br#"{"code": 3, "provider": "Sysmon"}"#));
    assert!(
        letters[0].message.ends_with("its keys are code, provider"),
        "{}",
        letters[0].message
    );
}

proptest! {
    #[test]
    fn a_message_of_many_gives_what_its_documents_give_in_any_wrappers(
        picked in prop::collection::vec(0..3usize, 0..6), wrappers in prop::collection::vec(0..3u8, 0..3)
    ) {
        let events = detect_8();
        let documents: Vec<Value> = picked.iter().map(|&number| events[number].clone()).collect();
        let mut message = Value::from(documents.clone());
        for wrapper in wrappers {
            message = match wrapper {
                0 => json!({"records": [message]}),
                1 => json!({"message": message.to_string()}),
                _ => json!([{"_source": message}]),
            };
        }
        let alone: Vec<Event> = documents.iter().map(|document| decoded(&document.to_string()).0).collect();
        let (found, letters) = read(Some(message.to_string().as_bytes()));
        prop_assert_eq!(found, alone, "{}", message);
        prop_assert!(letters.is_empty(), "{:?}", letters);
    }
}
