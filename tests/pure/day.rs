//! A small day in an estate: what must hold of its alerts, whatever happens in it. `docs/noise.md` has a whole one.

use testkit::estate::{AttackOutcome, Day, Figures};

fn small(seed: u64) -> Figures {
    Day {
        seed,
        hours: 1,
        clients: 200,
    }
    .run(&mut || {})
}

#[test]
fn every_attack_is_told_and_exceptions_only_make_it_quieter() {
    let Figures { before, after, .. } = small(1);
    for judgement in [&before, &after] {
        assert_eq!(judgement.with_outcome(AttackOutcome::Silent), 0, "{judgement:?}");
        assert_eq!(
            judgement.with_outcome(AttackOutcome::Suppressed),
            0,
            "{judgement:?}"
        );
        assert_eq!(judgement.local_told, 0, "{judgement:?}");
        assert_eq!(judgement.blind_sensors_false, 0, "{judgement:?}");
    }
    assert!(after.told() < before.told(), "{after:?}");
    assert!(after.risky < before.risky, "{after:?}");
    let named = |judgement: &testkit::estate::Judgement| judgement.with_outcome(AttackOutcome::Named);
    assert_eq!(named(&after), named(&before));
    assert!(named(&after) >= 28, "{after:?}");
    assert_eq!(after.risky_of_others, 0, "{after:?}");
}

#[test]
fn each_attack_on_several_hosts_is_one_campaign_and_nobody_elses_routine_is() {
    let Figures { after, .. } = small(1);
    // By one attacker each: the registry of four hosts, PXE boot media, a machine account, coercion.
    assert_eq!(after.campaigns_of_attackers, 4, "{after:?}");
    assert_eq!(after.campaigns_of_others, 0, "{after:?}");
    assert!(
        after.campaigns > 4,
        "monitors are downgraded, and not silent: {after:?}"
    );
}

#[test]
fn a_seed_gives_one_day() {
    let day = |seed| {
        Day {
            seed,
            hours: 1,
            clients: 20,
        }
        .run(&mut || {})
    };
    assert_eq!(day(3), day(3));
    assert_ne!(day(3), day(4));
}
