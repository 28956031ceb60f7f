//! Whether a world ended as it must.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use pipewarden_core::alert::AlertFormat;
use pipewarden_core::detection::{JoinSettings, SENSOR_BLIND, SWEEP};
use pipewarden_core::event::AssetId;
use pipewarden_engine::Policy;
use pipewarden_engine::local::{Broker, Layout, PollResult, TopicPartition, Worker};
use pipewarden_engine::worker::PartitionId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::arrivals::Arrivals;
use super::cluster::Cluster;
use crate::{reference, reference_sweeps, schema, world};

/// What stands on the topics of a world that ended as it must.
pub struct Verdict {
    /// Records on the topics of alerts and of suppressed ones.
    pub revisions: u64,
    /// How many of them are findings about sensors. They are compared with the undisturbed run's like all others, but not
    /// with the reference: they are a function of arrivals, not of the set of observations.
    pub sensor_findings: u64,
    /// How many of them are sweeps.
    pub sweeps: u64,
    /// Records that could not be read, kept once each.
    pub dead_letters: u64,
}

/// Compares what a world wrote with an undisturbed run and with the reference.
///
/// # Errors
/// What is not as it must be.
pub fn check(
    cluster: &Cluster,
    arrivals: &Arrivals,
    settings: &JoinSettings,
    (format, has_exceptions, is_checked_in_full): (AlertFormat, bool, bool),
) -> Result<Verdict, String> {
    let mut last: BTreeMap<Vec<u8>, (u64, Vec<u8>)> = BTreeMap::new();
    let mut revisions = BTreeSet::new();
    let (mut sensor_findings, mut of_sweeps, mut dead_letters) = (0, 0, 0);
    for &partition in &cluster.partitions {
        let found = outputs(&cluster.broker, &cluster.layout, partition);
        if let Some(policy) = cluster.only_policy()
            && let expected = undisturbed(cluster, partition, policy)
            && found != expected
        {
            let which = (0..3)
                .find(|which| found[*which] != expected[*which])
                .unwrap_or_default();
            return Err(difference(partition, &found[which], &expected[which]));
        }
        let [alerts, suppressed, letters] = found;
        dead_letters += letters.len() as u64;
        if let Some((key, _)) = letters
            .iter()
            .enumerate()
            .find_map(|(at, letter)| letters[..at].contains(letter).then_some(letter))
        {
            return Err(format!(
                "dead letter {} was written twice",
                String::from_utf8_lossy(key)
            ));
        }
        if format.has_ocsf() {
            let findings = records(&cluster.broker, &cluster.layout.findings(partition));
            stand_together(&alerts, &findings)?;
        }
        let alerts = alerts.into_iter().map(|record| ("alerts", record));
        let suppressed = suppressed.into_iter().map(|record| ("suppressed", record));
        for (topic, (key, value)) in alerts.chain(suppressed) {
            let told: Told<'_> = serde_json::from_slice(&value).map_err(|error| error.to_string())?;
            let (own, rule) = (told.pipewarden, told.rule.id);
            if !revisions.insert((topic, key.clone(), own.revision)) {
                return Err(format!("revision {} of {rule} was written twice", own.revision));
            }
            sensor_findings += u64::from(rule == SENSOR_BLIND);
            of_sweeps += u64::from(rule == SWEEP);
            if topic == "suppressed" && own.status == "active" {
                return Err(format!(
                    "revision {} of {rule} stands and was hidden",
                    own.revision
                ));
            }
            // The two topics together tell what an alert says: its last revision on either.
            let revision = own.revision;
            let known = last.entry(key).or_default();
            if revision >= known.0 {
                *known = (revision, value);
            }
        }
    }
    let mut last: BTreeMap<Vec<u8>, Value> = last
        .into_iter()
        .map(|(key, (_, value))| (key, serde_json::from_slice(&value).expect("it was read before")))
        .collect();
    // Every document costs more to check than to write, and every world writes the same kinds.
    if is_checked_in_full {
        last.values()
            .for_each(|document| schema::assert_valid("alert", document));
    }
    last.retain(|_, document| document["pipewarden"]["status"] != "superseded");
    last.retain(|_, document| document["rule"]["id"] != SENSOR_BLIND);
    let (sweeps, last): (BTreeMap<_, _>, BTreeMap<_, _>) = last
        .into_iter()
        .partition(|(_, document)| document["rule"]["id"] == SWEEP);
    check_sweeps(&sweeps, arrivals, settings, has_exceptions)?;
    let expected = reference::final_alerts(&arrivals.observations, &world::rules(), settings);
    let expected: BTreeMap<Vec<u8>, _> = expected
        .into_iter()
        .map(|(key, content)| {
            let exception = has_exceptions.then(|| reference::exception(&key, &content, settings));
            (key.id().to_string().into_bytes(), (content, exception.flatten()))
        })
        .collect();
    if !last.keys().eq(expected.keys()) {
        let missing: Vec<_> = expected
            .iter()
            .filter(|(key, _)| !last.contains_key(*key))
            .collect();
        let surplus: Vec<_> = last
            .iter()
            .filter(|(key, _)| !expected.contains_key(*key))
            .collect();
        return Err(format!(
            "the alerts that stand are not the reference's: missing {missing:#?}, surplus {surplus:#?}"
        ));
    }
    for (document, (content, exception)) in last.values().zip(expected.values()) {
        let own = &document["pipewarden"];
        let same = own["confidence"] == content.confidence.as_str()
            && own["attribution"] == content.attribution.as_str()
            && own["observations"] == serde_json::to_value(content.counts).expect("numbers are JSON")
            && own["accounts"].as_array().map(Vec::len) == Some(content.accounts.len())
            && own["exception"]["id"].as_str() == *exception;
        if !same {
            return Err(format!("{document:#} is not {content:#?} under {exception:?}"));
        }
    }
    Ok(Verdict {
        revisions: revisions.len() as u64,
        sensor_findings,
        sweeps: of_sweeps,
        dead_letters,
    })
}

