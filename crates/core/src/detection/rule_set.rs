//! The rules in force: parsed, validated, in a stable order.

use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;

use super::rule_check::problem;
use super::{BUILTIN_RULES, Pipes, Rule};
use crate::diagnostics::{FileError, did_you_mean};
use crate::event::{Watched, normalise_pipe};
use crate::inventory::Purpose;

/// In `rules.enabled`: the rules that are enabled in their own files.
pub const DEFAULT_RULES: &str = "default";
/// In `rules.enabled`: every rule.
pub const ALL_RULES: &str = "all";

/// Rules, by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSet {
    rules: Vec<Rule>,
}

/// Why rules cannot be used. Every message names the file and what to change.
#[derive(Debug, Error)]
pub enum RuleError {
    /// A file or folder cannot be read, or is not YAML of the right form.
    #[error(transparent)]
    File(#[from] FileError),
    /// A rule has a value that cannot be.
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
        "{origin} holds no rule: put at least one .yaml file there, or leave the setting out for the built-in rules"
    )]
    Empty {
        /// The folder.
        origin: String,
    },
    /// A rule is switched on that does not exist.
    #[error("rules.enabled: there is no rule {id}; {hint}")]
    Unknown {
        /// The id that nothing has.
        id: String,
        /// The id that was probably meant, or all of them.
        hint: String,
    },
    /// No rule is switched on.
    #[error("rules.enabled switches no rule on: name one of {known}, or write `default` or `all`")]
    NoneEnabled {
        /// The ids there are.
        known: String,
    },
}

impl RuleSet {
    /// The built-in rules that are on by default: those of Misconfiguration Manager.
    pub fn builtin() -> Self {
        let mut pack = Self::builtin_rules();
        pack.rules.retain(|rule| rule.enabled);
        pack
    }

    /// Every built-in rule.
    pub fn builtin_rules() -> Self {
        let sound = "the built-in rules are sound, as their tests show";
        let rules = BUILTIN_RULES
            .iter()
            .map(|packed| parse(packed.rule, packed.file).expect(sound));
        let all = Self::of(rules.collect(), "the built-in rules");
        all.and_then(|all| all.with_known_chains("the built-in rules"))
            .expect(sound)
    }

    /// Leaves on what `chosen` names: ids, [`DEFAULT_RULES`], [`ALL_RULES`].
    ///
    /// # Errors
    /// [`RuleError`] for an id that no rule has, and where no rule is left.
    pub fn select(mut self, chosen: &[String]) -> Result<Self, RuleError> {
        let is_word = |name: &str| name == DEFAULT_RULES || name == ALL_RULES;
        if let Some(id) = chosen.iter().find(|id| !is_word(id) && self.get(id).is_none()) {
            return Err(RuleError::Unknown {
                id: id.clone(),
                hint: self.hint(id),
            });
        }
        let known = self.ids();
        self.rules.retain(|rule| {
            chosen.iter().any(|name| match name.as_str() {
                ALL_RULES => true,
                DEFAULT_RULES => rule.enabled,
                id => id == &*rule.id,
            })
        });
        if self.rules.is_empty() {
            return Err(RuleError::NoneEnabled { known });
        }
        Ok(self)
    }

    fn hint(&self, id: &str) -> String {
        if Self::builtin_rules().get(id).is_some() {
            return "it is built in, and a folder of rules replaces those: pipewarden rules --write"
                .to_owned();
        }
        did_you_mean(id, self.rules.iter().map(|rule| &*rule.id))
            .unwrap_or_else(|| format!("there are {}", self.ids()))
    }

    fn ids(&self) -> String {
        let ids: Vec<&str> = self.rules.iter().map(|rule| &*rule.id).collect();
        ids.join(", ")
    }

