//! Inventory files, and which asset an event is about.

use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::event::{AddressClaim, AssetId, Decoded, Decoder, Watched, Word};
use pipewarden_core::inventory::{Inventory, Outcome, Resolution, ResolvedBy, Resolver, UnlistedHosts};
use pipewarden_core::time::EventTime;
use proptest::prelude::*;
use serde_json::Value;
use testkit::winlogbeat::{ATLAS, CLIENT, connection, pipe, share, with};

const HOSTS: &str = "
assets:
  - name: atlas.aperture.local
    addresses: [10.1.0.50, '::ffff:10.1.0.51', 'fd00:0:0:0:0:0:0:50']
    aliases: [Atlas-Mgmt.aperture.local.]
    roles: [primary-site-server, tier0]
  - name: GLADOS
    addresses: [10.1.0.10]
    roles: [domain-controller]
  - name: twin.a.example
  - name: twin.b.example
";

fn inventory() -> Inventory {
    Inventory::parse(HOSTS, "hosts.yaml").unwrap()
}

fn resolver(unlisted: UnlistedHosts) -> Resolver {
    Resolver::new(Arc::new(inventory()), Some(unlisted))
}

#[track_caller]
fn decode(event: &Value) -> Decoded {
    let winreg = || ["winreg".into()].into_iter().collect();
    let pipes = Watched {
        pipe_connected: winreg(),
        share_access: winreg(),
        ..Watched::default()
    };
    Decoder::new(pipes, Duration::from_secs(1800))
        .decode(event.to_string().as_bytes())
        .unwrap()
}

#[track_caller]
fn resolve(resolver: &Resolver, event: &Value) -> Resolution {
    resolver.resolve(&decode(event).outcome.unwrap())
}

#[track_caller]
fn asset_of(resolution: &Resolution) -> &str {
    match &resolution.outcome {
        Outcome::Asset(asset) => asset.as_str(),
        other => panic!("{other:?}"),
    }
}

/// A connection to a destination by address and name.
fn to(ip: &str, name: &str) -> Value {
    with(
        with(connection(0, "sentry1", CLIENT, 1), "DestinationIp", ip.into()),
        "DestinationHostname",
        name.into(),
    )
}

/// The same event, logged by another computer.
fn by(mut event: Value, computer: &str) -> Value {
    event["winlog"]["computer_name"] = computer.into();
    event
}

#[test]
fn every_wrong_entry_is_named_with_its_line() {
    let bad = "
assets:
  - name: atlas.aperture.local
    addresses: [10.1.0.50, 10.1.0.500]
    roles: [primary-siteserver]
  - name: glados.aperture.local
    addresses: ['::ffff:10.1.0.50', 127.0.0.1]
    aliases: [ATLAS.aperture.local]
  - name: 'two words'
  - {name: dp1.aperture.local, netbios_domain: APERTURE}
  - {name: dp2.aperture.local, netbios_domain: SKY}
  - {name: dp3.aperture.local, netbios_domain: aperture.local}
";
    let message = Inventory::parse(bad, "hosts.yaml").unwrap_err().to_string();
    for word in [
        "hosts.yaml",
        "line 4: \"10.1.0.500\" of the asset atlas.aperture.local is not an IP address",
        "line 5: unknown role \"primary-siteserver\" of the asset atlas.aperture.local; did you mean primary-site-server?",
        "line 7: the address 10.1.0.50 of glados.aperture.local is already used by atlas.aperture.local",
        "line 7: 127.0.0.1 of the asset glados.aperture.local cannot belong to one host",
        "line 8: the name atlas.aperture.local is already used",
        "line 9: \"two words\" is not a host name",
        "line 11: the domain aperture.local has the NetBIOS name SKY of dp2.aperture.local and aperture of another asset",
        "line 12: \"aperture.local\" of the asset dp3.aperture.local is not the NetBIOS name of a domain",
    ] {
        assert!(message.contains(word), "{word}\n{message}");
    }
}

