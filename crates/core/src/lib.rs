//! What Pipewarden decides by: events as they arrive, the inventory, the rules and their join, the alert as a document.
//!
//! Pure: a decision follows from the records, in the times that stand in them, and from nothing else. This crate asks no
//! clock, opens no file and knows nothing of Kafka, threads or arguments; `.ci/checks/house` holds it to that.
//!
//! One way through it: [`event::Decoder`] makes an [`event::Event`] of bytes; [`inventory::Identity`] says which asset it
//! is about; [`detection::Join`] takes observations and gives [`detection::Revision`]s; [`alert::document`] writes one down.
//!
//! ```
//! use std::time::Duration;
//!
//! use pipewarden_core::detection::{Join, JoinSettings, RuleSet};
//! use pipewarden_core::event::{AssetId, Decoder, Observation};
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
//! let arrival = AppendTime::at_event(event.time);
//! let observation = Observation::new(AssetId::new("atlas.aperture.local"), event);
//!
//! let mut join = Join::new(rules.rules(), JoinSettings::default());
//! join.apply(0, arrival, Some(observation));
//! // The join waits for what else may belong to the access; then its deadline is due.
//! let step = join.apply(1, AppendTime::MAX, None);
//! assert_eq!(&*step.revisions[0].key.rule, "detect-8");
//! assert_eq!(step.revisions[0].key.source, Some("10.1.0.101".parse().unwrap()));
//! ```

pub mod alert;
pub mod detection;
pub mod diagnostics;
pub mod event;
pub mod inventory;
pub mod log;
pub mod text;
pub mod time;
