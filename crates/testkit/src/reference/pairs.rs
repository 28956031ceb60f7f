//! Which share access and which connected pipe are one access: all pairs, the best first, each side once.

use std::collections::{BTreeMap, BTreeSet};

use pipewarden_core::detection::{JoinSettings, Rule};
use pipewarden_core::event::Outcome;

use super::{Seen, distance, pipe_connected, share_access};

/// The place of the share access of each connected pipe that has one.
pub(super) fn pairs(here: &[Seen<'_>], rule: &Rule, settings: &JoinSettings) -> BTreeMap<usize, usize> {
    let shares: Vec<usize> = pairing_shares(here, rule);
    let mut all = Vec::new();
    for &share in &shares {
        for (pipe, seen) in here.iter().enumerate() {
            let is_watched = pipe_connected(seen).is_some() && rule.watches(&seen.event.detail);
            let apart = distance(here[share], seen);
            if is_watched && apart <= settings.pair_window {
                let (a, b) = (here[share], seen);
                all.push(((apart, a.event.time, a.id, b.event.time, b.id), share, pipe));
            }
        }
    }
    all.sort_unstable();
    let (mut taken, mut pairs) = (BTreeSet::new(), BTreeMap::new());
    for (_, share, pipe) in all {
        if !pairs.contains_key(&pipe) && taken.insert(share) {
            pairs.insert(pipe, share);
        }
    }
    pairs
}

/// Share accesses that were not denied; of those of one address, port and pipe within 0.1 s the first.
pub(super) fn pairing_shares(here: &[Seen<'_>], rule: &Rule) -> Vec<usize> {
    let mut by_tuple: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    let mut pairing = Vec::new();
    for (index, seen) in here.iter().enumerate() {
        let Some(share) = share_access(seen) else { continue };
        let opens_a_pipe = share.share.is_none() && share.outcome != Some(Outcome::Failure);
        if !opens_a_pipe || !rule.watches(&seen.event.detail) {
            continue;
        }
        match (share.source_ip, share.source_port) {
            (Some(ip), Some(port)) => {
                let tuple = (ip, port, share.path.clone());
                by_tuple.entry(tuple).or_default().push(index);
            }
            _ => pairing.push(index),
        }
    }
    for mut same in by_tuple.into_values() {
        same.sort_by_key(|&index| (here[index].event.time, here[index].id));
        let mut first: Option<usize> = None;
        for index in same {
            let repeats = first.is_some_and(|first| distance(here[first], here[index]).as_millis() < 100);
            if !repeats {
                first = Some(index);
                pairing.push(index);
            }
        }
    }
    pairing
}
