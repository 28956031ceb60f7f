//! The memory driver: an in-process log with Kafka's rules, for `replay`, tests and simulation.

mod broker;
mod consumer;
mod layout;
mod replayer;
mod router;
mod weather;
mod worker;

pub use broker::{Broker, BrokerError, Committed, Producer, Record, TopicPartition};
pub use layout::Layout;
pub use replayer::{FinalView, Replayer};
pub use router::RouterWorker;
pub use weather::{Coverage, Fault, Moment, Tamper, TamperWith, Weather};
pub use worker::{Step, Worker};