    /// Puts rules together that [`parse_rule`] has read, on or not; `origin` names the whole of them in errors. They
    /// replace the built-in rules.
    ///
    /// # Errors
    /// [`RuleError`] for the first that cannot be used, and for an id that is used twice.
    ///
    /// [`parse_rule`]: super::parse_rule
    pub fn collect(
        rules: impl IntoIterator<Item = Result<Rule, RuleError>>,
        origin: &str,
    ) -> Result<Self, RuleError> {
        Self::of(rules.into_iter().collect::<Result<_, _>>()?, origin)?.with_known_chains(origin)
    }

    /// The same, if each rule that a chain names is among them, on or not.
    fn with_known_chains(self, origin: &str) -> Result<Self, RuleError> {
        let links = self
            .rules
            .iter()
            .flat_map(|rule| rule.chain.iter().map(move |link| (rule, link)));
        for (rule, link) in links {
            if self.get(link).is_none() {
                return Err(RuleError::Invalid {
                    origin: origin.to_owned(),
                    id: rule.id.to_string(),
                    problem: format!("its chain names {link}, which is no rule; {}", self.hint(link)),
                });
            }
        }
        Ok(self)
    }

    /// Reads one rule from YAML; `origin` names it in errors.
    ///
    /// # Errors
    /// [`RuleError`], where the rule cannot be used.
    pub fn parse(text: &str, origin: &str) -> Result<Self, RuleError> {
        parse(text, origin).map(|rule| Self { rules: vec![rule] })
    }

    /// Checks rules and puts them in order.
    ///
    /// # Errors
    /// [`RuleError::Invalid`] for a rule with a value that cannot be, or an id that is used twice.
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

    /// The purposes of accounts that some rule watches.
    pub fn account_purposes(&self) -> BTreeSet<Purpose> {
        let watched = self.rules.iter().filter_map(|rule| rule.accounts);
        watched.map(|watched| watched.purpose).collect()
    }

    /// What is opened that some rule watches.
    pub fn watched(&self) -> Watched {
        let side = |pipes: fn(&Pipes) -> &BTreeSet<Arc<str>>| {
            self.rules
                .iter()
                .flat_map(|rule| pipes(&rule.pipes).iter().cloned())
                .collect()
        };
        Watched {
            pipe_connected: side(|pipes| &pipes.pipe_connected),
            share_access: side(|pipes| &pipes.share_access),
            call_back_ports: self
                .rules
                .iter()
                .flat_map(|rule| &rule.callback)
                .flat_map(|watched| watched.ports.iter().copied())
                .collect(),
            shares: self
                .rules
                .iter()
                .flat_map(|rule| rule.shares.iter().cloned())
                .collect(),
        }
    }
}

