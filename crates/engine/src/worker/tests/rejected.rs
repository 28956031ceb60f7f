//! A record that the broker rejects for good.

use pipewarden_core::alert;

use super::*;
use crate::worker::{Batch, Destination, RecordId, Rejection, RejectionCause};
use crate::{DeadLetter, DeadLetterReason};

const TOO_LARGE: RejectionCause = RejectionCause::TooLarge;

/// A machine that has just asked for the first transaction with alerts of these partitions.
fn publishing(partitions: &[PartitionId]) -> (Machine<u64>, Arc<Batch>) {
    let mut machine = two_live_partitions();
    let (arrival, value) = access();
    let tick = ObservationRecord::Tick {}.encode();
    for &partition in partitions {
        for (offset, value, later) in [(7, &value, 0), (8, &tick, 10)] {
            let record = Fetched {
                offset: Offset::new(offset),
                append_time: Some(arrival.plus(Duration::from_secs(later))),
                value,
            };
            handle(&mut machine, Input::Record { partition, record }, 1);
        }
    }
    let batch = asked(&handle(&mut machine, Input::Timer, 200));
    let first = batch.records().next().unwrap();
    assert!(first.id.destination == Destination::Alerts && !batch.is_one_by_one);
    (machine, batch)
}

#[track_caller]
fn asked(outputs: &[Output<u64>]) -> Arc<Batch> {
    match outputs.last() {
        Some(Output::Publish { batch, .. }) => Arc::clone(batch),
        other => panic!("{other:?}"),
    }
}

/// The batch that is tried after a rejection, once there is a new producer.
#[track_caller]
fn after(
    machine: &mut Machine<u64>,
    record: Option<RecordId>,
    cause: RejectionCause,
    now: &mut u64,
) -> Arc<Batch> {
    let problem = "too large".to_owned();
    let rejection = Rejection {
        record,
        cause,
        problem,
    };
    let outputs = handle(machine, Input::Ended(Ended::Rejected(rejection)), *now);
    assert!(
        matches!(
            outputs.last(),
            Some(Output::RenewProducer { is_one_by_one: true })
        ),
        "{outputs:?}"
    );
    handle(machine, Input::Producer(Renewed::Ready), *now + 1);
    // However often that happens, the pause does not grow.
    *now += 101;
    asked(&handle(machine, Input::Timer, *now))
}

fn destinations(batch: &Batch) -> Vec<Destination> {
    batch.records().map(|record| record.id.destination).collect()
}

#[test]
fn a_rejected_alert_is_replaced_by_a_stub_and_a_dead_letter_that_holds_the_whole() {
    let (mut machine, whole) = publishing(&[FIRST]);
    let mut now = 300;
    // Nobody knows yet which record it is: everything is tried as it is, record by record.
    let alone = after(&mut machine, None, TOO_LARGE, &mut now);
    assert!(alone.is_one_by_one && alone.replaced.is_empty());
    let rejected = alone.records().next().unwrap();
    let replaced = after(&mut machine, Some(rejected.id), TOO_LARGE, &mut now);
    assert_eq!(
        destinations(&replaced),
        [
            Destination::Alerts,
            Destination::Sightings,
            Destination::DeadLetters
        ]
    );
    let records: Vec<_> = replaced.records().collect();
    let (stub, letter) = (&records[0], &records[2]);
    assert_eq!(stub.key, rejected.key);
    assert_eq!(
        *stub.value,
        *alert::stub(&rejected.value, "record_too_large").unwrap()
    );
    let letter = DeadLetter::decode(&letter.value).unwrap();
    assert_eq!(letter.reason, DeadLetterReason::RecordRejected);
    assert_eq!(letter.key(), "observations-0-8-0");
    assert_eq!(letter.original().unwrap(), *whole.records().next().unwrap().value);
    // It is committed with the same offsets, and the next batch is an ordinary one.
    let offsets = |batch: &Batch| batch.parts().map(|part| part.offset).collect::<Vec<_>>();
    assert_eq!(offsets(&replaced), offsets(&whole));
    let slow_but_clean = Ended::Committed(CommitCalls {
        is_one_by_one: true,
        ..CommitCalls::default()
    });
    let outputs = handle(&mut machine, Input::Ended(slow_but_clean), now + 1);
    let [.., Output::RenewProducer { is_one_by_one: false }] = outputs[..] else {
        panic!("{outputs:?}");
    };
    let outputs = handle(&mut machine, Input::Producer(Renewed::Ready), now + 1);
    assert!(matches!(outputs[..], [Output::Resume(_)]), "{outputs:?}");
    let tick = ObservationRecord::Tick {}.encode();
    handle(&mut machine, record(FIRST, 9, &tick), now + 2);
    assert!(!asked(&handle(&mut machine, Input::Timer, now + 200)).is_one_by_one);
}

