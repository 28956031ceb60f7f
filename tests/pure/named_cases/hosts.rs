//! Which host an event is about, however its names, addresses and ports are written.

use serde_json::{Value, json};
use testkit::detect::Bench;
use testkit::winlogbeat::{ATLAS, CLIENT, connection, detect_8, share, with};

use super::{MINUTE, SENTRY, assert_is_detect_8, attribution, bench};

#[test]
fn a_short_name_is_the_full_name_of_its_asset() {
    let [mut first, second, third] = detect_8();
    first = with(
        with(first, "DestinationIp", "192.0.2.7".into()),
        "DestinationHostname",
        "ATLAS".into(),
    );
    assert_is_detect_8(&bench().detect(&[first, second, third]));
}

#[test]
fn upper_and_lower_case_are_the_same_host_and_the_same_pipe() {
    let [first, mut second, mut third] = detect_8();
    second["winlog"]["computer_name"] = "ATLAS.Aperture.LOCAL".into();
    second = with(second, "PipeName", "\\WinReg".into());
    third = with(third, "RelativeTargetName", "WINREG".into());
    assert_is_detect_8(&bench().detect(&[first, second, third]));
}

#[test]
fn an_ipv4_mapped_address_is_the_ipv4_address() {
    let [first, second, third] = detect_8();
    let third = with(third, "IpAddress", "::ffff:10.1.0.101".into());
    let alerts = bench().detect(&[first, second, third]);
    assert_is_detect_8(&alerts);
    assert_eq!(alerts[0]["source"]["ip"], CLIENT);
}

#[test]
fn a_long_form_ipv6_address_is_its_short_form() {
    let [mut first, second, third] = detect_8();
    first = with(first, "SourceIp", "fd00:0:0:0:0:0:0:101".into());
    first = with(first, "DestinationIp", "fd00:0:0:0:0:0:0:50".into());
    let third = with(third, "IpAddress", "fd00::101".into());
    let alerts = bench().detect(&[first, second, third]);
    assert_is_detect_8(&alerts);
    assert_eq!(alerts[0]["source"]["ip"], "fd00::101");
}

#[test]
fn a_port_is_a_number_or_a_string() {
    let [mut first, second, mut third] = detect_8();
    first = with(
        with(first, "SourcePort", 49_839.into()),
        "DestinationPort",
        445.into(),
    );
    third = with(third, "IpPort", 49_839.into());
    assert_is_detect_8(&bench().detect(&[first, second, third]));
}

#[test]
fn a_connection_without_a_destination_name_is_resolved_by_its_address() {
    for name in ["-".into(), Value::Null, "ec2-192-0-2-7.compute.example".into()] {
        let [first, second, third] = detect_8();
        let first = with(first, "DestinationHostname", name);
        assert_is_detect_8(&bench().detect(&[first, second, third]));
    }
}

/// DETECT-8's connection as atlas logs it, with the ends reversed as some receivers do.
fn reversed_inbound() -> Value {
    let mut event = connection(3, "atlas.aperture.local", ATLAS, 445);
    for (field, value) in [
        ("Initiated", "false"),
        ("SourceHostname", "atlas.aperture.local"),
        ("DestinationIp", CLIENT),
        ("DestinationPort", "49839"),
        ("DestinationHostname", SENTRY),
        ("Image", "System"),
        ("User", "NT AUTHORITY\\SYSTEM"),
    ] {
        event = with(event, field, value.into());
    }
    event
}

#[test]
fn the_ends_of_a_reversed_inbound_connection_are_swapped() {
    let [_, second, third] = detect_8();
    let alerts = bench().detect(&[reversed_inbound(), second, third]);
    assert_is_detect_8(&alerts);
    assert_eq!(alerts[0]["source"]["ip"], CLIENT);
    // What ran on atlas is not what ran on the source.
    assert_eq!(alerts[0]["pipewarden"]["source"]["processes"], json!([]));
}

#[test]
fn an_event_belongs_to_the_host_that_logged_it_and_not_to_its_collector() {
    let events = detect_8().map(|mut event| {
        event["host"] = json!({"name": "WECserver", "ip": ["10.1.0.9"]});
        event
    });
    assert_is_detect_8(&bench().detect(&events));
}

#[test]
fn without_an_inventory_a_binding_names_the_host_of_an_address() {
    let [first, second, third] = detect_8();
    let mut binding = connection(-90 * MINUTE, "atlas.aperture.local", ATLAS, 60_000);
    binding = with(
        with(binding, "DestinationIp", "10.1.0.7".into()),
        "DestinationPort",
        "389".into(),
    );
    let alerts = Bench::watching_all().detect(&[binding, first, second, third]);
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    assert_eq!(attribution(&alerts[0]), ("audited", "high"));
    assert_eq!(
        alerts[0]["pipewarden"]["asset"],
        json!({"id": "atlas.aperture.local", "roles": ["unlisted"]})
    );
}

#[test]
fn hosts_that_are_not_listed_are_ignored_where_there_is_an_inventory() {
    let mut elsewhere = share(0, CLIENT, 49_839);
    elsewhere["winlog"]["computer_name"] = "atlas.other.example".into();
    assert_eq!(bench().detect(&[elsewhere]), Vec::<Value>::new());
}
