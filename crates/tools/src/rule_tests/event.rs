//! From the short form of an event to the document that Winlogbeat publishes.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use pipewarden_core::event::Outcome;
use pipewarden_core::time::EventTime;
use serde_json::Value;

use super::EventSpec;
use crate::winlogbeat::{
    CONNECTION_PERMITTED, Definition, Event, LOGON, NETWORK_CONNECTION, PIPE_CONNECTED, Provider,
    SHARE_ACCESS, SHARE_SESSION, Shape,
};

/// When every case begins, 2024-10-24T15:02:05Z, in microseconds: well inside a bucket of alerts.
const START: i64 = 1_729_782_125_000_000;

/// The events that have a short form.
const IDS: &str = "3, 18, 4624, 5140, 5145 or 5156";

/// An event that has a short form.
struct Short {
    definition: &'static Definition,
    /// The field that it always has and that no case can do without.
    needed: &'static str,
    /// Values of the other fields, unless a case sets them.
    usual: &'static [(&'static str, &'static str)],
}

const SHORT: &[Short] = &[
    Short {
        definition: &NETWORK_CONNECTION,
        needed: "SourceIp",
        usual: &[
            ("Protocol", "tcp"),
            ("Initiated", "true"),
            ("DestinationPort", "445"),
            ("Image", "System"),
            ("ProcessId", "4"),
        ],
    },
    Short {
        definition: &PIPE_CONNECTED,
        needed: "PipeName",
        usual: &[
            ("EventType", "ConnectPipe"),
            ("Image", "System"),
            ("ProcessId", "4"),
        ],
    },
    Short {
        definition: &SHARE_ACCESS,
        needed: "RelativeTargetName",
        usual: &[
            ("ObjectType", "File"),
            ("ShareName", "\\\\*\\IPC$"),
            ("AccessMask", "0x12019f"),
            ("SubjectDomainName", "EXAMPLE"),
            ("SubjectUserName", "user"),
            ("SubjectLogonId", "0x1"),
        ],
    },
    Short {
        definition: &LOGON,
        needed: "IpAddress",
        usual: &[
            ("LogonType", "3"),
            ("TargetDomainName", "EXAMPLE"),
            ("TargetUserName", "user"),
            ("TargetLogonId", "0x1"),
            ("LogonProcessName", "NtLmSsp"),
            ("AuthenticationPackageName", "NTLM"),
        ],
    },
    Short {
        definition: &SHARE_SESSION,
        needed: "IpAddress",
        usual: &[
            ("ObjectType", "File"),
            ("ShareName", "\\\\*\\IPC$"),
            ("AccessMask", "0x1"),
            ("SubjectDomainName", "EXAMPLE"),
            ("SubjectUserName", "user"),
            ("SubjectLogonId", "0x1"),
        ],
    },
    Short {
        definition: &CONNECTION_PERMITTED,
        needed: "SourceAddress",
        usual: &[
            ("Protocol", "6"),
            ("Direction", INBOUND),
            ("DestPort", "445"),
            ("Application", "System"),
            ("ProcessID", "4"),
        ],
    },
];

/// The directions of a 5156: logged by the server, by the client.
const INBOUND: &str = "%%14592";
const OUTBOUND: &str = "%%14593";

impl EventSpec {
    /// The document. `number` counts the events of a case from 1; `home` is the first asset.
    ///
    /// # Errors
    /// What is missing or cannot be.
    pub(super) fn to_document(&self, number: usize, home: Option<&str>) -> Result<Value, String> {
        let Some(event_id) = self.event_id else {
            return self.whole();
        };
        if self.document.is_some() {
            return Err("an event has an event_id or a document, not both".to_owned());
        }
        let Some(short) = SHORT.iter().find(|short| short.definition.id == event_id) else {
            return Err(format!(
                "event_id {event_id} is none of {IDS}; write a document instead"
            ));
        };
        let needed = short.needed;
        if !self.event_data.contains_key(needed) {
            return Err(format!(
                "event_data.{needed} is missing: event {event_id} always has it"
            ));
        }
        let mut fields: BTreeMap<&str, String> = short
            .usual
            .iter()
            .map(|&(field, value)| (field, value.to_owned()))
            .collect();
        for (field, value) in &self.event_data {
            match value {
                Value::Null => fields.remove(&**field),
                // As Winlogbeat writes every field: as text.
                Value::String(text) => fields.insert(field, text.clone()),
                other => fields.insert(field, other.to_string()),
            };
        }
        let is = |field, wanted| fields.get(field).is_some_and(|value| value == wanted);
        let is_initiated =
            (event_id == 3 && is("Initiated", "true")) || (event_id == 5156 && is("Direction", OUTBOUND));
        let computer = match (&self.computer, home) {
            (Some(computer), _) => computer,
            (None, _) if is_initiated => {
                return Err("computer is missing: name the host that the connection came from".to_owned());
            }
            (None, Some(home)) => home,
            (None, None) => {
                return Err("computer is missing, and there is no asset to take it from".to_owned());
            }
        };
        let mut event = Event::new(short.definition, self.time()?.to_string(), computer)
            .record_id(number)
            .set_all(fields);
        if short.definition.provider == Provider::SECURITY {
            event = event.outcome(match self.outcome {
                Some(Outcome::Failure) => "failure",
                Some(Outcome::Success) | None => "success",
            });
        } else if self.outcome.is_some() {
            return Err("only events of the Security log have an outcome".to_owned());
        }
        Ok(Shape::Winlogbeat8.document(&event))
    }

