//! The memory driver: an in-process log with Kafka's rules, for `replay`, tests and simulation.

mod broker;
mod replayer;
mod worker;

pub use broker::{Broker, BrokerError, Committed, Producer, Record, TopicPartition};
pub use replayer::{FinalView, Replayer};
pub use worker::{Layout, Worker};
