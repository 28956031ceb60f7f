//! The checks of a world's output: against an undisturbed run, and against the reference.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use pipewarden_core::alert::AlertFormat;
use pipewarden_core::detection::{Content, JoinSettings, SENSOR_BLIND, SWEEP, Who};
use pipewarden_core::event::AssetId;
use pipewarden_engine::Policy;
use pipewarden_engine::local::{Broker, Layout, PollResult, TopicPartition, Worker};
use pipewarden_engine::worker::PartitionId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::arrivals::Arrivals;
use super::cluster::Cluster;
use super::stubs;
use crate::{reference, reference_sweeps, schema, world};

/// How a world was set up, as far as its output depends on it.
pub struct Setup<'a> {
    pub settings: &'a JoinSettings,
    pub format: AlertFormat,
    pub has_exceptions: bool,
    /// Whether every document is held against the schema. That takes longer than writing it.
    pub validates_documents: bool,
}

/// Counts of what a world has published.
#[derive(Default)]
pub struct Verdict {
    /// Records on the topics of alerts and of suppressed ones.
    pub revisions: u64,
    /// How many of them are findings about sensors. They are compared with the undisturbed run's like all others, but not
    /// with the reference: they depend on the order of arrival.
    pub sensor_findings: u64,
    /// How many of them are sweeps.
    pub sweeps: u64,
    /// Records that could not be read, kept once each.
    pub dead_letters: u64,
    /// Documents that the broker rejected, each with a stub and a dead letter in its place.
    pub stubs: u64,
}

/// Compares what a world published with an undisturbed run and with the reference.
///
/// # Errors
/// The first difference.
pub fn check(cluster: &Cluster, arrivals: &Arrivals, setup: &Setup<'_>) -> Result<Verdict, String> {
    let mut published = Published::default();
    for &partition in &cluster.partitions {
        let found = outputs(&cluster.broker, &cluster.layout, partition);
        let (found, stubs) = stubs::made_whole(found)?;
        published.counts.stubs += stubs;
        compare_with_undisturbed(cluster, partition, &found)?;
        let [alerts, suppressed, letters] = &found;
        published.add_dead_letters(letters)?;
        if setup.format.has_ocsf() {
            let findings = records(&cluster.broker, &cluster.layout.findings(partition));
            check_formats_agree(alerts, &findings)?;
        }
        published.add_revisions("alerts", alerts)?;
        published.add_revisions("suppressed", suppressed)?;
    }
    let mut last = published.last_documents();
    if setup.validates_documents {
        last.values()
            .for_each(|document| schema::assert_valid("alert", document));
    }
    last.retain(|_, document| document["pipewarden"]["status"] != "superseded");
    last.retain(|_, document| document["rule"]["id"] != SENSOR_BLIND);
    let (sweeps, alerts): (Documents, Documents) = last
        .into_iter()
        .partition(|(_, document)| document["rule"]["id"] == SWEEP);
    check_sweeps(&sweeps, arrivals, setup)?;
    check_alerts(&alerts, arrivals, setup)?;
    Ok(published.counts)
}

/// Documents by the key of their record.
type Documents = BTreeMap<Vec<u8>, Value>;

/// What is on the topics of alerts and of suppressed ones.
#[derive(Default)]
struct Published {
    counts: Verdict,
    /// Topic, key and revision of every record.
    revisions: BTreeSet<(&'static str, Vec<u8>, u64)>,
    /// The last revision of each alert on either topic, and its number.
    last: BTreeMap<Vec<u8>, (u64, Vec<u8>)>,
}

impl Published {
    fn add_dead_letters(&mut self, letters: &Records) -> Result<(), String> {
        self.counts.dead_letters += letters.len() as u64;
        for (index, letter) in letters.iter().enumerate() {
            if letters[..index].contains(letter) {
                let key = String::from_utf8_lossy(&letter.0);
                return Err(format!("dead letter {key} was written twice"));
            }
        }
        Ok(())
    }

