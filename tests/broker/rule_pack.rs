//! The rule pack on a real broker: the service with every rule switched on finds in the rules' cases what `pipewarden test`
//! expects of each, and nothing more of that rule.
//!
//! All cases run at once, each in a world of its own: its hosts and addresses are renamed on the way in, and back on the
//! way out.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pipewarden_core::alert::Document;
use pipewarden_core::detection::{Rule, Status};
use pipewarden_tools::rule_tests::{self, Case, TestFile};
use serde_json::{Value, json};
use testkit::{schema, winlogbeat};

use crate::support::broker::{Broker, broker};
use crate::support::service::{Service, Settings};

/// The names and addresses that the pack's cases speak of.
const DOMAIN: &str = "aperture.local";
const NETWORK: &str = "10.1.0.";
/// What Windows calls that domain.
const NETBIOS: &str = "APERTURE";

/// The width of the buckets that accesses are grouped in.
const BUCKET: SignedDuration = SignedDuration::from_mins(10);

/// A case in a world of its own.
struct World {
    number: usize,
    rule: Rule,
    file: TestFile,
    case: Case,
}

impl World {
    fn all() -> Vec<Self> {
        let pack = rule_tests::builtin().into_iter();
        let cases = pack.flat_map(|tested| {
            let file = tested.tests.unwrap();
            let cases = file.cases.clone().into_iter();
            // All cases run in one service, which has no exceptions.
            let cases = cases.filter(|case| case.exceptions.is_empty());
            cases.map(move |case| (tested.rule.clone(), file.clone(), case))
        });
        (1..)
            .zip(cases)
            .map(|(number, (rule, file, case))| Self {
                number,
                rule,
                file,
                case,
            })
            .collect()
    }

    fn domain(&self) -> String {
        format!("case{}.local", self.number)
    }

    fn network(&self) -> String {
        format!("10.2.{}.", self.number)
    }

    fn netbios(&self) -> String {
        format!("CASE{}", self.number)
    }

    fn own(&self, value: &Value) -> Value {
        let text = value.to_string();
        let text = text
            .replace(DOMAIN, &self.domain())
            .replace(NETBIOS, &self.netbios())
            .replace(NETWORK, &self.network());
        serde_json::from_str(&text).unwrap()
    }

    /// The document as the case's author would see it.
    fn as_written(&self, document: &Value) -> Document {
        let text = document.to_string();
        let text = text
            .replace(&self.domain(), DOMAIN)
            .replace(&self.netbios(), NETBIOS)
            .replace(&self.network(), NETWORK);
        serde_json::from_str(&text).unwrap()
    }

    fn assets(&self) -> impl Iterator<Item = Value> {
        let assets = self.case.assets(&self.file);
        assert!(
            !assets.is_empty(),
            "{}: a case without assets needs a service of its own",
            self.case.name
        );
        assets.iter().map(|asset| self.own(asset))
    }

    fn accounts(&self) -> impl Iterator<Item = Value> {
        self.case
            .accounts(&self.file)
            .iter()
            .map(|account| self.own(account))
    }

    /// What Winlogbeat publishes, moved by whole buckets so that it is of the last but one: old enough to be over and young
    /// enough to be timely.
    fn messages(&self, now: Timestamp) -> Vec<(i32, Vec<u8>)> {
        let documents = self.case.documents(&self.file).unwrap();
        let time = |document: &Value| {
            document["@timestamp"]
                .as_str()
                .unwrap()
                .parse::<Timestamp>()
                .unwrap()
        };
        let age = now.duration_since(time(&documents[0]));
        let buckets = i32::try_from(age.as_secs() / BUCKET.as_secs()).unwrap();
        let shift = BUCKET * (buckets - 1);
        let moved = documents.iter().map(|document| {
            assert!(
                document["event"]["created"].is_null(),
                "{}: to be moved, too",
                self.case.name
            );
            let mut document = self.own(document);
            document["@timestamp"] = format!("{:.3}", time(&document) + shift).into();
            (0, document.to_string().into_bytes())
        });
        moved.collect()
    }

