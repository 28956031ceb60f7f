//! Routing and correlation of events on a log: all of Pipewarden between the domain in `pipewarden_core` and Kafka.
//!
//! Two processors do the work. A [`Router`] turns messages of the input topics into observations, keyed by the host that they
//! are about. A [`Correlator`] turns the observations of one partition into alerts, or what alerts say of their sources into
//! campaigns, and rebuilds its state by replaying the log. Both decide by a [`Policy`]: settings, rules, inventory and exceptions. Nothing here does I/O or knows Kafka's client.
//!
//! | start here | for |
//! |---|---|
//! | [`Router::route_each`] | a message in; of each document in it an observation, a dead letter, or a reason to skip it out |
//! | [`Correlator::apply`] | a record in, alerts out |
//! | [`worker`] | the protocol around both: group, transactions, takeover, as machines that Kafka's adapter runs |
//! | [`local`] | an in-process log with Kafka's rules that runs the same machines, for tests and simulation |
//! | [`local::Replayer`] | a correlator over a single partition without a log, for `pipewarden replay` |
//!
//! From a message to an alert:
//!
//! ```
//! use std::sync::Arc;
//!
//! use pipewarden_core::detection::{JoinSettings, RuleSet};
//! use pipewarden_core::inventory::{Inventory, UnlistedHosts};
//! use pipewarden_core::log::{Offset, Partition};
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
//! let origin = Origin { topic: "winlogbeat", partition: Partition::ZERO, offset: Offset::ZERO };
//! let mut replayer = Replayer::new(&policy);
//! let mut view = FinalView::default();
//! Router::new(&policy).route_each(Some(message), origin, &mut |routed| {
//!     let Routed::Observation(routed) = routed else {
//!         panic!("an access to a watched pipe is an observation");
//!     };
//!     let arrival = AppendTime::at_event(routed.observation.event.time);
//!     replayer.observe(arrival, routed.observation);
//! });
//! replayer.finish().alerts.into_iter().for_each(|alert| view.upsert(alert));
//! let rules: Vec<&str> = view.active().map(|alert| &*alert.rule).collect();
//! assert_eq!(rules, ["detect-8"]);
//! ```

mod applied;
mod checkpoint;
mod correlator;
mod dead_letter;
mod input_shapes;
pub mod local;
mod policy;
mod router;
mod state;
mod topic;
pub mod worker;

pub use applied::{AlertRecord, Applied, LogRecord, SightingMessage};
pub use checkpoint::{CHECKPOINT_MAX_BYTES, Checkpoint, CheckpointError};
pub use correlator::{Correlator, PartitionsChanged, Recovery, Seek};
pub use dead_letter::{DEAD_LETTER_MAX_BYTES, DeadLetter, DeadLetterReason};
pub use input_shapes::UnknownInput;
pub use pipewarden_core::detection::SightingRecord;
pub use pipewarden_core::event::ObservationRecord;
pub use policy::Policy;
pub use router::{NoEvent, OBSERVATION_MAX_BYTES, Origin, Reason, Routed, RoutedObservation, Router};
pub use state::StateRecord;
pub use topic::Topic;
