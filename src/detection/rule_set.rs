//! The rules in force: from files, checked whole, in a stable order.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use super::{Attack, Pipes, Rule};
use crate::event::{WatchedPipes, normalise_pipe};

const DETECT_8: &str = include_str!("../../rules/detect-8.yaml");

/// Rules, by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSet {
    rules: Vec<Rule>,
}

/// Why rules are refused. Every message names the file and what to change.
#[derive(Debug, Error)]
pub enum RuleError {
    /// A file or folder cannot be read.
    #[error("cannot read the rules in {origin}: {source}")]
    Read {
        /// The file or folder.
        origin: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is not YAML of the right form.
    #[error("{origin}: {message}")]
    Syntax {
        /// The file.
        origin: String,
        /// What the parser says, with the line.
        message: String,
    },
    /// A rule says something that cannot be.
    #[error("{origin}: rule {id}: {problem}")]
    Invalid {
        /// The file.
        origin: String,
        /// The rule's id.
        id: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// There is nothing to detect.
    #[error(
        "{origin} holds no rule: put at least one .yaml file there, or leave the setting out for DETECT-8"
    )]
    Empty {
        /// The folder.
        origin: String,
    },
}

impl RuleSet {
    /// The rule that is built in: DETECT-8.
    pub fn builtin() -> Self {
        let rule =
            parse(DETECT_8, "the built-in rule").expect("the built-in rule is sound, as its tests show");
        Self { rules: vec![rule] }
    }

    /// Reads every `.yaml` and `.yml` file of a folder. They stand in place of the built-in rule.
    ///
    /// # Errors
    /// [`RuleError`] for the first file that cannot be used, in order of names.
    pub fn load(folder: &Path) -> Result<Self, RuleError> {
        let origin = folder.display().to_string();
        let unreadable = |source| RuleError::Read {
            origin: origin.clone(),
            source,
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml" || extension == "yml")
            {
                files.push(path);
            }
        }
        files.sort();
        let mut rules = Vec::new();
        for path in files {
            let origin = path.display().to_string();
            let text = std::fs::read_to_string(&path).map_err(|source| RuleError::Read {
                origin: origin.clone(),
                source,
            })?;
            rules.push(parse(&text, &origin)?);
        }
        if rules.is_empty() {
            return Err(RuleError::Empty { origin });
        }
        Self::of(rules, &origin)
    }

    /// Reads one rule from YAML; `origin` names it in errors.
    ///
    /// # Errors
    /// [`RuleError`], which says what is wrong.
    pub fn parse(text: &str, origin: &str) -> Result<Self, RuleError> {
        parse(text, origin).map(|rule| Self { rules: vec![rule] })
    }

    /// Checks rules and puts them in order.
    ///
    /// # Errors
    /// [`RuleError::Invalid`] for a rule that says something that cannot be, or an id that is used twice.
    pub fn new(rules: Vec<Rule>) -> Result<Self, RuleError> {
        Self::of(
            rules
                .into_iter()
                .map(|rule| sound(rule, "rules"))
                .collect::<Result<_, _>>()?,
            "rules",
        )
    }

    fn of(mut rules: Vec<Rule>, origin: &str) -> Result<Self, RuleError> {
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(pair) = rules.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(RuleError::Invalid {
                origin: origin.to_owned(),
                id: pair[0].id.to_string(),
                problem: "another rule has the same id".to_owned(),
            });
        }
        Ok(Self { rules })
    }

    /// The rules, by id.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule with this id.
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| *rule.id == *id)
    }

    /// Every pipe that some rule watches, by side.
    pub fn watched(&self) -> WatchedPipes {
        let side = |pipes: fn(&Pipes) -> &BTreeSet<Arc<str>>| {
            self.rules
                .iter()
                .flat_map(|rule| pipes(&rule.pipes).iter().cloned())
                .collect()
        };
        WatchedPipes {
            pipe_connected: side(|pipes| &pipes.pipe_connected),
            share_access: side(|pipes| &pipes.share_access),
        }
    }
}

