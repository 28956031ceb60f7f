//! `pipewarden exceptions propose --from-kafka`: what is committed to the alerts topic, up to what is there.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::support::broker::{Broker, broker};
use crate::support::service::Settings;
use crate::support::transactions::Transactions;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The alert of the sample, so many intervals of ten minutes later, under an id of its own.
fn alert(settings: &Settings, number: i64) -> Value {
    let output = settings.command(&["replay", "--format", "ndjson", "samples/detect-8.ndjson"]);
    // By the account of the sample it would be a case that must be found.
    let text = String::from_utf8(output.stdout)
        .unwrap()
        .replace("TESTSUBJECT4", "svc-monitor");
    let mut alert: Value = serde_json::from_str(&text).unwrap();
    let id = uuid::Uuid::from_u128(number.unsigned_abs().into()).to_string();
    for time in ["/@timestamp", "/event/start", "/event/end"] {
        let time = alert.pointer_mut(time).unwrap();
        let moment: Timestamp = time.as_str().unwrap().parse().unwrap();
        *time = (moment + SignedDuration::from_mins(10) * i32::try_from(number).unwrap())
            .to_string()
            .into();
    }
    alert["event"]["id"] = id.clone().into();
    alert["pipewarden"]["alert_id"] = id.into();
    alert
}

/// One transaction with all of these, written so long ago.
fn publish(broker: &Broker, settings: &Settings, alerts: &[Value], ago: Duration, is_committed: bool) {
    let records: Vec<(String, String)> = alerts
        .iter()
        .map(|alert| (alert["event"]["id"].to_string(), alert.to_string()))
        .collect();
    let records = records.iter().map(|(key, value)| (&**key, value.as_bytes()));
    let topic = settings.topic("alerts");
    let written = pipewarden::telemetry::wall_clock().minus(ago);
    Transactions::of(broker, topic).publish(topic, records, written, is_committed);
}

#[test]
fn what_is_committed_is_proposed_by_its_last_revisions_and_reading_ends_where_the_topic_does() {
    let Some(broker) = broker() else {
        return;
    };
    let settings = Settings::new(broker.servers(), &broker.prefix("propose"));
    settings.create_topics();
    let alerts: Vec<Value> = (0..9).map(|number| alert(&settings, number)).collect();
    publish(broker, &settings, &alerts[7..8], HOUR * 3, true);
    publish(broker, &settings, &alerts[..5], Duration::ZERO, true);
    publish(broker, &settings, &alerts[5..7], Duration::ZERO, false);
    // A later revision takes one back.
    let mut superseded = alerts[8].clone();
    publish(broker, &settings, &[superseded.clone()], Duration::ZERO, true);
    superseded["pipewarden"]["status"] = "superseded".into();
    superseded["pipewarden"]["revision"] = (u64::MAX / 2).into();
    publish(broker, &settings, &[superseded], Duration::ZERO, true);

    let propose = |more: &[&str]| {
        let arguments = [
            &["exceptions", "propose", "--from-kafka", "--min-count", "2"],
            more,
        ]
        .concat();
        let output = settings.command(&arguments);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{message}");
        (String::from_utf8(output.stdout).unwrap(), message)
    };
    let (proposed, message) = propose(&["--since", "1h"]);
    assert!(
        proposed.contains("# 5 alerts of detect-8, 5 accesses in 5 intervals"),
        "{proposed}"
    );
    assert!(
        proposed.contains("sources: {addresses: ['10.1.0.101']}"),
        "{proposed}"
    );
    assert!(
        message.contains("5 active alerts: 1 entry for 5 of them, 0 not proposed"),
        "{message}"
    );
    let (proposed, _) = propose(&[]);
    assert!(
        proposed.contains("# 6 alerts of detect-8"),
        "seven days back: {proposed}"
    );
}

#[test]
fn a_topic_that_is_not_there_is_named() {
    let Some(broker) = broker() else {
        return;
    };
    let settings = Settings::new(broker.servers(), &broker.prefix("propose-nothing"));
    let output = settings.command(&["exceptions", "propose", "--from-kafka"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains(settings.topic("alerts")), "{message}");
}
