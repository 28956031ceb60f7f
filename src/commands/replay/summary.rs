//! What a replay prints at its end.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use owo_colors::OwoColorize as _;

use super::noise::Noise;
use super::pretty::clean;
use crate::detection::Confidence;
use crate::engine::UnknownInput;
use crate::event::Kind;
use crate::text::plural;

/// How many undecodable lines are listed one by one.
const LISTED: usize = 20;

/// How many skipped events are described one by one, for each reason.
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
    /// Fields that could not be read, by name; their events count without them.
    pub(super) odd_fields: BTreeMap<&'static str, u64>,
    /// What was read, if nothing of it has a shape that is known.
    pub(super) unknown: Option<UnknownInput>,
    pub(super) conflicts: u64,
    /// Observations of what the asset did itself.
    pub(super) local: u64,
    /// Observations that were known already.
    pub(super) copies: u64,
    /// Observations that bear the record id of another and say something else.
    pub(super) conflicting: u64,
    /// Observations that a bound kept or pushed out of state.
    pub(super) dropped: u64,
    pub(super) alerts: BTreeMap<Confidence, u64>,
    /// Rules in force that find nothing, whatever is read: the inventory lists nothing that they are about.
    pub(super) idle: Vec<String>,
    /// Nobody, where there are few.
    pub(super) noise: Noise,
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

    /// Whether another example of events skipped for this reason will be printed.
    pub(super) fn wants_example(&self, reason: &str) -> bool {
        self.examples
            .get(reason)
            .is_none_or(|examples| examples.len() < EXAMPLES)
    }

    /// Notes a skipped event that could have mattered; `description` is what it was and what failed.
    pub(super) fn example(&mut self, reason: &'static str, file: &str, line: u64, description: &str) {
        let examples = self.examples.entry(reason).or_default();
        examples.push(format!("{}:{line}: {description}", clean(file)));
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_undecodable(f)?;
        let files = plural(self.files, "file");
        writeln!(
            f,
            "{} events in {files}, {} undecodable",
            self.events, self.undecodable
        )?;
        let kinds = Kind::ALL
            .iter()
            .map(|kind| (kind, count(&self.observations, kind)));
        writeln!(f, "observations: {}", listed(kinds))?;
        let of_these = [
            ("local", self.local),
            ("copies", self.copies),
            ("conflicting", self.conflicting),
            ("dropped", self.dropped),
        ];
        writeln!(f, "of these: {}", listed(of_these))?;
        self.fmt_skipped(f)?;
        if let Some(unknown) = &self.unknown {
            writeln!(
                f,
                "{} none of this is a document of Winlogbeat, but {}; docs/telemetry.md (Shapes) shows what is read",
                "hint:".yellow(),
                clean(&unknown.seen.join("; "))
            )?;
        }
        if !self.odd_fields.is_empty() {
            writeln!(f, "fields left out, unreadable: {}", listed(&self.odd_fields))?;
        }
        if self.conflicts > 0 {
            writeln!(
                f,
                "destinations whose address and name disagree: {}",
                self.conflicts
            )?;
        }
        self.fmt_alerts(f)?;
        let seconds = self.elapsed.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate is read by people")]
        let rate = if seconds > 0.0 {
            self.events as f64 / seconds
        } else {
            0.0
        };
        writeln!(f, "{seconds:.2} s, {rate:.0} events/s")
    }
}

/// The parts of the text.
impl Summary {
    fn fmt_undecodable(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.listed {
            writeln!(f, "{} {line}", "undecodable:".yellow())?;
        }
        let listed = self.listed.len() as u64;
        if self.undecodable > listed {
            let more = self.undecodable - listed;
            writeln!(f, "{} and {more} more", "undecodable:".yellow())?;
        }
        Ok(())
    }

    fn fmt_skipped(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.skipped.is_empty() {
            writeln!(f, "skipped: {}", listed(&self.skipped))?;
        }
        for (reason, examples) in &self.examples {
            for example in examples {
                writeln!(f, "  {reason}: {example}")?;
            }
            let (shown, all) = (examples.len() as u64, count(&self.skipped, reason));
            if all > shown {
                writeln!(f, "  {reason}: and {} more", all - shown)?;
            }
        }
        Ok(())
    }

    fn fmt_alerts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let levels = [Confidence::High, Confidence::Medium, Confidence::Low];
        let alerts = levels.iter().map(|level| (level, count(&self.alerts, level)));
        writeln!(f, "alerts: {}", listed(alerts))?;
        if !self.idle.is_empty() {
            writeln!(
                f,
                "rules that the inventory gives nothing to find: {} (pipewarden check says why)",
                self.idle.join(" ")
            )?;
        }
        write!(f, "{}", self.noise)?;
        if self.suppressed > 0 {
            writeln!(
                f,
                "suppressed alerts: {} (--show-suppressed prints them)",
                self.suppressed
            )?;
        }
        let is_shown = |(id, hits): &(&String, &u64)| **hits > 0 || !id.starts_with("builtin-");
        let exceptions = listed(self.exceptions.iter().filter(is_shown));
        if !exceptions.is_empty() {
            writeln!(f, "alerts covered by exceptions: {exceptions}")?;
        }
        Ok(())
    }
}

fn count<K: Ord>(counts: &BTreeMap<K, u64>, key: &K) -> u64 {
    counts.get(key).copied().unwrap_or(0)
}

fn listed(counts: impl IntoIterator<Item = (impl fmt::Display, impl fmt::Display)>) -> String {
    let counts = counts.into_iter();
    let items: Vec<String> = counts.map(|(name, count)| format!("{name} {count}")).collect();
    items.join(", ")
}
