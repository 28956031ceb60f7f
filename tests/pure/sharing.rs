//! How processes share bindings: what they publish, and what they make of what they read.

use std::collections::BTreeSet;
use std::time::Duration;

use pipewarden_core::diagnostics::with_causes;
use pipewarden_core::event::{AddressClaim, Word};
use pipewarden_core::inventory::{BindingRecord, BindingRecordError, BindingSettings, Bindings, Span};
use pipewarden_core::time::AppendTime;
use proptest::prelude::*;
use serde_json::json;
use testkit::bindings::{
    Action, Reference, Replicas, X, again, bindings_of, claim, claims, eager, order, publishing, record,
    said, seconds, steps,
};
use testkit::schema;

#[test]
fn a_new_binding_is_published_and_then_only_when_an_end_has_moved_by_the_step() {
    let settings = BindingSettings {
        publish_after: Duration::from_secs(60),
        ..BindingSettings::default()
    };
    let mut bindings = publishing(settings);
    let published = |bindings: &mut Bindings, at: i64| {
        bindings.apply_claim(&claim(X, "a.example", at));
        let records = bindings.take_records();
        // As the topic gives them back.
        records
            .iter()
            .for_each(|record| bindings.apply_record(record, AppendTime::MIN));
        records
    };
    assert_eq!(
        published(&mut bindings, 100),
        [record(X, "a.example", Some((100, 100)))]
    );
    assert_eq!(published(&mut bindings, 100), []);
    assert_eq!(published(&mut bindings, 159), []);
    assert_eq!(published(&mut bindings, 41), []);
    assert_eq!(
        published(&mut bindings, 160),
        [record(X, "a.example", Some((41, 160)))]
    );
    assert_eq!(published(&mut bindings, 219), []);
    assert_eq!(
        published(&mut bindings, -19),
        [record(X, "a.example", Some((-19, 219)))]
    );
}

#[test]
fn at_most_one_record_of_a_binding_is_on_its_way_and_one_that_is_lost_is_written_again() {
    let mut bindings = publishing(eager());
    bindings.apply_claim(&claim(X, "a.example", 0));
    assert_eq!(bindings.take_records().len(), 1);
    for at in 1..100 {
        bindings.apply_claim(&claim(X, "a.example", at * 10));
    }
    assert_eq!(bindings.take_records(), [], "the first has not come back");
    bindings.advance(AppendTime::from_millis(299_999));
    bindings.apply_claim(&claim(X, "a.example", 5));
    assert_eq!(bindings.take_records(), []);
    bindings.advance(AppendTime::from_millis(300_000));
    bindings.apply_claim(&claim(X, "a.example", 5));
    assert_eq!(bindings.take_records(), [record(X, "a.example", Some((0, 990)))]);
}

#[test]
fn a_binding_is_published_again_on_a_stronger_word_and_for_a_new_stay() {
    let mut bindings = publishing(BindingSettings::default());
    let published = |bindings: &mut Bindings, claim: &AddressClaim| {
        bindings.apply_claim(claim);
        let records = bindings.take_records();
        for record in &records {
            bindings.apply_record(record, AppendTime::MIN);
        }
        let seen = |record: &BindingRecord| record.seen.map(|seen| (seen.says, seen.span));
        records.iter().filter_map(seen).collect::<Vec<_>>()
    };
    let span = |first, last| Span::new(seconds(first), seconds(last)).unwrap();
    let mut all = Vec::new();
    let agents = [0, 1, 3, 9_000, 9_001].map(|at| said(Word::Agent, X, "a.example", at));
    for claim in [&agents[..2], &[claim(X, "a.example", 2)], &agents[2..]].concat() {
        all.extend(published(&mut bindings, &claim));
    }
    assert_eq!(
        all,
        [
            (Word::Agent, span(0, 0)),
            (Word::Client, span(0, 2)),
            (Word::Client, span(9_000, 9_000))
        ]
    );
    // Another process publishes what is older: compaction must not be left with that.
    bindings.apply_record(&record(X, "a.example", Some((0, 4))), AppendTime::MIN);
    let seen = bindings.take_records()[0].seen.unwrap();
    assert_eq!(seen.span, span(9_000, 9_001));
}

