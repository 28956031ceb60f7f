//! The in-process adapter: a log with Kafka's rules, and workers over it, for `replay`, tests and simulation.

mod broker;
mod consumer;
mod faults;
mod layout;
mod replayer;
mod router;
mod worker;

pub use broker::{Broker, BrokerError, Committed, Producer, Record, TopicPartition};
pub use faults::{Coverage, Fault, Faults, Moment, Tamper, TamperWith};
pub use layout::Layout;
pub use replayer::{FinalView, Replayer};
pub use router::RouterWorker;
pub use worker::{PollResult, Worker};
