//! Which accounts are one.
//!
//! Windows writes one account in several ways: `SHIRE\alice`, `shire\Alice`, `SHIRE.COM\alice`. Accounts are one where
//! their SIDs are, if these are of a domain or of a computer (`S-1-5-18` is every machine); else by name and domain without
//! case, where `X` and `X.rest` are one domain unless the inventory says otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::event::Account;
use crate::inventory::Domains;

/// The name by which an account can be known: alike for all ways to write it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct AccountName {
    /// The NetBIOS name, in lower case.
    domain: Option<String>,
    /// In lower case.
    name: String,
}

impl AccountName {
    pub(super) fn new(domain: Option<&str>, name: &str, domains: &Domains) -> Self {
        Self {
            domain: domain.map(|domain| domains.netbios(domain)),
            name: name.to_lowercase(),
        }
    }

    /// Of `DOMAIN\name`, or a bare name.
    pub(super) fn of_text(text: &str, domains: &Domains) -> Self {
        match text.split_once('\\') {
            Some((domain, name)) => Self::new(Some(domain), name, domains),
            None => Self::new(None, text, domains),
        }
    }

    /// Whether it is a name in this domain, which is a NetBIOS name in lower case.
    pub(super) fn is(&self, name: &str, domain: &str) -> bool {
        self.name == name && self.domain.as_deref() == Some(domain)
    }
}

/// One account, with every name that logs give it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OneAccount {
    /// As documents write it: with its domain, in the short form where one was logged, and of several ways the least.
    pub(super) shown: Arc<str>,
    pub(super) names: BTreeSet<AccountName>,
    /// Its SIDs in upper case, in so far as they are its own in every log.
    pub(super) sids: BTreeSet<String>,
    /// Whether something names it without such a SID.
    pub(super) lacks_sid: bool,
}

/// Accounts as documents write them.
pub(super) fn shown(accounts: &BTreeSet<OneAccount>) -> BTreeSet<Arc<str>> {
    accounts
        .iter()
        .map(|account| Arc::clone(&account.shown))
        .collect()
}

/// The accounts among these, each once.
pub(super) fn distinct<'a>(
    accounts: impl Iterator<Item = Written<'a>>,
    domains: &Domains,
) -> BTreeSet<OneAccount> {
    // Of thousands of accesses most are by few accounts.
    let written: BTreeSet<Written<'_>> = accounts.collect();
    let mut groups = Groups::default();
    let mut by_name: BTreeMap<AccountName, usize> = BTreeMap::new();
    let mut by_sid: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, account) in written.iter().enumerate() {
        groups.parents.push(index);
        let name = AccountName::new(account.domain, account.name, domains);
        groups.unite(index, *by_name.entry(name).or_insert(index));
        if let Some(sid) = account.sid {
            groups.unite(index, *by_sid.entry(sid).or_insert(index));
        }
    }
    let mut all: BTreeMap<usize, OneAccount> = BTreeMap::new();
    for (name, index) in by_name {
        // The first of a group is the best way to show it.
        let first = groups.first(index);
        let one = all.entry(first).or_insert_with(|| OneAccount {
            shown: Arc::from(""),
            names: BTreeSet::new(),
            sids: BTreeSet::new(),
            lacks_sid: false,
        });
        one.names.insert(name);
    }
    for (index, account) in written.iter().enumerate() {
        if let Some(one) = all.get_mut(&groups.first(index)) {
            one.sids.extend(account.sid.map(str::to_ascii_uppercase));
            one.lacks_sid |= account.sid.is_none();
        }
        if let Some(one) = all.get_mut(&index) {
            one.shown = account.text();
        }
    }
    all.into_values().collect()
}

/// An account as a log wrote it, the better ways to show it first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Written<'a> {
    is_bare: bool,
    is_dns: bool,
    domain: Option<&'a str>,
    name: &'a str,
    sid: Option<&'a str>,
}

