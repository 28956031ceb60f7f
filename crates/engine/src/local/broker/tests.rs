//! The log as clients see it.

use super::*;

const NOW: AppendTime = AppendTime::from_millis(0);

fn alerts() -> TopicPartition {
    TopicPartition::new("alerts", Partition::ZERO)
}

fn values(broker: &Broker) -> Vec<&[u8]> {
    broker
        .read_committed(&alerts())
        .map(|record| record.value.as_slice())
        .collect()
}

fn committed(offset: u64) -> Committed {
    Committed {
        offset: Offset::new(offset),
        metadata: String::new(),
    }
}

#[test]
fn a_transaction_shows_its_records_and_its_offsets_together_or_not_at_all() {
    let mut broker = Broker::new();
    let input = TopicPartition::new("observations", Partition::new(3));
    let producer = broker.start_producer("worker-0");
    for (value, keep) in [(b"a", false), (b"b", true)] {
        broker.begin(&producer).unwrap();
        broker.append_in(&producer, &alerts(), NOW, b"", value).unwrap();
        broker
            .send_offset(&producer, ("group", 0), &input, committed(7))
            .unwrap();
        assert!(values(&broker).is_empty());
        assert_eq!(broker.committed("group", &input), None);
        if keep {
            broker.commit(&producer).unwrap()
        } else {
            broker.abort(&producer).unwrap()
        }
    }
    assert_eq!(values(&broker), [b"b"]);
    assert_eq!(broker.committed("group", &input), Some(&committed(7)));
}

#[test]
fn nothing_behind_an_open_transaction_can_be_read() {
    let mut broker = Broker::new();
    let producer = broker.start_producer("worker-0");
    broker.begin(&producer).unwrap();
    broker
        .append_in(&producer, &alerts(), NOW, b"", b"pending")
        .unwrap();
    broker.append(&alerts(), NOW, b"", b"plain");
    assert!(values(&broker).is_empty());
    broker.abort(&producer).unwrap();
    assert_eq!(values(&broker), [b"plain"]);
}

#[test]
fn a_zombie_can_do_nothing_and_what_it_left_open_is_aborted() {
    let mut broker = Broker::new();
    let zombie = broker.start_producer("worker-0");
    broker.begin(&zombie).unwrap();
    broker.append_in(&zombie, &alerts(), NOW, b"", b"lost").unwrap();
    let successor = broker.start_producer("worker-0");
    assert_eq!(broker.commit(&zombie), Err(BrokerError::Fenced));
    assert_eq!(broker.begin(&zombie), Err(BrokerError::Fenced));
    broker.begin(&successor).unwrap();
    broker
        .append_in(&successor, &alerts(), NOW, b"", b"kept")
        .unwrap();
    broker.commit(&successor).unwrap();
    assert_eq!(values(&broker), [b"kept"]);
}

#[test]
fn a_member_that_has_not_seen_the_latest_rebalance_cannot_commit() {
    let (mut broker, input) = (
        Broker::new(),
        TopicPartition::new("observations", Partition::ZERO),
    );
    let producer = broker.start_producer("worker");
    let old = broker.rebalance("group");
    let new = broker.rebalance("group");
    broker.begin(&producer).unwrap();
    let stale = broker.send_offset(&producer, ("group", old), &input, committed(7));
    assert_eq!(stale, Err(BrokerError::StaleGeneration));
    broker
        .send_offset(&producer, ("group", new), &input, committed(8))
        .unwrap();
    broker.commit(&producer).unwrap();
    assert_eq!(broker.committed("group", &input), Some(&committed(8)));
}

#[test]
fn the_end_of_a_transaction_takes_an_offset() {
    let mut broker = Broker::new();
    let producer = broker.start_producer("worker-0");
    for _ in 0..2 {
        broker.begin(&producer).unwrap();
        broker.append_in(&producer, &alerts(), NOW, b"", b"x").unwrap();
        broker.commit(&producer).unwrap();
    }
    let offsets: Vec<u64> = broker
        .read_committed(&alerts())
        .map(|record| record.offset.get())
        .collect();
    assert_eq!(offsets, [0, 2]);
    assert_eq!(broker.end_offset(&alerts()), Offset::new(4));
}
