//! The records of the observations topic.

use serde::{Deserialize, Serialize};

use super::Observation;

/// The value of a record on the observations topic: what a join applies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every record is of the largest kind"
)]
pub enum ObservationRecord {
    /// A normalised, resolved event.
    Observation(Observation),
    /// Nothing but the passing of time: appended by a partition's owner when the partition is idle and a
    /// deadline is pending, so that a replay of the log repeats every decision.
    Tick {},
}

impl ObservationRecord {
    /// The record's value.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("structs of strings and numbers are always JSON")
    }

    /// Reads a record's value.
    ///
    /// # Errors
    /// serde's, where the value is not such a document.
    pub fn decode(value: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_an_empty_object_under_its_name() {
        assert_eq!(ObservationRecord::Tick {}.encode(), br#"{"tick":{}}"#);
        assert_eq!(
            ObservationRecord::decode(br#"{"tick":{}}"#).unwrap(),
            ObservationRecord::Tick {}
        );
    }
}
