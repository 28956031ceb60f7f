//! The metadata of a committed offset: enough to rebuild the state from the log.
//!
//! The metadata string is `pipewarden/2;rewind=R;before=T;partitions=N;policy=P;since=S`: plain ASCII, far below
//! Kafka's limit of 4,096 bytes, readable by people in the output of `kafka-consumer-groups`.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use pipewarden_core::log::Offset;
use pipewarden_core::time::AppendTime;
use thiserror::Error;

/// The version this program writes, and the newest it reads.
const VERSION: u32 = 2;

/// The most that a metadata string takes; Kafka takes 4,096.
pub const CHECKPOINT_MAX_BYTES: usize = 512;

/// Longer than any id of a policy. What another program has committed is not carried on, or it might outgrow what Kafka takes.
const LONGEST_POLICY: usize = 128;

/// Where to rewind to, and under which conditions the state was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// `R`: replaying from this offset rebuilds the state.
    pub rewind: Offset,
    /// The stream time just before the record at `rewind`.
    pub before: AppendTime,
    /// How many partitions the observations topic had.
    pub partitions: u32,
    /// The id of the policy that the alerts up to here were decided by.
    pub policy: String,
    /// The offset of the first record that this policy decided; 0 where no other has decided one before it.
    pub since: Offset,
}

/// Why a metadata string cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// A later Pipewarden wrote it.
    #[error(
        "the committed offset was written by a newer version (checkpoint format {found}, this one reads {VERSION})"
    )]
    Newer {
        /// The version it names.
        found: u32,
    },
    /// Another program wrote it, or it is damaged.
    #[error("the committed offset's metadata is not a checkpoint: {text:?}")]
    Unreadable {
        /// What was found, shortened.
        text: String,
    },
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rewind,
            before,
            partitions,
            policy,
            since,
        } = self;
        let before = before.as_millis();
        write!(
            f,
            "pipewarden/{VERSION};rewind={rewind};before={before};partitions={partitions};policy={policy};since={since}"
        )
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unreadable = || CheckpointError::Unreadable {
            text: text.chars().take(80).collect(),
        };
        let mut parts = text.split(';');
        let version = parts.next().and_then(|head| head.strip_prefix("pipewarden/"));
        let found: u32 = version
            .and_then(|version| version.parse().ok())
            .ok_or_else(unreadable)?;
        if found > VERSION {
            return Err(CheckpointError::Newer { found });
        }
        let mut field = |name: &str| {
            let part = parts.next().and_then(|part| part.split_once('='));
            part.filter(|(found, _)| *found == name)
                .map(|(_, value)| value)
                .ok_or_else(unreadable)
        };
        let checkpoint = Self {
            rewind: offset(field("rewind")?).ok_or_else(unreadable)?,
            before: AppendTime::from_millis(field("before")?.parse().map_err(|_| unreadable())?),
            partitions: field("partitions")?.parse().map_err(|_| unreadable())?,
            policy: field("policy")?.to_owned(),
            since: offset(field("since")?).ok_or_else(unreadable)?,
        };
        let policy = &checkpoint.policy;
        let is_plain =
            policy.len() <= LONGEST_POLICY && policy.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if parts.next().is_some() || !is_plain {
            Err(unreadable())
        } else {
            Ok(checkpoint)
        }
    }
}

/// The offset that a text names in decimal.
fn offset(text: &str) -> Option<Offset> {
    let number: u64 = text.parse().ok()?;
    Offset::try_from(number).ok()
}

/// Remembers where in the log that began which a state is rebuilt from.
#[derive(Debug)]
pub(super) struct Marks {
    reach: Duration,
    /// Least stream time between two marks.
    spacing: Duration,
    marks: VecDeque<Mark>,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    offset: Offset,
    /// Stream time before the record at `offset`, and with it.
    before: AppendTime,
    at: AppendTime,
}

impl Marks {
    pub(super) fn new(reach: Duration) -> Self {
        // A mark a minute with the default windows, and as many with any other.
        Self {
            reach,
            spacing: reach / 345,
            marks: VecDeque::new(),
        }
    }

