//! Times of day: windows of the clock in a time zone, on some days of the week.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::time::EventTime;

/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// Microseconds of a minute.
const MINUTE: i64 = 60 * 1_000_000;

/// When accesses may be: in any of the windows, each of which begins on one of the days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Times {
    /// The name of the time zone.
    pub(super) zone: String,
    #[serde(skip)]
    pub(super) rules: TimeZone,
    pub(super) windows: Vec<Window>,
    /// Days on which windows begin, Monday first.
    pub(super) days: [bool; 7],
}

/// A part of the day, from its first minute to before its last. Where it ends before it begins it ends on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Window {
    from: u16,
    to: u16,
}

impl Window {
    /// `22:00-04:00`; `24:00` is the end of the day. `None` where it is no window, or an empty one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.trim().split_once('-')?;
        let (from, to) = (minute_of(from)?, minute_of(to)?);
        (from < DAY && from != to).then_some(Self { from, to })
    }

    /// On which day the window began that holds a minute of a day: that day itself, or the one before.
    fn begins_before(self, minute: u16) -> Option<BeganOn> {
        let passes_midnight = self.from > self.to;
        if passes_midnight {
            match minute {
                _ if minute >= self.from => Some(BeganOn::ThatDay),
                _ if minute < self.to => Some(BeganOn::DayBefore),
                _ => None,
            }
        } else {
            (self.from <= minute && minute < self.to).then_some(BeganOn::ThatDay)
        }
    }
}

/// As the file writes it.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            from / 60,
            from % 60,
            to / 60,
            to % 60
        )
    }
}

enum BeganOn {
    ThatDay,
    DayBefore,
}

/// A minute of the day, `HH:MM`.
fn minute_of(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let number = |digits: &str| {
        let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY).then_some(minute)
}

impl Times {
    /// Whether every moment from the first to the last is in a window.
    pub(super) fn cover(&self, (first, last): (EventTime, EventTime)) -> bool {
        let (first, last) = (
            first.as_micros().div_euclid(MINUTE),
            last.as_micros().div_euclid(MINUTE),
        );
        // A window is shorter than a day; so nobody needs to look at each minute of a clock that is years off.
        let is_short = last.saturating_sub(first) < i64::from(DAY);
        is_short && (first..=last).all(|minute| self.cover_minute(minute))
    }

    fn cover_minute(&self, minute: i64) -> bool {
        let Ok(moment) = Timestamp::from_second(minute.saturating_mul(60)) else {
            return false;
        };
        let local = self.rules.to_datetime(moment);
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let mut began = self
            .windows
            .iter()
            .filter_map(|window| window.begins_before(minute));
        began.any(|began| {
            self.has(match began {
                BeganOn::ThatDay => local.weekday(),
                BeganOn::DayBefore => local.weekday().previous(),
            })
        })
    }

