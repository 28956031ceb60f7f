//! The sentence that an analyst reads first.

use std::fmt::Write as _;
use std::sync::Arc;

use super::ecs::AssetFacts;
use crate::detection::{AccessAlert, Attribution, Status, Who};
use crate::event::Outcome;
use crate::text::plural;

/// Who, from where, did what, to which host, and how sure that is.
pub(super) fn title(alert: &AccessAlert, source: Option<&str>, asset: &AssetFacts<'_>) -> String {
    let (who, content) = (alert.key.who, &alert.content);
    let mut title = String::new();
    match content.status {
        Status::Active | Status::Resolved => {}
        Status::Superseded => title.push_str("Superseded: "),
        Status::Suppressed if who == Who::Local => title.push_str("Local: "),
        Status::Suppressed => title.push_str("Suppressed: "),
    }
    title.push_str(&accounts(&content.accounts, "An unknown account"));
    match content.attribution {
        _ if who == Who::Local => title.push_str(" on the host itself"),
        Attribution::Audited | Attribution::Inferred => {
            if let Some(ip) = content.source_ip {
                let _ = write!(title, " from {ip}");
            }
            if let Some(name) = source {
                let _ = write!(title, " ({name})");
            }
            if content.attribution == Attribution::Inferred {
                let others = content.candidates.len() + content.omitted.candidates as usize;
                title.push_str(if others > 1 {
                    ", the likeliest of several hosts that connected then,"
                } else {
                    ", the only host that was seen to connect then,"
                });
            }
        }
        Attribution::Ambiguous => {
            let number = content.candidates.len() + content.omitted.candidates as usize;
            let _ = write!(title, " from an unknown source ({})", plural(number, "candidate"));
        }
        Attribution::None => title.push_str(" from an unknown source"),
    }
    if alert.rule.accounts.is_some() {
        let _ = write!(title, " logged on to {}", asset.id);
    } else {
        let verb = match content.outcome {
            Some(Outcome::Failure) => "tried to open",
            None if content.counts.pipe_connected == 0 => "opened or tried to open",
            Some(Outcome::Success) | None => "opened",
        };
        let _ = write!(
            title,
            " {verb} {} on {}",
            opened(&content.pipes, &content.paths),
            asset.id
        );
    }
    if !asset.roles.is_empty() {
        let _ = write!(title, " ({})", asset.roles.join(", "));
    }
    if content.accesses > 1 {
        let _ = write!(title, ", {} times", content.accesses);
    }
    if content.call_backs > 0 {
        title.push_str(", and the host connected back");
    }
    if alert.rule.accounts.is_some() || content.unexpected.is_some() {
        title.push_str(", and is not expected from there");
    }
    if content.outcome == Some(Outcome::Failure) {
        title.push_str(", and was denied");
    }
    title
}

/// The account, or how many; `unknown` where there is none.
pub(super) fn accounts(accounts: &[Arc<str>], unknown: &str) -> String {
    match accounts {
        [] => unknown.to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} and {} more", plural(rest.len(), "account")),
    }
}

/// The pipe and the path, or how many of each.
pub(super) fn opened(pipes: &[Arc<str>], paths: &[Arc<str>]) -> String {
    let paths = match paths {
        [] => return self::pipes(pipes),
        [only] => format!("the path {only}"),
        paths => plural(paths.len(), "path"),
    };
    if pipes.is_empty() {
        paths
    } else {
        format!("{} and {paths}", self::pipes(pipes))
    }
}

/// The pipe, or how many.
fn pipes(pipes: &[Arc<str>]) -> String {
    match pipes {
        [only] => format!("the {only} pipe"),
        pipes => plural(pipes.len(), "pipe"),
    }
}
