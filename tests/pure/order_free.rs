//! The final alerts are a function of the set of observations: whatever the order, the delays, the copies.

use std::collections::{BTreeMap, BTreeSet};

use pipewarden_core::detection::{AlertKey, Content, Join, JoinSettings, Status, Who};
use pipewarden_core::event::Observation;
use pipewarden_core::time::AppendTime;
use proptest::prelude::*;
use testkit::world::{self, Delivery, Seed};
use testkit::{reference, size};

/// A world and several ways to deliver it.
fn scenario(settings: JoinSettings, span_ms: i64) -> impl Strategy<Value = (Vec<Seed>, Vec<Vec<Delivery>>)> {
    world::seeds(span_ms).prop_flat_map(move |seeds| {
        let one = prop::collection::vec(world::delivery(&settings), seeds.len());
        (Just(seeds), prop::collection::vec(one, 3))
    })
}

fn check(seeds: &[Seed], deliveries: &[Vec<Delivery>], settings: &JoinSettings) {
    let rules = world::rules();
    let observations = world::observations(seeds);
    let expected = reference::final_alerts(&observations, &rules, settings);
    for delivery in deliveries {
        let log = world::log(&observations, delivery);
        let revisions = world::revisions(&log, &rules, settings);
        held(&world::last_active(&revisions), &expected);
        check_exceptions(&log, &expected, settings);

        let mut numbers = BTreeMap::new();
        for revision in &revisions {
            let before = numbers.insert(revision.id, revision.number);
            assert!(
                before.is_none_or(|before| before < revision.number),
                "revisions of an alert must rise"
            );
        }
    }
}

/// Holds alerts to the reference's. Says what differs, line by line: whole worlds tell nobody anything.
fn held(found: &BTreeMap<AlertKey, Content>, expected: &BTreeMap<AlertKey, Content>) {
    let keys = |alerts: &BTreeMap<AlertKey, Content>| alerts.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(found), keys(expected));
    for (key, content) in found {
        if *content != expected[key] {
            let (found, expected) = (format!("{content:#?}"), format!("{:#?}", expected[key]));
            let without = |these: &str, those: &str| {
                let those: BTreeSet<&str> = those.lines().collect();
                let lines = these.lines().filter(|line| !those.contains(line));
                lines.collect::<Vec<_>>().join("\n")
            };
            let (more, less) = (without(&found, &expected), without(&expected, &found));
            panic!("{key:#?}\nfound\n{more}\nexpected\n{less}");
        }
    }
}

/// With exceptions in force the alerts say the same, and each is covered as the reference says.
fn check_exceptions(
    log: &[(u64, AppendTime, Observation)],
    expected: &BTreeMap<AlertKey, Content>,
    settings: &JoinSettings,
) {
    let join = Join::new(&world::rules(), settings.clone()).with_exceptions(world::exceptions());
    let last = world::last_active(&world::revisions_of(join, log));
    assert!(last.keys().eq(expected.keys()));
    for ((key, content), expected) in last.iter().zip(expected.values()) {
        let covering = content.exception.as_ref();
        let covering = covering.map(|covering| (&*covering.entry.id, covering.action.as_str()));
        assert_eq!(covering, reference::exception(key, expected, settings));
        let is_unexpected = content.unexpected.is_some();
        assert_eq!(is_unexpected, reference::is_unexpected(key, expected));
        let is_suppressed = key.who == Who::Local || matches!(covering, Some((_, "suppress")));
        assert_eq!(content.status == Status::Suppressed, is_suppressed);
        let plain = Content {
            status: expected.status,
            exception: None,
            unexpected: None,
            ..content.clone()
        };
        assert_eq!(plain, *expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(size::of([500, 2_000, 50_000])))]

    #[test]
    fn any_order_gives_the_alerts_of_the_reference_with_the_default_windows(
        (seeds, deliveries) in scenario(JoinSettings::default(), 1_500_000)
    ) {
        check(&seeds, &deliveries, &JoinSettings::default());
    }

    #[test]
    fn any_order_gives_the_alerts_of_the_reference_when_alerts_close_and_observations_expire_on_the_way(
        (seeds, deliveries) in scenario(world::scaled_down(60), 600_000)
    ) {
        check(&seeds, &deliveries, &world::scaled_down(60));
    }

    #[test]
    fn any_order_gives_the_alerts_of_the_reference_where_rules_watch_accounts_and_call_backs(
        (seeds, deliveries) in scenario(world::scaled_down(6), 120_000)
    ) {
        let settings = world::scaled_down(6);
        // Mostly logons and share accesses, and what may belong to them.
        let kind = |seed: &Seed| match seed.kind {
            0 => 2,
            1 => 3,
            kind => kind,
        };
        let seeds: Vec<Seed> = seeds.into_iter().map(|seed| Seed { kind: kind(&seed), ..seed }).collect();
        let more = vec![world::rule_about_accounts(), world::rule_with_callback()];
        let rules = [world::rules(), more].concat();
        let observations = world::observations(&seeds);
        let expected = reference::final_alerts(&observations, &rules, &settings);
        for delivery in &deliveries {
            let log = world::log(&observations, delivery);
            let join = Join::new(&rules, settings.clone()).with_inventory(world::accounts());
            held(&world::last_active(&world::revisions_of(join, &log)), &expected);
        }
    }

    #[test]
    fn any_order_gives_the_alerts_of_the_reference_where_clocks_are_estimated(
        (seeds, deliveries) in scenario(world::scaled_down(6), 60_000)
    ) {
        // Many sessions of few clients at one asset, and accesses between them that name no source.
        let seeds: Vec<Seed> = seeds
            .into_iter()
            .map(|seed| Seed { asset: 0, source: seed.source % 2, client_side: true, port: seed.port % 3, ..seed })
            .collect();
        check(&seeds, &deliveries, &world::scaled_down(6));
    }
}
