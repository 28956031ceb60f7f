//! What Windows' own logs of sessions add: who was connected, by which account, and how sure that makes the source.

use pipewarden_core::detection::JoinSettings;
use pipewarden_tools::winlogbeat::Shape;
use serde_json::{Value, json};
use testkit::detect::{Bench, INVENTORY};
use testkit::winlogbeat::{self, CLIENT, connection, pipe, share, with};

const OTHER: &str = "10.1.0.7";
const DOMAIN_CONTROLLER: &str = "
assets:
  - {name: atlas.aperture.local, addresses: [10.1.0.50], roles: [domain-controller]}
";

fn logon(ms: i64, ip: &str, port: u16) -> Value {
    Shape::Winlogbeat8.document(&winlogbeat::logon(ms, ip, port))
}

fn share_session(ms: i64, ip: &str, port: u16) -> Value {
    Shape::Winlogbeat8.document(&winlogbeat::share_session(ms, ip, port))
}

fn only_alert(events: &[Value]) -> Value {
    only_alert_with(INVENTORY, JoinSettings::default(), events)
}

fn only_alert_with(inventory: &str, settings: JoinSettings, events: &[Value]) -> Value {
    let mut alerts = Bench::new(inventory, settings).detect(events);
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    alerts.remove(0)
}

/// Source or who, attribution and confidence.
fn told(alert: &Value) -> String {
    let own = &alert["pipewarden"];
    let who = alert["source"]["ip"].as_str().or(own["who"].as_str());
    let words = [who, own["attribution"].as_str(), own["confidence"].as_str()];
    words.map(Option::unwrap).join(" ")
}

#[test]
fn a_logon_of_the_same_address_and_port_confirms_a_share_access_and_stands_in_its_evidence() {
    let alert = only_alert(&[logon(0, CLIENT, 49_839), share(60, CLIENT, 49_839)]);
    assert_eq!(told(&alert), "10.1.0.101 audited high");
    let evidence = &alert["pipewarden"]["evidence"][0];
    assert_eq!(
        [
            &evidence["kind"],
            &evidence["role"],
            &evidence["authentication_package"],
            &evidence["workstation"]
        ],
        ["logon", "session", "NTLM V2", "SENTRY1"]
    );
    assert_eq!(alert["pipewarden"]["observations"]["logon"], 1);
}

#[test]
fn a_logon_without_a_port_confirms_a_share_access_of_its_id_and_address_and_no_other() {
    let portless = |ip| with(logon(0, ip, 0), "IpPort", "-".into());
    let alert = only_alert(&[portless(CLIENT), share(60, CLIENT, 49_839)]);
    assert_eq!(told(&alert), "10.1.0.101 audited high");
    let alert = only_alert(&[portless(OTHER), share(60, CLIENT, 49_839)]);
    assert_eq!(told(&alert), "10.1.0.101 audited medium");
    let other_id = with(portless(CLIENT), "TargetLogonId", "0x77aa".into());
    let alert = only_alert(&[other_id, share(60, CLIENT, 49_839)]);
    assert_eq!(told(&alert), "10.1.0.101 audited medium");
}

#[test]
fn an_opened_pipe_without_an_audit_has_the_source_and_the_account_of_the_only_session() {
    let alert = only_alert(&[share_session(0, CLIENT, 49_839), pipe(300)]);
    assert_eq!(told(&alert), "10.1.0.101 inferred medium");
    assert_eq!(alert["pipewarden"]["accounts"], json!(["APERTURE\\TESTSUBJECT4"]));
    assert_eq!(alert["user"]["name"], "TESTSUBJECT4");
    assert_eq!(alert["pipewarden"]["rests_on"][0]["event"], "5140");
}

#[test]
fn a_session_that_the_asset_logged_outweighs_what_another_client_says_of_itself() {
    let client = connection(0, "client.aperture.local", OTHER, 50_123);
    let alert = only_alert(&[client.clone(), share_session(0, CLIENT, 49_839), pipe(300)]);
    assert_eq!(told(&alert), "10.1.0.101 inferred low");
    // A logon alone may be for any service; one whose port a use of IPC$ bears is one of SMB.
    let alert = only_alert(&[client.clone(), logon(0, CLIENT, 49_839), pipe(300)]);
    assert_eq!(told(&alert), "unattributed ambiguous low");
    let earlier = share_session(-60_000, CLIENT, 49_839);
    let alert = only_alert(&[client, logon(0, CLIENT, 49_839), earlier, pipe(300)]);
    assert_eq!(told(&alert), "10.1.0.101 inferred low");
}