#[test]
fn a_process_that_reads_a_record_narrower_than_its_own_publishes_the_union() {
    let mut bindings = publishing(eager());
    bindings.apply_claim(&claim(X, "a.example", 10));
    bindings.apply_claim(&claim(X, "b.example", 10));
    let own = bindings.take_records();
    own.iter()
        .for_each(|own| bindings.apply_record(own, AppendTime::MIN));
    bindings.apply_record(&record(X, "a.example", Some((50, 60))), AppendTime::MIN);
    assert_eq!(bindings.take_records(), [record(X, "a.example", Some((10, 60)))]);
    // At the start that is not known before the end of the topic.
    let mut restarted = Bindings::new(eager());
    restarted.begin_reading();
    restarted.apply_record(&record(X, "a.example", Some((10, 10))), AppendTime::MIN);
    restarted.apply_record(&record(X, "a.example", Some((50, 60))), AppendTime::MIN);
    restarted.apply_record(&record(X, "b.example", Some((10, 10))), AppendTime::MIN);
    restarted.apply_record(&record(X, "b.example", Some((5, 60))), AppendTime::MIN);
    assert_eq!(restarted.take_records(), []);
    restarted.begin_publishing();
    assert_eq!(restarted.take_records(), [record(X, "a.example", Some((10, 60)))]);
}

#[test]
fn a_binding_that_a_bound_pushes_out_is_dropped_everywhere_and_may_come_back() {
    let mut bindings = publishing(BindingSettings {
        limit_per_address: 2,
        ..eager()
    });
    for (computer, at) in [("a.example", 1), ("b.example", 2), ("c.example", 3)] {
        bindings.apply_claim(&claim(X, computer, at));
        bindings.take_records();
    }
    assert_eq!(bindings.take_dropped().limit_per_address, 1);
    let names = |bindings: &Bindings| -> Vec<String> {
        bindings
            .bindings()
            .into_keys()
            .map(|(_, computer)| computer.to_string())
            .collect()
    };
    assert_eq!(names(&bindings), ["b.example", "c.example"]);
    bindings.apply_claim(&claim(X, "a.example", 9));
    assert_eq!(
        bindings.take_records(),
        [record(X, "a.example", Some((9, 9))), record(X, "b.example", None)]
    );
    // Its own tombstone for a precedes its own record of a in the log.
    bindings.apply_record(&record(X, "a.example", None), AppendTime::MIN);
    bindings.apply_record(&record(X, "a.example", Some((9, 9))), AppendTime::MIN);
    assert_eq!(names(&bindings), ["a.example", "c.example"]);
    bindings.apply_claim(&claim(X, "z.example", 0));
    assert_eq!(
        bindings.take_records(),
        [],
        "older than all that are kept: never published, so not withdrawn"
    );

    let mut bindings = publishing(BindingSettings { limit: 2, ..eager() });
    for (address, at) in [
        ("192.0.2.1", 5),
        ("192.0.2.2", 1),
        ("192.0.2.1", 6),
        ("192.0.2.2", 7),
    ] {
        bindings.apply_claim(&claim(address, "a.example", at));
    }
    bindings.take_records();
    bindings.apply_claim(&claim("192.0.2.3", "b.example", 8));
    assert_eq!(
        bindings.take_records(),
        [
            record("192.0.2.1", "a.example", None),
            record("192.0.2.3", "b.example", Some((8, 8)))
        ]
    );
    assert_eq!((bindings.take_dropped().limit, bindings.size().addresses), (1, 2));
}