    fn add_revisions(&mut self, topic: &'static str, records: &Records) -> Result<(), String> {
        for (key, value) in records {
            let document: Summary<'_> = serde_json::from_slice(value).map_err(|error| error.to_string())?;
            let (rule, own) = (document.rule.id, document.pipewarden);
            let revision = own.revision;
            if !self.revisions.insert((topic, key.clone(), revision)) {
                return Err(format!("revision {revision} of {rule} was written twice"));
            }
            if topic == "suppressed" && own.status == "active" {
                return Err(format!("revision {revision} of {rule} is active and suppressed"));
            }
            self.counts.revisions += 1;
            self.counts.sensor_findings += u64::from(rule == SENSOR_BLIND);
            self.counts.sweeps += u64::from(rule == SWEEP);
            let last = self.last.entry(key.clone()).or_default();
            if revision >= last.0 {
                *last = (revision, value.clone());
            }
        }
        Ok(())
    }

    /// The last revision of each alert.
    fn last_documents(&self) -> Documents {
        let mut documents = Documents::new();
        for (key, (_, value)) in &self.last {
            let document = serde_json::from_slice(value).expect("it was read before");
            documents.insert(key.clone(), document);
        }
        documents
    }
}

/// The fields of an alert that are read of every record.
#[derive(Deserialize)]
struct Summary<'a> {
    #[serde(borrow)]
    rule: SummaryRule<'a>,
    #[serde(borrow)]
    pipewarden: SummaryFields<'a>,
}

#[derive(Deserialize)]
struct SummaryRule<'a> {
    id: &'a str,
}

#[derive(Deserialize)]
struct SummaryFields<'a> {
    revision: u64,
    status: &'a str,
}

/// With one policy from start to end, the very records of an undisturbed run are there.
fn compare_with_undisturbed(
    cluster: &Cluster,
    partition: PartitionId,
    found: &[Records; 3],
) -> Result<(), String> {
    let Some(policy) = cluster.only_policy() else {
        return Ok(());
    };
    let expected = undisturbed(cluster, partition, policy);
    for (found, expected) in found.iter().zip(&expected) {
        if found != expected {
            return Err(difference(partition, found, expected));
        }
    }
    Ok(())
}

/// An alert as the reference has it: whose accesses, what it says, which exception covers it and what that does.
#[derive(Clone, Debug)]
struct Expected {
    who: Who,
    content: Content,
    exception: Option<(&'static str, &'static str)>,
}

/// The alerts that are active or suppressed in the end are the reference's.
fn check_alerts(found: &Documents, arrivals: &Arrivals, setup: &Setup<'_>) -> Result<(), String> {
    let mut expected: BTreeMap<Vec<u8>, Expected> = BTreeMap::new();
    for (key, content) in reference::final_alerts(&arrivals.observations, &world::rules(), setup.settings) {
        let exception = if setup.has_exceptions {
            reference::exception(&key, &content, setup.settings)
        } else {
            None
        };
        let alert = Expected {
            who: key.who,
            content,
            exception,
        };
        expected.insert(key.id().to_string().into_bytes(), alert);
    }
    if !found.keys().eq(expected.keys()) {
        let mut missing = expected.clone();
        missing.retain(|key, _| !found.contains_key(key));
        let mut surplus = found.clone();
        surplus.retain(|key, _| !expected.contains_key(key));
        return Err(format!(
            "the final alerts are not the reference's: missing {missing:#?}, surplus {surplus:#?}"
        ));
    }
    for (document, alert) in found.values().zip(expected.values()) {
        let Expected {
            who,
            content,
            exception,
        } = alert;
        let own = &document["pipewarden"];
        let counts = serde_json::to_value(content.counts).expect("numbers are JSON");
        let same = own["confidence"] == content.confidence.as_str()
            && own["attribution"] == content.attribution.as_str()
            && own["observations"] == counts
            && own["accounts"].as_array().map(Vec::len) == Some(content.accounts.len())
            && own["who"] == who.as_str()
            && own["exception"]["id"].as_str() == exception.map(|(id, _)| id)
            && own["exception"]["action"].as_str() == exception.map(|(_, action)| action);
        if !same {
            return Err(format!(
                "{document:#} is not {content:#?} with exception {exception:?}"
            ));
        }
    }
    Ok(())
}

