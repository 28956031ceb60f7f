//! An explanation is held to the decision: it recomputes from the state what the content of its alert was computed from, so
//! both must agree about the source of every access, about candidates and about pairings.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use pipewarden_core::detection::{
    AccessAlert, Attribution, Body, Confidence, Content, EvidenceRole, ExplainedAccess, Explanation, Finding,
    Join, JoinSettings, Reason, Seen, Status,
};
use pipewarden_core::event::{Kind, ObservationRecord};
use proptest::prelude::*;
use testkit::size;
use testkit::world::{self, Delivery, Seed};

/// Of what one access was joined with for one reason, an explanation lists so many.
const LISTED: usize = 3;

/// Holds the explanation of an alert to the alert as it is in state now.
fn check(join: &Join, alert: &AccessAlert) {
    let AccessAlert { key, content, .. } = alert;
    let Some(explanation) = join.explain(key.id()) else {
        assert_eq!(content.status, Status::Superseded, "{key:?}");
        return;
    };
    assert_eq!((&explanation.rule, &explanation.asset), (&key.rule, &key.asset));
    assert_eq!(explanation.attribution, content.attribution);
    assert_eq!(explanation.confidence, content.confidence);
    let accesses = &explanation.accesses;
    assert_eq!(
        accesses.len() + explanation.omitted_accesses,
        content.accesses as usize
    );
    assert_eq!(accesses[0].access.time, content.first);
    if explanation.omitted_accesses == 0 {
        assert_eq!(content.omitted.evidence, 0, "these worlds are small");
        check_pairs(&explanation, content);
        check_audited(&explanation, content, key.who.source());
        check_inferred(&explanation, content);
        let best = accesses.iter().map(|access| access.attribution).min();
        assert_eq!(best, Some(content.attribution));
    }
}

fn joined(access: &ExplainedAccess, is_meant: fn(&Reason) -> bool) -> Vec<&Finding> {
    let joined = access.joined.iter();
    joined.filter(|finding| is_meant(&finding.reason)).collect()
}

const fn is_candidate(reason: &Reason) -> bool {
    matches!(reason, Reason::Candidate { .. })
}

/// What any access was joined with for a reason, and whether that is all of it.
fn all_joined(explanation: &Explanation, is_meant: fn(&Reason) -> bool) -> (BTreeSet<Seen>, bool) {
    let (mut all, mut is_whole) = (BTreeSet::new(), true);
    for access in &explanation.accesses {
        let joined = joined(access, is_meant);
        is_whole &= joined.len() < LISTED;
        all.extend(joined.into_iter().filter_map(|finding| finding.seen.clone()));
    }
    (all, is_whole)
}

fn evidence(content: &Content, kind: Kind) -> BTreeSet<Seen> {
    let evidence = content.evidence.iter();
    let evidence = evidence.filter(|seen| seen.role != EvidenceRole::Conflicting);
    let observations = evidence.map(|seen| &seen.observation);
    let of_kind = observations.filter(|seen| seen.kind() == kind);
    of_kind.map(|seen| Seen::of(&seen.event)).collect()
}

/// The session evidence.
fn sessions(content: &Content) -> BTreeSet<Seen> {
    let kinds = [Kind::NetworkConnection, Kind::Logon, Kind::ShareSession];
    kinds
        .into_iter()
        .flat_map(|kind| evidence(content, kind))
        .collect()
}

fn held(found: (BTreeSet<Seen>, bool), expected: &BTreeSet<Seen>) {
    let (found, is_whole) = found;
    if is_whole {
        assert_eq!(found, *expected);
    } else {
        assert!(found.is_subset(expected), "{found:?} {expected:?}");
    }
}

/// Share accesses explain the pipe connections of the evidence that are no accesses of their own, and no others.
fn check_pairs(explanation: &Explanation, content: &Content) {
    let accesses = explanation.accesses.iter().map(|explained| &explained.access);
    let (shares, pipes): (BTreeSet<Seen>, BTreeSet<Seen>) = accesses
        .cloned()
        .partition(|access| access.kind == Kind::ShareAccess);
    assert_eq!(shares, evidence(content, Kind::ShareAccess));
    let all = evidence(content, Kind::PipeConnected);
    assert!(pipes.is_subset(&all), "{pipes:?} {all:?}");
    let explained: BTreeSet<Seen> = all.difference(&pipes).cloned().collect();
    held(
        all_joined(explanation, |reason| *reason == Reason::Explains),
        &explained,
    );
}