fn parse(text: &str, origin: &str) -> Result<Rule, RuleError> {
    let rule: Rule = serde_saphyr::from_str(text).map_err(|error| RuleError::Syntax {
        origin: origin.to_owned(),
        message: error.to_string(),
    })?;
    sound(rule, origin)
}

/// Checks one rule and normalises its pipes.
fn sound(mut rule: Rule, origin: &str) -> Result<Rule, RuleError> {
    let problem = problem(&rule);
    if let Some(problem) = problem {
        return Err(RuleError::Invalid {
            origin: origin.to_owned(),
            id: rule.id.to_string(),
            problem,
        });
    }
    for side in [&mut rule.pipes.pipe_connected, &mut rule.pipes.share_access] {
        *side = side.iter().map(|pipe| Arc::from(normalise_pipe(pipe))).collect();
    }
    Ok(rule)
}

fn problem(rule: &Rule) -> Option<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let mut pipes = rule
        .pipes
        .pipe_connected
        .iter()
        .chain(&rule.pipes.share_access)
        .peekable();
    if rule.id.is_empty() || !rule.id.chars().all(plain) {
        Some("an id is made of lower-case letters, digits, - and _".to_owned())
    } else if rule.name.trim().is_empty() {
        Some("the name is empty; it is what an analyst reads".to_owned())
    } else if rule.risk > 100 {
        Some(format!("risk {} is not between 0 and 100", rule.risk))
    } else if pipes.peek().is_none() {
        Some("it watches no pipe; name one under pipes.pipe_connected or pipes.share_access".to_owned())
    } else if pipes.any(|pipe| normalise_pipe(pipe).is_empty()) {
        Some("a pipe's name is empty".to_owned())
    } else {
        rule.attack.iter().find_map(attack_problem)
    }
}

fn attack_problem(attack: &Attack) -> Option<String> {
    let digits = |text: &str, number: usize| text.len() == number && text.bytes().all(|b| b.is_ascii_digit());
    let tactic = attack
        .tactic
        .strip_prefix("TA")
        .is_some_and(|rest| digits(rest, 4));
    let technique = attack
        .technique
        .strip_prefix('T')
        .is_some_and(|rest| match rest.split_once('.') {
            Some((technique, sub)) => digits(technique, 4) && digits(sub, 3),
            None => digits(rest, 4),
        });
    if !tactic {
        Some(format!("tactic {:?} is not of the form TA0007", attack.tactic))
    } else if !technique {
        Some(format!(
            "technique {:?} is not of the form T1012 or T1021.002",
            attack.technique
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_rule_watches_winreg_on_both_sides() {
        let rules = RuleSet::builtin();
        let watched = rules.watched();
        assert!(watched.pipe_connected.contains("winreg") && watched.share_access.contains("winreg"));
        assert_eq!(rules.get("detect-8").unwrap().risk, 73);
    }

    #[test]
    fn pipes_are_normalised_when_a_rule_is_read() {
        let text = DETECT_8.replace("[winreg]", "['\\WinReg']");
        let rule = parse(&text, "test").unwrap();
        assert!(rule.pipes.share_access.contains("winreg"));
    }

    #[test]
    fn a_rule_that_cannot_be_is_refused_with_its_id_and_what_would_be_right() {
        for (from, to, said) in [
            ("id: detect-8", "id: Detect 8", "lower-case"),
            ("risk: 73", "risk: 101", "between 0 and 100"),
            ("TA0007", "TA7", "TA0007"),
            ("T1012", "1012", "T1012"),
            ("[winreg]", "[]", "watches no pipe"),
            ("risk: 73", "severity: 73", "severity"),
        ] {
            let error = parse(&DETECT_8.replace(from, to), "test.yaml")
                .unwrap_err()
                .to_string();
            assert!(error.contains(said) && error.contains("test.yaml"), "{error}");
        }
    }

    #[test]
    fn an_id_is_used_once() {
        let rule = RuleSet::builtin().rules[0].clone();
        let error = RuleSet::new(vec![rule.clone(), rule]).unwrap_err().to_string();
        assert!(error.contains("same id"), "{error}");
    }
}
