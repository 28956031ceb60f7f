//! What the brokers know of topics.

use std::time::Duration;

use rdkafka::client::{Client, ClientContext};

use super::error::DriverError;

/// How many partitions a topic has; none if it does not exist.
pub(super) fn partition_count<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    within: Duration,
) -> Result<u32, DriverError> {
    let metadata = client
        .fetch_metadata(Some(topic), within)
        .map_err(DriverError::admin(format!(
            "cannot read the metadata of topic {topic}"
        )))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let partitions = found.map_or(0, |found| found.partitions().len());
    Ok(u32::try_from(partitions).expect("Kafka numbers partitions by 31 bits"))
}
