//! Who did it: pairs, candidates, groups, contradictions, and what an adversary can and cannot do about them.

use pipewarden_core::detection::JoinSettings;
use pipewarden_core::time::AppendTime;
use serde_json::{Value, json};
use testkit::detect::{Bench, INVENTORY};
use testkit::winlogbeat::{CLIENT, connection, pipe, share, with};

const OTHER: &str = "10.1.0.7";
const MINUTE: i64 = 60_000;

fn bench() -> Bench {
    Bench::new(INVENTORY, JoinSettings::default())
}

/// A connection that the asset logged.
fn by_asset(ms: i64, ip: &str, port: u16) -> Value {
    let mut event = with(connection(ms, "-", ip, port), "Initiated", "false".into());
    event["winlog"]["computer_name"] = "atlas.aperture.local".into();
    event
}

fn by_client(ms: i64, ip: &str, port: u16) -> Value {
    connection(
        ms,
        &format!("client-{}.aperture.local", ip.replace('.', "-")),
        ip,
        port,
    )
}

/// Source or who, attribution and confidence of each alert, sorted.
fn told(alerts: &[Value]) -> Vec<String> {
    let mut told = Vec::new();
    for alert in alerts {
        let own = &alert["pipewarden"];
        let who = alert["source"]["ip"].as_str().or(own["who"].as_str());
        let words = [who, own["attribution"].as_str(), own["confidence"].as_str()];
        told.push(words.map(Option::unwrap).join(" "));
    }
    told.sort();
    told
}

/// Address, strength and accesses that it could explain of each candidate, in their order.
fn candidates(alert: &Value) -> Vec<String> {
    let all = alert["pipewarden"]["candidates"].as_array().unwrap().iter();
    all.map(|one| {
        let text = |field: &str| one[field].as_str().unwrap();
        format!("{} {} {}", text("ip"), text("strength"), one["explains"])
    })
    .collect()
}

#[test]
fn one_known_access_explains_one_opened_pipe_and_hides_no_other() {
    let alerts = bench().detect(&[
        share(0, CLIENT, 49_839),
        pipe(1),
        by_asset(200, OTHER, 50_123),
        pipe(400),
    ]);
    assert_eq!(
        told(&alerts),
        ["10.1.0.101 audited medium", "10.1.0.7 inferred medium"]
    );
    let conflict = &alerts[0]["pipewarden"]["conflicts"][0];
    assert_eq!(
        conflict["kind"], "other_strong_source",
        "the paired pipe might be the other's"
    );
}

#[test]
fn what_comes_in_its_time_is_no_copy_of_what_was_sent_long_before() {
    let events = [by_asset(0, CLIENT, 49_839), pipe(517)];
    let mut arriving: Vec<(i64, Value)> = vec![(0, events[0].clone()), (600, events[1].clone())];
    let expected = bench().detect_arriving(&arriving);
    assert_eq!(told(&expected), ["10.1.0.101 inferred medium"]);
    arriving.insert(0, (-55 * MINUTE, events[0].clone()));
    assert_eq!(bench().detect_arriving(&arriving), expected);
    arriving.insert(0, (-55 * MINUTE, events[1].clone()));
    assert_eq!(
        told(&bench().detect_arriving(&arriving)),
        ["10.1.0.101 inferred medium", "10.1.0.101 inferred medium"],
        "the one that was sent before is an untimely access of its own"
    );
}

/// The text of the first conflict of the alert that names this address, or nobody.
#[track_caller]
fn conflict(alerts: &[Value], source: Option<&str>) -> String {
    let alert = alerts
        .iter()
        .find(|alert| alert["source"]["ip"].as_str() == source)
        .unwrap();
    let conflict = &alert["pipewarden"]["conflicts"][0];
    assert_eq!(conflict["kind"], "other_strong_source", "{alert:#}");
    conflict["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_pipe_that_a_forged_one_takes_from_its_share_access_says_whose_that_is() {
    let events = [pipe(517), share(519, CLIENT, 49_839)];
    let forged = pipe(519);
    let connected = by_asset(-9_000, OTHER, 50_123);
    for (more, named) in [(Some(&connected), Some(OTHER)), (None, None)] {
        let all: Vec<Value> = events.iter().chain([&forged]).chain(more).cloned().collect();
        for order in [[0, 1, 2, 3], [2, 0, 3, 1], [3, 2, 1, 0]] {
            let order = order
                .into_iter()
                .filter_map(|index: usize| all.get(index).cloned());
            let alerts = bench().detect_arriving(&(0..).zip(order).collect::<Vec<_>>());
            assert!(conflict(&alerts, named).starts_with(CLIENT));
        }
    }
}

#[test]
fn a_share_access_from_which_a_forged_one_takes_its_pipe_says_whose_that_is() {
    let events = [pipe(517), share(519, CLIENT, 49_839), share(517, OTHER, 50_123)];
    assert_eq!(told(&bench().detect(&events[..2])), ["10.1.0.101 audited high"]);
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let arriving: Vec<(i64, Value)> = (0..).zip(order.map(|index| events[index].clone())).collect();
        let alerts = bench().detect_arriving(&arriving);
        assert_eq!(
            told(&alerts),
            ["10.1.0.101 audited medium", "10.1.0.7 audited high"]
        );
        assert!(conflict(&alerts, Some(CLIENT)).starts_with(OTHER), "{order:?}");
    }
}