#[test]
fn what_nothing_confirms_for_max_age_is_dropped_by_the_clock_of_the_log_and_not_by_any_hosts() {
    let day = 86_400_000;
    let mut bindings = publishing(BindingSettings {
        max_age: Duration::from_secs(86_400),
        ..BindingSettings::default()
    });
    bindings.advance(AppendTime::from_millis(10 * day));
    bindings.apply_record(
        &record(X, "silent.example", Some((0, 1))),
        AppendTime::from_millis(9 * day - 1),
    );
    bindings.apply_record(
        &record(X, "fresh.example", Some((0, 1))),
        AppendTime::from_millis(9 * day),
    );
    let future = 4_000_000_000;
    bindings.apply_record(
        &record(X, "ahead.example", Some((0, future))),
        AppendTime::from_millis(day),
    );
    // Its clock shows 1970, but it is in use.
    bindings.apply_claim(&claim(X, "behind.example", 0));
    bindings.take_records();
    bindings.expire();
    assert_eq!(
        bindings.take_records(),
        [
            record(X, "ahead.example", None),
            record(X, "silent.example", None)
        ]
    );
    assert_eq!(bindings.take_dropped().max_age, 2);
    let left: BTreeSet<String> = bindings
        .bindings()
        .into_keys()
        .map(|(_, name)| name.to_string())
        .collect();
    assert_eq!(
        left,
        ["behind.example", "fresh.example"].map(str::to_owned).into()
    );
}

#[test]
fn a_start_over_a_topic_that_holds_too_much_drops_the_rest_and_what_is_dropped_already_it_leaves() {
    let mut bindings = Bindings::new(BindingSettings {
        limit_per_address: 1,
        ..eager()
    });
    bindings.begin_reading();
    for (computer, at) in [("a.example", 1), ("b.example", 2), ("c.example", 3)] {
        bindings.apply_record(&record(X, computer, Some((at, at))), AppendTime::MIN);
    }
    bindings.apply_record(&record(X, "a.example", None), AppendTime::MIN);
    bindings.begin_publishing();
    assert_eq!(bindings.take_records(), [record(X, "b.example", None)]);
}

#[test]
fn a_process_that_does_not_publish_keeps_nothing_to_publish() {
    let mut bindings = bindings_of(&[claim(X, "a.example", 0), claim(X, "b.example", 9)]);
    bindings.expire();
    assert_eq!(bindings.take_records(), []);
}

#[test]
fn a_record_is_read_as_it_was_written_and_its_value_is_what_the_schema_says() {
    for record in [
        record(X, "portal.example", Some((-1, 1_729_782_125))),
        record("fd00::50", "with|bar", Some((0, 0))),
        record(X, "gone.example", None),
    ] {
        let (key, value) = (record.key(), record.encode());
        assert_eq!(
            BindingRecord::decode(key.as_bytes(), value.as_deref()).unwrap(),
            record
        );
        if let Some(value) = value {
            schema::assert_valid("binding", &serde_json::from_slice(&value).unwrap());
        }
    }
    let portal = record(X, "portal.example", Some((1, 2)));
    assert_eq!(portal.key(), "192.0.2.9|portal.example");
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&portal.encode().unwrap()).unwrap(),
        json!({
            "version": 1, "address": "192.0.2.9", "computer": "portal.example",
            "first_seen": "1970-01-01T00:00:01.000Z", "last_seen": "1970-01-01T00:00:02.000Z", "says": "client",
        })
    );
}

