//! The sentence that an analyst reads first.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::detection::{Attribution, Content, Status};
use crate::event::Outcome;
use crate::text::plural;

/// Who, from where, did what, to which host, and how sure that is.
pub(super) fn title(content: &Content, asset: &str, roles: &[&str]) -> String {
    let mut title = String::new();
    match content.status {
        Status::Active | Status::Resolved => {}
        Status::Superseded => title.push_str("Superseded: "),
        Status::Suppressed => title.push_str("Suppressed: "),
    }
    title.push_str(&accounts(&content.accounts, "An unknown account"));
    match content.attribution {
        Attribution::Audited | Attribution::Inferred => {
            if let Some(ip) = content.source_ip {
                let _ = write!(title, " from {ip}");
            }
            if let [host] = content.hosts.as_slice() {
                let _ = write!(title, " ({host})");
            }
            if content.attribution == Attribution::Inferred {
                title.push_str(", the only host that connected then,");
            }
        }
        Attribution::Ambiguous => {
            let number = content.candidates.len() + content.omitted.candidates as usize;
            let _ = write!(title, " from one of {number} possible sources");
        }
        Attribution::None => title.push_str(" from an unknown source"),
    }
    let verb = if content.outcome == Some(Outcome::Failure) {
        "tried to open"
    } else {
        "opened"
    };
    let pipes = pipes(&content.pipes);
    let _ = write!(title, " {verb} {pipes} on {asset}");
    if !roles.is_empty() {
        let _ = write!(title, " ({})", roles.join(", "));
    }
    if content.accesses > 1 {
        let _ = write!(title, ", {} times", content.accesses);
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

/// The pipe, or how many.
pub(super) fn pipes(pipes: &[Arc<str>]) -> String {
    match pipes {
        [only] => format!("the {only} pipe"),
        pipes => plural(pipes.len(), "pipe"),
    }
}
