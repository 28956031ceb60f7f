//! What belongs to one session by its address and port, or by its logon id.
//!
//! A logon alone shows that somebody authenticated, for whatever service. One whose address and port, or whose id, another
//! log names for SMB shows a session of SMB.

use std::collections::BTreeMap;

use super::accesses;
use super::asset::AssetState;
use super::connections::tuple;
use super::stored::{Slot, Stored};
use crate::detection::JoinSettings;

/// Whether a logon is one of SMB: what else bears its address and port, or its id, says so.
pub(super) fn is_linked(logon: &Stored, asset: &AssetState, settings: &JoinSettings) -> bool {
    let (time, window) = (logon.time(), settings.tuple_window);
    let links = |other: &Stored| other.within_span(logon, settings.join_span()) && !other.is_logon();
    let of_tuple = tuple(logon).is_some_and(|(ip, port)| {
        let mut rules = asset.accesses.values();
        let mut sessions = asset.connections.of_tuple(ip, port, time, window);
        sessions.any(links)
            || rules.any(|rule| {
                let mut shares = rule.shares_of_tuple(ip, port, time, window);
                shares.any(|share| links(&share.stored))
            })
    });
    of_tuple
        || logon.logon_id().is_some_and(|id| {
            let mut rules = asset.accesses.values();
            let mut sessions = asset.connections.of_logon(id, time, window);
            sessions.any(links)
                || rules.any(|rule| {
                    let mut shares = rule.shares_of_logon(id, time, window);
                    shares.any(|share| links(&share.stored))
                })
        })
}

/// The logons that an observation is about to show to be of SMB, and that nothing has shown to be before.
pub(super) fn newly_linked(stored: &Stored, asset: &AssetState, settings: &JoinSettings) -> Vec<Stored> {
    if stored.is_logon() {
        return Vec::new();
    }
    let (time, window) = (stored.time(), settings.tuple_window);
    let by_tuple = tuple(stored).or_else(|| accesses::tuple(stored));
    let by_tuple = by_tuple
        .into_iter()
        .flat_map(|(ip, port)| asset.connections.of_tuple(ip, port, time, window));
    let by_id = stored.logon_id().into_iter();
    let by_id = by_id.flat_map(|id| asset.connections.of_logon(id, time, window));
    let logons: BTreeMap<Slot, &Stored> = by_tuple
        .chain(by_id)
        .filter(|other| other.is_logon() && other.within_span(stored, settings.join_span()))
        .map(|logon| (logon.slot(), logon))
        .collect();
    let logons = logons.into_values();
    logons
        .filter(|logon| !is_linked(logon, asset, settings))
        .cloned()
        .collect()
}

/// The session evidence of a share access, or of a logon that is an access, each once: of its address and port, and of its logon
/// id and address. Where it names no address, of its logon id.
pub(super) fn evidence_of<'a>(
    share: &Stored,
    asset: &'a AssetState,
    settings: &JoinSettings,
) -> impl Iterator<Item = &'a Stored> + use<'a> {
    let evidence = of_session(share, asset, settings);
    let evidence: BTreeMap<Slot, &Stored> = evidence.map(|other| (other.slot(), other)).collect();
    evidence.into_values()
}

/// Whether there is any.
pub(super) fn has_evidence(share: &Stored, asset: &AssetState, settings: &JoinSettings) -> bool {
    of_session(share, asset, settings).next().is_some()
}

/// Whether there may be more than that: there is none or, where the share access names no address, its logon id may be that of a
/// session from another source as well.
pub(super) fn may_lack_evidence(share: &Stored, asset: &AssetState, settings: &JoinSettings) -> bool {
    share.named_source().is_none() || !has_evidence(share, asset, settings)
}

/// The same as [`evidence_of`]; what bears both the address and port and the logon id comes twice.
fn of_session<'a>(
    share: &Stored,
    asset: &'a AssetState,
    settings: &JoinSettings,
) -> impl Iterator<Item = &'a Stored> {
    let (time, window) = (share.time(), settings.tuple_window);
    // Other logons say no more than one that is an access says itself.
    let (named, is_logon) = (share.named_source(), share.is_logon());
    let by_tuple = accesses::tuple(share).into_iter();
    let by_tuple = by_tuple.flat_map(move |(ip, port)| asset.connections.of_tuple(ip, port, time, window));
    let by_id = share.logon_id().into_iter();
    let by_id = by_id
        .flat_map(move |id| asset.connections.of_logon(id, time, window))
        .filter(move |other| {
            let source = other.session().map(|session| session.source_ip);
            named.is_none() || named == source
        });
    by_tuple
        .chain(by_id)
        .filter(move |other| !(is_logon && other.is_logon()))
        .filter(|other| other.within_span(share, settings.join_span()))
}