/// The sweeps that are active in the end are the reference's.
fn check_sweeps(found: &Documents, arrivals: &Arrivals, setup: &Setup<'_>) -> Result<(), String> {
    let is_covered = |source: IpAddr, asset: &AssetId, swept: &reference_sweeps::Swept, closes: i64| {
        setup.has_exceptions && reference_sweeps::is_covered(source, asset, swept, closes)
    };
    let observations = &arrivals.observations;
    let expected = reference_sweeps::final_sweeps(observations, &world::rules(), setup.settings, is_covered);
    let found: BTreeSet<String> = found.values().map(sweep_found).collect();
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for ((source, _), assets) in &expected {
        let first = assets.values().map(|swept| swept.first).min();
        let last = assets.values().map(|swept| swept.last).max();
        let names: Vec<&str> = assets.keys().map(AssetId::as_str).collect();
        let source = Some(source.to_string());
        wanted.insert(format!("{source:?} {names:?} {} {}", json!(first), json!(last)));
    }
    if found == wanted {
        Ok(())
    } else {
        Err(format!("the sweeps are {found:#?}, and should be {wanted:#?}"))
    }
}

/// Source, assets, start and end of a sweep's document.
fn sweep_found(document: &Value) -> String {
    let assets = document["pipewarden"]["sweep"]["assets"].as_array();
    let assets = assets.into_iter().flatten();
    let mut names: Vec<&str> = assets.filter_map(|asset| asset["id"].as_str()).collect();
    names.sort_unstable();
    let source = document["source"]["ip"].as_str();
    let event = &document["event"];
    format!("{source:?} {names:?} {} {}", event["start"], event["end"])
}

/// The output of one worker that reads the same log from start to end without any fault.
fn undisturbed(cluster: &Cluster, partition: PartitionId, policy: &Arc<Policy>) -> [Records; 3] {
    let (mut broker, layout) = (Broker::new(), &cluster.layout);
    let input = layout.input(partition);
    for record in cluster.broker.read_committed(&input) {
        while broker.end_offset(&input) < record.offset {
            broker.skip_offset(&input);
        }
        broker.append(&input, record.append_time, &record.key, &record.value);
    }
    let mut worker = Worker::start(&mut broker, layout, "undisturbed", policy);
    worker.assign(&mut broker, &[partition], 0);
    while worker.poll(&mut broker, partition) == PollResult::Record {}
    worker.commit(&mut broker);
    outputs(&broker, layout, partition)
}

/// Both formats hold the same revisions of the same alerts in the same order.
fn check_formats_agree(alerts: &Records, findings: &Records) -> Result<(), String> {
    let revisions = |records: &Records, place: &str| -> Vec<(Vec<u8>, Option<u64>)> {
        let revision = |value: &[u8]| {
            let document: Value = serde_json::from_slice(value).expect("alerts and findings are JSON");
            document.pointer(place).and_then(Value::as_u64)
        };
        let records = records.iter();
        records
            .map(|(key, value)| (key.clone(), revision(value)))
            .collect()
    };
    let of_alerts = revisions(alerts, "/pipewarden/revision");
    let of_findings = revisions(findings, "/unmapped/pipewarden/revision");
    if of_alerts == of_findings {
        Ok(())
    } else {
        Err(format!(
            "alerts {of_alerts:?} and findings {of_findings:?} were committed"
        ))
    }
}

/// Keys and values of a partition, in order.
pub(super) type Records = Vec<(Vec<u8>, Vec<u8>)>;

/// Alerts, suppressed ones, and dead letters.
fn outputs(broker: &Broker, layout: &Layout, partition: PartitionId) -> [Records; 3] {
    [
        layout.output(partition),
        layout.suppressed_output(partition),
        layout.dead_letters(partition),
    ]
    .map(|topic| records(broker, &topic))
}

fn records(broker: &Broker, topic: &TopicPartition) -> Records {
    broker
        .read_committed(topic)
        .map(|record| (record.key.clone(), record.value.clone()))
        .collect()
}

fn difference(partition: PartitionId, found: &Records, expected: &Records) -> String {
    let show = |records: &Records| {
        let lines = records.iter().map(|(key, value)| {
            let document: Value = serde_json::from_slice(value).unwrap_or_default();
            let own = &document["pipewarden"];
            format!(
                "{} {} {} {}",
                String::from_utf8_lossy(key),
                own["revision"],
                own["status"],
                own["observations"]
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    format!(
        "partition {partition}: records\n{}\ndiffer from those of an undisturbed run\n{}",
        show(found),
        show(expected)
    )
}
