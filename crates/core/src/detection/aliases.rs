//! Pipes that Windows keeps aliases of: Sysmon 18 writes the pipe, Security 5145 the name that the client asked for.

use super::Rule;

/// The pipe, and every name it goes by. Since Windows XP; in recorded telemetry, 5145 `samr`, `lsarpc` and `netlogon`
/// occur together with 18 `lsass`, and `svcctl` with `ntsvcs`.
const ALIASES: &[(&str, &[&str])] = &[
    (
        "lsass",
        &["lsarpc", "lsass", "netlogon", "protected_storage", "samr"],
    ),
    ("ntsvcs", &["ntsvcs", "svcctl"]),
];

impl Rule {
    /// Pipes that the rule watches on the side of Sysmon 18 without all their names on the side of 5145, each with the
    /// names it lacks. An access by such a name leaves its 18 unexplained, and the rule would report that as an access.
    pub fn missing_aliases(&self) -> Vec<(&'static str, Vec<&'static str>)> {
        ALIASES
            .iter()
            .filter(|(pipe, _)| self.pipes.pipe_connected.contains(*pipe))
            .map(|&(pipe, names)| {
                let is_missing = |name: &&str| !self.pipes.share_access.contains(*name);
                (pipe, names.iter().copied().filter(is_missing).collect())
            })
            .filter(|(_, missing): &(_, Vec<_>)| !missing.is_empty())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::detection::RuleSet;

    #[test]
    fn a_rule_that_watches_a_pipe_without_all_its_names_is_known_and_no_built_in_rule_is_one() {
        for rule in RuleSet::builtin_rules().rules() {
            assert_eq!(rule.missing_aliases(), [], "{}", rule.id);
        }
        let mut samr = RuleSet::builtin_rules().get("samr").unwrap().clone();
        samr.pipes.pipe_connected.insert("lsass".into());
        let missing = vec!["lsarpc", "lsass", "netlogon", "protected_storage"];
        assert_eq!(samr.missing_aliases(), [("lsass", missing)]);
    }
}
