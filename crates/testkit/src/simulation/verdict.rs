//! The checks of a world's output: against an undisturbed run, and against the reference.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pipewarden_core::alert::AlertFormat;
use pipewarden_core::detection::{AlertKey, CAMPAIGN, Content, JoinSettings, SENSOR_BLIND, Sighting};
use pipewarden_engine::Policy;
use pipewarden_engine::local::{Broker, Layout, PollResult, TopicPartition, Worker};
use pipewarden_engine::worker::{PartitionId, Topic};
use serde::Deserialize;
use serde_json::Value;

use super::arrivals::Arrivals;
use super::cluster::Cluster;
use super::{sightings, stubs};
use crate::{reference, schema, world};

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
    /// How many of them are campaigns.
    pub campaigns: u64,
    /// Sightings on their topic.
    pub sightings: u64,
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
    let mut caused = Vec::new();
    for &partition in &cluster.partitions {
        let found = outputs(&cluster.broker, &cluster.layout, partition);
        let (found, stubs) = stubs::made_whole(found)?;
        published.counts.stubs += stubs;
        caused.extend(compare_with_undisturbed(cluster, partition, &found)?);
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
    let (campaigns, alerts): (Documents, Documents) = last
        .into_iter()
        .partition(|(_, document)| document["rule"]["id"] == CAMPAIGN);
    let expected = expected(arrivals, setup);
    check_alerts(&alerts, &expected)?;

    let written = sightings::read(&cluster.broker, &cluster.layout);
    published.counts.sightings += written.len() as u64;
    sightings::check_each_is_there_once(&written)?;
    if cluster.only_policy().is_some() {
        sightings::check_caused(&written, &caused)?;
    }
    let standing = expected.values().map(|alert| {
        let is_suppressed = alert.exception.is_some_and(|(_, action)| action == "suppress");
        (&alert.key, &alert.content, is_suppressed)
    });
    sightings::check_standing(&written, standing)?;
    sightings::check_campaigns(campaigns.values(), &written, setup)?;
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
            self.counts.campaigns += u64::from(rule == CAMPAIGN);
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

/// With one policy from start to end, the very records of an undisturbed run are there. The sightings of that.
fn compare_with_undisturbed(
    cluster: &Cluster,
    partition: PartitionId,
    found: &[Records; 3],
) -> Result<Vec<Sighting>, String> {
    let Some(policy) = cluster.only_policy() else {
        return Ok(Vec::new());
    };
    let (expected, sightings) = undisturbed(cluster, partition, policy);
    for (found, expected) in found.iter().zip(&expected) {
        if found != expected {
            return Err(difference(partition, found, expected));
        }
    }
    Ok(sightings)
}

/// An alert as the reference has it: whose accesses, what it says, which exception covers it and what that does.
#[derive(Clone, Debug)]
struct Expected {
    key: AlertKey,
    content: Content,
    exception: Option<(&'static str, &'static str)>,
}

/// The reference's alerts, by the key of their record.
fn expected(arrivals: &Arrivals, setup: &Setup<'_>) -> BTreeMap<Vec<u8>, Expected> {
    let mut expected: BTreeMap<Vec<u8>, Expected> = BTreeMap::new();
    for (key, content) in reference::final_alerts(&arrivals.observations, &world::rules(), setup.settings) {
        let exception = if setup.has_exceptions {
            reference::exception(&key, &content, setup.settings)
        } else {
            None
        };
        let id = key.id().to_string().into_bytes();
        let alert = Expected {
            key,
            content,
            exception,
        };
        expected.insert(id, alert);
    }
    expected
}

/// The alerts that are active or suppressed in the end are the reference's.
fn check_alerts(found: &Documents, expected: &BTreeMap<Vec<u8>, Expected>) -> Result<(), String> {
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
            key: AlertKey { who, .. },
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

/// The output of one worker that reads the same log from start to end without any fault, and the sightings that it causes.
fn undisturbed(
    cluster: &Cluster,
    partition: PartitionId,
    policy: &Arc<Policy>,
) -> ([Records; 3], Vec<Sighting>) {
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
    let sightings = match partition.topic {
        Topic::Observations => sightings::read(&broker, layout),
        Topic::Sightings => Vec::new(),
    };
    (outputs(&broker, layout, partition), sightings)
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
