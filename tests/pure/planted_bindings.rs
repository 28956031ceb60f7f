//! What whoever may write to an input topic can make of bindings, in a service and in a recording, and what not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::detection::{JoinSettings, RuleSet};
use pipewarden_core::inventory::{Inventory, UnlistedHosts};
use pipewarden_core::log::{Offset, Partition};
use pipewarden_core::time::AppendTime;
use pipewarden_engine::{Origin, Policy, Routed, Router};
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::detect::{Bench, INVENTORY};
use testkit::size;
use testkit::winlogbeat::{ATLAS, CLIENT, START, connection, pipe, share, with};

const TWIN: &str = "10.2.0.2";
const OWNER: &str = "10.2.0.3";

/// A host whose addresses are listed, and one that is listed by its name alone.
const HOSTS: &str = "
assets:
  - {name: atlas.aperture.local, addresses: [10.1.0.50]}
  - {name: twin.aperture.local}
";

/// The host that has each address of a true world, by the name that is expected of it.
const TRUE: [(&str, &str); 3] = [
    ("atlas.aperture.local", ATLAS),
    ("twin.aperture.local", TWIN),
    ("owner.example", OWNER),
];

const MINUTE: i64 = 60_000;
/// How long the true world lasts, in minutes.
const LASTS: i64 = 180;

fn router() -> Router {
    let inventory = Arc::new(Inventory::parse(HOSTS, "test").unwrap());
    let join = JoinSettings::default();
    let policy = Policy::new(
        RuleSet::builtin(),
        inventory,
        UnlistedHosts::Watch,
        join,
        "test".to_owned(),
    );
    Router::new(&policy)
}

fn now(ms: i64) -> AppendTime {
    AppendTime::from_millis(START + ms)
}

/// The hosts that a document is about.
fn keys(router: &mut Router, document: &Value) -> Vec<String> {
    let origin = Origin {
        topic: "test",
        partition: Partition::ZERO,
        offset: Offset::ZERO,
    };
    let mut keys = Vec::new();
    router.route_each(Some(document.to_string().as_bytes()), origin, &mut |routed| {
        keys.push(match routed {
            Routed::Observation(observation) => observation.key().to_string(),
            other => format!("{other:?}"),
        });
    });
    keys
}

/// A router that has read all this: as a service, each at its time, or as a recording.
fn taught(documents: &[(i64, Value)], is_live: bool) -> Router {
    let mut router = router();
    if is_live {
        router.resolver().bindings().begin_reading();
        router.resolver().bindings().begin_publishing();
    }
    for (arrival, document) in documents {
        if is_live {
            router.resolver().bindings().advance(now(*arrival));
        }
        keys(&mut router, document);
    }
    router
}

/// A connection from an address to another, without a name, in minutes.
fn logged(minutes: i64, computer: &str, (from, port): (&str, u16), to: &str, initiated: &str) -> Value {
    let event = connection(minutes * MINUTE, computer, from, port);
    let event = with(event, "DestinationHostname", "-".into());
    let event = with(event, "DestinationIp", to.into());
    with(event, "Initiated", initiated.into())
}

/// Whose a connection to this address is, that somebody logs at this minute.
fn asked(router: &mut Router, minute: i64, address: &str) -> String {
    let event = logged(minute, "asker.example", ("10.9.9.9", 50_000), address, "true");
    keys(router, &event).remove(0)
}

