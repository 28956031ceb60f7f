//! The selectors of an entry.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Check, ExceptionEntry};
use crate::detection::Attribution;
use crate::detection::accounts::AccountName;
use crate::detection::exceptions::times::{Times, Window};
use crate::detection::exceptions::{Assets, Sources};
use crate::diagnostics::{likely, nearest};
use crate::event::{AssetId, Pattern};
use crate::inventory::{Place, Role, place_named};

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SourceEntry {
    /// Addresses (`10.1.9.7`) and networks (`10.1.9.0/24`).
    #[schemars(with = "Vec<String>")]
    addresses: Vec<Spanned<String>>,
    /// Names of hosts: of the inventory or, which only downgrades, those that a host gives itself in its own log.
    #[schemars(with = "Vec<String>")]
    hosts: Vec<Spanned<String>>,
    /// Roles of assets in the inventory.
    #[schemars(with = "Vec<Role>")]
    roles: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AssetEntry {
    /// Names of assets.
    #[schemars(with = "Vec<String>")]
    names: Vec<Spanned<String>>,
    /// Roles of assets.
    #[schemars(with = "Vec<Role>")]
    roles: Vec<Spanned<String>>,
    /// Addresses and networks: every address that the inventory lists for the asset is in one of them.
    #[schemars(with = "Vec<String>")]
    addresses: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TimesEntry {
    /// Parts of the day, as `22:00-04:00`: from the first minute to before the last, over midnight where it ends before it
    /// begins. `24:00` is the end of the day.
    #[schemars(
        with = "Vec<String>",
        length(min = 1),
        inner(regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"))
    )]
    between: Vec<Spanned<String>>,
    /// Days on which these parts begin; every day where none is named.
    #[serde(default)]
    #[schemars(with = "Vec<Day>")]
    days: Vec<Spanned<String>>,
    /// The time zone, as `Europe/Berlin`. Default `UTC`.
    #[schemars(with = "Option<String>")]
    zone: Option<Spanned<String>>,
}

/// A day of the week.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "it is only described")]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// The words of [`Day`], Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Check<'_> {
    /// Two kinds of selectors that say who or what, or one in a broad entry; and an expectation is one of accounts.
    pub(super) fn demand_selectors(&mut self, entry: &ExceptionEntry) {
        let id = &entry.id;
        let kinds = [
            !entry.sources.is_empty() || !entry.only_from.is_empty(),
            !entry.accounts.is_empty() || !entry.sids.is_empty(),
            !entry.processes.is_empty(),
            !entry.assets.is_empty(),
            !entry.pipes.is_empty(),
        ];
        let kinds = kinds.into_iter().filter(|is_given| *is_given).count();
        if kinds < 2 && !(entry.broad && kinds == 1) {
            let problem = format!(
                "{} names {kinds} kind(s) of selector and needs two of sources (or only_from), accounts (or sids), processes, \
                 assets, pipes; with `broad: true` one is enough",
                id.value
            );
            self.complain(id, problem);
        }
        if entry.times.as_ref().is_some_and(|times| times.between.is_empty()) {
            let problem = format!(
                "times of {} name no part of a day; write between: ['22:00-04:00']",
                id.value
            );
            self.complain(id, problem);
        }
        if let Some(place) = entry.only_from.first()
            && entry.accounts.is_empty()
            && entry.sids.is_empty()
        {
            let problem = format!(
                "only_from of {} says where accounts are expected from; name them under accounts or sids",
                id.value
            );
            self.complain(place, problem);
        }
    }

    pub(super) fn sources(&mut self, entry: &SourceEntry) -> Sources {
        let networks = entry.addresses.iter().filter_map(|text| self.network(text));
        Sources {
            networks: networks.collect(),
            hosts: entry.hosts.iter().map(|host| host.value.clone()).collect(),
            roles: self.roles(&entry.roles),
        }
    }

    fn network(&mut self, text: &Spanned<String>) -> Option<IpNet> {
        let written = text.value.trim();
        let address = written.parse::<IpAddr>();
        let network = match address {
            Ok(address) => Ok(IpNet::from(address.to_canonical())),
            Err(_) => written.parse::<IpNet>(),
        };
        if network.is_err() {
            let problem = format!(
                "{:?} is neither an address nor a network like 10.1.9.0/24",
                text.value
            );
            self.complain(text, problem);
        }
        network.ok().map(|network| network.trunc())
    }

    pub(super) fn accounts(&mut self, accounts: &[Spanned<String>]) -> BTreeSet<AccountName> {
        for account in accounts {
            if !account.value.contains('\\') {
                let problem = format!("the account {:?} must be written as DOMAIN\\name", account.value);
                self.complain(account, problem);
            }
        }
        accounts
            .iter()
            .map(|account| AccountName::of_text(&account.value, self.inventory.domains()))
            .collect()
    }

    /// By any name the inventory knows them by; a host that it does not list, by its own.
    pub(super) fn assets(&mut self, entry: &AssetEntry) -> Assets {
        let inventory = self.inventory;
        let id = |name: &Spanned<String>| {
            let listed = inventory
                .by_full_name(&name.value)
                .or_else(|| inventory.by_short_name(&name.value));
            listed.map_or_else(|| AssetId::new(&name.value), |asset| asset.id.clone())
        };
        let networks = entry.addresses.iter().filter_map(|text| self.network(text));
        Assets {
            networks: networks.collect(),
            names: entry.names.iter().map(id).collect(),
            roles: self.roles(&entry.roles),
        }
    }

    fn roles(&mut self, roles: &[Spanned<String>]) -> BTreeSet<&'static str> {
        let words: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
        let known = roles.iter().filter_map(|role| self.word(role, &words, "role"));
        known.collect()
    }

    /// The word of a list that a text is.
    fn word(&mut self, text: &Spanned<String>, words: &[&'static str], what: &str) -> Option<&'static str> {
        let known = words.iter().copied().find(|word| *word == text.value);
        if known.is_none() {
            let meant = nearest(&text.value, words.iter().copied()).expect("no list of words is empty");
            self.complain(
                text,
                format!("unknown {what} {:?}; did you mean {meant}?", text.value),
            );
        }
        known
    }

    pub(super) fn sids(&mut self, sids: &[Spanned<String>]) -> BTreeSet<String> {
        let mut known = BTreeSet::new();
        for sid in sids {
            let written = sid.value.trim().to_ascii_uppercase();
            let parts = written.strip_prefix("S-1-5-21-").unwrap_or_default();
            let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            if parts.split('-').all(is_number) {
                known.insert(written);
            } else {
                let problem = format!(
                    "{:?} is no SID of one account, which begins with S-1-5-21-; others, as S-1-5-18, are the same on every \
                     machine",
                    sid.value
                );
                self.complain(sid, problem);
            }
        }
        known
    }

    pub(super) fn processes(&mut self, processes: &[Spanned<String>]) -> BTreeSet<Pattern> {
        for process in processes {
            if process.value.trim().is_empty() {
                self.complain(process, "a process has no name".to_owned());
            }
        }
        processes
            .iter()
            .map(|process| Pattern::new(&process.value))
            .collect()
    }

    pub(super) fn places(&mut self, places: &[Spanned<String>], id: &str) -> Vec<Place> {
        let owner = format!("an account of {id}");
        let assets = self.inventory.assets();
        let mut known = Vec::new();
        for text in places {
            match place_named(&text.value, &owner, assets) {
                Ok(place) => known.push(place),
                Err(problem) => self.complain(text, problem),
            }
        }
        known
    }

    pub(super) fn attribution(&mut self, words: &[Spanned<String>]) -> BTreeSet<Attribution> {
        const ALL: [Attribution; 4] = [
            Attribution::Audited,
            Attribution::Inferred,
            Attribution::Ambiguous,
            Attribution::None,
        ];
        let known = ALL.map(Attribution::as_str);
        let named: BTreeSet<&str> = words
            .iter()
            .filter_map(|text| self.word(text, &known, "attribution"))
            .collect();
        ALL.into_iter()
            .filter(|one| named.contains(one.as_str()))
            .collect()
    }

    pub(super) fn times(&mut self, entry: &TimesEntry) -> Times {
        let mut windows = Vec::new();
        for text in &entry.between {
            let window = Window::parse(&text.value);
            if window.is_none() {
                let problem = format!(
                    "{:?} is no part of a day; write 22:00-04:00, or 00:00-24:00 for all of it",
                    text.value
                );
                self.complain(text, problem);
            }
            windows.extend(window);
        }
        let named: BTreeSet<&str> = entry
            .days
            .iter()
            .filter_map(|text| self.word(text, &DAYS, "day"))
            .collect();
        let (zone, rules) = self.zone(entry.zone.as_ref());
        Times {
            zone,
            rules,
            windows,
            days: DAYS.map(|day| entry.days.is_empty() || named.contains(day)),
        }
    }

    /// A time zone of the table that the program brings.
    fn zone(&mut self, text: Option<&Spanned<String>>) -> (String, TimeZone) {
        const UTC: &str = "UTC";
        let database = TimeZoneDatabase::bundled();
        let written = text.map_or(UTC, |text| text.value.trim());
        let rules = database.get(written);
        if let (Err(_), Some(text)) = (&rules, text) {
            let known: Vec<String> = database.available().map(|name| name.to_string()).collect();
            let meant = likely(written, known.iter().map(String::as_str));
            let meant = meant.map_or_else(
                || "write one as Europe/Berlin, or UTC".to_owned(),
                |meant| format!("did you mean {meant}?"),
            );
            self.complain(text, format!("unknown time zone {written:?}; {meant}"));
        }
        (written.to_owned(), rules.unwrap_or(TimeZone::UTC))
    }
}

impl SourceEntry {
    pub(super) fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.hosts.is_empty() && self.roles.is_empty()
    }
}

impl AssetEntry {
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.roles.is_empty() && self.addresses.is_empty()
    }
}
