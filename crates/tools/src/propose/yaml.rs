//! Proposals as an exceptions file.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Write as _};

use pipewarden_core::detection::{Action, PLACEHOLDER};
use pipewarden_core::text::plural;

use super::entry::Entry;
use super::{Counts, Proposals, Refusal};

/// How many hosts, processes or names a comment lists.
const LISTED: usize = 5;

impl Display for Proposals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            alerts,
            covered,
            proposed,
            refused,
            seldom,
            unclear,
            beyond,
        } = self.counts;
        writeln!(
            f,
            "# Of {} {proposed} recur as below, {covered} are covered already, {refused} recur and are not proposed, {seldom} are \
             too seldom,",
            plural(alerts, "active alert")
        )?;
        writeln!(
            f,
            "# and of {unclear} the source is not known or the document is not whole."
        )?;
        if beyond > 0 {
            writeln!(
                f,
                "# {beyond} more were too many to look at: take a shorter time."
            )?;
        }
        if !self.entries.is_empty() {
            writeln!(
                f,
                "# What recurs may be an attack that goes on. Keep what you know: put a reason, an owner and an expiry in place of\n\
                 # {PLACEHOLDER}, and delete the rest. `pipewarden check --exceptions FILE` refuses what is not filled in."
            )?;
        }
        if self.entries.is_empty() {
            writeln!(f, "exceptions: []")?;
        } else {
            f.write_str("exceptions:\n")?;
        }
        for entry in &self.entries {
            comment(f, "  ", entry)?;
            self::entry(f, entry, PLACEHOLDER)?;
        }
        for (entry, refusal) in &self.refused {
            not_proposed(f, entry, refusal)?;
        }
        Ok(())
    }
}

/// The entries with something in every place that people fill in, in force for ever.
pub(super) fn filled_in(entries: &[Entry]) -> String {
    let mut text = "exceptions:\n".to_owned();
    for one in entries {
        // A text takes whatever is written to it.
        let _ = entry(&mut text, one, "9000-01-01");
    }
    text
}

fn entry(out: &mut impl fmt::Write, entry: &Entry, fill: &str) -> fmt::Result {
    writeln!(out, "  - id: {}", entry.id)?;
    for key in ["reason", "owner", "expires"] {
        writeln!(out, "    {key}: {fill}")?;
    }
    writeln!(out, "    action: {}", entry.action.as_str())?;
    writeln!(
        out,
        "    sources: {{addresses: [{}]}}",
        quoted(entry.sources.iter().map(ToString::to_string))
    )?;
    if !entry.accounts.is_empty() {
        writeln!(out, "    accounts: [{}]", quoted(entry.accounts.iter().cloned()))?;
    }
    let mut assets = Vec::new();
    if !entry.roles.is_empty() {
        let roles = entry.roles.iter().map(|role| role.as_str().to_owned());
        assets.push(format!("roles: [{}]", quoted(roles)));
    }
    if !entry.hosts.is_empty() {
        assets.push(format!("names: [{}]", quoted(entry.hosts.iter().cloned())));
    }
    writeln!(out, "    assets: {{{}}}", assets.join(", "))?;
    writeln!(out, "    rules: [{}]", clean(&entry.rule))?;
    writeln!(out, "    pipes: [{}]", quoted(entry.pipes.iter().cloned()))?;
    if let Some(times) = &entry.times {
        writeln!(out, "    times: {{between: ['{times}'], zone: UTC}}")?;
    }
    Ok(())
}