impl<'a> Written<'a> {
    pub(super) fn of(account: &'a Account) -> Self {
        let sid = account.lasting_sid().map(|sid| &**sid);
        Self::new(account.domain.as_deref(), &account.name, sid)
    }

    /// Of `DOMAIN\name`, or a bare name.
    pub(super) fn of_text(text: &'a str) -> Self {
        match text.split_once('\\') {
            Some((domain, name)) => Self::new(Some(domain), name, None),
            None => Self::new(None, text, None),
        }
    }

    fn new(domain: Option<&'a str>, name: &'a str, sid: Option<&'a str>) -> Self {
        Self {
            is_bare: domain.is_none(),
            is_dns: domain.is_some_and(|domain| domain.contains('.')),
            domain,
            name,
            sid,
        }
    }

    fn text(&self) -> Arc<str> {
        match self.domain {
            Some(domain) => format!("{domain}\\{}", self.name).into(),
            None => self.name.into(),
        }
    }
}

/// Which of several are one, by numbers.
#[derive(Default)]
struct Groups {
    /// Another of the same group with a lesser number, or itself where it is the first.
    parents: Vec<usize>,
}

impl Groups {
    /// The first of a group.
    fn first(&mut self, mut one: usize) -> usize {
        while self.parents[one] != one {
            // Shortens the way for all who ask later.
            self.parents[one] = self.parents[self.parents[one]];
            one = self.parents[one];
        }
        one
    }

    fn unite(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first(one), self.first(other));
        self.parents[one.max(other)] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &str = "S-1-5-21-1-2-3-1105";
    const OTHER_SID: &str = "S-1-5-21-1-2-3-1106";

    fn account(text: &str, sid: Option<&str>) -> Account {
        let (domain, name) = match text.split_once('\\') {
            Some((domain, name)) => (Some(domain), name),
            None => (None, text),
        };
        Account {
            name: name.into(),
            domain: domain.map(Into::into),
            sid: sid.map(Into::into),
            logon_id: None,
        }
    }

    fn shown(accounts: &[(&str, Option<&str>)]) -> Vec<String> {
        let accounts: Vec<Account> = accounts.iter().map(|&(text, sid)| account(text, sid)).collect();
        let forward = distinct(accounts.iter().map(Written::of), &Domains::default());
        let backward = distinct(accounts.iter().rev().map(Written::of), &Domains::default());
        assert_eq!(forward, backward, "in any order");
        forward.into_iter().map(|one| one.shown.to_string()).collect()
    }

    #[test]
    fn one_account_in_several_ways_is_shown_once_in_its_short_form() {
        let ways = [
            (r"shire.com\Alice", None),
            (r"SHIRE\alice", Some(SID)),
            (r"shire\ALICE", None),
            (r"SHIRE.COM\alice", Some(SID)),
        ];
        assert_eq!(shown(&ways), [r"SHIRE\alice"]);
    }

    #[test]
    fn a_sid_joins_what_no_name_does_and_a_name_what_was_apart() {
        let renamed = [(r"SHIRE\alice", Some(SID)), (r"SHIRE\alice.smith", Some(SID))];
        assert_eq!(shown(&renamed), [r"SHIRE\alice"]);
        let bridged = [
            (r"A\x", Some(SID)),
            (r"B\x", Some(OTHER_SID)),
            (r"C\x", Some(SID)),
            (r"C\x", Some(OTHER_SID)),
        ];
        assert_eq!(shown(&bridged), [r"A\x"]);
    }

    #[test]
    fn what_every_host_has_joins_nothing_and_a_bare_name_is_of_no_known_domain() {
        let machines = [
            (r"SHIRE\DC1$", Some("S-1-5-18")),
            (r"SHIRE\DC2$", Some("S-1-5-18")),
        ];
        assert_eq!(shown(&machines), [r"SHIRE\DC1$", r"SHIRE\DC2$"]);
        assert_eq!(
            shown(&[("alice", None), (r"SHIRE\alice", None)]),
            [r"SHIRE\alice", "alice"]
        );
    }
}
