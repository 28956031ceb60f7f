//! Winlogbeat's documents, described once: what the providers write, and every shape in which it is shipped.
//!
//! An [`Event`] is a plain description: a [`Definition`] of the catalogue, who logged it and when, and the fields under
//! Windows' own names. A [`Shape`] makes of it the document on the topic. The generator's templates, the
//! cases of rules and the tests' documents are made from here.
//!
//! ```
//! use pipewarden_tools::winlogbeat::{Event, PIPE_CONNECTED, Shape};
//!
//! let event = Event::new(&PIPE_CONNECTED, "2024-10-24T15:02:05.541Z", "atlas.aperture.local")
//!     .record_id(7)
//!     .set("PipeName", "\\winreg")
//!     .set("Image", "System");
//! let document = Shape::Winlogbeat8.document(&event);
//! assert_eq!(document["winlog"]["event_id"], "18");
//! assert_eq!(document["winlog"]["event_data"]["PipeName"], "\\winreg");
//! // The same event as the Sysmon module of Winlogbeat 7 ships it.
//! let document = Shape::Winlogbeat7Module.document(&event);
//! assert_eq!(document["winlog"]["event_id"], 18);
//! assert_eq!(document["file"]["name"], "\\winreg");
//! ```
//!
//! # Another event
//!
//! A [`Definition`] in `catalogue.rs` is all that an event needs to be built in every shape: its provider, id and task,
//! its fields in the order of the manifest, Windows' text with the fields' names in braces, and what Winlogbeat's script
//! modules and the ingest pipelines move ([`Move`] in `moved.rs`; nothing of most). Then, where it is wanted:
//!
//! - in the cases of rules: a line in `rule_tests/event.rs` with the field that it always has and the usual values;
//! - among generated documents: a kind with its weight in `generator/kinds.rs`, and gaps for fields that no kind had
//!   yet in `generator/gaps.rs`;
//! - in tests: a function with the test hosts' values in the test kit.

mod catalogue;
mod definition;
mod event;
mod message;
mod moved;
mod moves;
mod shape;

pub use catalogue::*;
pub use definition::{Definition, Provider};
pub use event::{Event, Surroundings};
pub use moves::Move;
pub use shape::Shape;
