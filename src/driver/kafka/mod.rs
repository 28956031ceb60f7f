//! Router and correlator on a real broker.
//!
//! ```text
//!   service    waits for the broker, checks the topics, starts the workers, ends with them
//!     |
//!     +-- router worker      a consumer of the input topics, an idempotent producer
//!     |                      read the identities topic to its end, then
//!     |                      route .. route .. flush, then commit the offsets
//!     |
//!     +-- correlator worker  a consumer of the observations topic, a transactional producer, one for ticks
//!                            apply .. apply .. one transaction: the alerts and the offsets
//! ```
//!
//! Each worker is a thread that owns its consumer. librdkafka calls back only from within that consumer's `poll`, so
//! on the same thread: a rebalance is dealt with between two records, never beside one.

mod adopt;
mod batch;
mod client;
mod correlator;
mod error;
mod explanations;
mod feeder;
mod group;
pub mod gzip;
mod identities;
mod in_force;
mod partition;
mod positions;
mod router;
mod service;
mod stop;
mod takeover;
mod tick;
mod topics;
mod transaction;

pub use error::DriverError;
pub use feeder::Feeder;
pub use service::Service;
pub use stop::Stop;
pub use topics::{TopicPlan, TopicState, Topics, plans};
