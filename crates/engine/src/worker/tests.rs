//! Cases that the simulation meets too seldom to rely on.

mod rejected;

use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::detection::{JoinSettings, RuleSet};
use pipewarden_core::event::{AssetId, Decoder, Observation};
use pipewarden_core::inventory::{Inventory, UnlistedHosts};
use pipewarden_core::log::{Offset, Partition};
use pipewarden_core::time::AppendTime;

use super::{
    At, CommitCalls, CommittedOffset, Ended, Fact, Fetched, Input, Machine, MachineSettings, Output,
    PartitionId, RenewalReason, Renewed,
};
use crate::{Checkpoint, ObservationRecord, Policy};

const FIRST: PartitionId = PartitionId::observations(Partition::ZERO);
/// A transaction that leaves nothing behind.
const CLEAN: Ended = Ended::Committed(CommitCalls {
    offsets: Duration::from_millis(2),
    end: Duration::from_millis(2),
    is_repeated: false,
    is_one_by_one: false,
});

const SECOND: PartitionId = PartitionId::observations(Partition::new(1));

fn at(millis: u64) -> At {
    At {
        monotonic: Duration::from_millis(millis),
        wall: AppendTime::MIN,
    }
}

/// Hands an input in and collects the outputs, except for facts.
fn handle(machine: &mut Machine<u64>, input: Input<'_, u64>, millis: u64) -> Vec<Output<u64>> {
    machine.handle(input, at(millis));
    std::iter::from_fn(|| machine.next_output())
        .filter(|output| !matches!(output, Output::Observe(_)))
        .collect()
}

fn record(partition: PartitionId, offset: u64, value: &[u8]) -> Input<'_, u64> {
    let record = Fetched {
        offset: Offset::new(offset),
        append_time: Some(AppendTime::from_millis(1_000)),
        value,
    };
    Input::Record { partition, record }
}

/// Two partitions that nobody has committed anything for, both live.
fn two_live_partitions() -> Machine<u64> {
    let policy = Policy::new(
        RuleSet::builtin(),
        Arc::new(Inventory::empty()),
        UnlistedHosts::Watch,
        JoinSettings::default(),
        "test".to_owned(),
    );
    let settings = MachineSettings {
        observations: "observations".to_owned(),
        sightings: "sightings".to_owned(),
        partitions: 2,
        sightings_partitions: 1,
        commit_interval: Duration::from_millis(100),
        budget: Duration::from_secs(60),
        explanations: 0,
    };
    let mut machine = Machine::new(settings, Arc::new(policy), at(0));
    let partitions = vec![FIRST, SECOND];
    let membership = 1;
    handle(
        &mut machine,
        Input::Assigned {
            partitions,
            membership,
        },
        0,
    );
    for partition in [FIRST, SECOND] {
        let committed = None;
        handle(&mut machine, Input::Committed { partition, committed }, 0);
        let (low, high) = (Offset::ZERO, Offset::ZERO);
        handle(&mut machine, Input::Log { partition, low, high }, 0);
        handle(&mut machine, Input::SeekDone { partition }, 0);
    }
    for partition in [FIRST, SECOND] {
        handle(&mut machine, Input::EndOfPartition { partition }, 0);
    }
    machine
}

