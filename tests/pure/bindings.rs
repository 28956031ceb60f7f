//! Bindings of addresses to computers: whose an address was at a time, in whatever order the claims came.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use pipewarden_core::event::{AddressClaim, Word};
use pipewarden_core::inventory::{BindingSettings, Bindings};
use pipewarden_core::time::{AppendTime, EventTime};
use proptest::prelude::*;
use testkit::bindings::{
    Reference, X, again, bindings_of, claim, claims, claims_apart, ip, order, record, said, seconds,
};

const HOUR: i64 = 3_600;

fn host(bindings: &Bindings, at: i64) -> Option<String> {
    bindings
        .host_at(ip(X), seconds(at), |_| false)
        .map(ToString::to_string)
}

/// Seen at X every half hour, by its own log.
fn stay(computer: &str, hours: std::ops::RangeInclusive<i64>) -> impl Iterator<Item = AddressClaim> {
    let (first, last) = (hours.start() * HOUR, hours.end() * HOUR);
    (first..=last)
        .step_by(1_800)
        .map(move |at| claim(X, computer, at))
}

#[test]
fn a_lease_that_moved_and_came_back_resolves_by_the_time_of_the_event() {
    let stays = [
        ("a.example", 0..=10),
        ("b.example", 20..=30),
        ("a.example", 40..=50),
        ("c.example", 70..=70),
    ];
    let claims: Vec<_> = stays
        .into_iter()
        .flat_map(|(computer, hours)| stay(computer, hours))
        .collect();
    let bindings = bindings_of(&claims);
    for (at, expected, why) in [
        (-5, "a.example", "the nearest, before all"),
        (5, "a.example", "the only one there"),
        (11, "a.example", "it is not long gone"),
        (20, "b.example", "the only one there"),
        (25, "b.example", "the only one there, though the other came back"),
        (35, "a.example", "as near to a as to b: the lower name"),
        (36, "a.example", "the nearest"),
        (45, "a.example", "it came back"),
        (60, "a.example", "as near to a as to c: the lower name"),
        (61, "c.example", "the nearest"),
        (999, "c.example", "the nearest, after all"),
    ] {
        assert_eq!(
            host(&bindings, at * HOUR).as_deref(),
            Some(expected),
            "{at}: {why}"
        );
    }
    let elsewhere = bindings.host_at(ip("192.0.2.10"), seconds(5), |_| false);
    assert_eq!(elsewhere, None);
}

#[test]
fn what_two_claim_at_one_time_is_neithers_unless_one_has_the_better_word() {
    let words = [Word::Tuple, Word::Agent, Word::Server, Word::Client];
    for (weak, strong) in words.iter().flat_map(|a| words.iter().map(move |b| (*a, *b))) {
        let bindings = bindings_of(&[said(weak, X, "a.example", 0), said(strong, X, "b.example", 60)]);
        let expected = match weak.cmp(&strong) {
            std::cmp::Ordering::Less => Some("b.example"),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some("a.example"),
        };
        assert_eq!(host(&bindings, 30).as_deref(), expected, "{weak:?}, {strong:?}");
    }
    let mut bindings = bindings_of(&[claim(X, "a.example", 0), claim(X, "b.example", 60)]);
    let listed = bindings.host_at(ip(X), seconds(30), |name| name == "a.example");
    assert_eq!(
        listed.map(|name| &**name),
        Some("a.example"),
        "whom the caller prefers"
    );
    bindings.apply_claim(&claim(X, "a.example", 3 * HOUR));
    assert_eq!(
        host(&bindings, 3 * HOUR).as_deref(),
        Some("a.example"),
        "b is gone"
    );
    let one = bindings_of(&[claim(X, "a", 0), claim(X, "a.example", 0)]);
    assert_eq!(host(&one, 0).as_deref(), Some("a.example"), "two names of one");
}

#[test]
fn a_clock_that_went_astray_takes_no_address_from_those_whose_clocks_are_sound() {
    let mut claims = vec![claim(X, "astray.example", 0), claim(X, "astray.example", 999_999)];
    claims.extend(stay("sound.example", 50..=60));
    assert_eq!(
        host(&bindings_of(&claims), 55 * HOUR).as_deref(),
        Some("sound.example")
    );
}

#[test]
fn a_computer_holds_so_many_addresses_and_those_on_the_weakest_word_go_first_then_the_oldest() {
    let mut bindings = Bindings::new(BindingSettings {
        limit_per_computer: 3,
        ..BindingSettings::default()
    });
    let kept = |bindings: &Bindings| -> Vec<String> {
        bindings
            .bindings()
            .into_keys()
            .map(|(address, _)| address.to_string())
            .collect()
    };
    bindings.apply_claim(&claim(X, "a.example", 0));
    for address in 1..=99u8 {
        let listed = said(
            Word::Agent,
            &format!("192.0.2.1{address:02}"),
            "a.example",
            i64::from(address),
        );
        bindings.apply_claim(&listed);
    }
    assert_eq!(kept(&bindings), [X, "192.0.2.198", "192.0.2.199"]);
    assert_eq!(bindings.take_dropped().limit_per_computer, 97);
    bindings.apply_claim(&claim("192.0.2.1", "a.example", -9));
    bindings.apply_claim(&claim("192.0.2.1", "b.example", -9));
    assert_eq!(kept(&bindings), ["192.0.2.1", "192.0.2.1", X, "192.0.2.199"]);
    bindings.apply_claim(&claim("192.0.2.2", "a.example", 0));
    bindings.apply_claim(&claim("192.0.2.3", "a.example", 0));
    assert_eq!(kept(&bindings), ["192.0.2.1", "192.0.2.2", "192.0.2.3", X]);
    assert_eq!((bindings.size().addresses, bindings.size().bindings), (4, 4));
}

