//! What Pipewarden does with records: the two processors, and the in-process log that runs them.
//!
//! A [`Router`] makes observations of messages, a [`Correlator`] alerts of observations: a record and a time in, records
//! out. A [`Policy`] is what both decide by. [`worker`] is what surrounds the correlator in production: group, transactions,
//! take-over, as a machine without I/O. [`local`] runs it over an in-process log with Kafka's rules, for `replay`, tests and
//! simulation. Nothing here knows Kafka itself; what does is elsewhere and runs the same machine.
//!
//! Start with [`Router::route`], [`Correlator::apply`], [`worker::Machine`] and [`local::Replayer`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use pipewarden_core::detection::{JoinSettings, RuleSet};
//! use pipewarden_core::inventory::{Inventory, UnlistedHosts};
//! use pipewarden_core::time::AppendTime;
//! use pipewarden_engine::local::{FinalView, Replayer};
//! use pipewarden_engine::{Origin, Policy, Routed, Router};
//!
//! let message = br#"{
//!     "@timestamp": "2024-10-24T15:02:05.543Z", "event": {"outcome": "success"},
//!     "winlog": {
//!         "provider_name": "Microsoft-Windows-Security-Auditing", "event_id": 5145, "record_id": 7,
//!         "computer_name": "atlas.aperture.local",
//!         "event_data": {
//!             "IpAddress": "10.1.0.101", "IpPort": "49839", "ShareName": "\\\\*\\IPC$",
//!             "RelativeTargetName": "winreg", "SubjectUserName": "TESTSUBJECT4"
//!         }
//!     }
//! }"#;
//! let policy = Arc::new(Policy::new(
//!     RuleSet::builtin(),
//!     Arc::new(Inventory::empty()),
//!     UnlistedHosts::Watch,
//!     JoinSettings::default(),
//!     "example".to_owned(),
//! ));
//! let origin = Origin { topic: "winlogbeat", partition: 0, offset: 0 };
//! let Routed::Observation(routed) = Router::new(&policy).route(message, origin) else {
//!     panic!("an access to a watched pipe is an observation");
//! };
//!
//! let mut replayer = Replayer::new(&policy);
//! let mut view = FinalView::default();
//! let arrival = AppendTime::at_event(routed.observation.event.time);
//! replayer.observe(arrival, routed.observation);
//! replayer.finish().alerts.into_iter().for_each(|alert| view.upsert(alert));
//! let rules: Vec<&str> = view.active().map(|alert| &*alert.rule).collect();
//! assert_eq!(rules, ["detect-8"]);
//! ```

mod checkpoint;
mod correlator;
mod dead_letter;
pub mod local;
mod policy;
mod record;
mod router;
pub mod worker;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use correlator::{AlertRecord, Applied, Correlator, LogRecord, PartitionsChanged, Recovery, Seek};
pub use dead_letter::{DeadLetter, DeadLetterReason};
pub use policy::Policy;
pub use record::ObservationRecord;
pub use router::{NoEvent, Origin, Reason, Routed, RoutedObservation, Router};
