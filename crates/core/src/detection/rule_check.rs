//! What no rule may say.

use std::time::Duration;

use super::rule_set::{ALL_RULES, DEFAULT_RULES};
use super::{Attack, CAMPAIGN, Reference, Rule, SENSOR_BLIND, WatchedCallBack};
use crate::event::{WatchedShare, normalise_pipe};

/// What is wrong with a rule, and what would be right: a value that cannot be, or what can never be met.
pub(super) fn problem(rule: &Rule) -> Option<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let mut pipes = rule
        .pipes
        .pipe_connected
        .iter()
        .chain(&rule.pipes.share_access)
        .peekable();
    if rule.id.is_empty() || !rule.id.chars().all(plain) {
        Some("an id is made of lower-case letters, digits, - and _".to_owned())
    } else if *rule.id == *DEFAULT_RULES || *rule.id == *ALL_RULES {
        Some("default and all are words of the setting rules.enabled; choose another id".to_owned())
    } else if [SENSOR_BLIND, CAMPAIGN].contains(&&*rule.id) {
        Some("the id is kept for findings of the join itself; choose another".to_owned())
    } else if rule.name.trim().is_empty() {
        Some("the name is empty; it is what an analyst reads".to_owned())
    } else if rule.risk > 100 {
        Some(format!("risk {} is not between 0 and 100", rule.risk))
    } else if rule.accounts.is_some() && (pipes.peek().is_some() || !rule.shares.is_empty()) {
        Some("it watches accounts and what is opened; make two rules of it".to_owned())
    } else if pipes.peek().is_none() && rule.shares.is_empty() && rule.accounts.is_none() {
        Some(
            "it watches nothing; name a pipe under watch.pipes, a path under watch.shares, or watch.accounts"
                .to_owned(),
        )
    } else if pipes.any(|pipe| normalise_pipe(pipe).is_empty()) {
        Some("a pipe's name is empty".to_owned())
    } else if rule.callback.is_some() && rule.accounts.is_some() {
        Some("it watches accounts; a callback belongs to a rule that watches what is opened".to_owned())
    } else if let Some(problem) = rule.callback.as_ref().and_then(callback_problem) {
        Some(problem)
    } else if rule.next.iter().any(|step| step.trim().is_empty()) {
        Some("an entry of next is empty; say what to check".to_owned())
    } else if rule.chain.contains(&rule.id) {
        Some("its chain names the rule itself; name rules whose alerts come first".to_owned())
    } else {
        let shares = rule.shares.iter().find_map(share_problem);
        let risks = || rule.risk_by.iter().find_map(|entry| entry.problem(rule));
        let references = || rule.references.iter().find_map(reference_problem);
        let attacks = || rule.attack.iter().find_map(attack_problem);
        shares.or_else(risks).or_else(references).or_else(attacks)
    }
}

/// An alert is open for more than its bucket and this.
const LONGEST_CALLBACK: Duration = Duration::from_secs(600);

fn callback_problem(callback: &WatchedCallBack) -> Option<String> {
    if callback.ports.is_empty() || callback.ports.contains(&0) {
        Some("its callback needs ports from 1 to 65535; name 445, 139 and 80".to_owned())
    } else if callback.within.is_zero() || callback.within > LONGEST_CALLBACK {
        Some(
            "within of its callback is not more than 0 and at most 10m; a host connects back within seconds"
                .to_owned(),
        )
    } else if callback.risk_by > 100 {
        Some(format!("risk_by {} is not between 0 and 100", callback.risk_by))
    } else {
        None
    }
}

fn reference_problem(reference: &Reference) -> Option<String> {
    let is_address = |url: &str| {
        let rest = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"));
        rest.is_some_and(|rest| !rest.is_empty() && !url.contains(char::is_whitespace))
    };
    if reference.id.trim().is_empty() {
        return Some("a reference has no id; name it as its catalogue does".to_owned());
    }
    let url = reference.url.as_ref().filter(|url| !is_address(url))?;
    Some(format!(
        "{url:?} is no address; write one that begins with https://, or leave url out"
    ))
}

/// Why no access can ever fit a watched path.
fn share_problem(watched: &WatchedShare) -> Option<String> {
    let (share, path) = (watched.share.to_string(), watched.path.to_string());
    if share.is_empty() {
        Some("the name of a share is empty; write `*` for every share".to_owned())
    } else if share.contains(['\\', '/']) {
        Some(format!(
            "{share:?} is no name of a share: write REMINST, and what lies in it as its path"
        ))
    } else if share == "ipc$" {
        Some("what is opened in IPC$ is a pipe; name it under watch.pipes".to_owned())
    } else if path.starts_with('\\') || path.contains('/') {
        Some(format!(
            "no path is written like {path:?}: from the root of the share, without a leading backslash, and with no /"
        ))
    } else {
        None
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
