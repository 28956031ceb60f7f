//! Every class of error that the transactional API knows, injected by librdkafka's mock cluster. Its transactions are
//! hollow, but its answers are the broker's.

use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaApiKey as Api;
use rdkafka::types::RDKafkaRespErr::{self as Code, *};

use pipewarden_core::alert::AlertFormat;
use pipewarden_core::inventory::BindingSettings;

use super::*;
use crate::settings::{CorrelatorSettings, Kafka, RouterSettings};

const TOPIC: &str = "alerts";

const ID: &str = "worker-0";

struct Bench {
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: TransactionalProducer,
    membership: ConsumerGroupMetadata,
    settings: ServiceSettings,
}

/// A broker, and the settings of a service that uses it.
fn cluster() -> (MockCluster<'static, DefaultProducerContext>, ServiceSettings) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, 1, 1).unwrap();
    cluster.create_topic("observations", 1, 1).unwrap();
    let settings = ServiceSettings {
        kafka: Kafka {
            brokers: cluster.bootstrap_servers(),
            ..Kafka::default()
        },
        router: RouterSettings {
            enabled: false,
            threads: 1,
            commit_interval: Duration::from_secs(1),
        },
        correlator: CorrelatorSettings {
            enabled: true,
            threads: 1,
            commit_interval: Duration::from_millis(100),
            instance: "0".to_owned(),
        },
        bindings: BindingSettings::default(),
        alert_format: AlertFormat::Ecs,
        alert_max_bytes: 256 << 10,
        explanations: 0,
    };
    (cluster, settings)
}

fn start(settings: &ServiceSettings) -> Result<TransactionalProducer, DriverError> {
    let producer = TransactionalProducer::start(settings, "worker", ID, &Stop::default());
    producer.map(|producer| producer.expect("the service is not to end"))
}

impl Bench {
    fn new() -> Self {
        let (cluster, settings) = cluster();
        let consumer: BaseConsumer = client::consumer(&settings.kafka, "worker", "group", "0")
            .create()
            .unwrap();
        Self {
            producer: start(&settings).unwrap(),
            membership: consumer.group_metadata().unwrap(),
            cluster,
            settings,
        }
    }

    /// The failure of a transaction during which the broker answers so.
    fn failure(&mut self, api: Api, code: Code) -> DriverError {
        self.cluster.request_errors(api, &[code]);
        match self.transact() {
            Err(Failure::Fatal(problem)) => failure(&self.settings, ID, problem),
            other => panic!("{api:?} {code:?}: {other:?}"),
        }
    }

