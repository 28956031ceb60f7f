//! The two clocks, kept apart by type.
//!
//! [`AppendTime`] is the broker's: it orders the log and decides deadlines, closing and expiry.
//! [`EventTime`] is the logging host's: it is only ever compared with another event time, and once with
//! the arrival of its own observation to tell timely from late. Nothing converts one into the other
//! implicitly; the few places where they meet call [`EventTime::lateness_at`] or a named constructor.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment on the log's clock, in milliseconds since the Unix epoch (Kafka's own unit).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AppendTime(i64);

impl AppendTime {
    /// Before every record of any log.
    pub const MIN: Self = Self(i64::MIN);
    /// After every record: the end of input, at which all deadlines are due.
    pub const MAX: Self = Self(i64::MAX);

    /// From milliseconds since the Unix epoch, as a Kafka record carries it.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The append time that `replay` gives to an observation: its event time, rounded down to milliseconds.
    pub const fn at_event(time: EventTime) -> Self {
        Self(time.0.div_euclid(1000))
    }

    /// This moment plus `span`, saturating at the ends.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// This moment minus `span`, saturating at the ends.
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// The distance between two moments, whichever is first.
    pub const fn distance(self, other: Self) -> Duration {
        Duration::from_millis(self.0.abs_diff(other.0))
    }

    /// The start of the aligned bucket of `width` that holds this moment. A width below 1 ms counts as 1 ms.
    pub fn bucket(self, width: Duration) -> Self {
        let width = millis(width).max(1);
        Self(self.0.div_euclid(width).saturating_mul(width))
    }
}

/// A moment on a Windows host's clock, in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(i64);

impl EventTime {
    /// Before every other moment.
    pub const MIN: Self = Self(i64::MIN);
    /// After every other moment.
    pub const MAX: Self = Self(i64::MAX);
    /// 0000-01-01T00:00:00Z, the first that RFC 3339 can write.
    const FIRST_WRITTEN: Self = Self(-62_167_219_200_000_000);

    /// From microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// A moment of the log's clock, for documents about arrivals: nothing else may mix the two clocks.
    pub const fn on_log(time: AppendTime) -> Self {
        Self(time.as_millis().saturating_mul(1000))
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The distance between two moments, whichever is first.
    pub const fn distance(self, other: Self) -> Duration {
        Duration::from_micros(self.0.abs_diff(other.0))
    }

    /// This moment plus `span`, saturating at the ends.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// This moment minus `span`, saturating at the ends.
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }

    /// How long after `other` this moment is; negative where it is before.
    pub const fn since(self, other: Self) -> SignedDuration {
        SignedDuration::from_micros(self.0.saturating_sub(other.0))
    }

    /// What a clock that is `ahead` of another shows as this moment, by that other clock. Saturates at the ends.
    pub fn set_back(self, ahead: SignedDuration) -> Self {
        let ahead = i64::try_from(ahead.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(ahead))
    }

    /// The start of the aligned bucket of `width` that holds this moment. A width below 1 µs counts as 1 µs.
    pub fn bucket(self, width: Duration) -> Self {
        let width = micros(width).max(1);
        Self(self.0.div_euclid(width).saturating_mul(width))
    }

    /// How long after this moment its observation arrived; negative where the host's clock ran ahead.
    /// In microseconds.
    pub const fn lateness_at(self, arrival: AppendTime) -> i64 {
        arrival.0.saturating_mul(1000).saturating_sub(self.0)
    }

    /// The first append time that is not before this moment plus `span`: a deadline that depends on a
    /// bucket of event time, read on the log's clock.
    pub fn deadline_after(self, span: Duration) -> AppendTime {
        let due = self.plus(span).0;
        AppendTime(
            due.div_euclid(1000)
                .saturating_add(i64::from(due.rem_euclid(1000) != 0)),
        )
    }

    /// The same moment as a calendar time. Times outside those that can be written are held at the ends.
    pub fn timestamp(self) -> Timestamp {
        let clamped = self
            .0
            .clamp(Self::FIRST_WRITTEN.0, Timestamp::MAX.as_microsecond());
        // Of microseconds alone the calendar takes none within its last second.
        let nanos = i32::try_from(clamped.rem_euclid(1_000_000) * 1_000).expect("less than a second");
        Timestamp::new(clamped.div_euclid(1_000_000), nanos)
            .expect("the calendar holds what is clamped to it")
    }
}

