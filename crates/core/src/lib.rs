//! The domain of Pipewarden: events as they arrive, the inventory, the rules and their join, the alert as a document.
//!
//! Pure: a decision follows from the records and the times in them, and from nothing else. This crate reads no clock,
//! opens no file and depends on no Kafka client, threads or command line; `.ci/checks/house` enforces that.
//!
//! One way through it: [`event::Decoder`] makes an [`event::Event`] of bytes; [`inventory::Resolver`] finds the asset
//! that it is about; [`detection::Join`] takes observations and gives [`detection::Revision`]s; [`alert::document`]
//! makes a document of one.
//!
//! ```
//! use std::time::Duration;
//!
//! use pipewarden_core::detection::{Body, Join, JoinSettings, RuleSet, Who};
//! use pipewarden_core::event::{AssetId, Decoder, Observation, ObservationRecord};
//! use pipewarden_core::log::{At, Offset};
//! use pipewarden_core::time::AppendTime;
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
//! let rules = RuleSet::builtin();
//! let decoder = Decoder::new(rules.watched(), Duration::from_secs(1_800));
//! let event = decoder.decode(message).unwrap().outcome.unwrap();
//! let arrival = At { now: AppendTime::at_event(event.time), offset: Offset::ZERO };
//! let observation = Observation::new(AssetId::new("atlas.aperture.local"), event);
//!
//! let mut join = Join::new(rules.rules(), JoinSettings::default());
//! join.apply(arrival, ObservationRecord::Observation(observation));
//! // The join waits for what else may belong to the access; then its deadline is due.
//! let end = At { now: AppendTime::MAX, offset: Offset::new(1) };
//! let output = join.apply(end, ObservationRecord::Tick {});
//! let Body::Access(alert) = &output.revisions[0].body else {
//!     panic!("there is nothing but an access");
//! };
//! assert_eq!(&*alert.key.rule, "detect-8");
//! assert_eq!(alert.key.who, Who::Source("10.1.0.101".parse().unwrap()));
//! ```

pub mod alert;
pub mod detection;
pub mod diagnostics;
pub mod event;
pub mod inventory;
pub mod log;
pub mod text;
pub mod time;
