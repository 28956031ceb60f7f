//! When an idle partition needs a tick: a record that only advances stream time.

use std::time::Duration;

use pipewarden_core::time::AppendTime;

/// A tick that was not read back after this long is considered lost.
const LOST_AFTER: Duration = Duration::from_secs(10);

/// The tick of one partition: at most one is outstanding.
#[derive(Debug, Default)]
pub(super) struct Tick {
    sent: Option<Duration>,
    not_before: Option<Duration>,
}

impl Tick {
    /// Whether to append one now, for the deadline that is due next.
    pub(super) fn is_due(&self, deadline: Option<AppendTime>, wall_clock: AppendTime, now: Duration) -> bool {
        deadline.is_some_and(|deadline| deadline <= wall_clock)
            && self.sent.is_none_or(|sent| now >= sent + LOST_AFTER)
            && self.not_before.is_none_or(|moment| now >= moment)
    }

    /// One was appended. `now` is monotonic, here and below.
    pub(super) fn sent(&mut self, now: Duration) {
        self.sent = Some(now);
    }

    /// A record of the partition was read; its append time is the broker's clock. If the deadline is still ahead by
    /// that clock, this machine's runs fast, and another tick would be too early again.
    pub(super) fn read(&mut self, deadline: Option<AppendTime>, stream_time: AppendTime, now: Duration) {
        if self.sent.take().is_some() {
            self.not_before = deadline.map(|deadline| now + deadline.distance(stream_time).min(LOST_AFTER));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: i64) -> AppendTime {
        AppendTime::from_millis(ms)
    }

    #[test]
    fn a_tick_is_sent_once_the_deadline_has_passed_and_only_one_at_a_time() {
        let (mut tick, now) = (Tick::default(), Duration::from_secs(1));
        assert!(!tick.is_due(None, at(100), now));
        assert!(!tick.is_due(Some(at(101)), at(100), now));
        assert!(tick.is_due(Some(at(100)), at(100), now));
        tick.sent(now);
        assert!(!tick.is_due(Some(at(100)), at(100), now));
        assert!(tick.is_due(Some(at(100)), at(100), now + LOST_AFTER));
    }

    #[test]
    fn a_clock_ahead_of_the_brokers_does_not_flood_the_log_with_ticks() {
        let (mut tick, now) = (Tick::default(), Duration::from_secs(1));
        tick.sent(now);
        tick.read(Some(at(5_000)), at(3_000), now);
        assert!(!tick.is_due(Some(at(5_000)), at(9_000), now));
        assert!(tick.is_due(Some(at(5_000)), at(9_000), now + Duration::from_secs(2)));
    }
}