/// What a clock shows before the year 0 is held there: an alert would bear a time that no reader of RFC 3339 takes.
impl From<Timestamp> for EventTime {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.as_microsecond()).max(Self::FIRST_WRITTEN)
    }
}

/// RFC 3339 in UTC, with three fractional digits or, where the clock was finer, six.
impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = self.timestamp();
        if self.0.rem_euclid(1000) == 0 {
            write!(f, "{timestamp:.3}")
        } else {
            write!(f, "{timestamp:.6}")
        }
    }
}

impl Serialize for EventTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Timestamp::deserialize(deserializer).map(Self::from)
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn an_event_time_is_written_as_rfc_3339_with_the_precision_it_has() {
        assert_eq!(
            EventTime::from_micros(1_729_782_125_024_000).to_string(),
            "2024-10-24T15:02:05.024Z"
        );
        assert_eq!(
            EventTime::from_micros(1_729_782_125_024_001).to_string(),
            "2024-10-24T15:02:05.024001Z"
        );
    }

    #[test]
    fn an_event_time_survives_json() {
        for micros in [0, -1, 1_729_782_125_024_001] {
            let time = EventTime::from_micros(micros);
            let json = serde_json::to_string(&time).unwrap();
            assert_eq!(serde_json::from_str::<EventTime>(&json).unwrap(), time);
        }
    }

    #[test]
    fn every_moment_can_be_written_and_one_beyond_the_calendar_is_held_at_its_end() {
        for (micros, written) in [
            (i64::MIN + 808, "0000-01-01T00:00:00.000Z"),
            (-62_167_219_200_001_000, "0000-01-01T00:00:00.000Z"),
            (-62_167_219_199_999_999, "0000-01-01T00:00:00.000001Z"),
            (253_402_207_200_000_000, "9999-12-30T22:00:00.000Z"),
            (253_402_207_200_000_001, "9999-12-30T22:00:00.000001Z"),
            (253_402_207_200_999_999, "9999-12-30T22:00:00.999999Z"),
            (i64::MAX, "9999-12-30T22:00:00.999999Z"),
        ] {
            assert_eq!(EventTime::from_micros(micros).to_string(), written);
        }
    }

    #[test]
    fn what_a_clock_shows_is_read_as_it_is_written_again_whatever_the_year() {
        for (shown, written) in [
            ("-009999-01-02T01:59:59Z", "0000-01-01T00:00:00.000Z"),
            ("-000001-12-31T23:59:59.999Z", "0000-01-01T00:00:00.000Z"),
            ("0000-01-01T00:00:00.001Z", "0000-01-01T00:00:00.001Z"),
            ("9999-12-30T22:00:00.999999999Z", "9999-12-30T22:00:00.999999Z"),
        ] {
            let time = EventTime::from(shown.parse::<Timestamp>().unwrap());
            assert_eq!(time.to_string(), written);
            let json = serde_json::to_string(&time).unwrap();
            assert_eq!(serde_json::from_str::<EventTime>(&json).unwrap(), time);
        }
    }

    #[test]
    fn buckets_are_aligned_before_the_epoch_too() {
        assert_eq!(
            AppendTime::from_millis(-1).bucket(MINUTE),
            AppendTime::from_millis(-60_000)
        );
        assert_eq!(
            EventTime::from_micros(59_999_999).bucket(MINUTE),
            EventTime::from_micros(0)
        );
    }

    #[test]
    fn a_deadline_on_the_logs_clock_is_never_before_the_event_time_it_waits_for() {
        assert_eq!(
            EventTime::from_micros(1).deadline_after(Duration::ZERO),
            AppendTime::from_millis(1)
        );
        assert_eq!(
            EventTime::from_micros(1000).deadline_after(Duration::ZERO),
            AppendTime::from_millis(1)
        );
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(AppendTime::MAX.plus(MINUTE), AppendTime::MAX);
        assert_eq!(AppendTime::MIN.minus(MINUTE), AppendTime::MIN);
    }
}
