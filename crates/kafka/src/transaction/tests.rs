//! Every class of error that the transactional API knows, injected by librdkafka's mock cluster. Its transactions are
//! hollow, but its answers are the broker's.

use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaApiKey as Api;
use rdkafka::types::RDKafkaRespErr::{self as Code, *};

use super::*;

const TOPIC: &str = "alerts";

struct Bench {
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: TransactionalProducer,
    membership: ConsumerGroupMetadata,
}

impl Bench {
    fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, 1, 1).unwrap();
        cluster.create_topic("observations", 1, 1).unwrap();
        let kafka = Kafka {
            brokers: cluster.bootstrap_servers(),
            ..Kafka::default()
        };
        let producer = TransactionalProducer::start(&kafka, "worker", "worker-0", &Stop::default());
        let consumer: BaseConsumer = client::consumer(&kafka, "worker", "group", "0").create().unwrap();
        Self {
            producer: producer.unwrap().unwrap(),
            membership: consumer.group_metadata().unwrap(),
            cluster,
        }
    }

    /// A whole transaction: one alert, one offset.
    fn transact(&mut self) -> Result<(), Failure> {
        let mut offsets = TopicPartitionList::new();
        offsets
            .add_partition_offset("observations", 0, Offset::Offset(7))
            .unwrap();
        let transaction = self.producer.begin(Duration::from_secs(60))?;
        match transaction.send(TOPIC, "key", b"value") {
            Ok(()) => transaction.commit(&offsets, &self.membership),
            Err(error) => Err(transaction.fail(error)),
        }
    }
}

#[test]
fn a_transaction_without_errors_commits_and_the_next_one_too() {
    let mut bench = Bench::new();
    bench.transact().unwrap();
    bench.transact().unwrap();
}

#[test]
fn what_a_rebalance_or_a_bad_record_causes_is_aborted_and_the_batch_can_be_tried_again() {
    let causes = [
        (Api::TxnOffsetCommit, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION),
        (Api::TxnOffsetCommit, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID),
        (Api::TxnOffsetCommit, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID),
        (Api::TxnOffsetCommit, RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE),
        (Api::Produce, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE),
    ];
    let mut bench = Bench::new();
    for (api, code) in causes {
        bench.cluster.request_errors(api, &[code]);
        let outcome = bench.transact();
        assert!(
            matches!(outcome, Err(Failure::Aborted(_))),
            "{api:?} {code:?}: {outcome:?}"
        );
        // A refused record leaves a gap in the sequence, which costs one more abort.
        let again = (0..3).map(|_| bench.transact()).find(Result::is_ok);
        assert!(again.is_some(), "after {api:?} {code:?}");
    }
}

#[test]
fn what_fences_a_producer_ends_it() {
    let causes = [
        (Api::AddPartitionsToTxn, RD_KAFKA_RESP_ERR_PRODUCER_FENCED),
        (Api::AddOffsetsToTxn, RD_KAFKA_RESP_ERR_PRODUCER_FENCED),
        (Api::TxnOffsetCommit, RD_KAFKA_RESP_ERR_PRODUCER_FENCED),
        (Api::EndTxn, RD_KAFKA_RESP_ERR_PRODUCER_FENCED),
        (Api::EndTxn, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH),
        (Api::EndTxn, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE),
    ];
    for (api, code) in causes {
        let mut bench = Bench::new();
        bench.cluster.request_errors(api, &[code]);
        let outcome = bench.transact();
        assert!(
            matches!(outcome, Err(Failure::Fatal(_))),
            "{api:?} {code:?}: {outcome:?}"
        );
    }
}

#[test]
fn what_passes_by_itself_is_waited_for() {
    let causes: [(Api, &[Code]); 6] = [
        (Api::EndTxn, &[RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS; 3]),
        (Api::EndTxn, &[RD_KAFKA_RESP_ERR_NOT_COORDINATOR]),
        (Api::EndTxn, &[RD_KAFKA_RESP_ERR__TRANSPORT]),
        (
            Api::AddOffsetsToTxn,
            &[RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS; 2],
        ),
        (
            Api::TxnOffsetCommit,
            &[RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE],
        ),
        (Api::Produce, &[RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION]),
    ];
    let mut bench = Bench::new();
    for (api, codes) in causes {
        bench.cluster.request_errors(api, codes);
        bench
            .transact()
            .unwrap_or_else(|failure| panic!("{api:?} {codes:?}: {failure:?}"));
    }
}

#[test]
fn an_error_without_a_flag_ends_the_producer() {
    assert_eq!(demand(&KafkaError::Canceled), Demand::GiveUp);
}
