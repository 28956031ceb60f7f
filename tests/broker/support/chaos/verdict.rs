//! What must be on the alerts topic, from what is on the observations topic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pipewarden::config::Settings;
use pipewarden_core::log::Offset;
use pipewarden_core::time::AppendTime;
use pipewarden_engine::{Correlator, LogRecord, Topic};
use serde_json::Value;
use testkit::schema;

use super::load::Truth;
use crate::support::broker::Broker;
use crate::support::service::Settings as ServiceSettings;
use crate::support::topics::Read;

/// How the run ended.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Records of the observations topic.
    pub observations: usize,
    /// Records of the alerts topic.
    pub records: usize,
    /// Alerts that stand.
    pub alerts: usize,
    /// Attacks that no active alert is about, and records of an undisturbed run that are missing.
    pub lost: Vec<String>,
    /// Revisions that stand twice.
    pub duplicated: Vec<String>,
    /// Records that an undisturbed run would not have written, or would have written otherwise.
    pub wrong: Vec<String>,
}

type Records = BTreeMap<(String, u64), Value>;

impl Verdict {
    /// What stands on the topics now.
    pub fn of(own: &ServiceSettings, client: &Broker, truth: &Truth) -> Self {
        let in_force = Settings::load(Some(&own.file()), std::iter::empty()).unwrap();
        judge(
            &in_force,
            &Logs {
                observations: client.read_all(own.topic("observations")),
                sightings: client.read_all(own.topic("sightings")),
            },
            &client.read_all(own.topic("alerts")),
            truth,
        )
    }

    /// The sightings on their topic are those that the observations cause, each once.
    fn compare_sightings(&mut self, found: &[Read], caused: &[Value]) {
        let found = found
            .iter()
            .map(|record| serde_json::from_slice::<Value>(&record.value).unwrap());
        let found = found.filter(|record| record["tick"].is_null());
        let mut found: Vec<String> = found.map(|record| record.to_string()).collect();
        let mut caused: Vec<String> = caused.iter().map(Value::to_string).collect();
        found.sort_unstable();
        caused.sort_unstable();
        if let Some(pair) = found.windows(2).find(|pair| pair[0] == pair[1]) {
            self.duplicated.push(pair[0].clone());
        }
        let lacking = |of: &[String], others: &[String]| -> Vec<String> {
            let lacking = of.iter().filter(|one| others.binary_search(one).is_err());
            lacking.cloned().collect()
        };
        self.lost.extend(lacking(&caused, &found));
        self.wrong.extend(lacking(&found, &caused));
    }

    /// Nothing lost, nothing twice, nothing wrong.
    pub fn is_faultless(&self) -> bool {
        self.lost.is_empty() && self.duplicated.is_empty() && self.wrong.is_empty()
    }
}

/// The logs that hold the state.
struct Logs {
    observations: Vec<Read>,
    sightings: Vec<Read>,
}

/// Compares what was written with an undisturbed run over the same logs.
fn judge(settings: &Settings, logs: &Logs, written: &[Read], truth: &Truth) -> Verdict {
    let mut verdict = Verdict {
        observations: logs.observations.len(),
        records: written.len(),
        ..Verdict::default()
    };
    let mut found = Records::new();
    for record in written {
        let (key, document) = read(&record.value);
        schema::assert_valid("alert", &document);
        if found.insert(key.clone(), document).is_some() {
            verdict.duplicated.push(format!("{key:?}"));
        }
    }
    let mut caused = Vec::new();
    let mut expected = undisturbed(settings, Topic::Observations, &logs.observations, &mut caused);
    verdict.compare_sightings(&logs.sightings, &caused);
    let campaigns = undisturbed(settings, Topic::Sightings, &logs.sightings, &mut Vec::new());
    expected.extend(campaigns);
    for (key, document) in &expected {
        match found.get(key) {
            None => verdict.lost.push(format!("{key:?}")),
            Some(other) if other != document => {
                verdict.wrong.push(format!("{other:#}\nis not\n{document:#}"))
            }
            Some(_) => {}
        }
    }
    verdict.wrong.extend(
        found
            .keys()
            .filter(|key| !expected.contains_key(key))
            .map(|key| format!("{key:?}")),
    );
    let standing = standing(found);
    verdict.alerts = standing.len();
    verdict.lost.extend(missed(&standing, truth));
    verdict
}

fn read(value: &[u8]) -> ((String, u64), Value) {
    let document: Value = serde_json::from_slice(value).unwrap();
    let own = &document["pipewarden"];
    (
        (
            own["alert_id"].as_str().unwrap().to_owned(),
            own["revision"].as_u64().unwrap(),
        ),
        document,
    )
}

/// What one worker writes that reads a whole log, and the sightings that this causes.
fn undisturbed(settings: &Settings, topic: Topic, log: &[Read], caused: &mut Vec<Value>) -> Records {
    let policy = Arc::new(settings.policy().unwrap());
    let mut partitions: BTreeMap<i32, Correlator> = BTreeMap::new();
    let mut records = Records::new();
    for record in log {
        let correlator = partitions
            .entry(record.partition)
            .or_insert_with(|| Correlator::fresh(Arc::clone(&policy), topic, 6));
        let applied = correlator.apply(LogRecord {
            offset: Offset::from_wire(record.offset).expect("a record has an offset"),
            append_time: AppendTime::from_millis(record.append_time.unwrap()),
            value: &record.value,
        });
        let sightings = applied.alerts.iter().filter_map(|alert| alert.sighting.as_ref());
        caused.extend(sightings.map(|sighting| serde_json::from_slice::<Value>(&sighting.value).unwrap()));
        let found = applied.alerts.iter().filter(|alert| alert.is_published);
        records.extend(found.map(|alert| read(&alert.value)));
    }
    records
}

/// The last revision of every alert that stands.
fn standing(records: Records) -> Vec<Value> {
    let last: BTreeMap<String, Value> = records
        .into_iter()
        .map(|((id, _), document)| (id, document))
        .collect();
    last.into_values()
        .filter(|document| document["pipewarden"]["status"] == "active")
        .collect()
}

/// Staged attacks that no alert is about: an audited one by its source, any other by its asset.
fn missed(standing: &[Value], truth: &Truth) -> Vec<String> {
    let mut found = BTreeSet::new();
    for alert in standing {
        let asset = alert["pipewarden"]["asset"]["id"].as_str().unwrap();
        found.insert((asset, alert["source"]["ip"].as_str()));
        found.insert((asset, None));
    }
    let missed = truth.attacks.iter().filter(|attack| {
        let source = attack.is_audited.then_some(attack.source.as_str());
        !found.contains(&(attack.asset.as_str(), source))
    });
    missed.map(|attack| format!("{attack:?}")).collect()
}