#[test]
fn what_shows_a_logon_to_be_of_smb_may_come_last() {
    let client = connection(0, "client.aperture.local", OTHER, 50_123);
    let mut events = vec![client, logon(0, CLIENT, 49_839), pipe(300)];
    events.push(with(
        share(30_000, CLIENT, 49_839),
        "RelativeTargetName",
        "spoolss".into(),
    ));
    let alert = only_alert(&events);
    assert_eq!(
        told(&alert),
        "unattributed ambiguous low",
        "no rule watches that pipe"
    );
    events.pop();
    events.push(share_session(30_000, CLIENT, 49_839));
    assert_eq!(told(&only_alert(&events)), "10.1.0.101 inferred low");
}

#[test]
fn a_session_later_than_a_second_after_the_access_shows_no_candidate() {
    let candidates = |ms| {
        let alert = only_alert(&[pipe(0), share_session(ms, CLIENT, 49_839)]);
        alert["pipewarden"]["candidates"].as_array().unwrap().len()
    };
    assert_eq!([candidates(1_000), candidates(1_100)], [1, 0]);
}

#[test]
fn a_share_access_without_an_address_has_that_of_the_session_of_its_logon_id() {
    let nameless = |ms| {
        let share = with(share(ms, CLIENT, 49_839), "IpAddress", "-".into());
        with(share, "IpPort", "-".into())
    };
    let alert = only_alert(&[logon(0, CLIENT, 49_839), nameless(120_000)]);
    assert_eq!(told(&alert), "10.1.0.101 audited medium");
    assert_eq!(alert["pipewarden"]["rests_on"][0]["event"], "4624");
    // Two addresses with one id: somebody lies, and nobody is named by it.
    let alert = only_alert(&[
        logon(0, CLIENT, 49_839),
        share_session(5, OTHER, 50_123),
        nameless(120_000),
    ]);
    assert_eq!(told(&alert), "unattributed none low");
    assert_eq!(alert["pipewarden"]["conflicts"][0]["kind"], "other_strong_source");
}

#[test]
fn where_logons_are_not_kept_an_inferred_source_is_less_sure() {
    let events = [connection(0, "client.aperture.local", CLIENT, 49_839), pipe(300)];
    let alert = only_alert_with(DOMAIN_CONTROLLER, JoinSettings::default(), &events);
    assert_eq!(told(&alert), "10.1.0.101 inferred low");
    assert!(
        alert["message"]
            .as_str()
            .unwrap()
            .contains("the only host that was seen to connect then"),
        "{}",
        alert["message"]
    );
}

#[test]
fn an_anonymous_logon_shows_a_source_and_no_account() {
    let anonymous = with(
        share_session(0, CLIENT, 49_839),
        "SubjectUserSid",
        "S-1-5-7".into(),
    );
    let alert = only_alert(&[
        with(anonymous, "SubjectUserName", "ANONYMOUS LOGON".into()),
        pipe(300),
    ]);
    assert_eq!(told(&alert), "10.1.0.101 inferred medium");
    assert_eq!(alert["pipewarden"]["accounts"], json!([]));
}

#[test]
fn each_candidate_has_the_accounts_of_its_own_sessions() {
    let other = with(
        share_session(10, OTHER, 50_123),
        "SubjectUserName",
        "rattmann".into(),
    );
    let other = with(
        other,
        "SubjectUserSid",
        "S-1-5-21-1004336348-1177238915-682003330-1106".into(),
    );
    let alert = only_alert(&[share_session(0, CLIENT, 49_839), other, pipe(300)]);
    assert_eq!(told(&alert), "unattributed ambiguous low");
    let accounts = |index: usize| &alert["pipewarden"]["candidates"][index]["accounts"];
    assert_eq!(
        [accounts(0), accounts(1)],
        [&json!(["APERTURE\\rattmann"]), &json!(["APERTURE\\TESTSUBJECT4"])],
        "the nearest first"
    );
}

#[test]
fn three_sessions_that_both_ends_logged_show_how_far_a_clock_is_behind() {
    let mut events = Vec::new();
    for (number, port) in [(0, 50_001), (1, 50_002), (2, 50_003)] {
        // The client's clock is four seconds behind.
        events.push(connection(
            number * 1_000 - 4_000,
            "client.aperture.local",
            CLIENT,
            port,
        ));
        events.push(share_session(number * 1_000, CLIENT, port));
    }
    events.push(connection(2_000, "other.aperture.local", OTHER, 50_123));
    events.push(pipe(2_500));
    let alert = only_alert(&events);
    let candidates = alert["pipewarden"]["candidates"].as_array().unwrap();
    let offset = |ip: &str| {
        let found = candidates.iter().find(|candidate| candidate["ip"] == ip);
        found.unwrap()["clock_offset_ms"].as_i64()
    };
    assert_eq!([offset(CLIENT), offset(OTHER)], [Some(-4_000), None]);
}
