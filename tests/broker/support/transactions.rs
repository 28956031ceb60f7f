//! Transactions of a producer that is not the service's.

use std::time::Duration;

use pipewarden_core::time::AppendTime;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::broker::Broker;

/// How long a call of the transactional API may take.
const CALL: Duration = Duration::from_secs(30);

/// A producer of transactions, one after the other.
pub struct Transactions(BaseProducer);

impl Transactions {
    pub fn of(broker: &Broker, id: &str) -> Self {
        let producer: BaseProducer = broker.client().set("transactional.id", id).create().unwrap();
        producer.init_transactions(CALL).unwrap();
        Self(producer)
    }

    /// Writes keys and values to a topic in one transaction, at a time, and commits or aborts it.
    pub fn publish<'a>(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        written: AppendTime,
        is_committed: bool,
    ) {
        let Self(producer) = self;
        producer.begin_transaction().unwrap();
        for (key, value) in records {
            let record = BaseRecord::to(topic)
                .key(key)
                .payload(value)
                .timestamp(written.as_millis());
            producer.send(record).map_err(|(problem, _)| problem).unwrap();
        }
        producer.flush(CALL).unwrap();
        if is_committed {
            producer.commit_transaction(CALL).unwrap();
        } else {
            producer.abort_transaction(CALL).unwrap();
        }
    }
}
