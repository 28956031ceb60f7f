//! Who is behind most of the alerts.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use super::pretty::clean;
use crate::alert::Document;
use crate::text::plural;

/// With more alerts than these it is said who made them.
pub(super) const MUCH: usize = 20;

/// How many of those who made them are listed.
const LISTED: usize = 10;

/// Alerts by what an exception would name.
#[derive(Debug, Default)]
pub(super) struct Noise(BTreeMap<Maker, u64>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Maker {
    source: String,
    account: String,
    asset: String,
    rule: String,
}

impl Noise {
    /// Counts an alert.
    pub(super) fn note(&mut self, alert: &Document) {
        let own = &alert.pipewarden;
        let source = alert.source.as_ref().map(|source| match &source.domain {
            Some(name) => format!("{} ({})", source.ip, clean(name)),
            None => source.ip.to_string(),
        });
        let account = match own.accounts.as_slice() {
            [] => "no known account".to_owned(),
            [only] => clean(only),
            [first, rest @ ..] => format!("{} and {} more", clean(first), rest.len()),
        };
        let maker = Maker {
            source: source.unwrap_or_else(|| "no known source".to_owned()),
            account,
            asset: clean(&own.asset.id),
            rule: alert.rule.id.clone(),
        };
        *self.0.entry(maker).or_default() += 1;
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut makers: Vec<(&Maker, u64)> = self.0.iter().map(|(maker, &alerts)| (maker, alerts)).collect();
        makers.sort_by_key(|&(maker, alerts)| (Reverse(alerts), maker));
        writeln!(f, "who made them, most first (docs/exceptions.md):")?;
        for (maker, alerts) in makers.iter().take(LISTED) {
            let Maker {
                source,
                account,
                asset,
                rule,
            } = maker;
            writeln!(f, "  {alerts:>6}  {source}, {account}, {asset}, {rule}")?;
        }
        let rest = makers.get(LISTED..).unwrap_or_default();
        if !rest.is_empty() {
            let alerts: u64 = rest.iter().map(|(_, alerts)| alerts).sum();
            writeln!(f, "  {alerts:>6}  by {}", plural(rest.len(), "other"))?;
        }
        Ok(())
    }
}