    /// Notes that the record at `offset` moved stream time from `before` to `at`.
    pub(super) fn pass(&mut self, offset: Offset, before: AppendTime, at: AppendTime) {
        if self
            .marks
            .back()
            .is_none_or(|last| last.at.plus(self.spacing) <= at)
        {
            self.marks.push_back(Mark { offset, before, at });
        }
        let reach = at.minus(self.reach);
        while self.marks.get(1).is_some_and(|second| second.at <= reach) {
            self.marks.pop_front();
        }
    }

    /// Where to rewind to: at or before the first record that a state is rebuilt from. `next` if nothing passed.
    pub(super) fn rewind(&self, next: Offset, stream_time: AppendTime) -> (Offset, AppendTime) {
        self.marks
            .front()
            .map_or((next, stream_time), |mark| (mark.offset, mark.before))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            rewind: Offset::new(42),
            before: AppendTime::from_millis(-7),
            partitions: 12,
            policy: "0123456789abcdef".to_owned(),
            since: Offset::new(40),
        }
    }

    #[test]
    fn a_newer_version_is_named_and_not_guessed_at() {
        assert_eq!(
            "pipewarden/3;what=ever".parse::<Checkpoint>(),
            Err(CheckpointError::Newer { found: 3 })
        );
    }

    #[test]
    fn what_is_not_a_checkpoint_is_unreadable() {
        let written = checkpoint().to_string();
        for text in [
            "",
            "x",
            "pipewarden/2",
            "pipewarden/2;before=1",
            "pipewarden/1;rewind=0;before=1;partitions=1;program=a",
            "pipewarden/2;rewind=-1;before=1;partitions=1;policy=a;since=0",
            "pipewarden/2;rewind=9223372036854775808;before=1;partitions=1;policy=a;since=0",
            &format!("{written};more=1"),
            &written.replace("policy=", &format!("policy={}", "a".repeat(113))),
            &written.replace(";since=40", ""),
            &written[..40],
        ] {
            assert!(
                matches!(
                    text.parse::<Checkpoint>(),
                    Err(CheckpointError::Unreadable { .. })
                ),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_checkpoint_survives_its_metadata_string(
            rewind in (0..=i64::MAX).prop_map(i64::cast_unsigned), before: i64, partitions: u32, policy in "[0-9a-f]{1,128}",
            since in (0..=i64::MAX).prop_map(i64::cast_unsigned)
        ) {
            let (rewind, before, since) = (Offset::new(rewind), AppendTime::from_millis(before), Offset::new(since));
            let checkpoint = Checkpoint { rewind, before, partitions, policy, since };
            let text = checkpoint.to_string();
            prop_assert!(text.is_ascii() && text.len() <= CHECKPOINT_MAX_BYTES);
            prop_assert_eq!(text.parse::<Checkpoint>().unwrap(), checkpoint);
        }

        #[test]
        fn no_metadata_string_panics(text in ".{0,200}") {
            let _ = text.parse::<Checkpoint>();
        }

        #[test]
        fn the_rewind_never_starts_after_the_first_record_that_a_state_is_rebuilt_from(
            steps in prop::collection::vec(0..40i64, 1..200)
        ) {
            let reach = Duration::from_millis(3450);
            let mut marks = Marks::new(reach);
            let mut times = Vec::new();
            let mut now = AppendTime::MIN;
            for (number, step) in (0u64..).zip(&steps) {
                let offset = Offset::new(number);
                let before = now;
                now = AppendTime::from_millis(now.as_millis().max(0) + step);
                marks.pass(offset, before, now);
                times.push((before, now));
                let (rewind, noted) = marks.rewind(offset.next(), now);
                let exact = times.iter().position(|(_, at)| *at > now.minus(reach)).unwrap();
                prop_assert!(rewind <= Offset::new(exact as u64));
                prop_assert_eq!(noted, times[usize::try_from(rewind.get()).unwrap()].0);
            }
        }
    }
}