#[test]
fn no_transaction_begins_while_a_question_about_a_partition_is_unanswered() {
    let mut machine = two_live_partitions();
    let tick = ObservationRecord::Tick {}.encode();
    for partition in [FIRST, SECOND] {
        handle(&mut machine, record(partition, 7, &tick), 1);
    }
    // The consumer was reset to the log's start, in the same moment in which a batch is due.
    let asked = handle(&mut machine, record(FIRST, 0, &tick), 200);
    assert!(matches!(asked[..], [Output::AskCommitted { .. }]), "{asked:?}");
    let (partition, committed) = (FIRST, None);
    let asked = handle(&mut machine, Input::Committed { partition, committed }, 201);
    assert!(matches!(asked[..], [Output::AskLog { .. }]), "{asked:?}");
    let (low, high) = (Offset::ZERO, Offset::new(8));
    let asked = handle(&mut machine, Input::Log { partition, low, high }, 202);
    assert!(matches!(asked[..], [Output::Seek { .. }]), "{asked:?}");
    // Now nothing is outstanding, and what the other partition has read is committed.
    let asked = handle(&mut machine, Input::SeekDone { partition }, 203);
    let [Output::Publish { batch, .. }] = &asked[..] else {
        panic!("{asked:?}");
    };
    let parts: Vec<(PartitionId, Offset)> = batch.parts().map(|part| (part.partition, part.offset)).collect();
    assert_eq!(parts, [(SECOND, Offset::new(8))]);
    assert!(handle(&mut machine, Input::Ended(CLEAN), 204).is_empty());
}

/// An unclean election may leave less of the log than the state reaches back. A consumer that is to read behind the end is
/// reset to the start of the log, and that again makes the worker look for its place.
#[test]
fn a_log_that_ends_before_the_state_begins_is_read_on_from_its_end() {
    let mut machine = two_live_partitions();
    let (partition, tick) = (FIRST, ObservationRecord::Tick {}.encode());
    handle(&mut machine, record(FIRST, 7, &tick), 1);
    // The consumer was reset.
    handle(&mut machine, record(FIRST, 0, &tick), 2);
    let checkpoint = Checkpoint {
        rewind: Offset::new(50),
        before: AppendTime::MIN,
        partitions: 2,
        policy: machine.policy().checkpoint_id().to_owned(),
        since: Offset::ZERO,
    };
    let committed = Some(CommittedOffset {
        offset: Offset::new(60),
        metadata: checkpoint.to_string(),
    });
    handle(&mut machine, Input::Committed { partition, committed }, 3);
    let (low, high) = (Offset::ZERO, Offset::new(10));
    let asked = handle(&mut machine, Input::Log { partition, low, high }, 4);
    assert!(
        matches!(asked[..], [Output::Seek { offset, .. }] if offset == high),
        "{asked:?}"
    );
    handle(&mut machine, Input::SeekDone { partition }, 5);
    // What comes there is new, though an offset beyond it was committed once.
    assert!(machine.correlator(FIRST).unwrap().is_new(high));
    let asked = handle(&mut machine, record(FIRST, 10, &tick), 6);
    let asks_again = |output: &Output<u64>| matches!(output, Output::AskCommitted { .. });
    assert!(!asked.iter().any(asks_again), "{asked:?}");
}

#[test]
fn what_is_not_located_within_a_callback_is_located_between_two_polls() {
    let mut machine = two_live_partitions();
    let third = PartitionId::sightings(Partition::ZERO);
    let (partitions, membership) = (vec![third], 2);
    handle(
        &mut machine,
        Input::Assigned {
            partitions,
            membership,
        },
        1_000,
    );
    let problem = || "no answer".to_owned();
    let failed = || Input::AskFailed {
        partition: third,
        problem: problem(),
    };
    assert!(handle(&mut machine, failed(), 1_000).is_empty() && machine.is_in_callback());
    // The budget is over, and the callback returns; the question is asked again all the same.
    let outputs = handle(&mut machine, Input::Timer, 61_000);
    assert!(matches!(outputs[..], [Output::CallbackDone]), "{outputs:?}");
    // First what the other two have is committed.
    let outputs = handle(&mut machine, Input::Timer, 61_100);
    assert!(matches!(outputs[..], [Output::Publish { .. }]), "{outputs:?}");
    let outputs = handle(&mut machine, Input::Ended(CLEAN), 61_101);
    let is_asked = |output: &Output<u64>| matches!(output, Output::AskCommitted { partitions, .. } if partitions[..] == [third]);
    assert!(outputs.iter().any(is_asked), "{outputs:?}");
}

