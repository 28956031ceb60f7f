//! What whoever may write to an input topic can add, and what that can never take away.

mod worlds;

use std::collections::{BTreeMap, BTreeSet};

use pipewarden_core::detection::{AlertKey, Content, EvidenceRole, JoinSettings, Who};
use pipewarden_core::event::{Detail, Kind, Observation, ObservationId};
use proptest::prelude::*;
use testkit::world::{self, Delivery, Seed};
use testkit::{reference, size};

/// The accesses that true observations show: which must be told whatever is added.
fn accesses(observations: &[Observation]) -> Vec<&Observation> {
    let all = observations.iter();
    all.filter(|seen| matches!(seen.kind(), Kind::PipeConnected | Kind::ShareAccess))
        .collect()
}

/// Of each observation that some alert shows, whose alert that is.
fn told(alerts: &BTreeMap<AlertKey, Content>) -> BTreeMap<ObservationId, BTreeSet<Who>> {
    let mut told: BTreeMap<_, BTreeSet<Who>> = BTreeMap::new();
    for (key, content) in alerts {
        let part_of_it = content
            .evidence
            .iter()
            .filter(|seen| seen.role != EvidenceRole::Conflicting);
        for seen in part_of_it {
            told.entry(seen.observation.id).or_default().insert(key.who);
        }
    }
    told
}

/// The address that a share access names, if that is another host's by all that may be known of it.
fn named(seen: &Observation) -> Option<Who> {
    match &seen.event.detail {
        Detail::ShareAccess(share) if !seen.is_local => {
            let ip = share.source_ip.filter(|ip| ip.is_ipv4())?;
            Some(Who::Source(ip))
        }
        _ => None,
    }
}

/// What was told before is told after, and what a share access names is never told of somebody else or of nobody.
fn check(before: &[Observation], added: &Observation, alerts: &BTreeMap<AlertKey, Content>) {
    let told = told(alerts);
    for access in accesses(before) {
        let whose = told.get(&access.id);
        assert!(whose.is_some(), "{added:#?} silences {access:#?}");
        if let (Some(named), Some(whose)) = (named(access), whose) {
            assert!(
                whose.contains(&named),
                "{added:#?} takes {access:#?} from its source"
            );
        }
    }
    // Whoever is blamed without a share access of its own was connected, by the word of some message.
    for (key, content) in alerts {
        let Who::Source(ip) = key.who else { continue };
        let names = |seen: &Observation| match &seen.event.detail {
            Detail::ShareAccess(share) => share.source_ip == Some(ip),
            Detail::NetworkConnection(connection) => connection.source_ip == ip,
            Detail::Logon(logon) => logon.source_ip == ip,
            Detail::ShareSession(session) => session.source_ip == ip,
            Detail::PipeConnected(_) => false,
        };
        assert!(
            (content.evidence.iter())
                .any(|seen| seen.role != EvidenceRole::Conflicting && names(&seen.observation)),
            "{key:?} rests on nothing"
        );
    }
}

/// A world, an observation that somebody adds to it, and how all of it is delivered.
fn attacked() -> impl Strategy<Value = (Vec<Seed>, Seed, Vec<Delivery>)> {
    let one = world::seeds(600_000).prop_map(|seeds| seeds[0].clone());
    (world::seeds(600_000), one).prop_flat_map(|(seeds, added)| {
        let settings = JoinSettings::default();
        let deliveries = prop::collection::vec(world::delivery(&settings), seeds.len() + 1);
        (Just(seeds), Just(added), deliveries)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(size::of([300, 1_000, 30_000])))]

    #[test]
    fn adding_one_observation_of_any_kind_and_field_takes_no_access_away(
        (seeds, added, deliveries) in attacked()
    ) {
        let (rules, settings) = (world::rules(), JoinSettings::default());
        let before = world::observations(&seeds);
        let added = added.observation(u64::from(u32::MAX));
        let mut all = before.clone();
        if all.iter().all(|seen| seen.id != added.id) {
            all.push(added.clone());
        }
        check(&before, &added, &reference::final_alerts(&all, &rules, &settings));
        let log = world::log(&all, &deliveries);
        let alerts = world::last_active(&world::revisions(&log, &rules, &settings));
        check(&before, &added, &alerts);
    }
}
