//! Kafka's coordinates of a record as types, so that partitions and offsets cannot be confused and neither is negative.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::time::AppendTime;

/// The number of a partition. Kafka numbers partitions with 31 bits, from zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Partition(u32);

/// The position of a record in its partition. Kafka counts with 63 bits, from zero; transaction markers, aborted and
/// compacted records leave gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Offset(u64);

/// A number that Kafka gives to no partition, or to no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} is beyond Kafka's range of partitions or offsets")]
pub struct OutOfRange(u64);

/// Where a record is in its partition, and when it was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The append time; the stream time, where records are taken in order.
    pub now: AppendTime,
    /// Where the record is.
    pub offset: Offset,
}

impl Partition {
    /// The first, and the only one of a topic that has one.
    pub const ZERO: Self = Self(0);

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

    /// From librdkafka's number. `None` where that is negative: such numbers are its special values, as for "unassigned".
    pub fn from_wire(number: i32) -> Option<Self> {
        u32::try_from(number).ok().map(Self)
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// For librdkafka.
    pub fn to_wire(self) -> i32 {
        i32::try_from(self.0).expect("Kafka's partitions are numbered by 31 bits")
    }
}

impl Offset {
    /// The first of a partition.
    pub const ZERO: Self = Self(0);

    /// The last that there can be.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// The offset with this number.
    ///
    /// # Panics
    /// Where Kafka has no such number.
    pub const fn new(number: u64) -> Self {
        assert!(number <= i64::MAX as u64, "Kafka's offsets have 63 bits");
        Self(number)
    }

    /// From librdkafka's number. `None` where that is negative: such numbers are its special values, as for "beginning",
    /// "end" and "none".
    pub fn from_wire(number: i64) -> Option<Self> {
        u64::try_from(number).ok().map(Self)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// For librdkafka.
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

    /// The number of offsets from `earlier` up to this one; 0 where `earlier` is not earlier.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl TryFrom<u32> for Partition {
    type Error = OutOfRange;

    fn try_from(number: u32) -> Result<Self, OutOfRange> {
        match i32::try_from(number) {
            Ok(_) => Ok(Self(number)),
            Err(_) => Err(OutOfRange(number.into())),
        }
    }
}

impl TryFrom<u64> for Offset {
    type Error = OutOfRange;

    fn try_from(number: u64) -> Result<Self, OutOfRange> {
        match i64::try_from(number) {
            Ok(_) => Ok(Self(number)),
            Err(_) => Err(OutOfRange(number)),
        }
    }
}

impl From<Partition> for u32 {
    fn from(partition: Partition) -> Self {
        partition.0
    }
}

impl From<Offset> for u64 {
    fn from(offset: Offset) -> Self {
        offset.0
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
    fn json_holds_plain_numbers_and_none_beyond_kafkas_range_is_read() {
        let read = serde_json::from_str::<(Partition, Offset)>;
        let written = serde_json::to_string(&(Partition::new(3), Offset::new(7))).unwrap();
        assert_eq!(written, "[3,7]");
        assert_eq!(read(&written).unwrap(), (Partition::new(3), Offset::new(7)));
        for beyond in ["[2147483648,0]", "[0,9223372036854775808]", "[-1,0]", "[0,-1]"] {
            assert!(read(beyond).is_err(), "{beyond}");
        }
    }

    #[test]
    fn distances_count_offsets_and_never_go_below_none() {
        let (earlier, later) = (Offset::new(3), Offset::new(7));
        assert_eq!((later.since(earlier), earlier.since(later)), (4, 0));
        assert_eq!(earlier.next(), Offset::new(4));
    }
}