/// A share access, so that a deadline is pending; with its moment of arrival.
fn access() -> (AppendTime, Vec<u8>) {
    let message = br#"{"@timestamp":"2024-10-24T15:02:05.543Z","winlog":{"event_id":5145,"record_id":7,
        "provider_name":"Microsoft-Windows-Security-Auditing","computer_name":"atlas.aperture.local","event_data":{
        "IpAddress":"10.1.0.101","IpPort":"49839","ShareName":"\\\\*\\IPC$","RelativeTargetName":"winreg"}}}"#;
    let decoder = Decoder::new(RuleSet::builtin().watched(), Duration::from_secs(1_800));
    let event = decoder.decode(message).unwrap().outcome.unwrap();
    let arrival = AppendTime::at_event(event.time);
    let observation = Observation::new(AssetId::new("atlas.aperture.local"), event);
    (arrival, ObservationRecord::Observation(observation).encode())
}

#[test]
fn no_transaction_begins_between_two_ticks_that_were_asked_for_together() {
    let mut machine = two_live_partitions();
    let (arrival, value) = access();
    for partition in [FIRST, SECOND] {
        let record = Fetched {
            offset: Offset::new(7),
            append_time: Some(arrival),
            value: &value,
        };
        assert!(handle(&mut machine, Input::Record { partition, record }, 1).is_empty());
        assert!(handle(&mut machine, Input::EndOfPartition { partition }, 1).is_empty());
    }
    // Every deadline has passed, and the batch is not due yet.
    let late = At {
        wall: AppendTime::MAX,
        ..at(60)
    };
    machine.handle(Input::Timer, late);
    let asked: Vec<Output<u64>> = std::iter::from_fn(|| machine.next_output()).collect();
    let is_tick = |output: &&Output<u64>| matches!(output, Output::AppendTick { .. });
    assert_eq!(asked.iter().filter(is_tick).count(), 2, "{asked:?}");
    // By the first answer it is.
    let outputs = handle(&mut machine, Input::Ticked { partition: FIRST }, 200);
    assert!(outputs.is_empty(), "{outputs:?}");
    let outputs = handle(&mut machine, Input::Ticked { partition: SECOND }, 201);
    assert!(matches!(outputs[..], [Output::Publish { .. }]), "{outputs:?}");
}

/// Reads a record and lets its batch come due; the machine must ask for a transaction.
#[track_caller]
fn publish_one(machine: &mut Machine<u64>, offset: u64, millis: u64) {
    let tick = ObservationRecord::Tick {}.encode();
    assert!(handle(machine, record(FIRST, offset, &tick), millis).is_empty());
    let outputs = handle(machine, Input::Timer, millis + 100);
    assert!(matches!(outputs[..], [Output::Publish { .. }]), "{outputs:?}");
}

#[test]
fn after_a_commit_in_doubt_nothing_begins_before_there_is_a_new_producer() {
    let doubts = [
        (
            CommitCalls {
                end: Duration::from_millis(300),
                ..CommitCalls::default()
            },
            RenewalReason::Slow,
        ),
        (
            CommitCalls {
                offsets: Duration::from_millis(371),
                ..CommitCalls::default()
            },
            RenewalReason::Slow,
        ),
        (
            CommitCalls {
                is_repeated: true,
                ..CommitCalls::default()
            },
            RenewalReason::Repeated,
        ),
    ];
    for (calls, reason) in doubts {
        let mut machine = two_live_partitions();
        publish_one(&mut machine, 7, 0);
        machine.handle(Input::Ended(Ended::Committed(calls)), at(150));
        let outputs: Vec<Output<u64>> = std::iter::from_fn(|| machine.next_output()).collect();
        let is_counted = |output: &Output<u64>| matches!(output, Output::Observe(Fact::ProducerReplaced(why)) if *why == reason);
        assert!(outputs.iter().any(is_counted), "{outputs:?}");
        assert!(
            matches!(
                outputs.last(),
                Some(Output::RenewProducer { is_one_by_one: false })
            ),
            "{outputs:?}"
        );
        let outputs = handle(&mut machine, Input::Producer(Renewed::Ready), 160);
        assert!(matches!(outputs[..], [Output::Resume(_)]), "{outputs:?}");
        publish_one(&mut machine, 8, 200);
        assert!(handle(&mut machine, Input::Ended(CLEAN), 310).is_empty());
    }
}

