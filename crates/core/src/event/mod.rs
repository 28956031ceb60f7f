//! Input messages: every shape in which Winlogbeat and other shippers publish a Windows event, decoded into one
//! normalised [`Event`] or skipped.

mod decoded;
mod decoder;
mod details;
mod document;
mod evtx;
mod field;
mod names;
mod observation;
mod observation_record;
mod prefilter;
pub mod providers;
mod record;
mod sighting;

pub use decoded::{AddressClaim, DecodeError, Decoded, Skip, WatchedPipes};
pub use decoder::Decoder;
pub use evtx::{Record as EvtxRecord, read_evtx};
pub(crate) use names::{is_kept_whole, is_routable};
pub use names::{normalise_pipe, same_host};
pub use observation::{
    Account, AssetId, Detail, Event, Kind, NetworkConnection, Observation, ObservationId, Outcome,
    PipeConnected, Process, ShareAccess, TimeSource,
};
pub use observation_record::ObservationRecord;
pub use sighting::Sighting;
