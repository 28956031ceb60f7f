//! What a line or a record is: an alert, an explanation, something else.

use serde_json::Value;
use serde_json::value::RawValue;

use super::row::Row;

/// The longest id that an alert may have, in bytes; a UUID has 36.
const LONGEST_ID: usize = 128;

/// A line or the value of a record.
pub type Line<'a> = &'a [u8];

/// What it is.
#[derive(Debug)]
pub enum Incoming {
    /// A revision of an alert, in ECS.
    Alert(Box<Alert>),
    /// Why an alert says what it says, as `replay --explain` writes it.
    Explanation(Explained),
    /// An alert in OCSF.
    Finding,
    /// None of these, and why.
    Unreadable(String),
}

/// A revision of an alert.
#[derive(Debug)]
pub struct Alert {
    pub(super) row: Row,
    pub(super) document: Box<RawValue>,
}

/// An explanation.
#[derive(Debug)]
pub struct Explained {
    /// The alert's.
    pub(super) id: Box<str>,
    pub(super) explanation: Box<RawValue>,
}

/// Reads a line. Never fails: what cannot be read is said to be so.
pub fn read_line(line: Line<'_>) -> Incoming {
    let raw: &RawValue = match serde_json::from_slice(line) {
        Ok(raw) => raw,
        Err(error) => return Incoming::Unreadable(format!("no JSON: {error}")),
    };
    // Deeper than this is refused here, and a lone surrogate, so that a browser reads what is kept.
    let document: Value = match serde_json::from_str(raw.get()) {
        Ok(document) => document,
        Err(error) => return Incoming::Unreadable(format!("no document: {error}")),
    };
    if document.get("class_uid").and_then(Value::as_u64) == Some(2004) {
        return Incoming::Finding;
    }
    if let Some(explanation) = document.get("explanation") {
        return explained(explanation);
    }
    let id = document.pointer("/pipewarden/alert_id").and_then(Value::as_str);
    let revision = document.pointer("/pipewarden/revision").and_then(Value::as_u64);
    match (id, revision) {
        (Some(id), Some(revision)) if (1..=LONGEST_ID).contains(&id.len()) => {
            Incoming::Alert(Box::new(Alert {
                row: Row::of(&document, id, revision),
                document: raw.to_owned(),
            }))
        }
        (Some(_), Some(_)) => {
            Incoming::Unreadable(format!("pipewarden.alert_id has no 1 to {LONGEST_ID} bytes"))
        }
        _ => Incoming::Unreadable(
            "no alert: pipewarden.alert_id and pipewarden.revision are missing".to_owned(),
        ),
    }
}

/// An explanation, as a line or `/status` has it.
pub(super) fn explained(explanation: &Value) -> Incoming {
    let id = explanation.get("alert_id").and_then(Value::as_str);
    match (id, serde_json::value::to_raw_value(explanation)) {
        (Some(id), Ok(raw)) => Incoming::Explanation(Explained {
            id: id.into(),
            explanation: raw,
        }),
        _ => Incoming::Unreadable("an explanation of no alert".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_alert_says_why() {
        for (line, why) in [
            (&b"\xff{}"[..], "no JSON"),
            (b"", "no JSON"),
            (b"[]", "no alert"),
            (br#"{"pipewarden":{"alert_id":"a","revision":-1}}"#, "no alert"),
            (
                br#"{"pipewarden":{"alert_id":"","revision":1}}"#,
                "1 to 128 bytes",
            ),
            (br#"{"a":"\ud800"}"#, "no document"),
            (br#"{"explanation":{}}"#, "explanation of no alert"),
        ] {
            let Incoming::Unreadable(said) = read_line(line) else {
                panic!("{}", String::from_utf8_lossy(line));
            };
            assert!(said.contains(why), "{said}");
        }
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(matches!(read_line(deep.as_bytes()), Incoming::Unreadable(_)));
    }

    #[test]
    fn a_finding_is_known_for_what_it_is() {
        assert!(matches!(read_line(br#"{"class_uid":2004}"#), Incoming::Finding));
    }
}
