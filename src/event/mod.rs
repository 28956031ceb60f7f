//! What arrives: every shape in which Winlogbeat and its neighbours publish a Windows event, decoded into
//! one normalised [`Event`] or told to be none of ours.

mod observation;

pub use observation::{
    Account, AssetId, Detail, Event, Kind, NetworkConnection, Observation, ObservationId, Outcome,
    PipeConnected, Process, ShareAccess, TimeSource,
};
