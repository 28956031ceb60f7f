//! The exceptions file: YAML with one entry per exception.

mod selectors;

use std::collections::BTreeSet;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_saphyr::Spanned;

use self::selectors::{AssetEntry, SourceEntry, TimesEntry};
use super::{Action, Exception};
use crate::detection::Attribution;
use crate::diagnostics::{FileError, Problems};
use crate::event::normalise_pipe;
use crate::inventory::Inventory;
use crate::time::AppendTime;

/// What stands in a proposed entry for what only people know. No entry is accepted with it.
pub const PLACEHOLDER: &str = "FILL-IN";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Exceptions")]
struct File {
    /// The entries. The first that covers an alert decides.
    exceptions: Vec<ExceptionEntry>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
// Public for the schemas of other files that hold such entries.
#[expect(missing_docs, reason = "the schema would show it as a description")]
pub struct ExceptionEntry {
    /// Stable identifier: lower case letters, digits, `-`, `_`.
    #[schemars(with = "String", regex(pattern = "^[a-z0-9_-]+$"))]
    id: Spanned<String>,
    /// Why this is no attack.
    #[schemars(with = "String", length(min = 1))]
    reason: Spanned<String>,
    /// Who answers for it.
    #[schemars(with = "String", length(min = 1))]
    owner: Spanned<String>,
    /// The last day on which it holds (`2027-06-30`, in UTC), or the moment at which it ends (`2027-06-30T12:00:00Z`).
    #[schemars(with = "String")]
    expires: Spanned<String>,
    /// What becomes of the alerts it covers. `suppress` downgrades those whose source is inferred, contradicted, or known
    /// only by the name that it gives itself.
    action: Action,
    /// Whether one kind of selector is enough, and whether it may downgrade alerts whose source is not known. Default
    /// false: at least two kinds are required.
    #[serde(default)]
    broad: bool,
    /// Where accesses come from: any of these.
    #[serde(default)]
    sources: SourceEntry,
    /// `DOMAIN\name`, any of these, without case; the domain by its NetBIOS or its DNS name.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    accounts: Vec<Spanned<String>>,
    /// SIDs of accounts, any of these, as `S-1-5-21-1004336348-1177238915-682003330-1105`: every access must log one.
    #[serde(default)]
    #[schemars(with = "Vec<String>", inner(regex(pattern = "^[Ss]-1-5-21(-[0-9]+)+$")))]
    sids: Vec<Spanned<String>>,
    /// Programs that connect, any of these: a whole path, or the name of a file; `*` stands for any characters, `?` for one. By
    /// the client's own log, so that such an entry only downgrades.
    #[serde(default)]
    #[schemars(with = "Vec<String>", inner(length(min = 1)))]
    processes: Vec<Spanned<String>>,
    /// Where the accounts of the entry are expected from, any of these: `role:` and a role, the name of an asset, an address, or
    /// a network. The entry covers alerts from there; the use of the same accounts from elsewhere is covered by no entry, and
    /// raises the risk by 20.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    only_from: Vec<Spanned<String>>,
    /// Where accesses go to: any of these.
    #[serde(default)]
    assets: AssetEntry,
    /// Rules, by id: any of these. Without them it covers alerts of every rule.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    rules: Vec<Spanned<String>>,
    /// Pipes, as the destination names them: any of these.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pipes: Vec<Spanned<String>>,
    /// When accesses are, by the clock of the destination. All of an alert must be then.
    times: Option<TimesEntry>,
    /// How the source of every access is known: any of these. `ambiguous` and `none` need `broad: true`.
    #[serde(default)]
    #[schemars(with = "Vec<Attribution>")]
    attribution: Vec<Spanned<String>>,
}

/// The JSON Schema of an exceptions file.
pub fn json_schema() -> Schema {
    schemars::schema_for!(File)
}

/// Reads the entries of a file, in their order.
pub(super) fn parse(text: &str, origin: &str, inventory: &Inventory) -> Result<Vec<Exception>, FileError> {
    let syntax = |message: String| FileError::Syntax {
        origin: origin.to_owned(),
        message,
    };
    if text.trim().is_empty() {
        return Err(syntax(
            "the file is empty; write `exceptions: []` where there is none".to_owned(),
        ));
    }
    let file: File = serde_saphyr::from_str(text).map_err(|error| syntax(error.to_string()))?;
    let mut check = Check {
        problems: Problems::default(),
        ids: BTreeSet::new(),
        inventory,
    };
    let exceptions = file.exceptions.iter().map(|entry| check.entry(entry)).collect();
    check
        .problems
        .or(exceptions)
        .map_err(|problems| FileError::Entries {
            origin: origin.to_owned(),
            problems,
        })
}

/// Collects what is wrong. What is wrong is left out of the entry, which is then never used.
struct Check<'a> {
    problems: Problems,
    ids: BTreeSet<String>,
    inventory: &'a Inventory,
}

