//! What Windows itself logs of sessions: the same in every shape, kept where the settings say so.

use std::collections::BTreeSet;
use std::sync::Arc;

use pipewarden_core::detection::{JoinSettings, Keep, RuleSet, SessionEvidence};
use pipewarden_core::event::{Account, Detail, Event, Log, ObservationId, Outcome, Skip};
use pipewarden_core::inventory::Inventory;
use pipewarden_core::log::{Offset, Partition};
use pipewarden_engine::{Origin, Policy, Routed, Router};
use pipewarden_tools::winlogbeat::{Event as Described, LOGON, Shape};
use serde_json::{Value, json};
use testkit::schema::assert_valid;
use testkit::winlogbeat::{ATLAS, CLIENT, at, connection_permitted, logon, share_session};

const INVENTORY: &str = "assets:\n\
    - {name: atlas.aperture.local, addresses: [10.1.0.50], roles: [primary-site-server]}\n\
    - {name: dc1.aperture.local, addresses: [10.1.0.10], roles: [domain-controller]}\n";

fn router(session_evidence: SessionEvidence) -> Router {
    let join = JoinSettings {
        session_evidence,
        ..JoinSettings::default()
    };
    let inventory = Arc::new(Inventory::parse(INVENTORY, "test").unwrap());
    let unlisted = pipewarden_core::inventory::UnlistedHosts::default_for(&inventory);
    Router::new(&Policy::new(
        RuleSet::builtin(),
        inventory,
        unlisted,
        join,
        "test".to_owned(),
    ))
}

/// The event and its asset, and whether it is local.
type Found = Result<(Event, String, bool), &'static str>;

