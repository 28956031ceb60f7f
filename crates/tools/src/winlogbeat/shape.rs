//! The shapes in which an event is shipped.

use serde_json::{Value, json};

use super::event::Event;
use super::moves::{Directions, Move};

/// How Windows marks granted and denied access in audits.
const AUDIT_SUCCESS: (u64, &str) = (0x8020_0000_0000_0000, "Audit Success");
const AUDIT_FAILURE: (u64, &str) = (0x8010_0000_0000_0000, "Audit Failure");

/// The host that publishes, in shapes of forwarded events.
const COLLECTOR: &str = "collector";

macro_rules! shapes {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal;)+) => {
        /// A shape in which an event arrives.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Shape { $($(#[$doc])+ $variant),+ }

        impl Shape {
            /// Every shape.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Who writes it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

shapes! {
    /// As Winlogbeat 8 and 9, and 7 since 7.13, publish it.
    Winlogbeat8 = "winlogbeat 8";
    /// The event's id is a number.
    Winlogbeat7 = "winlogbeat 7 before 7.13";
    /// Fields moved to their ECS names by Winlogbeat's Sysmon and Security modules.
    Winlogbeat7Module = "winlogbeat 7 with its script modules";
    /// Fields moved by Elasticsearch's ingest pipelines; the record's id is a text.
    IngestPipeline = "after ingest pipelines";
    /// Logstash's own fields, and none of Winlogbeat's metadata.
    Logstash = "logstash";
    /// Logstash, with every backslash of the fields doubled.
    LogstashDoubled = "logstash with doubled backslashes";
    /// Everything at the top level.
    Winlogbeat6 = "winlogbeat 6";
    /// The XML of an event file, as the `evtx` crate renders it.
    Evtx = "rendered from evtx";
    /// The payload too at the top level, under Windows' own names.
    Nxlog = "nxlog";
}

impl Shape {
    /// The document of an event.
    pub fn document(self, event: &Event) -> Value {
        let definition = event.definition;
        match self {
            Self::Winlogbeat8 => json!(event),
            Self::Winlogbeat7 => numbered(event),
            Self::Winlogbeat7Module => moved(
                event,
                numbered(event),
                definition.moved_by_module,
                ["egress", "ingress"],
            ),
            Self::IngestPipeline => {
                let mut document = json!(event);
                document["winlog"]["record_id"] = text(&event.record_id);
                moved(
                    event,
                    document,
                    definition.moved_by_pipeline,
                    ["outbound", "inbound"],
                )
            }
            Self::Logstash => logstash(event),
            Self::LogstashDoubled => {
                let doubled = event.fields().fold(event.clone(), |doubled, (field, value)| {
                    doubled.set(field, value.replace('\\', "\\\\"))
                });
                logstash(&doubled)
            }
            Self::Winlogbeat6 => flat(event),
            Self::Evtx => rendered(event),
            Self::Nxlog => nxlog(event),
        }
    }
}

fn text(record_id: &Value) -> Value {
    match record_id {
        Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    }
}

fn audit(event: &Event) -> (u64, &'static str) {
    if event.outcome.as_deref() == Some("failure") {
        AUDIT_FAILURE
    } else {
        AUDIT_SUCCESS
    }
}

fn numbered(event: &Event) -> Value {
    let mut document = json!(event);
    document["event"]["code"] = event.definition.id.into();
    document["winlog"]["event_id"] = event.definition.id.into();
    document
}

fn moved(event: &Event, mut document: Value, moves: &[Move], directions: Directions) -> Value {
    let mut data = event.event_data();
    for step in moves {
        step.apply(&mut data, &mut document, directions);
    }
    if !data.is_empty() {
        document["winlog"]["event_data"] = data.into();
    } else if let Some(winlog) = document["winlog"].as_object_mut() {
        winlog.remove("event_data");
    }
    document
}

fn logstash(event: &Event) -> Value {
    let mut document = json!(event);
    if let Some(fields) = document.as_object_mut() {
        fields.remove("@metadata");
    }
    document["@version"] = "1".into();
    document["tags"] = json!(["beats_input_codec_plain_applied"]);
    document["event"]["original"] = "the message once more".into();
    document
}

fn flat(event: &Event) -> Value {
    let definition = event.definition;
    json!({
        "@timestamp": event.time,
        "@metadata": {"beat": "winlogbeat", "type": "doc", "version": "6.8.23"},
        "type": "wineventlog",
        "source_name": definition.provider.name,
        "log_name": definition.provider.channel,
        "computer_name": event.computer,
        "event_id": definition.id,
        "record_number": text(&event.record_id),
        "event_data": event.event_data(),
        "keywords": [audit(event).1],
        "host": {"name": COLLECTOR},
    })
}

fn rendered(event: &Event) -> Value {
    let definition = event.definition;
    json!({"Event": {
        "#attributes": {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"},
        "System": {
            "Provider": {"#attributes": {"Name": definition.provider.name}},
            "EventID": definition.id,
            "Keywords": format!("{:#x}", audit(event).0),
            "TimeCreated": {"#attributes": {"SystemTime": event.time}},
            "EventRecordID": event.record_id,
            "Channel": definition.provider.channel,
            "Computer": event.computer,
        },
        "EventData": event.event_data(),
    }})
}

fn nxlog(event: &Event) -> Value {
    let definition = event.definition;
    let mut flat = event.event_data();
    for (name, value) in [
        ("@timestamp", event.time.as_str().into()),
        ("EventID", definition.id.into()),
        ("SourceName", definition.provider.name.into()),
        ("Channel", definition.provider.channel.to_lowercase().into()),
        ("Hostname", event.computer.as_str().into()),
        ("RecordNumber", event.record_id.clone()),
        ("EventType", "INFO".into()),
        ("host", COLLECTOR.into()),
        ("Keywords", audit(event).0.cast_signed().into()),
    ] {
        flat.insert(name.to_owned(), value);
    }
    flat.into()
}

#[cfg(test)]
mod tests {
    use super::super::{LOGON, NETWORK_CONNECTION, SHARE_ACCESS, SHARE_SESSION};
    use super::*;

    #[test]
    fn what_no_shape_moves_is_the_same_in_raw_ones() {
        let event = Event::new(&LOGON, "2024-10-24T15:02:05.024Z", "atlas")
            .record_id(7)
            .set("LogonType", "3");
        for shape in [
            Shape::Winlogbeat8,
            Shape::Winlogbeat7,
            Shape::Winlogbeat7Module,
            Shape::IngestPipeline,
        ] {
            let document = shape.document(&event);
            assert_eq!(document["winlog"]["event_data"], json!({"LogonType": "3"}));
        }
    }

    #[test]
    fn what_moves_is_gone_from_where_it_was_and_what_does_not_fit_stays() {
        let event = Event::new(&SHARE_ACCESS, "2024-10-24T15:02:05.024Z", "atlas").set_all([
            ("IpAddress", "-"),
            ("IpPort", "49839"),
            ("RelativeTargetName", "winreg"),
        ]);
        let document = Shape::IngestPipeline.document(&event);
        assert_eq!(document["winlog"]["event_data"], json!({"IpAddress": "-"}));
        assert_eq!(document["source"], json!({"port": 49_839}));
        assert_eq!(document["file"], json!({"name": "winreg"}));
        let document = Shape::Winlogbeat7Module.document(&event);
        assert_eq!(document["winlog"]["event_data"]["RelativeTargetName"], "winreg");
    }

    #[test]
    fn the_security_module_moves_the_ends_of_a_logon_and_copies_its_account() {
        let event = Event::new(&LOGON, "2024-10-24T15:02:05.024Z", "atlas").set_all([
            ("SubjectUserName", "ATLAS$"),
            ("TargetUserName", "svc-push"),
            ("TargetDomainName", "APERTURE"),
            ("TargetUserSid", "S-1-5-21-1-2-3-1105"),
            ("TargetLogonId", "0x17f5b393"),
            ("WorkstationName", "SENTRY1"),
            ("IpAddress", "10.1.0.101"),
            ("IpPort", "49839"),
        ]);
        for shape in [Shape::Winlogbeat7Module, Shape::IngestPipeline] {
            let document = shape.document(&event);
            assert_eq!(
                document["source"],
                json!({"ip": "10.1.0.101", "port": 49_839, "domain": "SENTRY1"})
            );
            assert_eq!(
                document["user"],
                json!({"id": "S-1-5-21-1-2-3-1105", "name": "svc-push", "domain": "APERTURE"})
            );
            assert_eq!(
                document["winlog"]["event_data"],
                json!({
                    "SubjectUserName": "ATLAS$", "TargetUserName": "svc-push", "TargetDomainName": "APERTURE",
                    "TargetUserSid": "S-1-5-21-1-2-3-1105", "TargetLogonId": "0x17f5b393"
                })
            );
        }
        let local = Event::new(&LOGON, "2024-10-24T15:02:05.024Z", "atlas").set_all([
            ("WorkstationName", "-"),
            ("IpAddress", "-"),
            ("IpPort", "-"),
        ]);
        let document = Shape::Winlogbeat7Module.document(&local);
        assert!(document.get("source").is_none(), "{document}");
        assert_eq!(document["winlog"]["event_data"]["IpPort"], "-");
    }

    #[test]
    fn pipelines_move_the_ends_of_a_share_session_and_the_module_does_not() {
        let event = Event::new(&SHARE_SESSION, "2024-10-24T15:02:05.024Z", "atlas").set_all([
            ("SubjectUserName", "TESTSUBJECT4"),
            ("IpAddress", "10.1.0.101"),
            ("IpPort", "49839"),
            ("ShareName", "\\\\*\\IPC$"),
        ]);
        let document = Shape::Winlogbeat7Module.document(&event);
        assert_eq!(document["winlog"]["event_data"], json!(event.event_data()));
        assert!(document.get("source").is_none(), "{document}");
        let document = Shape::IngestPipeline.document(&event);
        assert_eq!(document["source"], json!({"ip": "10.1.0.101", "port": 49_839}));
        assert_eq!(document["user"], json!({"name": "TESTSUBJECT4"}));
        assert_eq!(
            document["winlog"]["event_data"],
            json!({"SubjectUserName": "TESTSUBJECT4", "ShareName": "\\\\*\\IPC$"})
        );
    }

    #[test]
    fn the_sysmon_module_moves_time_user_and_direction() {
        let event = Event::new(&NETWORK_CONNECTION, "2024-10-24T15:02:09.000Z", "sentry1").set_all([
            ("UtcTime", "2024-10-24 15:02:05.024"),
            ("User", "APERTURE\\TESTSUBJECT4"),
            ("Initiated", "false"),
        ]);
        let document = Shape::Winlogbeat7Module.document(&event);
        assert_eq!(document["@timestamp"], "2024-10-24T15:02:05.024Z");
        assert_eq!(
            document["user"],
            json!({"domain": "APERTURE", "name": "TESTSUBJECT4"})
        );
        assert_eq!(document["network"]["direction"], "ingress");
        assert!(document["winlog"].get("event_data").is_none());
    }

    #[test]
    fn a_denied_audit_is_marked_in_every_shape_that_has_keywords() {
        let event = Event::new(&SHARE_ACCESS, "2024-10-24T15:02:05.024Z", "atlas").outcome("failure");
        let keywords = |shape: Shape, pointer: &str| shape.document(&event).pointer(pointer).cloned();
        assert_eq!(
            keywords(Shape::Winlogbeat6, "/keywords/0"),
            Some("Audit Failure".into())
        );
        assert_eq!(
            keywords(Shape::Evtx, "/Event/System/Keywords"),
            Some("0x8010000000000000".into())
        );
        assert_eq!(
            keywords(Shape::Nxlog, "/Keywords"),
            Some((-9_218_868_437_227_405_312_i64).into())
        );
    }
}