#[test]
fn an_open_that_is_logged_twice_takes_one_pipe() {
    let alerts = bench().detect(&[
        share(0, CLIENT, 49_839),
        pipe(1),
        share(57, CLIENT, 49_839),
        pipe(58),
        by_client(100, OTHER, 50_123),
    ]);
    assert_eq!(
        alerts.len(),
        2,
        "the second pipe is nobody's share access: {alerts:#?}"
    );
}

#[test]
fn a_denied_access_opens_no_pipe() {
    let mut denied = share(0, CLIENT, 49_839);
    denied["event"]["outcome"] = "failure".into();
    let alerts = bench().detect(&[denied, pipe(5), by_client(0, OTHER, 50_123)]);
    assert_eq!(
        told(&alerts),
        ["10.1.0.101 audited medium", "10.1.0.7 inferred medium"]
    );
    let of_client = alerts
        .iter()
        .find(|alert| alert["source"]["ip"] == CLIENT)
        .unwrap();
    assert!(of_client["message"].as_str().unwrap().contains("tried to open"));
    assert_eq!(of_client["event"]["risk_score"], 41, "73 x 0.7 x 0.8");
}

#[test]
fn two_sources_at_different_times_are_two_alerts_however_near() {
    let alerts = bench().detect(&[
        by_client(0, OTHER, 50_123),
        pipe(100),
        by_client(MINUTE, CLIENT, 49_839),
        pipe(MINUTE + 100),
    ]);
    assert_eq!(
        told(&alerts),
        ["10.1.0.101 inferred medium", "10.1.0.7 inferred medium"]
    );
    assert_ne!(
        alerts[0]["pipewarden"]["story_id"], alerts[1]["pipewarden"]["story_id"],
        "a SIEM that throttles one hears the other"
    );
}

#[test]
fn what_the_asset_logged_weighs_more_than_what_others_say_of_themselves() {
    let alerts = bench().detect(&[
        by_client(-100, OTHER, 50_123),
        by_asset(-50, CLIENT, 49_839),
        pipe(0),
    ]);
    assert_eq!(told(&alerts), ["10.1.0.101 inferred low"]);
    assert_eq!(candidates(&alerts[0]), ["10.1.0.101 strong 1", "10.1.0.7 weak 1"]);
}

#[test]
fn a_connection_that_the_asset_logged_counts_up_to_three_seconds_after_the_pipe_and_a_clients_up_to_the_window()
 {
    for (after, expected) in [(2_999, "inferred"), (3_001, "none")] {
        let alerts = bench().detect(&[pipe(0), by_asset(after, CLIENT, 49_839)]);
        assert_eq!(alerts[0]["pipewarden"]["attribution"], expected, "{after}");
    }
    let alerts = bench().detect(&[pipe(0), by_client(9_999, CLIENT, 49_839)]);
    assert_eq!(alerts[0]["pipewarden"]["attribution"], "inferred");
}

#[test]
fn who_connected_earlier_is_listed_and_decides_nothing() {
    let alerts = bench().detect(&[by_asset(-5 * MINUTE, CLIENT, 49_839), pipe(0)]);
    assert_eq!(told(&alerts), ["unattributed none low"]);
    assert_eq!(candidates(&alerts[0]), ["10.1.0.101 earlier 1"]);
    let alerts = bench().detect(&[by_asset(-16 * MINUTE, CLIENT, 49_839), pipe(0)]);
    assert_eq!(candidates(&alerts[0]), Vec::<String>::new());
}

#[test]
fn a_forged_message_with_the_record_id_of_a_true_one_does_not_take_its_place() {
    let true_access = share(0, CLIENT, 49_839);
    let mut forged = with(share(-500, OTHER, 50_123), "SubjectUserName", "svc-backup".into());
    forged["winlog"]["record_id"] = true_access["winlog"]["record_id"].clone();
    for events in [[forged.clone(), true_access.clone()], [true_access, forged]] {
        let in_order = events.iter().zip(0..).map(|(event, at)| (at, event.clone()));
        let alerts = bench().detect_arriving(&in_order.collect::<Vec<_>>());
        assert_eq!(told(&alerts), ["10.1.0.101 audited low", "10.1.0.7 audited low"]);
        for alert in &alerts {
            let conflict = &alert["pipewarden"]["conflicts"][0];
            assert_eq!(conflict["kind"], "decisive_values", "{alert:#}");
            assert_eq!(conflict["computer"], "atlas");
        }
    }
}

