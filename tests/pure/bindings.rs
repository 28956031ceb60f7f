//! Bindings of addresses to computers: whose an address was at a time, in whatever order the claims came.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use pipewarden_core::event::AddressClaim;
use pipewarden_core::inventory::{BindingSettings, Bindings};
use pipewarden_core::time::{AppendTime, EventTime};
use proptest::prelude::*;
use testkit::bindings::{Reference, X, again, bindings_of, claim, claims, ip, order, record, seconds};

fn host(bindings: &Bindings, at: i64) -> Option<String> {
    bindings.host_at(ip(X), seconds(at)).map(ToString::to_string)
}

#[test]
fn a_lease_that_moved_and_came_back_resolves_by_the_time_of_the_event() {
    let bindings = bindings_of(&[
        claim(X, "a.example", 0),
        claim(X, "a.example", 10),
        claim(X, "b.example", 20),
        claim(X, "b.example", 30),
        claim(X, "a.example", 40),
        claim(X, "a.example", 50),
        claim(X, "c.example", 70),
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
        assert_eq!(host(&bindings, at).as_deref(), Some(expected), "{at}: {why}");
    }
    assert_eq!(bindings.host_at(ip("192.0.2.10"), seconds(5)), None);
}

#[test]
fn a_clock_that_went_astray_takes_no_address_from_those_whose_clocks_are_sound() {
    let mut claims = vec![claim(X, "astray.example", 0), claim(X, "astray.example", 999_999)];
    claims.extend((100..200).map(|at| claim(X, "sound.example", at)));
    assert_eq!(host(&bindings_of(&claims), 150).as_deref(), Some("sound.example"));
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
    fn bindings_are_a_function_of_the_set_of_claims(claims in claims(40), order in order()) {
        let reference = Reference::of(&claims);
        for bindings in [bindings_of(&claims), bindings_of(&again(&claims, &order))] {
            prop_assert_eq!(bindings.bindings(), reference.spans());
            for address in 0..3u8 {
                let address = IpAddr::from([192, 0, 2, address]);
                for half in -4..28i64 {
                    let at = half * 500_000;
                    prop_assert_eq!(
                        bindings.host_at(address, EventTime::from_micros(at)),
                        reference.host_at(address, at),
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
        let settings = BindingSettings { limit_per_address: bound, ..BindingSettings::default() };
        let kept = |claims: &[AddressClaim]| -> BTreeMap<(IpAddr, Arc<str>), EventTime> {
            let mut bindings = Bindings::new(settings.clone());
            claims.iter().for_each(|claim| bindings.apply_claim(claim));
            bindings.bindings().into_iter().map(|(key, seen)| (key, seen.last())).collect()
        };
        let mut expected = BTreeMap::new();
        for address in 0..3u8 {
            let address = IpAddr::from([192, 0, 2, address]);
            let mut all: Vec<_> = Reference::of(&claims).spans().into_iter().filter(|((of, _), _)| *of == address).collect();
            all.sort_by_key(|((_, name), seen)| (std::cmp::Reverse(seen.last()), Arc::clone(name)));
            expected.extend(all.into_iter().take(bound).map(|(key, seen)| (key, seen.last())));
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
