//! What the stream teaches of addresses: whose an address was at a time, in whatever order it was taught.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use pipewarden_core::event::Lesson;
use pipewarden_core::inventory::{IdentitySettings, Learned};
use pipewarden_core::time::{AppendTime, EventTime};
use proptest::prelude::*;
use testkit::bindings::{Reference, X, again, ip, lesson, lessons, order, record, seconds, taught};

fn host(learned: &Learned, at: i64) -> Option<String> {
    learned.host_at(ip(X), seconds(at)).map(ToString::to_string)
}

#[test]
fn a_lease_that_moved_and_came_back_resolves_by_the_time_of_the_event() {
    let learned = taught(&[
        lesson(X, "a.example", 0),
        lesson(X, "a.example", 10),
        lesson(X, "b.example", 20),
        lesson(X, "b.example", 30),
        lesson(X, "a.example", 40),
        lesson(X, "a.example", 50),
        lesson(X, "c.example", 70),
    ]);
    for (at, expected, why) in [
        (-5, "a.example", "the nearest, before all"),
        (5, "a.example", "the only one that holds it"),
        (20, "b.example", "the narrowest of two that hold it"),
        (25, "b.example", "the narrowest of two that hold it"),
        (31, "a.example", "it came back"),
        (45, "a.example", "it came back"),
        (55, "a.example", "the nearest"),
        (60, "a.example", "as near to a as to c: the lower name"),
        (61, "c.example", "the nearest"),
        (999, "c.example", "the nearest, after all"),
    ] {
        assert_eq!(host(&learned, at).as_deref(), Some(expected), "{at}: {why}");
    }
    assert_eq!(learned.host_at(ip("192.0.2.10"), seconds(5)), None);
}

#[test]
fn a_clock_that_went_astray_takes_no_address_from_those_whose_clocks_are_sound() {
    let mut lessons = vec![
        lesson(X, "astray.example", 0),
        lesson(X, "astray.example", 999_999),
    ];
    lessons.extend((100..200).map(|at| lesson(X, "sound.example", at)));
    assert_eq!(host(&taught(&lessons), 150).as_deref(), Some("sound.example"));
}

#[test]
fn a_short_name_is_known_as_long_as_one_computer_of_that_name_has_a_binding() {
    let mut learned = taught(&[
        lesson(X, "portal.a.example", 0),
        lesson("192.0.2.10", "portal.a.example", 0),
    ]);
    let short = |learned: &Learned| learned.host_named("portal").map(ToString::to_string);
    assert_eq!(short(&learned).as_deref(), Some("portal.a.example"));
    for other in [
        "portal-mgmt.a.example",
        "portals.a.example",
        "port.a.example",
        "a.portal",
    ] {
        learned.learn(&lesson("192.0.2.12", other, 0));
    }
    assert_eq!(short(&learned).as_deref(), Some("portal.a.example"));
    learned.learn(&lesson("192.0.2.11", "portal.b.example", 0));
    assert_eq!(short(&learned), None, "two are called so");
    for address in [X, "192.0.2.10"] {
        learned.hear(&record(address, "portal.a.example", None), AppendTime::MIN);
    }
    assert_eq!(short(&learned).as_deref(), Some("portal.b.example"));
    learned.hear(&record("192.0.2.11", "portal.b.example", None), AppendTime::MIN);
    assert_eq!(short(&learned), None);
    learned.learn(&lesson(X, "portal", 0));
    assert_eq!(short(&learned).as_deref(), Some("portal"));
    learned.hear(&record(X, "portal", None), AppendTime::MIN);
    for other in [
        "portal-mgmt.a.example",
        "portals.a.example",
        "port.a.example",
        "a.portal",
    ] {
        learned.hear(&record("192.0.2.12", other, None), AppendTime::MIN);
    }
    assert_eq!((learned.size().addresses, learned.size().bindings), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_learned_is_a_function_of_the_set_of_lessons(lessons in lessons(40), order in order()) {
        let reference = Reference::of(&lessons);
        for learned in [taught(&lessons), taught(&again(&lessons, &order))] {
            prop_assert_eq!(learned.bindings(), reference.spans());
            for address in 0..3u8 {
                let address = IpAddr::from([192, 0, 2, address]);
                for half in -4..28i64 {
                    let at = half * 500_000;
                    prop_assert_eq!(
                        learned.host_at(address, EventTime::from_micros(at)),
                        reference.host_at(address, at),
                        "{} at {}", address, at
                    );
                }
            }
        }
    }

    #[test]
    fn which_computers_an_address_keeps_and_when_they_were_last_seen_does_not_depend_on_the_order(
        lessons in lessons(60), order in order(), bound in 1..4usize,
    ) {
        let settings = IdentitySettings { bindings_per_address: bound, ..IdentitySettings::default() };
        let kept = |lessons: &[Lesson]| -> BTreeMap<(IpAddr, Arc<str>), EventTime> {
            let mut learned = Learned::new(settings.clone());
            lessons.iter().for_each(|lesson| learned.learn(lesson));
            learned.bindings().into_iter().map(|(key, seen)| (key, seen.last())).collect()
        };
        let mut expected = BTreeMap::new();
        for address in 0..3u8 {
            let address = IpAddr::from([192, 0, 2, address]);
            let mut all: Vec<_> = Reference::of(&lessons).spans().into_iter().filter(|((of, _), _)| *of == address).collect();
            all.sort_by_key(|((_, name), seen)| (std::cmp::Reverse(seen.last()), Arc::clone(name)));
            expected.extend(all.into_iter().take(bound).map(|(key, seen)| (key, seen.last())));
        }
        prop_assert_eq!(kept(&lessons), expected.clone());
        prop_assert_eq!(kept(&again(&lessons, &order)), expected);
    }

    #[test]
    fn which_addresses_are_kept_does_not_depend_on_the_order(
        lessons in lessons(60), order in order(), bound in 1..3usize,
    ) {
        // One computer for each address: where there are several, it matters which came first to the bound.
        let one = |lesson: Lesson| Lesson { computer: lesson.address.to_string().into(), ..lesson };
        let lessons: Vec<Lesson> = lessons.into_iter().map(one).collect();
        let settings = IdentitySettings { bindings: bound, ..IdentitySettings::default() };
        let mut last = BTreeMap::new();
        for lesson in &lessons {
            let seen = last.entry(lesson.address).or_insert(lesson.time);
            *seen = (*seen).max(lesson.time);
        }
        let mut all: Vec<_> = last.into_iter().map(|(address, last)| (last, address)).collect();
        all.sort_by(|a, b| b.cmp(a));
        let expected: BTreeSet<IpAddr> = all.into_iter().take(bound).map(|(_, address)| address).collect();
        for lessons in [lessons.clone(), again(&lessons, &order)] {
            let mut learned = Learned::new(settings.clone());
            lessons.iter().for_each(|lesson| learned.learn(lesson));
            let kept: BTreeSet<IpAddr> = learned.bindings().into_keys().map(|(address, _)| address).collect();
            prop_assert_eq!(&kept, &expected);
            prop_assert_eq!(learned.size().addresses, kept.len());
            prop_assert_eq!(learned.size().bindings, learned.bindings().len());
        }
    }
}