#[test]
fn a_difference_of_time_or_spelling_is_a_copy_or_an_access_of_its_own_and_no_conflict() {
    let access = share(0, CLIENT, 49_839);
    let mut later = share(1_500, CLIENT, 49_839);
    later["winlog"]["record_id"] = access["winlog"]["record_id"].clone();
    let spelt = with(access.clone(), "RelativeTargetName", "WINREG".into());
    let alerts = bench().detect(&[access, spelt, later]);
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["pipewarden"]["accesses"], 2);
    assert_eq!(alerts[0]["pipewarden"]["conflicts"], Value::Null);
}

#[test]
fn an_event_of_another_host_with_the_same_first_label_is_no_copy() {
    let bench = Bench::watching_all();
    let mut elsewhere = share(0, CLIENT, 49_839);
    elsewhere["winlog"]["computer_name"] = "atlas.other.example".into();
    elsewhere["winlog"]["record_id"] = 7.into();
    let mut access = share(0, CLIENT, 49_839);
    access["winlog"]["record_id"] = 7.into();
    let alerts = bench.detect(&[elsewhere, access]);
    let mut assets: Vec<&str> = alerts
        .iter()
        .filter_map(|alert| alert["pipewarden"]["asset"]["id"].as_str())
        .collect();
    assets.sort_unstable();
    assert_eq!(assets, ["atlas.aperture.local", "atlas.other.example"]);
}

#[test]
fn copies_count_against_no_bound() {
    let mut events = Vec::new();
    for _ in 0..9_000 {
        events.push(share(0, CLIENT, 49_839));
    }
    events.push(share(5_000, CLIENT, 49_840));
    let alerts = bench().detect(&events);
    assert_eq!(alerts[0]["pipewarden"]["accesses"], 2, "the second is told");
}

#[test]
fn an_exception_hides_no_pipe_that_may_be_somebody_elses_behind_accesses_that_are_sure() {
    let alerts = bench().detect(&[
        by_client(-MINUTE, CLIENT, 49_839),
        share(-MINUTE, CLIENT, 49_839),
        share(0, CLIENT, 49_840),
        by_asset(0, OTHER, 50_123),
        pipe(5),
    ]);
    let [alert] = alerts.as_slice() else {
        panic!("{alerts:#?}");
    };
    assert_eq!(alert["pipewarden"]["confidence"], "high", "by its first access");
    let conflict = &alert["pipewarden"]["conflicts"][0];
    assert_eq!(
        conflict["kind"], "other_strong_source",
        "so an exception only downgrades it"
    );
}

#[test]
fn what_takes_over_from_a_superseded_alert_is_published_with_the_same_record() {
    let bench = bench();
    let [connected, opened, named] = [by_client(-100, OTHER, 50_123), pipe(0), share(2, CLIENT, 49_839)];
    let observations = bench.observations(&[connected, opened, named]);
    let arrivals = [0, 100, 5 * MINUTE].map(|ms| {
        let start = AppendTime::at_event(observations[1].event.time);
        start.plus(std::time::Duration::from_millis(ms.unsigned_abs()))
    });
    let revisions = bench.revisions(arrivals.into_iter().zip(observations).collect());
    let read = |value: &[u8]| serde_json::from_slice::<Value>(value).unwrap();
    let documents: Vec<Value> = revisions.iter().map(|revision| read(&revision.value)).collect();
    let [guess, withdrawn, sure] = documents.try_into().unwrap();
    assert_eq!(guess["source"]["ip"], OTHER);
    assert_eq!(withdrawn["pipewarden"]["status"], "superseded");
    assert_eq!(
        withdrawn["pipewarden"]["superseded_by"],
        json!([sure["pipewarden"]["alert_id"]])
    );
    assert_eq!(
        sure["pipewarden"]["revision"],
        withdrawn["pipewarden"]["revision"]
    );
}

#[test]
fn a_source_that_the_inventory_lists_bears_its_name_in_title_and_document() {
    let inventory = format!("{INVENTORY}  - {{name: dp1.aperture.local, addresses: [{OTHER}]}}\n");
    let bench = Bench::new(&inventory, JoinSettings::default());
    let alerts = bench.detect(&[share(0, OTHER, 50_123)]);
    let alert = &alerts[0];
    assert!(
        alert["message"]
            .as_str()
            .unwrap()
            .contains(" from 10.1.0.7 (dp1.aperture.local) ")
    );
    assert_eq!(
        alert["pipewarden"]["source"]["names"],
        json!([{"name": "dp1.aperture.local", "from": "inventory"}])
    );
    assert_eq!(alert["source"]["domain"], "dp1.aperture.local");
    assert!(
        alert["related"]["hosts"]
            .as_array()
            .unwrap()
            .contains(&json!("dp1.aperture.local"))
    );
}
