//! What the alert document says: on whose word it rests, and what each piece of evidence is to it.

use std::collections::BTreeSet;

use pipewarden_core::alert::severity;
use pipewarden_core::detection::JoinSettings;
use pipewarden_core::time::AppendTime;
use serde_json::{Value, json};
use testkit::detect::{Bench, INVENTORY};
use testkit::winlogbeat::{CLIENT, START, connection, detect_8, pipe, share, with};

const SENTRY: &str = "sentry1.aperture.local";
const ATLAS: &str = "atlas.aperture.local";
const MINUTE: i64 = 60_000;

fn bench() -> Bench {
    Bench::new(INVENTORY, JoinSettings::default())
}

#[track_caller]
fn only_alert(events: &[Value]) -> Value {
    let [alert] = bench().detect(events).try_into().unwrap();
    alert
}

/// `says event log computer` of each ground, in their order.
fn grounds(alert: &Value) -> Vec<String> {
    let all = alert["pipewarden"]["rests_on"].as_array().unwrap().iter();
    all.map(|ground| {
        let words = ["says", "event", "log", "computer"].map(|field| ground[field].as_str().unwrap_or("-"));
        words.join(" ")
    })
    .collect()
}

/// `kind role` of each piece of evidence, in their order.
fn roles(alert: &Value) -> Vec<String> {
    let all = alert["pipewarden"]["evidence"].as_array().unwrap().iter();
    all.map(|seen| {
        format!(
            "{} {}",
            seen["kind"].as_str().unwrap(),
            seen["role"].as_str().unwrap()
        )
    })
    .collect()
}

/// A connection that the asset logged.
fn by_asset(ms: i64, ip: &str, port: u16) -> Value {
    let mut event = with(connection(ms, "-", ip, port), "Initiated", "false".into());
    event["winlog"]["computer_name"] = ATLAS.into();
    event
}

#[test]
fn an_audited_source_rests_on_the_assets_own_log_first_and_on_the_clients_after_it() {
    let mut events = detect_8().to_vec();
    events.push(by_asset(3, CLIENT, 49_839));
    assert_eq!(
        grounds(&only_alert(&events)),
        [
            format!("source 5145 security {ATLAS}"),
            format!("source 3 sysmon {ATLAS}"),
            format!("source 3 sysmon {SENTRY}"),
            format!("account 5145 security {ATLAS}"),
            format!("time 5145 security {ATLAS}"),
            format!("time 18 sysmon {ATLAS}"),
            format!("pipe 5145 security {ATLAS}"),
            format!("pipe 18 sysmon {ATLAS}"),
        ]
    );
}

#[test]
fn an_inferred_source_rests_on_the_session_that_names_it_and_no_log_says_its_account() {
    let alert = only_alert(&[connection(-100, SENTRY, CLIENT, 49_839), pipe(0)]);
    assert_eq!(alert["pipewarden"]["attribution"], "inferred");
    assert_eq!(
        grounds(&alert),
        [
            format!("source 3 sysmon {SENTRY}"),
            format!("time 18 sysmon {ATLAS}"),
            format!("pipe 18 sysmon {ATLAS}"),
        ]
    );
}

#[test]
fn a_ground_names_the_agent_that_shipped_it_and_one_by_two_agents_is_two() {
    let by_agent = |id: &str, mut event: Value| {
        event["agent"] = json!({"id": id, "type": "winlogbeat"});
        event
    };
    let alert = only_alert(&[
        by_agent("one", share(0, CLIENT, 49_839)),
        by_agent("two", share(1_000, CLIENT, 49_840)),
    ]);
    let all = alert["pipewarden"]["rests_on"].as_array().unwrap().iter();
    let of_source = all.filter(|ground| ground["says"] == "source");
    let agents: Vec<&Value> = of_source.map(|ground| &ground["agent"]["id"]).collect();
    assert_eq!(agents, ["one", "two"]);
}

#[test]
fn an_unattributed_alert_rests_on_no_word_about_a_source() {
    let alert = only_alert(&[
        connection(-100, SENTRY, CLIENT, 49_839),
        connection(-90, "other.aperture.local", "10.1.0.7", 50_123),
        pipe(0),
    ]);
    assert_eq!(alert["pipewarden"]["attribution"], "ambiguous");
    assert_eq!(
        grounds(&alert),
        [
            format!("time 18 sysmon {ATLAS}"),
            format!("pipe 18 sysmon {ATLAS}")
        ]
    );
    assert_eq!(
        roles(&alert),
        [
            "network_connection session",
            "network_connection session",
            "pipe_connected access"
        ]
    );
    assert!(alert.get("network").is_none() && alert["destination"].get("port").is_none());
}

#[test]
fn the_name_that_the_inventory_gives_a_source_is_behind_what_logs_say_of_it() {
    let inventory = format!("{INVENTORY}  - {{name: glados.aperture.local, addresses: [{CLIENT}]}}\n");
    let bench = Bench::new(&inventory, JoinSettings::default());
    let [alert] = bench.detect(&[share(0, CLIENT, 49_839)]).try_into().unwrap();
    assert_eq!(
        grounds(&alert)[..2],
        [
            format!("source 5145 security {ATLAS}"),
            "source - inventory -".to_owned()
        ]
    );
}