/// How often it was seen, of whom, and why it does what it does.
fn comment(f: &mut fmt::Formatter<'_>, indent: &str, entry: &Entry) -> fmt::Result {
    let seen = &entry.seen;
    let alerts = plural(entry.alerts, "alert");
    let intervals = seen.intervals();
    writeln!(
        f,
        "\n{indent}# {alerts} of {}, {} accesses in {intervals} intervals on {}, {} to {},",
        clean(&entry.rule),
        seen.accesses,
        plural(seen.days.len(), "day"),
        seen.first,
        seen.last
    )?;
    writeln!(f, "{indent}# in {} (UTC).", plural_hours(&seen.hours))?;
    let mut who = format!("{} from {}", listed(&entry.accounts, "an unknown account"), {
        let sources: BTreeSet<String> = entry.sources.iter().map(ToString::to_string).collect();
        listed(&sources, "nowhere")
    });
    if !seen.names.is_empty() {
        let _ = write!(who, " ({})", listed(&seen.names, ""));
    }
    if !seen.processes.is_empty() {
        let _ = write!(who, " by {}", listed(&seen.processes, ""));
    }
    let hosts: BTreeSet<String> = seen.assets.keys().cloned().collect();
    writeln!(
        f,
        "{indent}# {who} on {}: {}.",
        plural(hosts.len(), "host"),
        listed(&hosts, "")
    )?;
    match entry.action {
        Action::Suppress => writeln!(
            f,
            "{indent}# It suppresses: a 5145 of the host names the source of every access that was seen."
        )?,
        Action::Downgrade => writeln!(
            f,
            "{indent}# It only downgrades: not every access has a 5145 that names its source and account, or something contradicts it."
        )?,
    }
    if !entry.roles.is_empty() {
        writeln!(
            f,
            "{indent}# Every host of the inventory with {} was seen; those that get it later are covered as well.",
            if entry.roles.len() == 1 {
                "this role"
            } else {
                "these roles"
            }
        )?;
    }
    if let Some(hosts) = entry.campaign {
        writeln!(
            f,
            "{indent}# Its source is also a campaign against {}. Be sure that it is one that visits them by right.",
            plural(hosts, "host")
        )?;
    }
    Ok(())
}

fn not_proposed(f: &mut fmt::Formatter<'_>, entry: &Entry, refusal: &Refusal) -> fmt::Result {
    let reason = clean(&refusal.to_string());
    let sources: BTreeSet<String> = entry.sources.iter().map(ToString::to_string).collect();
    writeln!(
        f,
        "\n# Not proposed: {} of {}, {} from {}: {reason}.",
        plural(entry.alerts, "alert"),
        clean(&entry.rule),
        listed(&entry.accounts, "an unknown account"),
        listed(&sources, "nowhere")
    )
}

fn plural_hours(hours: &BTreeSet<u8>) -> String {
    if hours.len() > LISTED {
        return format!("{} hours of the day", hours.len());
    }
    let hours: Vec<String> = hours.iter().map(|hour| format!("{hour:02}:00")).collect();
    format!("the hours from {}", hours.join(", "))
}

/// The first of several, for a comment.
fn listed(texts: &BTreeSet<String>, none: &str) -> String {
    if texts.is_empty() {
        return none.to_owned();
    }
    let first: Vec<String> = texts.iter().take(LISTED).map(|text| clean(text)).collect();
    let mut list = first.join(", ");
    if texts.len() > LISTED {
        let _ = write!(list, " and {} more", texts.len() - LISTED);
    }
    list
}

/// A text of an event, made fit for a comment: whoever writes it must not end the line.
fn clean(text: &str) -> String {
    text.chars().map(|c| if is_plain(c) { c } else { '?' }).collect()
}

/// Whether a character stands for itself wherever YAML is written, and breaks no line in any reader of it.
fn is_plain(c: char) -> bool {
    c == ' ' || c.is_alphanumeric() || c.is_ascii_graphic()
}

/// A list of scalars: in single quotes or, where something must be escaped, in double ones.
fn quoted(texts: impl Iterator<Item = String>) -> String {
    let quoted = texts.map(|text| {
        if text.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
            format!("'{}'", text.replace('\'', "''"))
        } else {
            double_quoted(&text)
        }
    });
    quoted.collect::<Vec<_>>().join(", ")
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            _ if is_plain(c) => quoted.push(c),
            _ => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_read_as_it_was(texts in proptest::collection::vec(any::<String>(), 0..4)) {
            let written = format!("a: [{}]", quoted(texts.iter().cloned()));
            let read: std::collections::BTreeMap<String, Vec<String>> = serde_saphyr::from_str(&written).unwrap();
            prop_assert_eq!(&read["a"], &texts);
        }

        #[test]
        fn no_text_ends_a_comment(text in any::<String>()) {
            prop_assert!(clean(&text).lines().count() <= 1);
        }
    }
}
