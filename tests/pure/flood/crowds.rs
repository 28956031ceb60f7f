//! What alerts of their own cannot show is counted by alerts that stand for it.

use pipewarden_core::alert::AlertFormat;
use pipewarden_core::detection::{Exceptions, ManySources, Overflow, RuleSet, SeenSource};
use pipewarden_core::inventory::{Inventory, UnlistedHosts};
use pipewarden_engine::Policy;
use pipewarden_engine::local::Replayer;
use serde_json::Value;
use testkit::detect::INVENTORY;
use testkit::schema;

use super::*;

fn overflows(alerts: &BTreeMap<AlertId, Body>) -> Vec<&Overflow> {
    let all = alerts.values().filter_map(|body| match body {
        Body::Overflow(overflow) => Some(overflow),
        _ => None,
    });
    all.collect()
}

#[test]
fn accesses_whose_alerts_would_be_too_many_are_counted_and_their_sources_listed_first_and_last() {
    let mut flood = Flood::new();
    for source in 10..200 {
        flood.send(Seed {
            kind: 2,
            source,
            at: i64::from(source),
            ..SEED
        });
    }
    let alerts = flood.last();
    assert_eq!(contents(&alerts).len(), 10);
    let [overflow] = overflows(&alerts)[..] else {
        panic!("one overflow: {alerts:#?}");
    };
    assert_eq!(overflow.accesses, 180);
    let ips = |listed: &[SeenSource]| -> Vec<u8> {
        let last_octet = |text: String| text.rsplit('.').next().unwrap().parse().unwrap();
        listed
            .iter()
            .map(|seen| last_octet(seen.ip.to_string()))
            .collect()
    };
    assert_eq!(ips(&overflow.first), (20..84).collect::<Vec<u8>>());
    assert_eq!(ips(&overflow.last), (136..200).collect::<Vec<u8>>());
    // A source whose alert is open already goes on there.
    let mut flood = Flood::new();
    for source in (10..60).chain([10]) {
        flood.send(Seed {
            kind: 2,
            source,
            at: i64::from(source),
            ..SEED
        });
    }
    let alerts = flood.last();
    let first = Who::Source("10.1.0.10".parse().unwrap());
    let (_, first) = contents(&alerts)
        .into_iter()
        .find(|(who, _)| *who == first)
        .unwrap();
    assert_eq!(first.accesses, 2);
}

#[test]
fn accesses_to_many_unlisted_hosts_overflow_into_one_alert_of_their_partition() {
    let mut flood = Flood::new();
    for number in 0..1_000 {
        flood.send(Seed {
            kind: 2,
            asset: (number % 100) as u8,
            at: number,
            ..SEED
        });
    }
    let alerts = flood.last();
    assert_eq!(contents(&alerts).len(), 40);
    let [overflow] = overflows(&alerts)[..] else {
        panic!("one overflow: {alerts:#?}");
    };
    assert!(overflow.is_of_partition);
    assert_eq!(overflow.accesses, 600);
}

#[test]
fn many_sources_of_one_asset_are_an_alert_beside_theirs_across_the_end_of_a_bucket_and_only_broad_downgrades_it()
 {
    let text = r"
exceptions:
  - {id: narrow, reason: test, owner: test, expires: 2040-01-01, action: suppress,
     sources: {addresses: [10.0.0.0/8]}, assets: {names: [asset0.aperture.local]}}
  - {id: broad, reason: test, owner: test, expires: 2040-01-01, action: suppress, broad: true,
     assets: {names: [asset0.aperture.local]}}
";
    let inventory = Arc::new(Inventory::empty());
    let exceptions = Arc::new(Exceptions::none_for(inventory).and(text, "test").unwrap());
    let mut flood = Flood::new();
    flood.join = flood.join.with_exceptions(exceptions);
    // Buckets are of ten minutes, and the world begins 125 seconds after one.
    for source in 10..16 {
        flood.send(Seed {
            kind: 2,
            source,
            at: 400_000 + i64::from(source) * 5_500,
            ..SEED
        });
    }
    let alerts = flood.last();
    assert_eq!(contents(&alerts).len(), 6);
    let many: Vec<&ManySources> = alerts
        .values()
        .filter_map(|body| match body {
            Body::ManySources(many) => Some(many),
            _ => None,
        })
        .collect();
    let [many] = many[..] else {
        panic!("one alert about many sources: {alerts:#?}");
    };
    assert_eq!((many.sources, many.accesses), (6, 6));
    let exception = many.exception.as_ref().unwrap();
    assert_eq!(
        (&*exception.entry.id, exception.action.as_str()),
        ("broad", "downgrade")
    );
}

/// The last document of each alert in ECS, and the finding in OCSF.
fn documents(sources: std::ops::Range<u8>) -> Vec<Value> {
    let inventory = Arc::new(Inventory::parse(INVENTORY, "test").unwrap());
    let policy = Policy::new(
        RuleSet::builtin(),
        inventory,
        UnlistedHosts::Watch,
        tight(),
        "0123456789abcdef0123456789abcdef".to_owned(),
    );
    let policy = Arc::new(policy.with_format(AlertFormat::Both));
    let mut replayer = Replayer::new(&policy);
    let mut records = Vec::new();
    for (number, source) in (0..).zip(sources) {
        let seed = Seed {
            kind: 2,
            source,
            at: i64::from(source),
            ..SEED
        };
        let observation = seed.observation(number);
        let at = AppendTime::at_event(observation.event.time);
        records.extend(replayer.observe(at, observation).alerts);
    }
    records.extend(replayer.finish().alerts);
    let parsed = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    let documents = records.iter().map(|record| {
        let finding = parsed(record.finding.as_deref().unwrap());
        schema::assert_valid("ocsf-detection-finding", &finding);
        let document = parsed(&record.value);
        schema::assert_valid("alert", &document);
        assert_eq!(finding["finding_info"]["title"], document["message"]);
        (record.key.clone(), document)
    });
    documents.collect::<BTreeMap<_, _>>().into_values().collect()
}

#[test]
fn documents_about_overflow_and_many_sources_say_how_many_and_keep_to_their_schemas() {
    let all = documents(10..90);
    let about = |who: &str| -> Value {
        let found = all.iter().find(|document| document["pipewarden"]["who"] == who);
        found.unwrap_or_else(|| panic!("nothing about {who}")).clone()
    };
    let overflow = about("overflow");
    assert_eq!(overflow["pipewarden"]["overflow"]["accesses"], 70);
    assert_eq!(overflow["pipewarden"]["accesses"], 70);
    assert_eq!(overflow["pipewarden"]["confidence"], "low");
    assert_eq!(overflow["host"]["name"], "asset0.aperture.local");
    let listed = overflow["pipewarden"]["overflow"]["first"].as_array().unwrap();
    assert_eq!(listed[0]["ip"], "10.1.0.20");
    let many = about("many_sources");
    assert_eq!(many["pipewarden"]["many_sources"]["sources"], 10);
    assert_eq!(
        many["message"],
        "10 sources accessed asset0.aperture.local within two adjacent buckets"
    );
}