/// What the hosts log: each a connection in every twenty minutes, of one of the kinds that are its own word.
fn truth(as_server: bool) -> Vec<(i64, Value)> {
    let mut all = Vec::new();
    for minute in (0..=LASTS).step_by(20) {
        for (host, address) in TRUE {
            let event = if as_server {
                logged(minute, host, ("10.9.9.8", 50_001), address, "false")
            } else {
                logged(minute, host, (address, 50_002), "10.9.9.7", "true")
            };
            all.push((minute * MINUTE, event));
        }
    }
    all
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forged {
    Client,
    Server,
    Reversed,
    Unsaid,
    Agent,
    Collector,
}

/// A document that somebody adds: of which kind, in whose name, about which address, when, and when it comes.
#[derive(Clone, Debug)]
struct Added {
    kind: Forged,
    computer: &'static str,
    address: &'static str,
    minute: i64,
    arrival: i64,
    port: u16,
}

impl Added {
    fn document(&self) -> Value {
        let (by, address) = (self.computer, self.address);
        let port = self.port;
        let mut document = match self.kind {
            Forged::Client => logged(0, by, (address, port), "10.9.9.6", "true"),
            Forged::Server => logged(0, by, ("10.9.9.6", port), address, "false"),
            Forged::Reversed => with(
                logged(0, by, (address, 445), "10.9.9.6", "false"),
                "DestinationPort",
                port.to_string().into(),
            ),
            Forged::Unsaid => with(
                logged(0, by, (address, port), "10.9.9.6", "true"),
                "Initiated",
                Value::Null,
            ),
            Forged::Agent | Forged::Collector => logged(0, by, ("127.0.0.1", port), "10.9.9.6", "true"),
        };
        if matches!(self.kind, Forged::Agent | Forged::Collector) {
            let many = (0..200).map(|last| format!("10.77.0.{last}"));
            let all: Vec<String> = std::iter::once(address.to_owned()).chain(many).collect();
            document["host"]["ip"] = all.into();
            let name = if self.kind == Forged::Agent {
                by
            } else {
                "collector.example"
            };
            document["host"]["name"] = name.into();
        }
        document["@timestamp"] = match self.minute {
            i64::MIN => json!("-009999-01-02T01:59:59Z"),
            i64::MAX => json!("9999-12-30T22:00:00Z"),
            minute => testkit::winlogbeat::at(minute * MINUTE).into(),
        };
        document
    }
}

fn added() -> impl Strategy<Value = Added> {
    let kind = prop::sample::select(vec![
        Forged::Client,
        Forged::Server,
        Forged::Reversed,
        Forged::Unsaid,
        Forged::Agent,
        Forged::Collector,
    ]);
    let computer = prop::sample::select(vec![
        "atlas.aperture.local",
        "ATLAS",
        "twin.aperture.local",
        "owner.example",
        "evil.example",
        "other.example",
    ]);
    let address = prop::sample::select(vec![ATLAS, TWIN, OWNER, CLIENT, "10.66.6.6"]);
    let minute = prop_oneof![1 => Just(i64::MIN), 1 => Just(i64::MAX), 6 => -60..LASTS + 60];
    let port = prop_oneof![Just(445u16), Just(3_389), 1_024..u16::MAX];
    (kind, computer, address, minute, 0..LASTS, port).prop_map(
        |(kind, computer, address, minute, arrival, port)| Added {
            kind,
            computer,
            address,
            minute,
            arrival,
            port,
        },
    )
}

/// True documents and added ones, in the order in which they come.
fn mixed(as_server: bool, added: &[Added]) -> Vec<(i64, Value)> {
    let mut all = truth(as_server);
    all.extend(added.iter().map(|one| (one.arrival * MINUTE, one.document())));
    all.sort_by_key(|(arrival, _)| *arrival);
    all
}

/// The moments of which a service and a recording are asked: a service of now.
fn moments(is_live: bool) -> Vec<i64> {
    if is_live {
        vec![LASTS]
    } else {
        (0..=LASTS).step_by(7).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(size::of([100, 1_000, 10_000])))]

    #[test]
    fn no_added_document_changes_whose_a_connection_to_a_host_of_the_inventory_is(
        added in prop::collection::vec(added(), 1..20), as_server: bool, is_live: bool,
    ) {
        let mut router = taught(&mixed(as_server, &added), is_live);
        for minute in moments(is_live) {
            for (host, address) in &TRUE[..2] {
                prop_assert_eq!(&asked(&mut router, minute, address), host, "{} at {}", address, minute);
            }
        }
        for own in [pipe(0), share(0, CLIENT, 1)] {
            prop_assert_eq!(keys(&mut router, &own), ["atlas.aperture.local"]);
        }
    }

    #[test]
    fn what_a_host_logs_of_itself_as_a_client_beats_all_words_but_such_and_those_only_make_it_nobodys(
        added in prop::collection::vec(added(), 1..20), is_live: bool,
    ) {
        // A host that is listed by its name alone is believed before one that is not listed.
        let added: Vec<Added> = added.into_iter().filter(|one| one.computer != "twin.aperture.local").collect();
        let is_rival = |one: &Added| one.kind == Forged::Client && one.address == OWNER && one.computer != "owner.example";
        let mut allowed = BTreeSet::from(["owner.example".to_owned()]);
        if added.iter().any(is_rival) {
            allowed.insert(OWNER.to_owned());
        }
        let mut router = taught(&mixed(false, &added), is_live);
        for minute in moments(is_live) {
            let found = asked(&mut router, minute, OWNER);
            prop_assert!(allowed.contains(&found), "{found} at {minute}");
        }
    }
}