#[test]
fn evidence_says_what_it_is_to_the_alert_and_a_pair_how_far_it_is_apart() {
    let alert = only_alert(&detect_8());
    assert_eq!(
        roles(&alert),
        [
            "network_connection session",
            "pipe_connected pair",
            "share_access access"
        ]
    );
    let evidence = &alert["pipewarden"]["evidence"];
    assert_eq!(
        evidence[1]["paired_ms"], -2,
        "Sysmon logged it 2 ms before the 5145"
    );
    assert_eq!(
        evidence[2]["sid"],
        "S-1-5-21-1004336348-1177238915-682003330-1105"
    );
    assert_eq!(
        (&evidence[2]["share"], &evidence[2]["path"]),
        (&json!("IPC$"), &json!("winreg"))
    );
}

#[test]
fn a_message_that_bears_the_record_id_of_another_is_listed_as_conflicting_and_names_nobody() {
    let access = share(0, CLIENT, 49_839);
    let mut forged = share(5, "10.9.9.9", 50_001);
    forged["winlog"]["record_id"] = access["winlog"]["record_id"].clone();
    let alerts = bench().detect(&[access, forged]);
    assert_eq!(alerts.len(), 2);
    for alert in &alerts {
        assert_eq!(alert["pipewarden"]["conflicts"][0]["kind"], "decisive_values");
        let mut roles = roles(alert);
        roles.sort();
        assert_eq!(
            roles,
            ["share_access access", "share_access conflicting"],
            "{alert:#}"
        );
        let of_source = grounds(alert)
            .iter()
            .filter(|ground| ground.starts_with("source"))
            .count();
        assert_eq!(of_source, 1);
        assert_eq!(alert["pipewarden"]["observations"]["share_access"], 1);
        assert_eq!(
            alert["related"]["ip"].as_array().unwrap().len(),
            3,
            "{}",
            alert["related"]
        );
    }
}

#[test]
fn what_a_siem_pivots_on_is_bare_with_its_domain_and_by_sid() {
    let alert = only_alert(&detect_8());
    assert_eq!(
        alert["related"]["user"],
        json!([
            "APERTURE\\TESTSUBJECT4",
            "S-1-5-21-1004336348-1177238915-682003330-1105",
            "TESTSUBJECT4"
        ])
    );
    assert_eq!(
        alert["user"],
        json!({"name": "TESTSUBJECT4", "domain": "APERTURE", "id": "S-1-5-21-1004336348-1177238915-682003330-1105"})
    );
    assert_eq!(alert["tags"], json!(["primary-site-server"]));
    assert_eq!(alert["destination"]["port"], 445);
    assert_eq!(
        alert["network"],
        json!({"transport": "tcp", "protocol": "smb", "type": "ipv4"})
    );
    assert_eq!(alert["event"]["action"], "named-pipe-access");
    assert_eq!(
        (&alert["event"]["risk_score"], &alert["event"]["severity"]),
        (&json!(73), &json!(73))
    );
}

#[test]
fn a_sid_that_every_host_has_identifies_nobody() {
    let access = with(share(0, CLIENT, 49_839), "SubjectUserSid", "S-1-5-18".into());
    let alert = only_alert(&[access]);
    assert!(alert["user"].get("id").is_none(), "{}", alert["user"]);
    let related: BTreeSet<&str> = (alert["related"]["user"].as_array().unwrap().iter())
        .map(|user| user.as_str().unwrap())
        .collect();
    assert_eq!(
        related,
        BTreeSet::from(["APERTURE\\TESTSUBJECT4", "TESTSUBJECT4"])
    );
    assert_eq!(
        alert["pipewarden"]["evidence"][0]["sid"], "S-1-5-18",
        "evidence stays as it was logged"
    );
}

#[test]
fn a_severity_is_the_nearest_of_four_and_of_two_the_greater() {
    let cases = [
        (0, 21),
        (33, 21),
        (34, 47),
        (59, 47),
        (60, 73),
        (85, 73),
        (86, 99),
        (100, 99),
    ];
    for (score, expected) in cases {
        assert_eq!(severity(score), expected, "{score}");
    }
}

#[test]
fn accesses_that_are_not_timely_are_counted_and_where_none_is_nothing_stands() {
    let late = bench().detect_arriving(&[(300 * MINUTE, share(0, CLIENT, 49_839))]);
    assert_eq!(late[0]["pipewarden"]["untimely"], 1);
    let timely = only_alert(&[share(0, CLIENT, 49_839)]);
    assert!(timely["pipewarden"].get("untimely").is_none());
}