/// An audited access names the source, its session evidence is that of its tuple and logon id, and where all are audited, what joins any
/// of them corroborates the source, unless something contradicts that.
fn check_audited(explanation: &Explanation, content: &Content, source: Option<IpAddr>) {
    let accesses = explanation.accesses.iter();
    let audited = accesses.filter(|access| access.attribution == Attribution::Audited);
    let mut is_corroborated = false;
    for access in audited.clone() {
        assert_eq!(access.sources, 0);
        let named = access.access.source_ip;
        assert!(source.is_none() || named.is_none() || named == source);
        // Without an address it is the session that names the source, which confirms nothing.
        is_corroborated |= named.is_some() && !access.joined.is_empty();
    }
    assert_eq!(audited.count(), content.audited as usize);
    let sessions = sessions(content);
    let (found, is_whole) = all_joined(explanation, |reason| {
        matches!(reason, Reason::SameTuple | Reason::SameLogon)
    });
    assert!(found.is_subset(&sessions));
    if content.audited == content.accesses && is_whole {
        assert_eq!(found, sessions);
    }
    if content.audited > 0 && content.conflicts.is_empty() {
        let expected = if is_corroborated {
            Confidence::High
        } else {
            Confidence::Medium
        };
        assert_eq!(content.confidence, expected);
    }
}

/// The candidates of the alert are those of its accesses, as near as the nearest.
fn check_inferred(explanation: &Explanation, content: &Content) {
    let mut nearest: BTreeMap<IpAddr, u128> = BTreeMap::new();
    let mut is_whole = true;
    for access in &explanation.accesses {
        if access.attribution == Attribution::Audited {
            continue;
        }
        let near = joined(access, is_candidate);
        let earlier = joined(access, |reason| *reason == Reason::EarlierCandidate);
        is_whole &= near.len() + earlier.len() < LISTED;
        assert_eq!(access.sources.min(LISTED), near.len());
        assert!(near.is_empty() || earlier.is_empty());
        for candidate in near.into_iter().chain(earlier) {
            let (seen, apart) = (candidate.seen.as_ref().unwrap(), candidate.apart.unwrap());
            let known = nearest.entry(seen.source_ip.unwrap()).or_insert(u128::MAX);
            *known = apart.as_millis().min(*known);
        }
    }
    // The asset itself is one candidate under several addresses.
    let own: Vec<IpAddr> = (0..3).map(|asset| world::ip(200 + asset)).collect();
    nearest.retain(|ip, _| ip.is_ipv4() && !own.contains(ip));
    let candidates = content.candidates.iter().filter(|candidate| !candidate.is_local);
    let expected: BTreeMap<IpAddr, u128> = candidates
        .map(|candidate| (candidate.ip, u128::from(candidate.nearest_ms)))
        .filter(|(ip, _)| ip.is_ipv4())
        .collect();
    if is_whole {
        assert_eq!(nearest, expected);
    } else {
        assert!(nearest.keys().all(|ip| expected.contains_key(ip)));
    }
    let (found, _) = all_joined(explanation, is_candidate);
    if content.source_ip.is_none() {
        assert!(found.is_subset(&sessions(content)));
    }
}

/// An alert is written as soon as it differs in what is urgent: only then is its last revision what the state holds.
fn settings() -> JoinSettings {
    JoinSettings {
        revise_at_most_every: Duration::ZERO,
        ..JoinSettings::default()
    }
}

fn worlds() -> impl Strategy<Value = (Vec<Seed>, Vec<Delivery>)> {
    world::seeds(40_000).prop_flat_map(|seeds| {
        let settings = settings();
        // Some arrive so late that they are not joined with what happened at the same time.
        let late = 0..world::millis(settings.join_span()) * 3 / 2;
        let late = late.prop_map(|delay| Delivery {
            delay,
            copy_after: None,
        });
        let delivery = prop_oneof![3 => world::delivery(&settings), 1 => late];
        let deliveries = prop::collection::vec(delivery, seeds.len());
        (Just(seeds), deliveries)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(size::of([500, 2_000, 50_000])))]

    #[test]
    fn an_explanation_agrees_with_its_alert_at_every_record_and_when_all_deadlines_have_passed(
        (seeds, deliveries) in worlds()
    ) {
        let observations = world::observations(&seeds);
        let mut join = Join::new(&world::rules(), settings());
        let mut end = 0;
        for (offset, at, observation) in world::log(&observations, &deliveries) {
            let record = ObservationRecord::Observation(observation);
            let output = join.apply(world::at(offset, at), record);
            for revision in output.revisions {
                // What a deadline wrote was read off the state before the record.
                if let Body::Access(alert) = &revision.body && revision.number % 2 == 1 {
                    check(&join, alert);
                }
            }
            end = offset + 1;
        }
        // Now every open alert has been published as it is.
        while let Some(deadline) = join.next_deadline() {
            world::tick(&mut join, end, deadline);
            end += 1;
        }
        for revision in join.publish_open(world::at(end, join.stream_time())) {
            let Body::Access(alert) = &revision.body else {
                panic!("these worlds have accesses only");
            };
            check(&join, alert);
        }
    }
}
