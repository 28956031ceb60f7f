//! What a replay tells at its end.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use owo_colors::OwoColorize as _;

use super::pretty::clean;
use crate::detection::Confidence;
use crate::event::Kind;
use crate::text::plural;

/// How many undecodable lines are listed one by one.
const LISTED: usize = 20;

/// How many skipped events are told one by one, for each reason.
const EXAMPLES: usize = 5;

/// Counts of one replay.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) files: usize,
    /// Inputs that could not be read to their end.
    pub(super) unreadable: usize,
    pub(super) events: u64,
    pub(super) undecodable: u64,
    pub(super) listed: Vec<String>,
    pub(super) skipped: BTreeMap<&'static str, u64>,
    /// Examples of skipped events that could have mattered, by reason.
    pub(super) examples: BTreeMap<&'static str, Vec<String>>,
    pub(super) observations: BTreeMap<Kind, u64>,
    pub(super) conflicts: u64,
    pub(super) alerts: BTreeMap<Confidence, u64>,
    pub(super) suppressed: usize,
    /// How many alerts each exception has come to cover.
    pub(super) exceptions: BTreeMap<String, u64>,
    pub(super) elapsed: Duration,
}

impl Summary {
    /// Counts a message that does not matter.
    pub(super) fn skipped(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    /// Notes a line that could not be decoded.
    pub(super) fn undecodable(&mut self, file: &str, line: u64, reason: &str) {
        self.undecodable += 1;
        if self.listed.len() < LISTED {
            self.listed
                .push(format!("{}:{line}: {}", clean(file), clean(reason)));
        }
    }

    /// Whether another example of events skipped for this reason will be told.
    pub(super) fn wants_example(&self, reason: &str) -> bool {
        self.examples.get(reason).is_none_or(|told| told.len() < EXAMPLES)
    }

    /// Notes a skipped event that could have mattered; `told` says what it was and what failed.
    pub(super) fn example(&mut self, reason: &'static str, file: &str, line: u64, told: &str) {
        let examples = self.examples.entry(reason).or_default();
        examples.push(format!("{}:{line}: {told}", clean(file)));
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.listed {
            writeln!(f, "{} {line}", "undecodable:".yellow())?;
        }
        if self.undecodable > self.listed.len() as u64 {
            writeln!(
                f,
                "{} and {} more",
                "undecodable:".yellow(),
                self.undecodable - self.listed.len() as u64
            )?;
        }
        let seconds = self.elapsed.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate is read by people")]
        let rate = if seconds > 0.0 {
            self.events as f64 / seconds
        } else {
            0.0
        };
        let files = plural(self.files, "file");
        writeln!(
            f,
            "{} events in {files}, {} undecodable",
            self.events, self.undecodable
        )?;
        let kinds: Vec<String> = Kind::ALL
            .iter()
            .map(|kind| {
                format!(
                    "{kind} {}",
                    self.observations.get(kind).copied().unwrap_or_default()
                )
            })
            .collect();
        writeln!(f, "observations: {}", kinds.join(", "))?;
        if !self.skipped.is_empty() {
            let skipped: Vec<String> = self
                .skipped
                .iter()
                .map(|(reason, number)| format!("{reason} {number}"))
                .collect();
            writeln!(f, "skipped: {}", skipped.join(", "))?;
        }
        for (reason, examples) in &self.examples {
            for example in examples {
                writeln!(f, "  {reason}: {example}")?;
            }
            let told = examples.len() as u64;
            let all = self.skipped.get(reason).copied().unwrap_or_default();
            if all > told {
                writeln!(f, "  {reason}: and {} more", all - told)?;
            }
        }
        if self.conflicts > 0 {
            writeln!(
                f,
                "destinations whose address and name disagree: {}",
                self.conflicts
            )?;
        }
        let alerts: Vec<String> = [Confidence::High, Confidence::Medium, Confidence::Low]
            .iter()
            .map(|how| format!("{how} {}", self.alerts.get(how).copied().unwrap_or_default()))
            .collect();
        writeln!(f, "alerts: {}", alerts.join(", "))?;
        if self.suppressed > 0 {
            writeln!(
                f,
                "suppressed alerts: {} (--show-suppressed prints them)",
                self.suppressed
            )?;
        }
        let own = self
            .exceptions
            .iter()
            .filter(|(id, hits)| **hits > 0 || !id.starts_with("builtin-"));
        let exceptions: Vec<String> = own.map(|(id, hits)| format!("{id} {hits}")).collect();
        if !exceptions.is_empty() {
            writeln!(f, "alerts covered by exceptions: {}", exceptions.join(", "))?;
        }
        writeln!(f, "{seconds:.2} s, {rate:.0} events/s")
    }
}
