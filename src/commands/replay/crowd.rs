//! Alerts that stand for many accesses or many sources, for people: they list no evidence of their own.

use super::pretty::asset;
use crate::alert::{Document, ManySourcesFields, OverflowFields, OverflowSource};
use crate::text::plural;

/// Sources that a row shows from either end.
const SHOWN: usize = 4;

/// Names and texts of the rows about accesses beyond those that have alerts of their own.
pub(super) fn overflow_rows(alert: &Document, overflow: &OverflowFields) -> Vec<(&'static str, String)> {
    let accesses = plural(overflow.accesses as usize, "access");
    vec![
        ("when", span(alert)),
        (
            "many",
            format!("{accesses} beyond those that have alerts of their own"),
        ),
        ("first from", addresses(overflow.first.iter().take(SHOWN))),
        (
            "last from",
            addresses(overflow.last.iter().rev().take(SHOWN).rev()),
        ),
        ("to", asset(&alert.pipewarden)),
    ]
}

/// Names and texts of the rows about a number of sources.
pub(super) fn many_sources_rows(alert: &Document, many: &ManySourcesFields) -> Vec<(&'static str, String)> {
    let sources = plural(many.sources as usize, "source");
    let of = many.network.as_ref();
    let of = of.map_or_else(String::new, |network| format!(", most of them of {network}"));
    vec![
        ("when", span(alert)),
        ("from", format!("{sources}{of}; each has an alert of its own")),
        ("to", asset(&alert.pipewarden)),
    ]
}

fn span(alert: &Document) -> String {
    format!("{} to {}", alert.event.start, alert.event.end)
}

fn addresses<'a>(sources: impl Iterator<Item = &'a OverflowSource>) -> String {
    let addresses: Vec<String> = sources.map(|source| source.ip.to_string()).collect();
    addresses.join(", ")
}