#[test]
fn a_revision_says_when_it_was_written_by_the_clock_of_the_log() {
    let bench = bench();
    let observations = bench.observations(&detect_8());
    // The connection, which comes last, arrives forty seconds after the access.
    let arrivals = [
        (observations[1].clone(), 0),
        (observations[2].clone(), 5),
        (observations[0].clone(), 40_000),
    ];
    let arrivals = arrivals.map(|(seen, ms)| (AppendTime::from_millis(START + ms), seen));
    let revisions = bench.revisions(arrivals.to_vec());
    let created = revisions.iter().map(|revision| {
        let alert: Value = serde_json::from_slice(&revision.value).unwrap();
        let finding: Value = serde_json::from_slice(revision.finding.as_deref().unwrap()).unwrap();
        let created = alert["event"]["created"].as_str().unwrap().to_owned();
        (
            created,
            finding["metadata"]["logged_time"].as_i64().unwrap() - START,
        )
    });
    assert_eq!(
        created.collect::<Vec<_>>(),
        [
            ("2024-10-24T15:02:45.024Z".to_owned(), 40_000),
            ("2024-10-24T15:03:45.024Z".to_owned(), 100_000)
        ],
        "by the record of the connection, before which all waited, and by a deadline"
    );
}

fn by(account: &str, sid: &str, access: Value) -> Value {
    let (domain, name) = account.split_once('\\').unwrap();
    let access = with(access, "SubjectDomainName", domain.into());
    with(
        with(access, "SubjectUserName", name.into()),
        "SubjectUserSid",
        sid.into(),
    )
}

#[test]
fn an_account_that_is_written_in_several_ways_is_one_in_list_title_and_user() {
    const SID: &str = "S-1-5-21-1-2-3-1105";
    let alert = only_alert(&[
        by(r"aperture.local\alice", SID, share(0, CLIENT, 49_839)),
        by(r"APERTURE\Alice", SID, share(1_000, CLIENT, 49_840)),
        by(r"aperture\alice", "S-1-5-18", share(2_000, CLIENT, 49_841)),
    ]);
    assert_eq!(alert["pipewarden"]["accounts"], json!([r"APERTURE\Alice"]));
    assert!(
        alert["message"]
            .as_str()
            .unwrap()
            .starts_with(r"APERTURE\Alice from ")
    );
    assert_eq!(
        alert["user"],
        json!({"name": "Alice", "domain": "APERTURE", "id": SID})
    );
}

#[test]
fn the_inventory_says_which_netbios_name_is_whose_domain() {
    let accounts = |netbios: &str| {
        let inventory = INVENTORY.replace("    roles", &format!("    {netbios}\n    roles"));
        let bench = Bench::new(&inventory, JoinSettings::default());
        let events = [
            by(r"aperture.local\alice", "S-1-5-18", share(0, CLIENT, 49_839)),
            by(r"APERTURE\alice", "S-1-5-18", share(1_000, CLIENT, 49_840)),
            by(r"GLADOS\alice", "S-1-5-18", share(2_000, CLIENT, 49_841)),
        ];
        let [alert] = bench.detect(&events).try_into().unwrap();
        alert["pipewarden"]["accounts"].clone()
    };
    assert_eq!(accounts(""), json!([r"APERTURE\alice", r"GLADOS\alice"]));
    assert_eq!(
        accounts("netbios_domain: Glados"),
        json!([r"APERTURE\alice", r"GLADOS\alice"]),
        "aperture.local is GLADOS now"
    );
    let bare = accounts("netbios_domain: SKY");
    assert_eq!(
        bare,
        json!([r"APERTURE\alice", r"GLADOS\alice", r"aperture.local\alice"])
    );
}

#[test]
fn a_source_that_neither_inventory_nor_its_own_log_names_bears_the_name_of_its_binding() {
    let hours_before = connection(-180 * MINUTE, SENTRY, CLIENT, 50_001);
    let named = |events: &[Value]| {
        let alert = only_alert(events);
        let names = alert["pipewarden"]["source"]["names"].clone();
        (names, grounds(&alert), alert)
    };
    let access = share(0, CLIENT, 49_839);
    let (names, grounds, alert) = named(&[hours_before.clone(), access.clone()]);
    assert_eq!(names, json!([{"name": SENTRY, "from": "binding"}]));
    assert_eq!(grounds[1], "source - binding -");
    assert!(
        alert["message"]
            .as_str()
            .unwrap()
            .contains("from 10.1.0.101 (sentry1.aperture.local) ")
    );
    assert_eq!(alert["related"]["hosts"], json!([ATLAS, SENTRY]));
    assert_eq!(
        alert["pipewarden"]["source"]["hosts"],
        json!([]),
        "no connection of this alert names it"
    );

    let own = connection(-100, "SENTRY-NEW.aperture.local", CLIENT, 49_839);
    let (names, grounds, _) = named(&[hours_before, own, access]);
    assert_eq!(
        names,
        json!([{"name": "sentry-new.aperture.local", "from": "client"}])
    );
    assert!(grounds.iter().all(|ground| !ground.contains("binding")));
}
