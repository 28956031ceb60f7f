//! Whether a world ended as it must.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pipewarden::alert::AlertFormat;
use pipewarden::detection::JoinSettings;
use pipewarden::driver::memory::{Broker, TopicPartition, Worker};
use pipewarden::pipeline::Program;
use serde_json::Value;

use super::arrivals::Arrivals;
use super::cluster::Cluster;
use crate::support::{reference, schema, world};

/// How many records there are on the alerts topic.
///
/// # Errors
/// What is not as it must be.
pub fn check(
    cluster: &Cluster,
    arrivals: &Arrivals,
    settings: &JoinSettings,
    format: AlertFormat,
) -> Result<u64, String> {
    let mut last: BTreeMap<Vec<u8>, Value> = BTreeMap::new();
    let mut revisions = BTreeSet::new();
    for partition in 0..cluster.layout.partitions {
        let found = alerts(&cluster.broker, &cluster.layout.output(partition));
        if let Some(program) = cluster.only_program()
            && let expected = undisturbed(cluster, partition, program)
            && found != expected
        {
            return Err(difference(partition, &found, &expected));
        }
        if format.has_ocsf() {
            stand_together(
                &found,
                &alerts(&cluster.broker, &cluster.layout.findings(partition)),
            )?;
        }
        for (key, value) in found {
            let document: Value = serde_json::from_slice(&value).map_err(|error| error.to_string())?;
            let revision = document["pipewarden"]["revision"].as_u64();
            if !revisions.insert((key.clone(), revision)) {
                return Err(format!("a revision was written twice: {document:#}"));
            }
            last.insert(key, document);
        }
    }
    last.values()
        .for_each(|document| schema::assert_valid("alert", document));
    last.retain(|_, document| document["pipewarden"]["status"] == "active");
    let expected = reference::final_alerts(&arrivals.observations, &world::rules(), settings);
    let expected: BTreeMap<Vec<u8>, _> = expected
        .into_iter()
        .map(|(key, content)| (key.id().to_string().into_bytes(), content))
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
    for (document, content) in last.values().zip(expected.values()) {
        let own = &document["pipewarden"];
        let same = own["confidence"] == content.confidence.as_str()
            && own["attribution"] == content.attribution.as_str()
            && own["observations"] == serde_json::to_value(content.counts).unwrap_or_default()
            && own["accounts"].as_array().map(Vec::len) == Some(content.accounts.len());
        if !same {
            return Err(format!("{document:#} is not {content:#?}"));
        }
    }
    Ok(revisions.len() as u64)
}

/// The alerts of one worker that reads the same log from end to end and is never disturbed.
fn undisturbed(cluster: &Cluster, partition: u32, program: &Arc<Program>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut broker, layout) = (Broker::new(), &cluster.layout);
    let input = layout.input(partition);
    for record in cluster.broker.read_committed(&input) {
        while broker.end_offset(&input) < record.offset {
            broker.skip_offset(&input);
        }
        broker.append(&input, record.append_time, &record.key, &record.value);
    }
    let mut worker = Worker::start(&mut broker, layout, "undisturbed");
    worker
        .take_over(&broker, partition, program)
        .expect("a new log has no checkpoint");
    while worker.step(&broker, partition).is_some() {}
    worker.commit(&mut broker).expect("nobody else is there");
    alerts(&broker, &layout.output(partition))
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

fn alerts(broker: &Broker, topic: &TopicPartition) -> Vec<(Vec<u8>, Vec<u8>)> {
    broker
        .read_committed(topic)
        .map(|record| (record.key.clone(), record.value.clone()))
        .collect()
}

fn difference(partition: u32, found: &[(Vec<u8>, Vec<u8>)], expected: &[(Vec<u8>, Vec<u8>)]) -> String {
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
