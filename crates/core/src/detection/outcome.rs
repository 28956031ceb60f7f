//! The output of the join: revisions to write, and counters for metrics.

use crate::detection::Revision;

/// The disposition of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// It is in state.
    Applied,
    /// The same event, or a sighting that says as much, has been seen within the horizon: nothing changed.
    Copy,
    /// No rule in force watches its pipe, or the rule of a sighting is not in force.
    Unwatched,
    /// Its source, asset or partition has had too many accesses: a summary or a count has it, and no more is kept. Or a
    /// sighting that came too late to count.
    Dropped,
    /// It was a sighting, and counts for the campaigns of its source.
    Sighting,
    /// It was a tick: only time passed.
    Tick,
}

impl Disposition {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Applied,
        Self::Copy,
        Self::Unwatched,
        Self::Dropped,
        Self::Sighting,
        Self::Tick,
    ];

    /// The word used in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Copy => "copy",
            Self::Unwatched => "unwatched",
            Self::Dropped => "dropped",
            Self::Sighting => "sighting",
            Self::Tick => "tick",
        }
    }
}

/// Facts about a record for metrics. No decision depends on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Session evidence that a bound dropped from state.
    pub dropped_session_evidence: u64,
    /// Accesses of which a bound left a place in their alert's summary, each rule by itself.
    pub dropped_accesses: u64,
    /// Accesses of which a bound left a place in an overflow's count, each rule by itself.
    pub overflowed_accesses: u64,
    /// Accesses whose event time is too far from their arrival, either way.
    pub untimely: u64,
    /// Observations that would have been evidence for an alert that is closed.
    pub after_close: u64,
    /// Observations that bear the record id of one in state and say something else.
    pub conflicting: u64,
    /// Sightings that a bound dropped from state.
    pub dropped_sightings: u64,
    /// Sightings whose accesses are too old to count for a campaign, or later than their arrival.
    pub late_sightings: u64,
}

/// The output of one record.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinOutput {
    /// Revisions to write: those of deadlines first, then those of the record itself.
    pub revisions: Vec<Revision>,
    /// The disposition of the record.
    pub disposition: Disposition,
    /// Its counters.
    pub counters: Counters,
}

/// How much is in state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateSize {
    /// Network connections.
    pub session_evidence: usize,
    /// Destination-side observations.
    pub accesses: usize,
    /// Open alerts.
    pub alerts: usize,
    /// Remembered events.
    pub seen_events: usize,
    /// Assets with anything in state.
    pub assets: usize,
    /// Sightings.
    pub sightings: usize,
    /// Sources with any.
    pub sources: usize,
}