    fn whole(&self) -> Result<Value, String> {
        let Some(document) = &self.document else {
            return Err(format!("an event needs an event_id ({IDS}) or a document"));
        };
        let is_alone = *self
            == Self {
                document: self.document.clone(),
                ..Self::default()
            };
        if is_alone {
            Ok(document.clone().into())
        } else {
            Err("a document brings everything itself: leave the other keys out".to_owned())
        }
    }

    fn time(&self) -> Result<EventTime, String> {
        let Some(text) = &self.after else {
            return Ok(EventTime::from_micros(START));
        };
        let span: SignedDuration = text
            .parse()
            .map_err(|_| format!("after {text:?} is not a duration; write 519ms, 2s or 1h 30m"))?;
        let micros = i64::try_from(span.as_micros())
            .ok()
            .and_then(|after| START.checked_add(after));
        // Beyond a year it is a mistake, and beyond the last date it cannot be formatted.
        if span.abs() > SignedDuration::from_hours(24 * 366) {
            return Err(format!("after {text:?} is more than a year"));
        }
        micros
            .map(EventTime::from_micros)
            .ok_or_else(|| format!("after {text:?} is out of range"))
    }
}

#[cfg(test)]
mod tests {
    use pipewarden_core::event::{Decoder, Kind, Watched};
    use serde_json::json;

    use super::*;

    fn spec(yaml: &str) -> EventSpec {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn the_short_form_becomes_the_document_that_winlogbeat_publishes() {
        let event =
            spec("{event_id: 18, after: 1s, event_data: {PipeName: \\winreg, ProcessId: 5, Image: null}}");
        let document = event.to_document(2, Some("atlas")).unwrap();
        assert_eq!(document["@timestamp"], "2024-10-24T15:02:06.000Z");
        assert_eq!(document["winlog"]["computer_name"], "atlas");
        assert_eq!(document["winlog"]["record_id"], 2);
        assert_eq!(
            document["winlog"]["event_data"],
            json!({"EventType": "ConnectPipe", "PipeName": "\\winreg", "ProcessId": "5"})
        );
    }

    #[test]
    fn session_evidence_in_short_form_is_read_as_what_it_is() {
        let decoder = Decoder::new(Watched::default(), std::time::Duration::from_secs(1_800));
        for (yaml, kind) in [
            ("{event_id: 4624, event_data: {IpAddress: 10.0.0.1}}", Kind::Logon),
            (
                "{event_id: 5140, event_data: {IpAddress: 10.0.0.1}}",
                Kind::ShareSession,
            ),
            (
                "{event_id: 5156, event_data: {SourceAddress: 10.0.0.1}}",
                Kind::NetworkConnection,
            ),
        ] {
            let document = spec(yaml).to_document(1, Some("atlas")).unwrap().to_string();
            let event = decoder.decode(document.as_bytes()).unwrap().outcome.unwrap();
            assert_eq!(event.detail.kind(), kind);
        }
    }

    #[test]
    fn an_error_names_what_is_missing_or_invalid() {
        for (yaml, expected) in [
            ("{}", "needs an event_id"),
            ("{event_id: 4, event_data: {}}", "none of 3, 18"),
            (
                "{event_id: 18, event_data: {PipNeame: x}}",
                "event_data.PipeName is missing",
            ),
            (
                "{event_id: 3, event_data: {SourceIp: 10.0.0.1}}",
                "computer is missing",
            ),
            (
                "{event_id: 18, outcome: failure, event_data: {PipeName: x}}",
                "only events of the Security log",
            ),
            (
                "{event_id: 18, after: soon, event_data: {PipeName: x}}",
                "not a duration",
            ),
            (
                "{event_id: 18, after: 1000000h, event_data: {PipeName: x}}",
                "more than a year",
            ),
            (
                "{event_id: 5156, event_data: {SourceAddress: 10.0.0.1, Direction: '%%14593'}}",
                "computer is missing",
            ),
            ("{event_id: 18, document: {}}", "not both"),
            ("{after: 1s, document: {}}", "leave the other keys out"),
        ] {
            let error = spec(yaml).to_document(1, Some("atlas")).unwrap_err();
            assert!(error.contains(expected), "{yaml}: {error}");
        }
        let error = spec("{event_id: 18, event_data: {PipeName: x}}")
            .to_document(1, None)
            .unwrap_err();
        assert!(error.contains("no asset"), "{error}");
    }
}
