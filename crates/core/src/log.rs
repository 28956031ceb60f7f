//! Kafka's coordinates of a record as types, so that partitions and offsets cannot be confused and neither is negative.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::AppendTime;

/// A number of a partition. Kafka numbers them with 31 bits, from zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(u32);

/// A place in a partition. Kafka numbers them with 63 bits, from zero; aborted and compacted records leave gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(u64);

/// Where a record is in its partition, and when it was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The append time; the stream time, where records are taken in order.
    pub now: AppendTime,
    /// Where the record is.
    pub offset: Offset,
}

impl Partition {
    /// The partition with this number.
    ///
    /// # Panics
    /// Where Kafka has no such number.
    pub const fn new(number: u32) -> Self {
        assert!(
            number <= i32::MAX as u32,
            "Kafka's partitions are numbered by 31 bits"
        );
        Self(number)
    }

    /// As librdkafka writes it; `None` of its names for "no partition", which are negative.
    pub fn from_wire(number: i32) -> Option<Self> {
        u32::try_from(number).ok().map(Self)
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// As librdkafka takes it.
    pub fn to_wire(self) -> i32 {
        i32::try_from(self.0).expect("Kafka's partitions are numbered by 31 bits")
    }
}

impl Offset {
    /// The first of a partition.
    pub const ZERO: Self = Self(0);

    /// The place with this number.
    ///
    /// # Panics
    /// Where Kafka has no such number.
    pub const fn new(number: u64) -> Self {
        assert!(number <= i64::MAX as u64, "Kafka's offsets have 63 bits");
        Self(number)
    }

    /// As librdkafka writes it; `None` of its names for "beginning", "end" and "none", which are negative.
    pub fn from_wire(number: i64) -> Option<Self> {
        u64::try_from(number).ok().map(Self)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// As librdkafka takes it.
    pub fn to_wire(self) -> i64 {
        i64::try_from(self.0).expect("Kafka's offsets have 63 bits")
    }

    /// The place after this one, where the next record may be.
    ///
    /// # Panics
    /// At the last one that Kafka can number.
    pub const fn next(self) -> Self {
        Self::new(self.0 + 1)
    }

    /// How many places lie from `earlier` up to this one; none where that is not earlier.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_numbers_are_neither_partitions_nor_offsets_and_others_survive_the_wire() {
        assert_eq!((Partition::from_wire(-1), Offset::from_wire(-1001)), (None, None));
        for number in [0, 7, i32::MAX] {
            assert_eq!(Partition::from_wire(number).map(Partition::to_wire), Some(number));
        }
        for number in [0, 7, i64::MAX] {
            assert_eq!(Offset::from_wire(number).map(Offset::to_wire), Some(number));
        }
    }

    #[test]
    fn distances_count_places_and_never_go_below_none() {
        let (earlier, later) = (Offset::new(3), Offset::new(7));
        assert_eq!((later.since(earlier), earlier.since(later)), (4, 0));
        assert_eq!(earlier.next(), Offset::new(4));
    }
}