#[test]
fn a_short_name_is_known_as_long_as_one_computer_of_that_name_has_a_binding() {
    let mut bindings = bindings_of(&[
        claim(X, "portal.a.example", 0),
        claim("192.0.2.10", "portal.a.example", 0),
    ]);
    let short = |bindings: &Bindings| bindings.host_named("portal").map(ToString::to_string);
    assert_eq!(short(&bindings).as_deref(), Some("portal.a.example"));
    for other in [
        "portal-mgmt.a.example",
        "portals.a.example",
        "port.a.example",
        "a.portal",
    ] {
        bindings.apply_claim(&claim("192.0.2.12", other, 0));
    }
    assert_eq!(short(&bindings).as_deref(), Some("portal.a.example"));
    bindings.apply_claim(&claim("192.0.2.11", "portal.b.example", 0));
    assert_eq!(short(&bindings), None, "two are called so");
    for address in [X, "192.0.2.10"] {
        bindings.apply_record(&record(address, "portal.a.example", None), AppendTime::MIN);
    }
    assert_eq!(short(&bindings).as_deref(), Some("portal.b.example"));
    bindings.apply_record(&record("192.0.2.11", "portal.b.example", None), AppendTime::MIN);
    assert_eq!(short(&bindings), None);
    bindings.apply_claim(&claim(X, "portal", 0));
    assert_eq!(short(&bindings).as_deref(), Some("portal"));
    bindings.apply_record(&record(X, "portal", None), AppendTime::MIN);
    for other in [
        "portal-mgmt.a.example",
        "portals.a.example",
        "port.a.example",
        "a.portal",
    ] {
        bindings.apply_record(&record("192.0.2.12", other, None), AppendTime::MIN);
    }
    assert_eq!((bindings.size().addresses, bindings.size().bindings), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn bindings_are_a_function_of_the_set_of_claims(claims in claims_apart(40, 1_500), order in order(), preferred in 0..5u8) {
        let reference = Reference::of(&claims);
        let is_preferred = |name: &str| name == format!("host{preferred}.example");
        for bindings in [bindings_of(&claims), bindings_of(&again(&claims, &order))] {
            prop_assert_eq!(bindings.bindings(), reference.seen());
            for address in 0..3u8 {
                let address = IpAddr::from([192, 0, 2, address]);
                for half in -4..54i64 {
                    let at = half * 750_000_000;
                    prop_assert_eq!(
                        bindings.host_at(address, EventTime::from_micros(at), is_preferred),
                        reference.host_at(address, at, is_preferred),
                        "{} at {}", address, at
                    );
                }
            }
        }
    }

    #[test]
    fn which_computers_an_address_keeps_and_when_they_were_last_seen_does_not_depend_on_the_order(
        claims in claims(60), order in order(), bound in 1..4usize,
    ) {
        // On one word: where there are several, it matters which came first to the bound.
        let claims: Vec<_> = claims.into_iter().map(|claim| AddressClaim { says: Word::Client, ..claim }).collect();
        let settings = BindingSettings { limit_per_address: bound, ..BindingSettings::default() };
        let kept = |claims: &[AddressClaim]| -> BTreeMap<(IpAddr, Arc<str>), EventTime> {
            let mut bindings = Bindings::new(settings.clone());
            claims.iter().for_each(|claim| bindings.apply_claim(claim));
            bindings.bindings().into_iter().map(|(key, seen)| (key, seen.span.last())).collect()
        };
        let mut expected = BTreeMap::new();
        for address in 0..3u8 {
            let address = IpAddr::from([192, 0, 2, address]);
            let mut all: Vec<_> = Reference::of(&claims).seen().into_iter().filter(|((of, _), _)| *of == address).collect();
            all.sort_by_key(|((_, name), seen)| (std::cmp::Reverse(seen.span.last()), Arc::clone(name)));
            expected.extend(all.into_iter().take(bound).map(|(key, seen)| (key, seen.span.last())));
        }
        prop_assert_eq!(kept(&claims), expected.clone());
        prop_assert_eq!(kept(&again(&claims, &order)), expected);
    }

    #[test]
    fn which_addresses_are_kept_does_not_depend_on_the_order(
        claims in claims(60), order in order(), bound in 1..3usize,
    ) {
        // One computer for each address: where there are several, it matters which came first to the bound.
        let one = |claim: AddressClaim| AddressClaim { computer: claim.address.to_string().into(), ..claim };
        let claims: Vec<AddressClaim> = claims.into_iter().map(one).collect();
        let settings = BindingSettings { limit: bound, ..BindingSettings::default() };
        let mut last = BTreeMap::new();
        for claim in &claims {
            let seen = last.entry(claim.address).or_insert(claim.time);
            *seen = (*seen).max(claim.time);
        }
        let mut all: Vec<_> = last.into_iter().map(|(address, last)| (last, address)).collect();
        all.sort_by(|a, b| b.cmp(a));
        let expected: BTreeSet<IpAddr> = all.into_iter().take(bound).map(|(_, address)| address).collect();
        for claims in [claims.clone(), again(&claims, &order)] {
            let mut bindings = Bindings::new(settings.clone());
            claims.iter().for_each(|claim| bindings.apply_claim(claim));
            let kept: BTreeSet<IpAddr> = bindings.bindings().into_keys().map(|(address, _)| address).collect();
            prop_assert_eq!(&kept, &expected);
            prop_assert_eq!(bindings.size().addresses, kept.len());
            prop_assert_eq!(bindings.size().bindings, bindings.bindings().len());
        }
    }
}
