//! The final alerts are a function of the set of observations: whatever the order, the delays, the copies.

use std::collections::BTreeMap;

use pipewarden_core::detection::{AlertKey, Content, Join, JoinSettings, Status};
use pipewarden_core::event::Observation;
use pipewarden_core::time::AppendTime;
use proptest::prelude::*;
use testkit::world::{self, Delivery, Seed};
use testkit::{reference, size};

fn observations(seeds: &[Seed]) -> Vec<Observation> {
    seeds
        .iter()
        .enumerate()
        .map(|(number, seed)| seed.observation(number as u64))
        .collect()
}

/// A world and several ways to deliver it.
fn scenario(settings: JoinSettings, span_ms: i64) -> impl Strategy<Value = (Vec<Seed>, Vec<Vec<Delivery>>)> {
    world::seeds(span_ms).prop_flat_map(move |seeds| {
        let one = prop::collection::vec(world::delivery(&settings), seeds.len());
        (Just(seeds), prop::collection::vec(one, 3))
    })
}

fn check(seeds: &[Seed], deliveries: &[Vec<Delivery>], settings: &JoinSettings) {
    let rules = world::rules();
    let observations = observations(seeds);
    let expected = reference::final_alerts(&observations, &rules, settings);
    for delivery in deliveries {
        let log = world::log(&observations, delivery);
        let revisions = world::revisions(&log, &rules, settings);
        assert_eq!(world::last_active(&revisions), expected);
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
        let covering = content.exception.as_ref().map(|exception| &*exception.id);
        assert_eq!(covering, reference::exception(key, expected, settings));
        let is_suppressed = matches!(covering, Some("scanner" | "passing"));
        assert_eq!(content.status == Status::Suppressed, is_suppressed);
        let plain = Content {
            status: Status::Active,
            exception: None,
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