    /// Whether the alert is one of this case, by its rule and by its host.
    fn has(&self, alert: &Value) -> bool {
        let asset = alert["pipewarden"]["asset"]["id"].as_str().unwrap();
        alert["rule"]["id"] == *self.rule.id && asset.ends_with(&format!(".{}", self.domain()))
    }
}

/// Waits of a fraction of a second; one partition, so that its last record is the last to be judged.
fn settings(broker: &Broker, inventory: &str) -> Settings {
    Settings::new(broker.servers(), &broker.prefix("rule-pack"))
        .with("kafka/topics/partitions", 1.into())
        .with("inventory/file", inventory.into())
        .with("rules/enabled", json!(["all"]))
        .with(
            "detection/settle",
            json!({"audited": "200ms", "attributed": "200ms", "none": "1s"}),
        )
        .with("detection/revise_after", "200ms".into())
}

/// The last revision of each alert.
fn standing(broker: &Broker, settings: &Settings) -> Vec<Value> {
    let mut last = BTreeMap::new();
    for record in broker.read_all(settings.topic("alerts")) {
        let alert: Value = serde_json::from_slice(&record.value).unwrap();
        schema::assert_valid("alert", &alert);
        last.insert(record.key, alert);
    }
    let active = json!(Status::Active);
    last.into_values()
        .filter(|alert| alert["pipewarden"]["status"] == active)
        .collect()
}

#[test]
fn with_every_rule_switched_on_the_service_tells_what_each_case_expects_and_nothing_more() {
    let Some(broker) = broker() else { return };
    let worlds = World::all();
    let folder = tempfile::tempdir().unwrap();
    let inventory = folder.path().join("hosts.yaml");
    let last = json!({"name": format!("last.{DOMAIN}"), "roles": ["tier0"]});
    let assets: Vec<Value> = worlds.iter().flat_map(World::assets).chain([last]).collect();
    let accounts: Vec<Value> = worlds.iter().flat_map(World::accounts).collect();
    let listed = json!({ "assets": assets, "accounts": accounts });
    std::fs::write(&inventory, listed.to_string()).unwrap();
    let settings = settings(broker, inventory.to_str().unwrap());
    settings.create_topics();
    let service = Service::start(&settings);
    service.await_ready();

    let now = Timestamp::now();
    let mut messages: Vec<_> = worlds.iter().flat_map(|world| world.messages(now)).collect();
    // It waits longer than all others: when it is published, everything is.
    let mut sentinel = winlogbeat::pipe(0);
    sentinel["@timestamp"] = format!("{now:.3}").into();
    sentinel["winlog"]["computer_name"] = format!("last.{DOMAIN}").into();
    messages.push((0, sentinel.to_string().into_bytes()));
    broker.produce(settings.topic("input"), &messages);
    let is_last = |alert: &Value| alert["pipewarden"]["asset"]["id"] == format!("last.{DOMAIN}");
    service.await_that("the last alert", || {
        standing(broker, &settings).iter().any(is_last)
    });

    let standing_alerts = standing(broker, &settings);
    let mut problems = Vec::new();
    let (mut fired, mut silent) = (0, 0);
    for world in &worlds {
        let own = standing_alerts.iter().filter(|alert| world.has(alert));
        let found: Vec<Document> = own.map(|alert| world.as_written(alert)).collect();
        if let Err(failure) = rule_tests::judge(&world.case.alerts, &found) {
            problems.push(format!("{}: {}: {failure}", world.rule.id, world.case.name));
        }
        if world.case.alerts.is_empty() {
            silent += 1;
        } else {
            fired += 1;
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(
        fired >= 9 && silent >= 9,
        "{fired} that must fire, {silent} that must not"
    );
    let consumed = service.metric("pipewarden_messages_consumed_total", settings.topic("input"));
    assert_eq!(consumed, f64::from(u32::try_from(messages.len()).unwrap()));
    assert!(broker.read_all(settings.topic("dead_letters")).is_empty());
    service.signal("TERM");
    assert!(service.wait().0.success());
}