/// What every record of the topics is asked for.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    rule: PublishedRule<'a>,
    #[serde(borrow)]
    pipewarden: PublishedFields<'a>,
}

#[derive(Deserialize)]
struct PublishedRule<'a> {
    id: &'a str,
}

#[derive(Deserialize)]
struct PublishedFields<'a> {
    revision: u64,
    status: &'a str,
}

/// The sweeps that stand are the reference's.
fn check_sweeps(
    found: &BTreeMap<Vec<u8>, Value>,
    arrivals: &Arrivals,
    settings: &JoinSettings,
    has_exceptions: bool,
) -> Result<(), String> {
    let is_covered = |source: IpAddr, asset: &AssetId, swept: &reference_sweeps::Swept, closes: i64| {
        has_exceptions && reference_sweeps::is_covered(source, asset, swept, closes)
    };
    let observations = &arrivals.observations;
    let expected = reference_sweeps::final_sweeps(observations, &world::rules(), settings, is_covered);
    let told: BTreeSet<String> = found
        .values()
        .map(|document| {
            let assets = document["pipewarden"]["sweep"]["assets"].as_array();
            let mut assets: Vec<&str> = assets
                .into_iter()
                .flatten()
                .filter_map(|asset| asset["id"].as_str())
                .collect();
            assets.sort_unstable();
            let source = document["source"]["ip"].as_str();
            format!(
                "{source:?} {assets:?} {} {}",
                document["event"]["start"], document["event"]["end"]
            )
        })
        .collect();
    let expected: BTreeSet<String> = expected
        .iter()
        .map(|((source, _), assets)| {
            let first = assets.values().map(|swept| swept.0).min();
            let last = assets.values().map(|swept| swept.1).max();
            let names: Vec<&str> = assets.keys().map(AssetId::as_str).collect();
            let source = Some(source.to_string());
            format!("{source:?} {names:?} {} {}", json!(first), json!(last))
        })
        .collect();
    if told == expected {
        Ok(())
    } else {
        Err(format!("the sweeps {told:#?} stand, and should be {expected:#?}"))
    }
}

/// What is written by one worker that reads the same log from end to end and is never disturbed.
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
fn stand_together(alerts: &[(Vec<u8>, Vec<u8>)], findings: &[(Vec<u8>, Vec<u8>)]) -> Result<(), String> {
    let revisions = |records: &[(Vec<u8>, Vec<u8>)], place: &str| -> Vec<(Vec<u8>, Option<u64>)> {
        let revision = |value: &[u8]| {
            let document: Value = serde_json::from_slice(value).unwrap_or_default();
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

/// Keys and values.
type Records = Vec<(Vec<u8>, Vec<u8>)>;

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

fn difference(
    partition: PartitionId,
    found: &[(Vec<u8>, Vec<u8>)],
    expected: &[(Vec<u8>, Vec<u8>)],
) -> String {
    let show = |records: &[(Vec<u8>, Vec<u8>)]| {
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
