//! What the host itself did: kept, on the suppressed topic, and never decided by anybody's word but its own.

use pipewarden_core::detection::JoinSettings;
use pipewarden_core::time::AppendTime;
use serde_json::{Value, json};
use testkit::detect::{Bench, INVENTORY};
use testkit::winlogbeat::{ATLAS, CLIENT, connection, pipe, share, with};

const LINK_LOCAL: &str = "fe80::b1c5:53ff:fe2a:36";

fn bench() -> Bench {
    Bench::new(INVENTORY, JoinSettings::default())
}

/// The last revision of each alert, in order of time, those on the suppressed topic too.
fn all(events: &[Value]) -> Vec<Value> {
    let bench = bench();
    let observations = bench.observations(events).into_iter();
    let arrivals = observations.map(|seen| (AppendTime::at_event(seen.event.time), seen));
    let mut last: Vec<(String, Value)> = Vec::new();
    for revision in bench.revisions(arrivals.collect()) {
        last.retain(|(key, _)| *key != revision.key);
        last.push((revision.key, serde_json::from_slice(&revision.value).unwrap()));
    }
    last.into_iter().map(|(_, alert)| alert).collect()
}

/// A connection that the asset logged of itself.
fn to_itself(ms: i64, ip: &str, port: u16) -> Value {
    let event = by_atlas(connection(ms, "atlas.aperture.local", ip, port));
    with(event, "DestinationIp", ip.into())
}

fn by_atlas(mut event: Value) -> Value {
    event["winlog"]["computer_name"] = "atlas.aperture.local".into();
    with(event, "Initiated", "false".into())
}

#[track_caller]
fn assert_local(alert: &Value) {
    let own = &alert["pipewarden"];
    assert_eq!(own["who"], "local", "{alert:#}");
    assert_eq!(
        (&own["status"], &own["suppressed_by"]),
        (&json!("suppressed"), &json!("local"))
    );
    assert_eq!(alert["event"]["risk_score"], 0);
}

#[test]
fn a_host_that_opens_its_own_pipe_over_smb_blames_nobody_who_happens_to_connect() {
    let events = [
        by_atlas(connection(-300, "-", "10.1.0.7", 50_123)),
        pipe(0),
        share(2, "::1", 50_001),
    ];
    assert_eq!(bench().detect(&events), Vec::<Value>::new());
    let [local] = all(&events).try_into().unwrap();
    assert_local(&local);
    assert_eq!(local["pipewarden"]["observations"]["pipe_connected"], 1);
    assert_eq!(local["pipewarden"]["attribution"], "audited");
    assert_eq!(local["source"]["ip"], "::1");
}

#[test]
fn a_link_local_address_is_the_hosts_own_only_where_the_host_logged_a_connection_to_itself_with_the_same_port()
 {
    let access = share(0, LINK_LOCAL, 50_001);
    let remote = |more: &[Value]| {
        let events: Vec<Value> = [access.clone()].into_iter().chain(more.iter().cloned()).collect();
        let [alert] = all(&events).try_into().unwrap();
        alert["pipewarden"]["who"] == "source"
    };
    assert!(remote(&[]));
    assert!(remote(&[to_itself(20, LINK_LOCAL, 50_002)]), "another port");
    assert!(!remote(&[to_itself(20, LINK_LOCAL, 50_001)]));
    assert!(
        !remote(&[to_itself(-600_000, LINK_LOCAL, 50_001)]),
        "within tuple_window"
    );
    assert!(remote(&[to_itself(-1_000_000, LINK_LOCAL, 50_001)]));
    let routable = [share(0, "10.1.0.99", 50_001), to_itself(20, "10.1.0.99", 50_001)];
    let [alert] = all(&routable).try_into().unwrap();
    assert_eq!(
        alert["pipewarden"]["who"], "source",
        "a forger may write both ends of any address"
    );
}

#[test]
fn a_pipe_is_the_hosts_own_only_if_nobody_else_was_connected_and_its_own_connection_is_at_the_pipe() {
    let who = |more: &[Value]| {
        let events: Vec<Value> = [pipe(0)].into_iter().chain(more.iter().cloned()).collect();
        let [alert] = all(&events).try_into().unwrap();
        alert["pipewarden"]["who"].as_str().unwrap().to_owned()
    };
    assert_eq!(who(&[to_itself(-1_900, LINK_LOCAL, 50_001)]), "local");
    assert_eq!(
        who(&[to_itself(2_900, ATLAS, 50_001)]),
        "local",
        "Sysmon 3 is logged late"
    );
    assert_eq!(who(&[to_itself(-5_000, LINK_LOCAL, 50_001)]), "unattributed");
    let others = connection(1_000, "sentry1.aperture.local", CLIENT, 49_839);
    assert_eq!(who(&[to_itself(0, LINK_LOCAL, 50_001), others]), "unattributed");
}

#[test]
fn a_connection_is_local_by_the_assets_own_log_only() {
    let of = |source: &str, to: &str, computer: &str, initiated: &str| {
        let connection = with(connection(0, "-", source, 1), "DestinationIp", to.into());
        let mut connection = with(connection, "Initiated", initiated.into());
        connection["winlog"]["computer_name"] = computer.into();
        bench().observations(&[connection]).pop()
    };
    let atlas = "atlas.aperture.local";
    for (source, to) in [
        (ATLAS, "fd00::50"),
        ("127.0.0.1", "127.0.0.1"),
        ("fe80::1", "fe80::1"),
        ("10.9.9.9", "10.9.9.9"),
    ] {
        for initiated in ["true", "false"] {
            let own = of(source, to, atlas, initiated).unwrap();
            assert_eq!(own.asset.as_str(), atlas, "{source} {initiated}");
            assert!(own.is_local, "{source} {initiated}");
        }
    }
    let forged = of(ATLAS, ATLAS, "evil.aperture.local", "true");
    assert_eq!(forged, None, "another computer can say so of itself only");
    assert!(!of(CLIENT, ATLAS, atlas, "false").unwrap().is_local);
}

#[test]
fn what_another_computer_says_of_the_hosts_session_with_itself_is_no_ground_of_a_local_access() {
    let events = [
        share(0, LINK_LOCAL, 50_001),
        to_itself(20, LINK_LOCAL, 50_001),
        connection(40, "sentry3.aperture.local", LINK_LOCAL, 50_001),
    ];
    let [local] = all(&events).try_into().unwrap();
    assert_local(&local);
    assert_eq!(local["pipewarden"]["source"]["names"], Value::Null);
    let grounds = local["pipewarden"]["rests_on"].as_array().unwrap();
    let computers: Vec<&Value> = grounds.iter().map(|ground| &ground["computer"]).collect();
    assert!(computers.len() > 1);
    assert!(
        computers
            .iter()
            .all(|computer| *computer == "atlas.aperture.local"),
        "{computers:?}"
    );
}
