//! What was refused lately, and why: changed files, and messages.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::moment;
use crate::engine::DeadLetter;
use crate::time::{AppendTime, EventTime};

/// How much of a reason is shown.
const SHOWN: usize = 500;

/// What was refused lately.
#[derive(Debug, Default)]
pub(super) struct Refused {
    reload: Option<LastReload>,
    /// By reason.
    letters: BTreeMap<&'static str, Letters>,
}

/// What became of the last change of the files.
#[derive(Debug, Serialize)]
struct LastReload {
    at: EventTime,
    /// `applied`, `rejected`, or `withdrawn`: what was rejected is gone from the files.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// The dead letters of one reason since the start.
#[derive(Debug, Serialize)]
struct Letters {
    count: u64,
    last: LastLetter,
}

#[derive(Debug, Serialize)]
struct LastLetter {
    at: EventTime,
    /// The key of the dead letter, which names topic, partition and offset.
    key: String,
    message: String,
}

impl Refused {
    pub(super) fn reloaded(&mut self, now: AppendTime) {
        self.note(now, "applied", None);
    }

    pub(super) fn rejected(&mut self, problem: &str, now: AppendTime) {
        self.note(now, "rejected", Some(problem.to_owned()));
    }

    pub(super) fn withdrawn(&mut self, now: AppendTime) -> bool {
        let is_rejected = self
            .reload
            .as_ref()
            .is_some_and(|reload| reload.outcome == "rejected");
        if is_rejected {
            self.note(now, "withdrawn", None);
        }
        is_rejected
    }

    fn note(&mut self, now: AppendTime, outcome: &'static str, problem: Option<String>) {
        let at = moment(now);
        self.reload = Some(LastReload { at, outcome, problem });
    }

    pub(super) fn dead_letter(&mut self, letter: &DeadLetter, now: AppendTime) {
        let last = LastLetter {
            at: moment(now),
            key: letter.key(),
            message: letter.message.chars().take(SHOWN).collect(),
        };
        let reason = letter.reason.as_str();
        let count = self.letters.get(reason).map_or(1, |letters| letters.count + 1);
        self.letters.insert(reason, Letters { count, last });
    }

    pub(super) fn last_reload(&self) -> Value {
        json!(self.reload)
    }

    pub(super) fn dead_letters(&self) -> Value {
        json!(self.letters)
    }
}
