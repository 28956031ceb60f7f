//! Says in the log that the process is not ready, and why: who reads it afterwards has no other trace of what `/readyz` said.

use std::time::{Duration, Instant};

use tracing::{info, warn};

/// A process is not ready for a moment whenever partitions move, and while it starts.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is said again while it lasts.
const AGAIN: Duration = Duration::from_secs(60);

/// Since when the process is not ready, and when that was said.
#[derive(Debug, Default)]
pub(super) struct UnreadyLog {
    since: Option<Instant>,
    told: Option<Instant>,
}

/// What is worth a line.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Unready(Duration),
    Ready(Duration),
}

impl UnreadyLog {
    /// Notes why the process is not ready, or that it is, and writes what is worth a line.
    pub(super) fn note(&mut self, reasons: &[String], now: Instant) {
        match self.line(reasons.is_empty(), now) {
            Some(Line::Unready(span)) => {
                let (seconds, reasons) = (span.as_secs(), reasons.join("; "));
                warn!(seconds, reasons, "the process is not ready");
            }
            Some(Line::Ready(span)) => info!(seconds = span.as_secs(), "the process is ready again"),
            None => {}
        }
    }

    fn line(&mut self, is_ready: bool, now: Instant) -> Option<Line> {
        if is_ready {
            let Self { since, told } = std::mem::take(self);
            return told.and(since).map(|since| Line::Ready(now - since));
        }
        let span = now - *self.since.get_or_insert(now);
        let is_due = match self.told {
            None => span >= PATIENCE,
            Some(told) => now - told >= AGAIN,
        };
        is_due.then(|| {
            self.told = Some(now);
            Line::Unready(span)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_unready_for_a_while_is_told_once_a_minute_and_when_it_is_ready_again() {
        let (mut log, began) = (UnreadyLog::default(), Instant::now());
        let mut lines = Vec::new();
        for second in (0..=130).step_by(5) {
            let line = log.line(second >= 100, began + Duration::from_secs(second));
            lines.extend(line.map(|line| (second, line)));
        }
        let seconds = Duration::from_secs;
        assert_eq!(
            lines,
            [
                (10, Line::Unready(seconds(10))),
                (70, Line::Unready(seconds(70))),
                (100, Line::Ready(seconds(100))),
            ]
        );
    }

    #[test]
    fn a_process_that_is_unready_for_a_moment_is_not_worth_a_line() {
        let (mut log, began) = (UnreadyLog::default(), Instant::now());
        for second in (0..60).step_by(5) {
            let is_ready = second % 10 == 0;
            assert_eq!(log.line(is_ready, began + Duration::from_secs(second)), None);
        }
    }
}