#[test]
fn what_is_rejected_again_is_left_out_and_the_offsets_are_committed_all_the_same() {
    let (mut machine, whole) = publishing(&[FIRST]);
    let mut now = 300;
    let mut batch = after(&mut machine, None, TOO_LARGE, &mut now);
    let mut seen = Vec::new();
    let first = |batch: &Batch| batch.records().next().map(|record| record.id);
    while let Some(rejected) = first(&batch) {
        seen.push(destinations(&batch));
        batch = after(&mut machine, Some(rejected), TOO_LARGE, &mut now);
    }
    use Destination::{Alerts, DeadLetters, Sightings};
    let expected: [&[Destination]; 6] = [
        &[Alerts, Sightings],
        &[Alerts, Sightings, DeadLetters],
        &[Sightings, DeadLetters],
        &[DeadLetters, DeadLetters],
        // Without their payloads.
        &[DeadLetters, DeadLetters],
        &[DeadLetters],
    ];
    assert_eq!(seen, expected);
    assert!(batch.replaced[1].is_left_out && !batch.replaced[0].is_left_out);
    let offsets = |batch: &Batch| batch.parts().map(|part| part.offset).collect::<Vec<_>>();
    assert_eq!(offsets(&batch), offsets(&whole));
    assert!(!handle(&mut machine, Input::Ended(CLEAN), now + 1).is_empty());
}

#[test]
fn a_rejected_sighting_is_left_out_and_kept_in_a_dead_letter_and_the_alert_stays_whole() {
    let (mut machine, whole) = publishing(&[FIRST]);
    let mut now = 300;
    let alone = after(&mut machine, None, RejectionCause::Invalid, &mut now);
    let records: Vec<_> = alone.records().collect();
    let [alert, sighting] = &records[..] else {
        panic!("{records:?}");
    };
    assert_eq!(
        (&*sighting.key, sighting.id.destination),
        ("10.1.0.101", Destination::Sightings)
    );
    let next = after(&mut machine, Some(sighting.id), RejectionCause::Invalid, &mut now);
    let records: Vec<_> = next.records().collect();
    assert_eq!(records[0].value, alert.value);
    assert_eq!(
        destinations(&next),
        [Destination::Alerts, Destination::DeadLetters]
    );
    let letter = DeadLetter::decode(&records[1].value).unwrap();
    assert_eq!(letter.original().unwrap(), *sighting.value);
    assert!(next.replaced[0].is_left_out && whole.replaced.is_empty());
}

#[test]
fn what_is_as_large_is_replaced_with_it_and_a_rejection_for_another_reason_replaces_one_record() {
    for (cause, replaced) in [(TOO_LARGE, 2), (RejectionCause::Invalid, 1)] {
        let (mut machine, _) = publishing(&[FIRST, SECOND]);
        let mut now = 300;
        let alone = after(&mut machine, None, cause, &mut now);
        let alerts = alone
            .records()
            .filter(|record| record.id.destination == Destination::Alerts);
        let alerts = alerts.map(|record| (record.value.len(), record.id));
        let (_, smallest) = alerts.min().unwrap();
        let next = after(&mut machine, Some(smallest), cause, &mut now);
        assert_eq!(next.replaced.len(), replaced, "{cause:?}");
    }
}

#[test]
fn a_rejected_batch_goes_to_the_new_owner_of_its_partitions_where_they_are_revoked() {
    let (mut machine, _) = publishing(&[FIRST]);
    let (partitions, membership) = (vec![FIRST, SECOND], 2);
    let revoked = Input::Revoked {
        partitions,
        membership,
    };
    assert!(handle(&mut machine, revoked, 250).is_empty());
    let rejection = Rejection {
        record: None,
        cause: TOO_LARGE,
        problem: String::new(),
    };
    let outputs = handle(&mut machine, Input::Ended(Ended::Rejected(rejection)), 260);
    assert!(
        matches!(outputs.last(), Some(Output::CallbackDone)),
        "{outputs:?}"
    );
}