#[test]
fn where_every_commit_is_in_doubt_the_pauses_before_a_new_producer_grow_to_five_seconds() {
    let mut machine = two_live_partitions();
    let slow = Ended::Committed(CommitCalls {
        end: Duration::from_secs(1),
        ..CommitCalls::default()
    });
    let (mut now, mut pauses) = (0, Vec::new());
    for number in 0..10 {
        publish_one(&mut machine, 7 + number, now);
        now += 200;
        let is_asked = |outputs: &[Output<u64>]| {
            outputs
                .iter()
                .any(|output| matches!(output, Output::RenewProducer { .. }))
        };
        let (began, mut outputs) = (now, handle(&mut machine, Input::Ended(slow.clone()), now));
        while !is_asked(&outputs) {
            now += 50;
            outputs = handle(&mut machine, Input::Timer, now);
        }
        pauses.push(now - began);
        handle(&mut machine, Input::Producer(Renewed::Ready), now);
    }
    assert_eq!(pauses, [0, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
}

#[test]
fn a_commit_in_doubt_within_a_revocation_is_the_last_of_its_partitions() {
    let mut machine = two_live_partitions();
    let tick = ObservationRecord::Tick {}.encode();
    handle(&mut machine, record(FIRST, 7, &tick), 1);
    let (partitions, membership) = (vec![FIRST], 2);
    let revoked = Input::Revoked {
        partitions,
        membership,
    };
    let outputs = handle(&mut machine, revoked, 2);
    assert!(matches!(outputs[..], [Output::Publish { .. }]), "{outputs:?}");
    let calls = CommitCalls {
        is_repeated: true,
        ..CommitCalls::default()
    };
    let outputs = handle(&mut machine, Input::Ended(Ended::Committed(calls)), 3);
    assert!(
        matches!(outputs.last(), Some(Output::CallbackDone)),
        "{outputs:?}"
    );
    let is_renewed = |output: &Output<u64>| matches!(output, Output::RenewProducer { .. });
    assert!(
        !outputs.iter().any(is_renewed),
        "a callback makes no producer: {outputs:?}"
    );
    // Between two polls there is time for one.
    let outputs = handle(&mut machine, Input::Timer, 60);
    assert!(outputs.iter().any(is_renewed), "{outputs:?}");
}

/// What the next transaction names as its membership, once the first was refused for its own and the question after it answered.
fn membership_after_a_refusal(answer: Option<u64>) -> u64 {
    let mut machine = two_live_partitions();
    publish_one(&mut machine, 7, 0);
    let problem = "the generation is stale".to_owned();
    let refused = Input::Ended(Ended::StaleMembership { problem });
    let outputs = handle(&mut machine, refused, 110);
    assert!(
        matches!(outputs[..], [Output::AskMembership, Output::Pause(_)]),
        "no producer is made before the answer: {outputs:?}"
    );
    let outputs = handle(&mut machine, Input::Membership(answer), 111);
    assert!(
        matches!(outputs[..], [Output::RenewProducer { .. }]),
        "{outputs:?}"
    );
    handle(&mut machine, Input::Producer(Renewed::Ready), 112);
    let outputs = handle(&mut machine, Input::Timer, 300);
    let [Output::Publish { membership, .. }] = outputs[..] else {
        panic!("{outputs:?}");
    };
    membership
}

#[test]
fn a_membership_that_has_gone_stale_without_a_callback_is_read_anew_and_a_lost_one_is_not_replaced() {
    assert_eq!(membership_after_a_refusal(Some(2)), 2);
    assert_eq!(membership_after_a_refusal(None), 1);
}
