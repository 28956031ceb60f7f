//! Router and correlator on real brokers: what librdkafka reports becomes inputs of the engine's machines, and their
//! outputs become calls of librdkafka.
//!
//! ```text
//!   service    waits for the broker, checks the topics, starts the workers, ends with them
//!     |
//!     +-- monitor            asks the brokers every few seconds: do they answer, can all topics be written
//!     |
//!     +-- router worker      a consumer of the input topics, an idempotent producer
//!     |                      read the bindings topic to its end, then
//!     |                      route .. route .. flush, then commit the offsets
//!     |
//!     +-- correlator worker  a consumer of the observations topic, a transactional producer, one for ticks
//!                            apply .. apply .. one transaction: the alerts and the offsets
//!
//!   ServiceSettings, ActivePolicy, Stop  -->  Service  -->  Observer
//! ```
//!
//! What a worker does, and in which order, is decided by a [machine](pipewarden_engine::worker) that knows no librdkafka.
//! Each worker is a thread that owns its consumer. librdkafka calls back only from within that consumer's `poll`, so
//! on the same thread: a rebalance is handled between two records, never while one is.
//!
//! Nothing here reads files, environment or arguments, nor keeps a metric: the caller hands in [`ServiceSettings`] and the
//! policy [`ActivePolicy`], which it may replace at any time, and makes metrics, logs and a status of the facts that an
//! [`Observer`] gets.
//!
//! Start with [`Service::run`], [`Observer`], [`ActivePolicy`] and [`plans`], the settings that the topics need;
//! [`TopicAdmin`] creates them, [`DocumentProducer`] publishes to the first, and [`AlertReader`] reads what comes out.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use pipewarden_engine::Policy;
//! use pipewarden_kafka::{DriverError, ActivePolicy, Observer, Service, ServiceSettings, Stop};
//!
//! fn serve(
//!     settings: ServiceSettings,
//!     policy: Policy,
//!     observer: Arc<dyn Observer>,
//!     stop: &Stop,
//! ) -> Result<(), DriverError> {
//!     // Returns once another thread has set `stop`, or a worker has failed.
//!     Service::new(settings, ActivePolicy::new(policy), observer, stop.clone()).run()
//! }
//! ```
//!
//! Without a broker:
//!
//! ```
//! use pipewarden_core::alert::AlertFormat;
//! use pipewarden_core::detection::JoinSettings;
//! use pipewarden_kafka::{AlertOutput, StateSpans, Topics, plans};
//!
//! let spans = StateSpans::of(&JoinSettings::default());
//! let alerts = AlertOutput { format: AlertFormat::Ecs, max_bytes: 256 << 10 };
//! let planned = plans(&Topics::default(), alerts, spans, false);
//! assert_eq!(planned[0].name, "pipewarden.observations");
//! assert_eq!(planned[0].partitions.get(), 12);
//! ```

mod active_policy;
mod alert_reader;
mod bindings;
mod client;
mod client_check;
mod clock;
mod connection;
mod context;
mod correlator;
mod document_producer;
mod error;
mod group;
pub mod gzip;
mod input;
mod instance;
mod metadata;
mod monitor;
mod observer;
mod partitioner;
mod rejected;
mod router;
mod service;
mod settings;
mod stop;
mod topics;
mod transaction;

pub use active_policy::ActivePolicy;
pub use alert_reader::{AlertReader, Polled};
pub use client_check::client_problems;
pub use document_producer::DocumentProducer;
pub use error::DriverError;
pub use observer::{BindingFact, Observer, WorkerFact, WorkerRole};
pub use partitioner::partition_of;
pub use service::Service;
pub use settings::{CorrelatorSettings, Kafka, RouterSettings, ServiceSettings, Topics};
pub use stop::Stop;
pub use topics::{AlertOutput, Setting, StateSpans, TopicAdmin, TopicPlan, TopicState, plans};