    fn has(&self, day: Weekday) -> bool {
        let place = usize::from(day.to_monday_zero_offset().unsigned_abs());
        self.days[place]
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZoneDatabase;
    use proptest::prelude::*;

    use super::*;

    fn times(zone: &str, windows: &[&str], days: [bool; 7]) -> Times {
        Times {
            zone: zone.to_owned(),
            rules: TimeZoneDatabase::bundled().get(zone).unwrap(),
            windows: windows.iter().map(|text| Window::parse(text).unwrap()).collect(),
            days,
        }
    }

    fn at(text: &str) -> EventTime {
        text.parse::<Timestamp>().unwrap().into()
    }

    #[test]
    fn a_window_holds_its_first_minute_and_not_its_last() {
        let night = times("UTC", &["22:00-04:00"], [true; 7]);
        for (time, is_in) in [
            ("2026-11-27T21:59:59.999999Z", false),
            ("2026-11-27T22:00:00Z", true),
            ("2026-11-28T00:00:00Z", true),
            ("2026-11-28T03:59:59.999999Z", true),
            ("2026-11-28T04:00:00Z", false),
        ] {
            assert_eq!(night.cover((at(time), at(time))), is_in, "{time}");
        }
    }

    #[test]
    fn a_window_over_midnight_is_of_the_day_on_which_it_begins() {
        // 2026-11-27 is a Friday.
        let friday = [false, false, false, false, true, false, false];
        let night = times("UTC", &["22:00-04:00"], friday);
        for (time, is_in) in [
            ("2026-11-27T03:00:00Z", false),
            ("2026-11-27T23:00:00Z", true),
            ("2026-11-28T03:00:00Z", true),
            ("2026-11-28T23:00:00Z", false),
        ] {
            assert_eq!(night.cover((at(time), at(time))), is_in, "{time}");
        }
    }

    #[test]
    fn the_hour_is_that_of_the_time_zone_on_that_day() {
        let morning = times("Europe/Berlin", &["08:00-09:00"], [true; 7]);
        for (time, is_in) in [
            ("2026-07-01T06:30:00Z", true),
            ("2026-07-01T07:30:00Z", false),
            ("2026-12-01T06:30:00Z", false),
            ("2026-12-01T07:30:00Z", true),
        ] {
            assert_eq!(morning.cover((at(time), at(time))), is_in, "{time}");
        }
    }

    #[test]
    fn what_lies_between_two_moments_must_be_in_a_window_too() {
        let gap = times("UTC", &["08:00-08:05", "08:06-09:00"], [true; 7]);
        let hour = |minutes: &str| at(&format!("2026-11-27T08:{minutes}:00Z"));
        assert!(gap.cover((hour("01"), hour("04"))));
        assert!(!gap.cover((hour("04"), hour("06"))));
        let always = times("UTC", &["00:00-24:00"], [true; 7]);
        assert!(always.cover((at("2026-11-27T12:00:00Z"), at("2026-11-28T11:59:00Z"))));
        assert!(
            !always.cover((EventTime::MIN, EventTime::MAX)),
            "nobody knows what was between"
        );
    }

    #[test]
    fn what_is_no_window_is_none() {
        for text in [
            "",
            "22:00",
            "22-04",
            "22:00-22:00",
            "24:00-01:00",
            "22:60-23:00",
            "9:00-10:00",
            "00:00-24:01",
            "+1:00-02:00",
        ] {
            assert_eq!(Window::parse(text), None, "{text}");
        }
        for text in ["22:00-04:00", "00:00-24:00", "09:05-17:30"] {
            assert_eq!(Window::parse(text).unwrap().to_string(), text);
        }
    }

    /// Walks every minute of the week before and of the day, and keeps what begins on a day of the list.
    fn covers_slowly(windows: &[(u16, u16)], days: [bool; 7], minute_of_week: u32) -> bool {
        let week = 7 * u32::from(DAY);
        windows.iter().any(|&(from, to)| {
            let length = (u32::from(to) + u32::from(DAY) - u32::from(from)) % u32::from(DAY);
            let length = if length == 0 { u32::from(DAY) } else { length };
            (0..7).any(|day| {
                let begin = day * u32::from(DAY) + u32::from(from);
                let since = (minute_of_week + week - begin) % week;
                days[day as usize] && since < length
            })
        })
    }

    proptest! {
        #[test]
        fn a_minute_is_covered_as_counting_minutes_from_each_beginning_says(
            windows in proptest::collection::vec((0..DAY, 0..=DAY), 1..3),
            days in any::<[bool; 7]>(),
            minute in 0..7 * u32::from(DAY),
        ) {
            let windows: Vec<(u16, u16)> = windows.into_iter().filter(|(from, to)| from != to).collect();
            let texts: Vec<String> = windows
                .iter()
                .map(|(from, to)| format!("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60))
                .collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let fast = times("UTC", &texts, days);
            // 2026-11-23 is a Monday.
            let monday = at("2026-11-23T00:00:00Z");
            let time = monday.plus(std::time::Duration::from_secs(u64::from(minute) * 60 + 59));
            prop_assert_eq!(fast.cover((time, time)), covers_slowly(&windows, days, minute));
        }
    }
}