#[test]
fn what_comes_too_late_or_too_early_teaches_a_service_nothing() {
    let join = JoinSettings::default();
    let minutes = |span: Duration| i64::try_from(span.as_secs() / 60).unwrap();
    let (late, ahead) = (minutes(join.allowed_lateness), minutes(join.clock_skew));
    for (minute, teaches) in [
        (-late, true),
        (-late - 1, false),
        (ahead, true),
        (ahead + 1, false),
        (i64::MIN, false),
        (i64::MAX, false),
    ] {
        let forged = Added {
            kind: Forged::Client,
            computer: "evil.example",
            address: OWNER,
            minute,
            arrival: 0,
            port: 50_000,
        };
        let documents = [(0, forged.document())];
        let live = taught(&documents, true).resolver().bindings().size().bindings;
        assert_eq!(live, usize::from(teaches), "{minute}");
        let recorded = taught(&documents, false).resolver().bindings().size().bindings;
        assert_eq!(recorded, 1, "{minute}: a recording is read long after");
    }
}

#[test]
fn whoever_may_choose_a_port_does_not_choose_whose_an_address_is() {
    for (kind, port) in [
        (Forged::Reversed, 3_389),
        (Forged::Reversed, 50_000),
        (Forged::Server, 445),
        (Forged::Unsaid, 445),
        (Forged::Unsaid, 50_000),
        (Forged::Collector, 50_000),
    ] {
        let forged = Added {
            kind,
            computer: "atlas.aperture.local",
            address: "10.66.6.6",
            minute: 0,
            arrival: 0,
            port,
        };
        let mut router = taught(&[(0, forged.document())], false);
        assert_eq!(router.resolver().bindings().size().bindings, 0, "{kind:?} {port}");
        assert_eq!(asked(&mut router, 0, "10.66.6.6"), "10.66.6.6", "{kind:?} {port}");
    }
}

#[test]
fn a_connection_from_an_smb_port_to_another_does_not_make_its_source_the_hosts_own() {
    let attack = [share(0, "10.66.6.6", 50_001)];
    let decoy = connection(-30_000, "atlas.aperture.local", "10.66.6.6", 445);
    let decoy = with(
        with(decoy, "Initiated", "false".into()),
        "DestinationPort",
        "3389".into(),
    );
    let bench = Bench::new(INVENTORY, JoinSettings::default());
    let mut alerts: [Vec<Value>; 2] = [bench.detect(&attack), bench.detect(&[decoy, attack[0].clone()])];
    for alert in alerts.iter_mut().flatten() {
        assert_eq!(alert["source"]["ip"], "10.66.6.6", "{alert:#}");
        // How many records there were before it.
        alert["pipewarden"]["revision"] = Value::Null;
    }
    assert_eq!(alerts[0], alerts[1]);
    assert_eq!(alerts[0].len(), 1);
}

#[test]
fn an_alert_says_where_nothing_but_a_binding_places_a_connection_at_its_host() {
    let second_card = |event: Value| with(event, "DestinationIp", "10.2.0.50".into());
    let logged_by = |ms: i64, computer: &str, initiated: &str| {
        let event = with(
            connection(ms, computer, CLIENT, 49_839),
            "Initiated",
            initiated.into(),
        );
        with(event, "DestinationHostname", "-".into())
    };
    let taught = second_card(with(
        logged_by(-MINUTE, "atlas.aperture.local", "false"),
        "SourceIp",
        "10.1.0.9".into(),
    ));
    let is_placed = |connection: Value| {
        let bench = Bench::new(INVENTORY, JoinSettings::default());
        let [alert] = bench
            .detect(&[taught.clone(), connection, pipe(0)])
            .try_into()
            .unwrap();
        let grounds = alert["pipewarden"]["rests_on"].as_array().unwrap();
        let by = |log: &str| {
            let is_it =
                |ground: &Value| ground["says"] == "source" && ground["event"] == "3" && ground["log"] == log;
            grounds.iter().any(is_it)
        };
        (by("sysmon"), by("binding"))
    };
    let listed = logged_by(-300, "sentry1.aperture.local", "true");
    let at_listed = with(listed.clone(), "DestinationIp", ATLAS.into());
    assert_eq!(is_placed(second_card(listed)), (true, true));
    assert_eq!(is_placed(at_listed), (true, false));
}

#[test]
fn what_a_host_logs_itself_is_placed_by_no_binding_even_where_only_a_binding_has_its_full_name() {
    let mut access = share(0, CLIENT, 49_839);
    let full = with(
        connection(-MINUTE, "atlas.aperture.local", ATLAS, 50_000),
        "DestinationIp",
        CLIENT.into(),
    );
    access["winlog"]["computer_name"] = "ATLAS".into();
    let [alert] = Bench::watching_all().detect(&[full, access]).try_into().unwrap();
    assert_eq!(alert["host"]["name"], "atlas.aperture.local", "{alert:#}");
    let grounds = alert["pipewarden"]["rests_on"].as_array().unwrap();
    let mut logs = grounds
        .iter()
        .filter(|ground| ground["event"] == "5145")
        .map(|ground| &ground["log"]);
    assert!(logs.all(|log| log == "security"), "{grounds:#?}");
}
