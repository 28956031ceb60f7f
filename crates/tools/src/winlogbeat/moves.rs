//! What Winlogbeat's script modules and the ingest pipelines do with the fields of an event.

use std::net::IpAddr;

use serde_json::{Map, Value};

/// A name of the Elastic Common Schema: an object of the document and a key in it.
type Name = (&'static str, &'static str);

/// What happens to one field of `winlog.event_data`. A value that does not fit stays where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// It moves unchanged.
    Text(&'static str, Name),
    /// It moves unless it is `-`.
    Known(&'static str, Name),
    /// It is copied unless it is `-`, and stays.
    Copy(&'static str, Name),
    /// It moves where it is an address.
    Address(&'static str, Name),
    /// It moves, and becomes a number.
    Number(&'static str, Name),
    /// Whether the host opened the connection becomes `network.direction`.
    Direction(&'static str),
    /// An account becomes `user.domain` and `user.name`; `-` becomes nothing.
    Account(&'static str),
    /// Sysmon's own time becomes `@timestamp`.
    Time(&'static str),
    /// It is removed.
    Gone(&'static str),
}

/// The values of `network.direction`: opened by the host itself, opened by the other end.
pub(super) type Directions = [&'static str; 2];

impl Move {
    pub(super) fn apply(self, data: &mut Map<String, Value>, document: &mut Value, directions: Directions) {
        let (Self::Text(field, _)
        | Self::Known(field, _)
        | Self::Copy(field, _)
        | Self::Address(field, _)
        | Self::Number(field, _)
        | Self::Direction(field)
        | Self::Account(field)
        | Self::Time(field)
        | Self::Gone(field)) = self;
        let Some(text) = data.get(field).and_then(Value::as_str) else {
            return;
        };
        let new: Vec<(Name, Value)> = match self {
            Self::Known(..) | Self::Copy(..) if text == "-" => return,
            Self::Text(_, name) | Self::Known(_, name) | Self::Copy(_, name) => vec![(name, text.into())],
            Self::Address(_, name) => match text.parse::<IpAddr>() {
                Ok(_) => vec![(name, text.into())],
                Err(_) => return,
            },
            Self::Number(_, name) => match text.parse::<u64>() {
                Ok(number) => vec![(name, number.into())],
                Err(_) => return,
            },
            Self::Direction(_) => {
                let direction = directions[usize::from(text != "true")];
                vec![(("network", "direction"), direction.into())]
            }
            Self::Account(_) => match text.split_once('\\') {
                Some((domain, name)) => vec![
                    (("user", "domain"), domain.into()),
                    (("user", "name"), name.into()),
                ],
                None if text == "-" => vec![],
                None => return,
            },
            Self::Time(_) => {
                document["@timestamp"] = format!("{}Z", text.replace(' ', "T")).into();
                vec![]
            }
            Self::Gone(_) => vec![],
        };
        for ((object, key), value) in new {
            document[object][key] = value;
        }
        if !matches!(self, Self::Copy(..)) {
            data.remove(field);
        }
    }
}