    /// A whole transaction: one alert, one offset.
    fn transact(&mut self) -> Result<(), Failure> {
        let mut offsets = TopicPartitionList::new();
        offsets
            .add_partition_offset("observations", 0, Offset::Offset(7))
            .unwrap();
        let transaction = self.producer.begin(Duration::from_secs(60))?;
        match transaction
            .send(0, TOPIC, "key", b"value")
            .and_then(|()| transaction.flush())
        {
            Ok(_) => transaction.commit(&offsets, &self.membership).map(drop),
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
fn what_a_rebalance_or_a_bad_record_causes_is_aborted_and_the_batch_can_be_repeated() {
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
        // A rejected record leaves a gap in the sequence, which costs one more abort.
        let again = (0..3).map(|_| bench.transact()).find(Result::is_ok);
        assert!(again.is_some(), "after {api:?} {code:?}");
    }
}

#[test]
fn a_fenced_producer_ends_and_asks_for_a_second_process() {
    let causes = [
        (Api::AddPartitionsToTxn, RD_KAFKA_RESP_ERR_PRODUCER_FENCED),
        (Api::AddOffsetsToTxn, RD_KAFKA_RESP_ERR_PRODUCER_FENCED),
        (Api::TxnOffsetCommit, RD_KAFKA_RESP_ERR_PRODUCER_FENCED),
        (Api::EndTxn, RD_KAFKA_RESP_ERR_PRODUCER_FENCED),
        (Api::EndTxn, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH),
    ];
    for (api, code) in causes {
        let failure = Bench::new().failure(api, code);
        assert!(
            matches!(failure, DriverError::Fenced { .. }),
            "{api:?} {code:?}: {failure:?}"
        );
        assert!(failure.to_string().contains("correlator.instance"), "{failure}");
    }
}

#[test]
fn a_producer_that_ends_for_another_reason_is_not_called_fenced() {
    let failure = Bench::new().failure(Api::EndTxn, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
    assert!(
        matches!(failure, DriverError::ProducerEnded { .. }),
        "{failure:?}"
    );
    assert!(!failure.to_string().contains("correlator.instance"), "{failure}");
}

#[test]
fn a_producer_without_access_to_its_transactional_id_does_not_start_and_names_the_acl() {
    let (cluster, settings) = cluster();
    let code = RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    cluster.request_errors(Api::InitProducerId, &[code]);
    let Err(failure) = start(&settings) else {
        panic!("the producer has started");
    };
    assert!(
        matches!(failure, DriverError::NotAuthorized { .. }),
        "{failure:?}"
    );
    assert!(
        failure.to_string().contains("on transactional id worker-0"),
        "{failure}"
    );
}

#[test]
fn a_producer_that_loses_access_to_its_transactional_id_ends_and_names_the_acl() {
    let code = RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    for api in [Api::AddPartitionsToTxn, Api::TxnOffsetCommit, Api::EndTxn] {
        let failure = Bench::new().failure(api, code);
        assert!(
            matches!(failure, DriverError::NotAuthorized { .. }),
            "{failure:?}"
        );
    }
}

#[test]
fn a_batch_that_lacks_access_to_a_group_or_topic_ends_the_producer_and_names_the_acl() {
    let causes = [
        (
            Api::AddPartitionsToTxn,
            RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            "Write on topics pipewarden.alerts, pipewarden.suppressed, pipewarden.sightings, pipewarden.dead-letters and \
             Read on topics pipewarden.observations and pipewarden.sightings",
        ),
        (
            Api::TxnOffsetCommit,
            RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
            "Read on group pipewarden-correlator",
        ),
    ];
    for (api, code, acl) in causes {
        let mut bench = Bench::new();
        bench.cluster.request_errors(api, &[code]);
        let problem = match bench.transact() {
            Err(Failure::Aborted(problem)) => problem,
            other => panic!("{api:?} {code:?}: {other:?}"),
        };
        let ended = bench
            .producer
            .aborted(problem, &Batch::default(), &bench.settings);
        assert!(matches!(ended, Ended::Fatal { .. }), "{ended:?}");
        let failure = bench.producer.take_failure();
        assert!(
            matches!(failure, DriverError::NotAuthorized { .. }),
            "{failure:?}"
        );
        let text = failure.to_string();
        assert!(text.ends_with(acl), "{text}");
    }
}

#[test]
fn a_record_that_is_denied_or_has_no_topic_ends_the_producer_and_one_that_is_rejected_does_not() {
    let causes = [
        (
            RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            "Write on topic alerts",
        ),
        (RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ""),
        (RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, ""),
        (RD_KAFKA_RESP_ERR_INVALID_RECORD, ""),
    ];
    for (code, acl) in causes {
        let mut bench = Bench::new();
        bench.cluster.request_errors(Api::Produce, &[code]);
        let problem = match bench.transact() {
            Err(Failure::Aborted(problem)) => problem,
            other => panic!("{code:?}: {other:?}"),
        };
        let ended = bench
            .producer
            .aborted(problem, &Batch::default(), &bench.settings);
        if acl.is_empty() {
            assert!(matches!(ended, Ended::Rejected(_)), "{code:?}: {ended:?}");
        } else {
            assert!(matches!(ended, Ended::Fatal { .. }), "{code:?}: {ended:?}");
            let failure = bench.producer.take_failure().to_string();
            assert!(failure.ends_with(acl), "{failure}");
        }
    }
}

#[test]
fn a_failed_renewal_keeps_the_failure_that_ends_the_worker() {
    let mut bench = Bench::new();
    let code = RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    bench.cluster.request_errors(Api::InitProducerId, &[code]);
    let renewed = bench.producer.renew(&bench.settings, "worker", false);
    assert!(matches!(renewed, Renewed::Fatal { .. }), "{renewed:?}");
    let failure = bench.producer.take_failure();
    assert!(
        matches!(failure, DriverError::NotAuthorized { .. }),
        "{failure:?}"
    );
}

#[test]
fn a_transient_error_is_waited_out() {
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
    assert_eq!(classify(&KafkaError::Canceled), ErrorAction::GiveUp);
}