#[test]
fn a_wrong_record_is_rejected_with_its_reason() {
    let sound = || {
        json!({
            "version": 1, "address": X, "computer": "portal.example",
            "first_seen": "2024-10-24T15:02:05Z", "last_seen": "2024-10-24T15:02:06Z", "says": "server",
        })
    };
    let with = |field: &str, value: serde_json::Value| {
        let mut bent = sound();
        bent[field] = value;
        bent.to_string()
    };
    let key = "192.0.2.9|portal.example";
    assert!(BindingRecord::decode(key.as_bytes(), Some(sound().to_string().as_bytes())).is_ok());
    let error = |key: &str, value: &str| {
        with_causes(&BindingRecord::decode(key.as_bytes(), Some(value.as_bytes())).unwrap_err())
    };
    for (key, value, word) in [
        ("", sound().to_string(), "not ADDRESS|computer"),
        ("portal.example", sound().to_string(), "not ADDRESS|computer"),
        (
            "192.0.2|portal.example",
            sound().to_string(),
            "not ADDRESS|computer",
        ),
        ("192.0.2.9|", sound().to_string(), "cannot be a binding"),
        (
            "192.0.2.9|Portal.example",
            sound().to_string(),
            "cannot be a binding",
        ),
        (
            "127.0.0.1|portal.example",
            sound().to_string(),
            "cannot be a binding",
        ),
        (
            "::ffff:192.0.2.9|portal.example",
            sound().to_string(),
            "cannot be a binding",
        ),
        (key, "{}".to_owned(), "version"),
        (key, "not json".to_owned(), "not a binding"),
        (key, with("version", 2.into()), "version 2"),
        (key, with("address", "192.0.2.10".into()), "another binding"),
        (key, with("computer", "atlas".into()), "another binding"),
        (
            key,
            with("first_seen", "2024-10-24T15:02:07Z".into()),
            "before it was first seen",
        ),
        (key, with("first_seen", "yesterday".into()), "not a binding"),
        (key, with("says", "somebody".into()), "not a binding"),
    ] {
        let error = error(key, &value);
        assert!(error.contains(word), "{word}: {error}");
    }
    assert!(matches!(
        BindingRecord::decode(b"\xff\xfe", None),
        Err(BindingRecordError::Key(_))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn records_merge_to_the_union_in_any_order_and_however_often(claims in claims(30), order in order(), cut: prop::sample::Index) {
        let records = |claims: &[AddressClaim]| -> Vec<BindingRecord> {
            let all = bindings_of(claims).bindings();
            let record = |((address, computer), seen)| BindingRecord { address, computer, seen: Some(seen) };
            all.into_iter().map(record).collect()
        };
        let (some, rest) = claims.split_at(cut.index(claims.len()));
        let merged = |parts: &[Vec<BindingRecord>]| {
            let mut bindings = Bindings::default();
            parts.iter().flatten().for_each(|record| bindings.apply_record(record, AppendTime::MIN));
            bindings.bindings()
        };
        let (some, rest, all) = (records(some), records(rest), records(&again(&claims, &order)));
        let expected = Reference::of(&claims).seen();
        prop_assert_eq!(&merged(&[some.clone(), rest.clone()]), &expected);
        prop_assert_eq!(&merged(&[rest.clone(), some.clone()]), &expected);
        prop_assert_eq!(merged(&[all.clone(), some.clone(), all, rest, some]), expected);
    }

    #[test]
    fn processes_that_follow_one_topic_end_with_one_table_and_compaction_keeps_it(steps in steps(3)) {
        let mut replicas = Replicas::run(&eager(), 3, &steps);
        replicas.settle();
        let claims: Vec<AddressClaim> = steps
            .iter()
            .filter_map(|step| match step {
                Action::Learn(_, claim) => Some(claim.clone()),
                Action::Exchange(..) => None,
            })
            .collect();
        let expected = Reference::of(&claims).seen();
        for (bindings, _) in &replicas.processes {
            prop_assert_eq!(bindings.bindings(), expected.clone());
        }
        prop_assert_eq!(replicas.compacted(), expected);
    }

    #[test]
    fn processes_whose_bounds_fire_stop_publishing_and_the_topic_holds_no_more_than_they_do(steps in steps(3), bound in 1..3usize) {
        let settings = BindingSettings { limit_per_address: bound, limit: 3, ..eager() };
        let mut replicas = Replicas::run(&settings, 3, &steps);
        replicas.settle();
        let kept: BTreeSet<_> = replicas.processes.iter().flat_map(|(bindings, _)| bindings.bindings().into_keys()).collect();
        for key in replicas.compacted().keys() {
            prop_assert!(kept.contains(key), "{:?} is in nobody's table", key);
        }
        for (bindings, _) in &replicas.processes {
            prop_assert!(bindings.size().bindings <= 3);
        }
    }

    #[test]
    fn no_record_panics(key in "[0-9a-f:.|a-zA-Z]{0,20}", value in "\\PC{0,40}") {
        let _ = BindingRecord::decode(key.as_bytes(), Some(value.as_bytes()));
    }
}
