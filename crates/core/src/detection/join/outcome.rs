//! What the join answers: revisions to write, and facts for metrics.

use crate::detection::Revision;

/// What became of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is in state.
    Applied,
    /// The same event has been seen within the horizon: nothing changed.
    Copy,
    /// No rule in force watches its pipe.
    Unwatched,
    /// Its asset or partition has had too many destination-side observations: counted, not joined.
    Refused,
    /// It was a sighting: what the partition of a source is told of an access to an asset of another.
    Sighting,
    /// It was a tick: only time passed.
    Tick,
}

/// Facts about a record that metrics tell and no decision hangs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections that a bound pushed out of state.
    pub evicted_connections: u64,
    /// Accesses whose event time is too far from their arrival, either way.
    pub untimely: u64,
    /// Observations that would have been evidence for an alert that is closed.
    pub after_close: u64,
}

/// What came of applying one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Revisions to write: those of deadlines first, then those of the record itself.
    pub revisions: Vec<Revision>,
    /// What became of the record.
    pub fate: Fate,
    /// What metrics tell of it.
    pub tally: Tally,
}

/// How much is in state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateSize {
    /// Network connections.
    pub connections: usize,
    /// Destination-side observations.
    pub accesses: usize,
    /// Open alerts.
    pub alerts: usize,
    /// Remembered identities.
    pub identities: usize,
    /// Assets with anything in state.
    pub assets: usize,
}