#[test]
fn a_file_of_another_form_is_refused_with_its_line() {
    for (text, parts) in [
        ("", &["hosts.yaml", "empty"][..]),
        (
            "assets:\n  - name: a\n    adresses: [10.0.0.1]\n",
            &["hosts.yaml", "adresses", "3"],
        ),
        ("assets:\n  - addresses: [10.0.0.1]\n", &["name"]),
        ("assets: [\n", &["hosts.yaml"]),
    ] {
        let message = Inventory::parse(text, "hosts.yaml").unwrap_err().to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}

#[test]
fn addresses_are_compared_as_addresses() {
    let resolver = resolver(UnlistedHosts::Ignore);
    for ip in [
        "10.1.0.50",
        "::ffff:10.1.0.50",
        "::ffff:a01:32",
        "10.1.0.51",
        "fd00::50",
        "fd00:0:0:0:0:0:0:50",
    ] {
        let resolution = resolve(&resolver, &to(ip, "-"));
        assert_eq!(
            (asset_of(&resolution), resolution.resolved_by),
            ("atlas.aperture.local", ResolvedBy::Address),
            "{ip}"
        );
    }
}

#[test]
fn names_are_compared_without_case_and_a_short_one_with_the_first_label() {
    let resolver = resolver(UnlistedHosts::Ignore);
    for (name, asset, how) in [
        (
            "Atlas.Aperture.LOCAL",
            "atlas.aperture.local",
            ResolvedBy::FullName,
        ),
        (
            "atlas-mgmt.aperture.local",
            "atlas.aperture.local",
            ResolvedBy::FullName,
        ),
        ("ATLAS", "atlas.aperture.local", ResolvedBy::ShortName),
        ("atlas-mgmt", "atlas.aperture.local", ResolvedBy::ShortName),
        ("glados", "glados", ResolvedBy::FullName),
        ("glados.aperture.local", "glados", ResolvedBy::ShortName),
    ] {
        let resolution = resolve(&resolver, &to("192.0.2.1", name));
        assert_eq!(
            (asset_of(&resolution), resolution.resolved_by),
            (asset, how),
            "{name}"
        );
    }
    for name in ["atlas.other.example", "twin", "nobody"] {
        assert_eq!(
            resolve(&resolver, &to("192.0.2.1", name)).outcome,
            Outcome::Ignored(AssetId::new(name)),
            "{name}"
        );
    }
}

#[test]
fn where_address_and_name_disagree_the_address_wins_and_the_conflict_is_counted() {
    let resolution = resolve(
        &resolver(UnlistedHosts::Ignore),
        &to("10.1.0.10", "atlas.aperture.local"),
    );
    assert_eq!(asset_of(&resolution), "glados");
    assert!(resolution.conflict);
    let resolution = resolve(
        &resolver(UnlistedHosts::Ignore),
        &to("10.1.0.50", "ec2-1-2-3-4.compute.example"),
    );
    assert_eq!(asset_of(&resolution), "atlas.aperture.local");
    assert!(
        !resolution.conflict,
        "a name that belongs to nobody contradicts nobody"
    );
}

#[test]
fn what_the_destination_itself_logs_belongs_to_the_computer_that_logged_it() {
    let resolver = resolver(UnlistedHosts::Ignore);
    assert_eq!(asset_of(&resolve(&resolver, &pipe(0))), "atlas.aperture.local");
    assert_eq!(
        asset_of(&resolve(&resolver, &share(0, CLIENT, 1))),
        "atlas.aperture.local"
    );
    let received = with(
        by(connection(0, "x", CLIENT, 1), "glados.aperture.local"),
        "Initiated",
        "false".into(),
    );
    assert_eq!(
        asset_of(&resolve(&resolver, &received)),
        "glados",
        "though its address is atlas's"
    );
    let renamed = with(
        by(connection(0, "x", CLIENT, 1), "minint-4711"),
        "Initiated",
        "false".into(),
    );
    assert_eq!(
        asset_of(&resolve(&resolver, &renamed)),
        "atlas.aperture.local",
        "its name resolves to nothing"
    );
}

#[test]
fn an_assets_own_addresses_are_local_and_a_learned_one_is_not() {
    let mut resolver = resolver(UnlistedHosts::Ignore);
    for own in [
        "10.1.0.50",
        "10.1.0.51",
        "fd00::50",
        "127.0.0.1",
        "::1",
        "0.0.0.0",
    ] {
        let resolution = resolve(&resolver, &share(0, own, 1));
        assert!(resolution.is_local, "{own}");
        assert_eq!(asset_of(&resolution), "atlas.aperture.local", "{own}");
    }
    let forged = AddressClaim {
        address: CLIENT.parse().unwrap(),
        computer: "atlas.aperture.local".into(),
        time: EventTime::from_micros(0),
        says: Word::Client,
    };
    resolver.apply_claim(&forged);
    let resolution = resolve(&resolver, &share(0, CLIENT, 1));
    assert_eq!(asset_of(&resolution), "atlas.aperture.local");
    assert!(!resolution.is_local, "a lie silences nothing");
}

#[test]
fn unlisted_hosts_are_ignored_or_watched_under_the_best_name_there_is() {
    let elsewhere = || by(pipe(0), "portal.example");
    assert_eq!(
        resolve(&resolver(UnlistedHosts::Ignore), &elsewhere()).outcome,
        Outcome::Ignored(AssetId::new("portal.example"))
    );
    let mut watching = resolver(UnlistedHosts::Watch);
    assert_eq!(asset_of(&resolve(&watching, &elsewhere())), "portal.example");
    assert_eq!(asset_of(&resolve(&watching, &to("192.0.2.9", "-"))), "192.0.2.9");
    let claim = AddressClaim {
        address: "192.0.2.9".parse().unwrap(),
        computer: "portal.example".into(),
        time: EventTime::from_micros(0),
        says: Word::Client,
    };
    watching.apply_claim(&claim);
    let resolution = resolve(&watching, &to("192.0.2.9", "-"));
    assert_eq!(
        (asset_of(&resolution), resolution.resolved_by),
        ("portal.example", ResolvedBy::Binding)
    );
    assert_eq!(
        asset_of(&resolve(&watching, &to("192.0.2.1", "PORTAL"))),
        "portal.example"
    );
}

#[test]
fn the_stream_teaches_whose_an_address_is_and_a_collector_teaches_nothing() {
    let claims = |event: &Value| -> Vec<(String, String, Word)> {
        decode(event)
            .claims
            .iter()
            .map(|claim| (claim.address.to_string(), claim.computer.to_string(), claim.says))
            .collect()
    };
    let taught = |ip: &str, computer: &str, says| (ip.to_owned(), computer.to_owned(), says);
    let sent = connection(0, "sentry1.aperture.local", CLIENT, 1);
    assert_eq!(
        claims(&sent),
        [taught(CLIENT, "sentry1.aperture.local", Word::Client)]
    );
    let received = with(
        by(connection(0, "x", CLIENT, 1), "atlas.aperture.local"),
        "Initiated",
        "false".into(),
    );
    assert_eq!(
        claims(&received),
        [taught(ATLAS, "atlas.aperture.local", Word::Server)]
    );
    let reversed = with(
        with(received, "SourceIp", ATLAS.into()),
        "SourcePort",
        "445".into(),
    );
    let reversed = with(
        with(reversed, "DestinationIp", CLIENT.into()),
        "DestinationPort",
        "49839".into(),
    );
    assert_eq!(claims(&reversed), [], "which end is its own is a guess");
    let unsaid = with(sent, "Initiated", serde_json::Value::Null);
    assert_eq!(claims(&unsaid), [], "nothing says which end is its own");
    let mut own = pipe(0);
    own["host"]["ip"] = serde_json::json!([ATLAS, "fe80::1", "127.0.0.1"]);
    assert_eq!(
        claims(&own),
        [
            taught(ATLAS, "atlas.aperture.local", Word::Agent),
            taught("fe80::1", "atlas.aperture.local", Word::Agent)
        ]
    );
    own["host"]["name"] = "collector.aperture.local".into();
    assert_eq!(claims(&own), []);
}

#[test]
fn another_inventory_changes_what_an_address_resolves_to_and_forgets_nothing_learned() {
    let mut resolver = Resolver::new(Arc::new(Inventory::empty()), None);
    let claim = AddressClaim {
        address: "192.0.2.9".parse().unwrap(),
        computer: "portal.example".into(),
        time: EventTime::from_micros(0),
        says: Word::Client,
    };
    resolver.apply_claim(&claim);
    let named = |resolver: &Resolver| asset_of(&resolve(resolver, &to("192.0.2.9", "-"))).to_owned();
    assert_eq!(named(&resolver), "portal.example");
    let other = Inventory::parse("assets: [{name: wheatley, addresses: [192.0.2.9]}]", "test").unwrap();
    resolver.set_inventory(Arc::new(other), UnlistedHosts::Watch);
    assert_eq!(named(&resolver), "wheatley", "the inventory wins");
    resolver.apply_claim(&claim);
    assert_eq!((resolver.take_conflicts(), resolver.take_conflicts()), (1, 0));
    resolver.set_inventory(Arc::new(Inventory::empty()), UnlistedHosts::Watch);
    assert_eq!(named(&resolver), "portal.example");
}

#[test]
fn an_access_from_an_address_that_the_inventory_lists_is_not_local_to_another_host_whatever_was_learned() {
    let mut resolver = resolver(UnlistedHosts::Watch);
    let by_portal = by(share(0, ATLAS, 1), "portal.example");
    resolver.apply_claim(&AddressClaim {
        address: ATLAS.parse().unwrap(),
        computer: "portal.example".into(),
        time: EventTime::from_micros(0),
        says: Word::Client,
    });
    assert_eq!(asset_of(&resolve(&resolver, &by_portal)), "portal.example");
}

proptest! {
    #[test]
    fn what_is_learned_does_not_depend_on_the_order_of_lessons(
        claims in prop::collection::vec((0u8..3, 0u8..4, 0i64..5), 1..20),
        seed: u64,
    ) {
        use rand::SeedableRng as _;
        use rand::seq::SliceRandom as _;
        let claims: Vec<AddressClaim> = claims
            .into_iter()
            .map(|(address, computer, time)| AddressClaim {
                address: [192, 0, 2, address].into(),
                computer: format!("host{computer}.example").into(),
                time: EventTime::from_micros(time),
                says: Word::Client,
            })
            .collect();
        let mut shuffled = claims.clone();
        shuffled.shuffle(&mut rand_chacha::ChaCha8Rng::seed_from_u64(seed));
        let bindings = |claims: &[AddressClaim]| {
            let mut resolver = resolver(UnlistedHosts::Watch);
            claims.iter().for_each(|claim| resolver.apply_claim(claim));
            (0u8..3).map(|address| resolve(&resolver, &to(&format!("192.0.2.{address}"), "-"))).collect::<Vec<_>>()
        };
        prop_assert_eq!(bindings(&claims), bindings(&shuffled));
    }

    #[test]
    fn no_inventory_file_panics(text in "(assets:|name:|roles:|addresses:|[-\\[\\]{} \n:,.a-z0-9]){0,30}") {
        let _ = Inventory::parse(&text, "hosts.yaml");
    }
}
