//! What the care for clean transactions costs: a new transactional producer, and the epoch that fences its predecessor.

use std::time::{Duration, Instant};

use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};

use super::support::broker::broker;
use super::table::{Table, median};

/// How many of each.
const TIMES: usize = 50;

const REQUEST: Duration = Duration::from_secs(30);

type Producer = ThreadedProducer<rdkafka::producer::DefaultProducerContext>;

pub(crate) fn run(table: &mut Table) {
    let Some(broker) = broker() else { return };
    let topic = broker.prefix("producer");
    broker.create_topic(&topic, 1, &[]);
    let make = || -> Producer {
        broker
            .client()
            .set("transactional.id", &topic)
            .set("linger.ms", "0")
            .create()
            .unwrap()
    };
    let transact = |producer: &Producer| {
        producer.begin_transaction().unwrap();
        let record: BaseRecord<'_, [u8], str> = BaseRecord::to(&topic).payload("value");
        producer.send(record).map_err(|(error, _)| error).unwrap();
        // rdkafka's own flush sleeps in steps of 100 ms; the service does not use it either.
        while producer.in_flight_count() > 0 {
            std::thread::sleep(Duration::from_micros(200));
        }
        producer.commit_transaction(REQUEST).unwrap();
    };
    let mut producer = make();
    producer.init_transactions(REQUEST).unwrap();
    transact(&producer);
    let (mut renewals, mut firsts, mut nexts) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let began = Instant::now();
        let next = make();
        next.init_transactions(REQUEST).unwrap();
        // The old one goes, too.
        producer = next;
        renewals.push(millis(began));
        for figures in [&mut firsts, &mut nexts] {
            let began = Instant::now();
            transact(&producer);
            figures.push(millis(began));
        }
    }
    let (renewal, first, next) = (median(renewals), median(firsts), median(nexts));
    table.row(
        "a new transactional producer, and the old one gone",
        &format!("{renewal:.1} ms"),
        &format!("a transaction of one record, {next:.1} ms"),
        &format!("{:.1} transactions", renewal / next),
    );
    table.row(
        "the first transaction of a producer",
        &format!("{first:.1} ms"),
        &format!("the next, {next:.1} ms"),
        &format!("{:.1} times", first / next),
    );
}

fn millis(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1_000.0
}
