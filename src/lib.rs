//! Pipewarden: a Kafka stream processor that finds remote use of sensitive named pipes, shares and accounts on
//! protected Windows hosts, and says who did it.
//!
//! ```text
//!   winlogbeat topics          no key, random partition, any order, minutes late
//!         |
//!         |  router       prefilter bytes -> decode -> normalise -> resolve the destination host
//!         v
//!   pipewarden.observations    key = destination host; LogAppendTime; with sightings the only durable state
//!         |
//!         |  correlator   per destination host: a windowed join state, rebuilt by rewinding
//!         v
//!   pipewarden.alerts          key = alert id; each record is a whole revision (upsert)
//!
//!   pipewarden.sightings       key = source; what an alert says of its source, from which campaigns are found
//!   pipewarden.dead-letters    what gives no observation though it may have to: original bytes, reason, origin
//! ```
//!
//! Both halves are pure ([`engine`]): records and the times that they bear in, records out. Workers on Kafka run them, or on an
//! in-process log with the same rules; the halves never know which.
//!
//! This package is the program: arguments, settings, commands and metrics. What decides is in `pipewarden-core`, router,
//! correlator and workers are in `pipewarden-engine`, the adapter to Kafka in `pipewarden-kafka`, what is used beside the
//! service in `pipewarden-tools`; most of their modules have their names here too.
//!
//! Start with [`config::Settings`], which reads what is in force, [`engine::Router`] and [`engine::Correlator`], and
//! [`detection::Join`].
//!
//! ```
//! use pipewarden::config::Settings;
//!
//! let policy = Settings::default().policy().unwrap();
//! assert!(policy.rules.get("detect-8").is_some());
//! assert!(policy.inventory.is_empty());
//! ```

use pipewarden_core::text;
pub use pipewarden_core::{alert, detection, diagnostics, event, time};
pub use pipewarden_engine as engine;
pub use pipewarden_engine::worker;
pub use pipewarden_tools::{export, generator, rule_tests};

pub mod cli;
pub mod commands;
pub mod config;
mod http;
pub mod page;
mod reload;
pub mod telemetry;

/// The protected hosts, which of them an event is about, and asset lists of other tools as an inventory.
pub mod inventory {
    pub use pipewarden_core::inventory::*;
    pub use pipewarden_tools::import;
}
