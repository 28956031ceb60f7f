//! The memory driver: an in-process log with Kafka's rules, for `replay`, tests and simulation.

mod broker;

pub use broker::{Broker, BrokerError, Committed, Producer, Record, TopicPartition};
