//! Input messages: every shape in which Winlogbeat and other shippers publish a Windows event, decoded into one
//! normalised [`Event`] or skipped.
//!
//! | module | what it does |
//! |---|---|
//! | `prefilter` | skips unparsed what cannot matter |
//! | `envelope` | opens messages that hold several documents |
//! | `document`, `field` | the shapes as serde sees them, and fields whose type differs by shape |
//! | `record` | the header of an event, whatever its shape; which event it is |
//! | `details` | the fields of each kind |
//! | `decoder`, `decoded` | the way through these, and what comes of a message |
//! | `pattern` | names of shares and paths with wildcards |
//! | `account_names` | accounts whose logons are read of every computer |
//! | `identity` | what makes two messages copies of one event |
//! | `shape` | what a message that is not read looks like |
//! | `observation`, `access`, `session`, `account`, `observation_record` | what the router makes of an event, and records of the observations topic |
//! | `provenance` | who shipped an event, and where it lay |

mod access;
mod account;
mod account_names;
mod decoded;
mod decoder;
mod details;
mod document;
mod envelope;
mod evtx;
mod field;
mod identity;
mod message_text;
mod names;
mod observation;
mod observation_record;
mod pattern;
mod prefilter;
mod provenance;
pub mod providers;
mod record;
mod session;
mod session_events;
mod shape;
mod surrogates;

pub use access::{Outcome, PipeConnected, ShareAccess};
pub use account::Account;
pub use account_names::AccountNames;
pub use decoded::{AddressClaim, DecodeError, Decoded, ODD_FIELDS, Skip, Watched, Word};
pub use decoder::{Decoder, VisitDecoded};
pub use evtx::{Record as EvtxRecord, read_evtx};
pub use identity::ObservationId;
pub(crate) use names::{is_kept_whole, is_local, is_routable};
pub use names::{normalise_pipe, same_host};
pub use observation::{
    AssetId, Detail, Event, Kind, Log, NetworkConnection, Observation, Process, TimeSource,
};
pub use observation_record::ObservationRecord;
pub use pattern::{Pattern, WatchedShare};
pub use provenance::{Agent, Origin, Received};
pub use session::{Logon, ShareSession};
pub use session_events::{ReadOf, SessionEvents};
pub use shape::Shape;