impl Check<'_> {
    fn entry(&mut self, entry: &ExceptionEntry) -> Exception {
        let id = &entry.id;
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if id.value.is_empty() || !id.value.bytes().all(is_plain) {
            let problem = format!(
                "the id {:?} may hold lower case letters, digits, - and _ only",
                id.value
            );
            self.complain(id, problem);
        } else if id.value.starts_with("builtin-") {
            self.complain(id, format!("the id {} is kept for what is built in", id.value));
        } else if !self.ids.insert(id.value.clone()) {
            self.complain(id, format!("another exception has the id {}", id.value));
        }
        for (name, text, wanted) in [
            ("reason", &entry.reason, "say why it is no attack"),
            ("owner", &entry.owner, "name who answers for it"),
        ] {
            let given = text.value.trim();
            if given.is_empty() {
                self.complain(text, format!("the {name} of {} is empty", id.value));
            } else if given == PLACEHOLDER {
                self.complain(
                    text,
                    format!("the {name} of {} is still {PLACEHOLDER}: {wanted}", id.value),
                );
            }
        }
        self.demand_selectors(entry);
        Exception {
            id: id.value.as_str().into(),
            reason: entry.reason.value.as_str().into(),
            owner: entry.owner.value.as_str().into(),
            expires: self.expiry(&entry.expires, &id.value),
            action: entry.action,
            is_broad: entry.broad,
            sources: (!entry.sources.is_empty()).then(|| self.sources(&entry.sources)),
            accounts: (!entry.accounts.is_empty()).then(|| self.accounts(&entry.accounts)),
            sids: (!entry.sids.is_empty()).then(|| self.sids(&entry.sids)),
            processes: (!entry.processes.is_empty()).then(|| self.processes(&entry.processes)),
            only_from: (!entry.only_from.is_empty()).then(|| self.places(&entry.only_from, &id.value)),
            times: entry.times.as_ref().map(|times| self.times(times)),
            attribution: (!entry.attribution.is_empty()).then(|| self.attribution(&entry.attribution)),
            assets: (!entry.assets.is_empty()).then(|| self.assets(&entry.assets)),
            rules: (!entry.rules.is_empty()).then(|| {
                let ids = entry.rules.iter().map(|rule| rule.value.clone());
                ids.collect()
            }),
            pipes: (!entry.pipes.is_empty()).then(|| {
                let names = entry.pipes.iter().map(|pipe| normalise_pipe(&pipe.value));
                names.collect()
            }),
            own_site: false,
        }
    }

    /// The first moment at which the entry no longer holds.
    fn expiry(&mut self, text: &Spanned<String>, id: &str) -> Option<AppendTime> {
        let day_after = |date: Date| {
            let day = date.checked_add(1.day()).ok()?;
            TimeZone::UTC.to_timestamp(day.to_datetime(Time::midnight())).ok()
        };
        let moment = match text.value.parse::<Timestamp>() {
            Ok(moment) => Some(moment),
            Err(_) => text.value.parse().ok().and_then(day_after),
        };
        if moment.is_none() {
            let problem = if text.value.trim() == PLACEHOLDER {
                format!("the expiry of {id} is still {PLACEHOLDER}: say until when it holds, as 2027-06-30")
            } else {
                format!(
                    "expires: {:?} is neither a day (2027-06-30) nor a moment (2027-06-30T12:00:00Z)",
                    text.value
                )
            };
            self.complain(text, problem);
        }
        moment.map(|moment| AppendTime::from_millis(moment.as_millisecond()))
    }

    fn complain(&mut self, at: &Spanned<String>, problem: String) {
        self.problems.note(at.referenced.line(), problem);
    }
}
