//! What is not proposed although it recurs.

use std::collections::BTreeSet;
use std::fmt;

use super::entry::Entry;
use super::occurrence::{Occurrence, Oddity};
use super::yaml;
use crate::rule_tests::{Case, Tested, covered};

/// Why an entry is not proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An account is used from where it is not expected.
    Account,
    /// The host connected back to the source.
    CallBack,
    /// Paths were opened, and no selector names a path.
    Path,
    /// The source went along the chain of this rule.
    Chain(String),
    /// It would cover the attack with this number.
    Attack(u64),
    /// It would cover an alert of a case.
    Case {
        /// The rule's id.
        rule: String,
        /// What the case shows.
        case: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account => f.write_str(
                "an account is used from where it is not expected; if it belongs there, say so in the inventory (expected_from) or \
                 in the entry that expects it elsewhere (only_from)",
            ),
            Self::CallBack => f.write_str("the host connected back to the source, which no routine makes it do"),
            Self::Path => f.write_str("paths of shares were opened, which no selector names; write an entry for them yourself"),
            Self::Chain(rule) => write!(f, "the source is one of a campaign along the chain of {rule}"),
            Self::Attack(number) => write!(f, "it would cover attack {number} of the truth"),
            Self::Case { rule, case } => {
                write!(f, "it would cover an alert that a case of {rule} must raise: {case}")
            }
        }
    }
}

/// Moves entries for which there is a reason to the refused ones.
pub(super) fn refuse(
    entries: &mut Vec<Entry>,
    refused: &mut Vec<(Entry, Refusal)>,
    reason: impl Fn(&Entry) -> Option<Refusal>,
) {
    for entry in std::mem::take(entries) {
        match reason(&entry) {
            Some(refusal) => refused.push((entry, refusal)),
            None => entries.push(entry),
        }
    }
}

/// What no routine does.
pub(super) fn by_nature(entry: &Entry) -> Option<Refusal> {
    match (entry.oddity, &entry.chain) {
        (Some(Oddity::Account), _) => Some(Refusal::Account),
        (Some(Oddity::CallBack), _) => Some(Refusal::CallBack),
        (Some(Oddity::Path), _) => Some(Refusal::Path),
        (None, Some(rule)) => Some(Refusal::Chain(rule.clone())),
        (None, None) => None,
    }
}

/// What would cover an alert about an attack, which are given with their numbers.
pub(super) fn by_truth(entry: &Entry, attacks: &[(u64, &Occurrence)]) -> Option<Refusal> {
    let mut covered = attacks.iter().filter(|(_, alert)| entry.may_cover(alert));
    covered.next().map(|(number, _)| Refusal::Attack(*number))
}

/// What would cover an alert of a case that must raise it. The first entry that covers decides, so that another may take the
/// place of one that is refused: all cases are run again until none is.
pub(super) fn by_cases(entries: &mut Vec<Entry>, refused: &mut Vec<(Entry, Refusal)>, tested: &[Tested]) {
    while !entries.is_empty() {
        let covering = cases(entries, tested);
        if covering.is_empty() {
            return;
        }
        refuse(entries, refused, |entry| {
            let mut found = covering.iter().filter(|(id, ..)| *id == entry.id);
            found.next().map(|(_, rule, case)| Refusal::Case {
                rule: rule.clone(),
                case: case.clone(),
            })
        });
    }
}

/// The ids of entries that cover an alert of a case, with its rule and its name.
fn cases(entries: &[Entry], tested: &[Tested]) -> BTreeSet<(String, String, String)> {
    let exceptions = yaml::filled_in(entries);
    let mut covering = BTreeSet::new();
    for tested in tested {
        let Ok(file) = &tested.tests else {
            continue;
        };
        // An alert that an exception of the case itself covers is not one that must be raised by all means.
        let must_fire = |case: &&Case| !case.alerts.is_empty() && case.exceptions.is_empty();
        for case in file.cases.iter().filter(must_fire) {
            // A case that cannot be run raises nothing that could be covered; `pipewarden test` says so.
            let ids = covered(&tested.rule, file, case, &exceptions).unwrap_or_default();
            let (rule, name) = (&tested.rule.id, &case.name);
            covering.extend(ids.into_iter().map(|id| (id, rule.to_string(), name.clone())));
        }
    }
    covering
}
