//! Times as Winlogbeat and Sysmon write them.

use pipewarden_core::time::EventTime;

const DAY: i64 = 86_400_000_000;

/// Writes times. The date is formatted once a day; the rest is digits.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    day: Option<(i64, String)>,
}

impl Calendar {
    /// `2024-10-24T15:02:05.024Z`
    pub(super) fn rfc_3339(&mut self, out: &mut Vec<u8>, time: EventTime) {
        self.write(out, time, b'T');
        out.push(b'Z');
    }

    /// `2024-10-24 15:02:05.024`
    pub(super) fn sysmon(&mut self, out: &mut Vec<u8>, time: EventTime) {
        self.write(out, time, b' ');
    }

    fn write(&mut self, out: &mut Vec<u8>, time: EventTime, between: u8) {
        let (day, within) = (time.as_micros().div_euclid(DAY), time.as_micros().rem_euclid(DAY));
        if self.day.as_ref().is_none_or(|(known, _)| *known != day) {
            let date = EventTime::from_micros(day * DAY).to_string();
            self.day = Some((day, date.split('T').next().unwrap_or_default().to_owned()));
        }
        if let Some((_, date)) = &self.day {
            out.extend_from_slice(date.as_bytes());
        }
        let millis = within / 1_000;
        out.push(between);
        digits(out, millis / 3_600_000, 2);
        out.push(b':');
        digits(out, millis / 60_000 % 60, 2);
        out.push(b':');
        digits(out, millis / 1_000 % 60, 2);
        out.push(b'.');
        digits(out, millis % 1_000, 3);
    }
}

fn digits(out: &mut Vec<u8>, number: i64, width: u32) {
    for place in (0..width).rev() {
        let digit = number / 10i64.pow(place) % 10;
        out.push(b'0' + u8::try_from(digit).expect("a digit is below ten"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_the_calendar_writes_it() {
        let mut calendar = Calendar::default();
        for micros in [
            0,
            1_729_782_125_024_000,
            1_729_814_399_999_000,
            1_729_814_400_000_000,
            -1_000,
        ] {
            let time = EventTime::from_micros(micros);
            let mut out = Vec::new();
            calendar.rfc_3339(&mut out, time);
            assert_eq!(String::from_utf8(out).unwrap(), time.to_string());
        }
        let mut out = Vec::new();
        calendar.sysmon(&mut out, EventTime::from_micros(1_729_782_125_024_000));
        assert_eq!(out, b"2024-10-24 15:02:05.024");
    }
}