/// Reads one rule from YAML; `origin` names it in errors.
///
/// # Errors
/// [`RuleError`], where the rule cannot be used.
pub fn parse(text: &str, origin: &str) -> Result<Rule, RuleError> {
    let rule: Rule = serde_saphyr::from_str(text).map_err(|error| FileError::Syntax {
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

#[cfg(test)]
mod tests {
    use super::*;

    const DETECT_8: &str = BUILTIN_RULES[0].rule;

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
    fn a_rule_that_cannot_be_is_an_error_with_its_id_and_what_would_be_right() {
        for (from, to, expected) in [
            ("id: detect-8", "id: Detect 8", "lower-case"),
            ("id: detect-8", "id: all", "rules.enabled"),
            ("id: detect-8", "id: sensor-blind", "kept for findings"),
            ("id: detect-8", "id: campaign", "kept for findings"),
            ("risk: 73", "risk: 101", "between 0 and 100"),
            ("TA0007", "TA7", "TA0007"),
            ("T1012", "1012", "T1012"),
            ("[winreg]", "[]", "watches nothing"),
            ("risk: 73", "risk: 73\nwatch: {shares: [{share: IPC$}]}", "a pipe"),
            (
                "risk: 73",
                "risk: 73\nwatch: {shares: [{share: '\\\\*\\REMINST'}]}",
                "no name of a share",
            ),
            (
                "risk: 73",
                "risk: 73\nwatch: {shares: [{share: '*', path: a/b}]}",
                "no path",
            ),
            ("risk: 73", "severity: 73", "severity"),
            (
                "risk: 73",
                "risk: 73\nwatch: {callback: {ports: [], within: 60s}}",
                "needs ports",
            ),
            (
                "risk: 73",
                "risk: 73\nwatch: {callback: {ports: [80], within: 1h}}",
                "at most 10m",
            ),
            (
                "risk: 73",
                "risk: 73\nwatch: {accounts: {purpose: machine, from: elsewhere}}",
                "two rules",
            ),
            (
                "risk: 73",
                "risk: 73\nwatch: {accounts: {purpose: janitor, from: elsewhere}}",
                "janitor",
            ),
            ("next:\n", "next:\n  - ''\n", "what to check"),
            (
                "'https://github.com/subat0mik",
                "'javascript:x",
                "begins with https://",
            ),
            ("risk: 73", "risk: 73\nchain: [detect-8]", "the rule itself"),
            ("risk: 73", "risk: 73\nroles: [janitor]", "janitor"),
        ] {
            let error = parse(&DETECT_8.replace(from, to), "test.yaml")
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected) && error.contains("test.yaml"), "{error}");
        }
    }

    #[test]
    fn an_id_is_used_once() {
        let rule = RuleSet::builtin().rules[0].clone();
        let error = RuleSet::new(vec![rule.clone(), rule]).unwrap_err().to_string();
        assert!(error.contains("same id"), "{error}");
    }

    #[test]
    fn a_chain_names_rules_that_there_are_on_or_not() {
        let rule = |chain: &str| {
            parse(
                &format!("{DETECT_8}chain: [{chain}]\n").replace("id: detect-8", "id: last"),
                "test",
            )
        };
        let all = |chain: &str| RuleSet::collect([parse(DETECT_8, "test"), rule(chain)], "rules/");
        let rules = all("detect-8").unwrap();
        assert_eq!(rules.get("last").unwrap().chain, ["detect-8".into()]);
        let error = all("detect-9").unwrap_err().to_string();
        assert!(
            error.contains("rules/: rule last") && error.contains("did you mean detect-8?"),
            "{error}"
        );
    }

    #[test]
    fn what_is_on_is_what_the_settings_name_and_an_unknown_id_names_the_nearest_known() {
        let on = |chosen: &[&str]| {
            let chosen: Vec<String> = chosen.iter().map(|&id| id.to_owned()).collect();
            RuleSet::builtin_rules()
                .select(&chosen)
                .map(|rules| rules.ids())
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            on(&["default"]).unwrap(),
            "detect-1, detect-3, detect-7, detect-8"
        );
        assert_eq!(on(&["svcctl", "samr", "svcctl"]).unwrap(), "samr, svcctl");
        assert_eq!(
            on(&["default", "svcctl"]).unwrap(),
            "detect-1, detect-3, detect-7, detect-8, svcctl"
        );
        assert_eq!(on(&["all"]).unwrap(), RuleSet::builtin_rules().ids());
        assert!(on(&["svctl"]).unwrap_err().contains("did you mean svcctl?"));
        assert!(on(&["q"]).unwrap_err().contains("there are atsvc, detect-1"));
        assert!(on(&[]).unwrap_err().contains("switches no rule on"));
    }

    #[test]
    fn how_a_rule_came_to_be_on_is_no_part_of_what_decisions_follow_from() {
        let off = parse(&format!("{DETECT_8}enabled: false\n"), "test").unwrap();
        let on = parse(DETECT_8, "test").unwrap();
        assert!(on.enabled && !off.enabled);
        assert_eq!(
            serde_json::to_value(on).unwrap(),
            serde_json::to_value(off).unwrap()
        );
    }
}