fn route(router: &mut Router, document: &Value) -> Found {
    let origin = Origin {
        topic: "test",
        partition: Partition::ZERO,
        offset: Offset::ZERO,
    };
    let mut found = Vec::new();
    router.route_each(Some(document.to_string().as_bytes()), origin, &mut |routed| {
        found.push(match routed {
            Routed::Observation(routed) => {
                assert_valid(
                    "observation",
                    &serde_json::from_slice(&routed.clone().encode()).unwrap(),
                );
                let seen = routed.observation;
                Ok((seen.event, seen.asset.to_string(), seen.is_local))
            }
            Routed::Skipped(reason) => Err(reason.as_str()),
            Routed::DeadLetter(letter) => panic!("{}\n{document:#}", letter.message),
        });
    });
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// What comes of an event by default, raw.
fn found(event: &Described) -> Found {
    route(
        &mut router(SessionEvidence::default()),
        &Shape::Winlogbeat8.document(event),
    )
}

/// The detail in every shape, of atlas, once.
fn in_every_shape(event: &Described) -> Detail {
    let mut router = router(SessionEvidence::default());
    let mut ids: BTreeSet<ObservationId> = BTreeSet::new();
    let mut details = Vec::new();
    for &shape in Shape::ALL {
        let document = shape.document(event);
        let (event, asset, is_local) = route(&mut router, &document)
            .unwrap_or_else(|skip| panic!("{}: {skip}\n{document:#}", shape.as_str()));
        assert_eq!(asset, "atlas.aperture.local", "{}", shape.as_str());
        assert_eq!(event.time.to_string(), at(0), "{}", shape.as_str());
        assert_eq!(&*event.channel, "security", "{}", shape.as_str());
        assert!(event.record_id.is_some() && !is_local, "{}", shape.as_str());
        let mut detail = event.detail.clone();
        // Not every shape shows what Windows decided.
        if let Detail::ShareSession(session) = &mut detail {
            session.outcome = None;
        } else {
            ids.insert(ObservationId::of(&event));
        }
        details.push((shape.as_str(), detail));
    }
    assert!(ids.len() <= 1, "copies are one observation");
    let (_, first) = details[0].clone();
    for (shape, detail) in details {
        assert_eq!(detail, first, "{shape}");
    }
    first
}

fn testsubject() -> Account {
    Account {
        name: "TESTSUBJECT4".into(),
        domain: Some("APERTURE".into()),
        sid: Some("S-1-5-21-1004336348-1177238915-682003330-1105".into()),
        logon_id: Some("0x6cb896c6".into()),
    }
}

#[test]
fn a_logon_names_who_logged_on_and_not_who_asked_in_every_shape() {
    let Detail::Logon(logon) = in_every_shape(&logon(0, CLIENT, 49_839)) else {
        panic!()
    };
    assert_eq!(logon.source_ip.to_string(), CLIENT);
    assert_eq!(logon.source_port, Some(49_839));
    assert_eq!(logon.account, Some(testsubject()));
    assert_eq!(logon.logon_type, 3);
    assert_eq!(logon.authentication_package.as_deref(), Some("NTLM V2"));
    assert_eq!(logon.workstation.as_deref(), Some("SENTRY1"));
}

#[test]
fn a_share_session_is_the_same_in_every_shape() {
    let Detail::ShareSession(session) = in_every_shape(&share_session(0, CLIENT, 49_839)) else {
        panic!()
    };
    assert_eq!(session.source_ip.to_string(), CLIENT);
    assert_eq!(session.source_port, Some(49_839));
    assert_eq!(session.account, Some(testsubject()));
    assert_eq!(&*session.share, "\\\\*\\IPC$");
    assert_eq!(session.access_mask.as_deref(), Some("0x1"));
}

#[test]
fn a_permitted_connection_has_client_and_server_whichever_side_logged_it_in_every_shape() {
    for (computer, direction, initiated) in [
        ("sentry1.aperture.local", "%%14593", true),
        ("atlas.aperture.local", "%%14592", false),
    ] {
        let event = connection_permitted(0, computer, direction, CLIENT, 49_839);
        let Detail::NetworkConnection(connection) = in_every_shape(&event) else {
            panic!()
        };
        assert_eq!(connection.reported_by, Log::Security);
        assert_eq!(connection.initiated, initiated, "{direction}");
        assert_eq!(connection.source_ip.to_string(), CLIENT);
        assert_eq!(connection.source_port, Some(49_839));
        let own_name = initiated.then_some("sentry1.aperture.local");
        assert_eq!(connection.source_host.as_deref(), own_name);
        assert_eq!(connection.destination_ip.unwrap().to_string(), ATLAS);
        assert_eq!(connection.destination_port, 445);
        let process = connection.process.unwrap();
        assert_eq!((process.image.as_deref(), process.pid), (Some("System"), Some(4)));
    }
}

#[test]
fn a_permitted_connection_without_a_direction_is_one_to_its_destination_and_names_no_computer() {
    for direction in ["", "%%14594"] {
        let event = connection_permitted(0, "atlas.aperture.local", direction, CLIENT, 49_839);
        let (event, asset, _) = found(&event).unwrap();
        assert_eq!(asset, "atlas.aperture.local");
        let Detail::NetworkConnection(connection) = event.detail else {
            panic!()
        };
        assert_eq!(connection.source_host, None);
    }
}

#[test]
fn sysmon_and_the_firewall_tell_of_one_connection_as_two_observations() {
    let permitted = connection_permitted(0, "sentry1.aperture.local", "%%14593", CLIENT, 49_839);
    let sysmon = testkit::winlogbeat::connection(0, "sentry1.aperture.local", CLIENT, 49_839);
    let mut router = router(SessionEvidence::default());
    let ids = [Shape::Winlogbeat8.document(&permitted), sysmon].map(|mut document| {
        document["winlog"]["record_id"] = Value::Null;
        ObservationId::of(&route(&mut router, &document).unwrap().0)
    });
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_module_that_moved_the_account_as_well_loses_none_of_it() {
    let mut document = Shape::Winlogbeat7Module.document(&logon(0, CLIENT, 49_839));
    let data = document["winlog"]["event_data"].as_object_mut().unwrap();
    for field in ["TargetUserName", "TargetDomainName", "TargetUserSid"] {
        data.remove(field).unwrap();
    }
    let (event, ..) = route(&mut router(SessionEvidence::default()), &document).unwrap();
    let Detail::Logon(logon) = event.detail else {
        panic!()
    };
    assert_eq!(logon.account, Some(testsubject()));
    // A user at the top level of a raw shape is somebody else.
    let mut raw = Shape::Winlogbeat8.document(&logon_without_account());
    raw["user"] = json!({"name": "SYSTEM"});
    let (event, ..) = route(&mut router(SessionEvidence::default()), &raw).unwrap();
    assert!(matches!(event.detail, Detail::Logon(logon) if logon.account.is_none()));
}

fn logon_without_account() -> Described {
    logon(0, CLIENT, 49_839).set("TargetUserName", "-")
}

#[test]
fn the_package_is_told_without_the_version_of_ntlm_where_there_is_none() {
    let kerberos = logon(0, CLIENT, 49_839)
        .set("AuthenticationPackageName", "Kerberos")
        .set("LmPackageName", "-")
        .set("WorkstationName", "-");
    let (event, ..) = found(&kerberos).unwrap();
    assert!(matches!(event.detail, Detail::Logon(logon)
        if logon.authentication_package.as_deref() == Some("Kerberos") && logon.workstation.is_none()));
}

#[test]
fn what_shows_no_session_of_another_host_is_skipped_with_its_reason() {
    let (logon, session) = (|| logon(0, CLIENT, 1), || share_session(0, CLIENT, 1));
    let permitted = || connection_permitted(0, "atlas.aperture.local", "%%14592", CLIENT, 1);
    for (event, skip) in [
        (logon().set("LogonType", "2"), Skip::OtherLogon),
        (logon().set("LogonType", "network"), Skip::OtherLogon),
        (logon().set("IpAddress", "-"), Skip::NoAddress),
        (logon().set("IpAddress", "somewhere"), Skip::NoAddress),
        (session().set("IpAddress", "-"), Skip::NoAddress),
        (session().set("ShareName", "\\\\*\\ADMIN$"), Skip::OtherShare),
        (permitted().set("Protocol", "17"), Skip::OtherTransport),
        (permitted().set("DestPort", "135"), Skip::OtherPort),
    ] {
        let found = found(&event);
        assert!(
            found == Err(skip.as_str()) || found == Err("prefiltered"),
            "{found:?} {event:?}"
        );
    }
}

#[test]
fn an_odd_field_costs_itself() {
    let event = logon(0, CLIENT, 1).set("IpPort", "70000");
    let (event, ..) = found(&event).unwrap();
    assert!(matches!(event.detail, Detail::Logon(logon) if logon.source_port.is_none()));
    let denied = share_session(0, CLIENT, 1).outcome("failure");
    let (event, ..) = found(&denied).unwrap();
    assert!(
        matches!(event.detail, Detail::ShareSession(session) if session.outcome == Some(Outcome::Failure))
    );
}

#[test]
fn a_session_of_the_asset_with_itself_is_local_by_its_own_log() {
    for address in ["::1", "127.0.0.1", ATLAS] {
        for event in [logon(0, address, 1), share_session(0, address, 1)] {
            let (_, asset, is_local) = found(&event).unwrap();
            assert_eq!((&*asset, is_local), ("atlas.aperture.local", true), "{address}");
        }
    }
    let within = connection_permitted(0, "atlas.aperture.local", "%%14592", ATLAS, 1);
    assert!(found(&within).unwrap().2);
}

#[test]
fn the_evidence_of_domain_controllers_is_left_out_unless_it_is_kept_everywhere() {
    let on_dc = |event: Described| {
        let mut document = Shape::Winlogbeat8.document(&event);
        document["winlog"]["computer_name"] = "dc1.aperture.local".into();
        document
    };
    let events = || {
        let permitted = connection_permitted(0, "dc1.aperture.local", "%%14592", CLIENT, 1);
        [
            on_dc(logon(0, CLIENT, 1)),
            on_dc(share_session(0, CLIENT, 1)),
            on_dc(permitted.set("DestAddress", "10.1.0.10")),
        ]
    };
    let all = |keep| SessionEvidence {
        logons: keep,
        share_sessions: keep,
        permitted_connections: keep,
    };
    // Whose logons are left out is seen before anything is parsed; whose connection it is only afterwards.
    let skips = ["prefiltered", "prefiltered", "not_kept"];
    for (document, skip) in events().into_iter().zip(skips) {
        assert_eq!(
            route(&mut router(SessionEvidence::default()), &document),
            Err(skip)
        );
        let (_, asset, _) = route(&mut router(all(Keep::Everywhere)), &document).unwrap();
        assert_eq!(asset, "dc1.aperture.local");
        assert_eq!(
            route(&mut router(all(Keep::Nowhere)), &document),
            Err("prefiltered")
        );
    }
    // What Sysmon tells of them is kept.
    let mut sysmon = testkit::winlogbeat::connection(0, "sentry1.aperture.local", CLIENT, 1);
    sysmon["winlog"]["event_data"]["DestinationIp"] = "10.1.0.10".into();
    assert!(route(&mut router(all(Keep::Nowhere)), &sysmon).is_ok());
    // So is a client's evidence of sessions with others, though it names a domain controller.
    let client = connection_permitted(0, "dc1.aperture.local", "%%14593", "10.1.0.10", 1);
    assert_eq!(found(&client).unwrap().1, "atlas.aperture.local");
}

#[test]
fn another_provider_may_use_the_same_numbers() {
    assert_eq!(LOGON.id, 4624);
    for event in [
        logon(0, CLIENT, 1),
        share_session(0, CLIENT, 1),
        connection_permitted(0, "atlas.aperture.local", "%%14592", CLIENT, 1),
    ] {
        let mut document = Shape::Winlogbeat8.document(&event);
        document["winlog"]["provider_name"] = "Microsoft-Windows-PowerShell".into();
        assert_eq!(
            route(&mut router(SessionEvidence::default()), &document),
            Err("other_event")
        );
    }
}

#[test]
fn an_observation_says_who_shipped_it_and_where_it_lay_and_is_the_same_without() {
    let read = |element: bool, agent: Value| {
        let mut document = Shape::Winlogbeat8.document(&logon(0, CLIENT, 1));
        document["agent"] = agent;
        let message = if element { json!([document]) } else { document };
        let origin = Origin {
            topic: "winlogbeat",
            partition: Partition::ZERO,
            offset: Offset::new(7),
        };
        let mut found = Vec::new();
        let message = message.to_string();
        let mut router = router(SessionEvidence::default());
        router.route_each(Some(message.as_bytes()), origin, &mut |routed| {
            let Routed::Observation(routed) = routed else {
                panic!()
            };
            found.push((
                serde_json::from_slice(&routed.clone().encode()).unwrap(),
                routed.observation,
            ));
        });
        found.remove(0)
    };
    let agent = json!({"id": "5c1a", "name": "atlas", "type": "winlogbeat", "version": "8.17.0"});
    let (record, whole): (Value, _) = read(false, agent.clone());
    assert_eq!(record["observation"]["agent"], agent);
    assert_eq!(
        record["observation"]["origin"],
        json!({"topic": "winlogbeat", "partition": 0, "offset": 7})
    );
    let (record, element): (Value, _) = read(true, json!({"hostname": "wec1", "id": 5}));
    assert_eq!(record["observation"]["agent"], json!({"name": "wec1"}));
    assert_eq!(record["observation"]["origin"]["element"], 0);
    assert_eq!((whole.id, &whole), (element.id, &element));
}
