//! The records of the bindings topic, which is compacted: one for each address and computer.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Seen, Span};
use crate::event::{self, Word};
use crate::time::EventTime;

/// The version of the document. A reader skips any other.
const VERSION: u32 = 1;

/// The most that a record takes, key and value together.
pub const BINDING_MAX_BYTES: usize = 8 << 10;

/// A binding as it is published to the other processes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BindingRecord {
    /// The address.
    pub address: IpAddr,
    /// The computer, in lower case.
    pub computer: Arc<str>,
    /// When and on whose word it was seen with the address; `None` where it is dropped, which Kafka calls a tombstone.
    pub seen: Option<Seen>,
}

/// Why a record of the bindings topic is skipped.
#[derive(Debug, Error)]
pub enum BindingRecordError {
    /// The key is not `ADDRESS|computer`.
    #[error("the key {0:?} is not ADDRESS|computer")]
    Key(String),
    /// The value is not such a document.
    #[error("the value is not a binding")]
    Value(#[from] serde_json::Error),
    /// A newer Pipewarden wrote it.
    #[error("the binding is of version {0}, which this Pipewarden does not read")]
    Version(u32),
    /// Key and value are about different bindings.
    #[error("the value is about another binding than the key {0}")]
    Mismatch(String),
    /// The address can belong to several hosts, or the name is none that a decoder would give.
    #[error("{0} cannot be a binding")]
    Nonsense(String),
    /// It was last seen before it was first seen.
    #[error("{0} was last seen before it was first seen")]
    Span(String),
}

/// A record of the bindings topic: this computer had this address from then to then.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Binding")]
struct Document {
    /// The version of this document.
    #[schemars(extend("const" = VERSION))]
    version: u32,
    /// The address; never loopback, unspecified, multicast or automatic.
    address: IpAddr,
    /// The computer that had it, in lower case.
    #[schemars(length(min = 1, max = 512))]
    computer: Arc<str>,
    /// When it was first seen with the address, by its own clock.
    #[schemars(with = "String", extend("format" = "date-time"))]
    first_seen: EventTime,
    /// When it was last seen with the address, by its own clock.
    #[schemars(with = "String", extend("format" = "date-time"))]
    last_seen: EventTime,
    /// On whose word: its own log of a connection that it made, or accepted, or whoever shipped its log.
    says: Word,
}

/// The JSON Schema of a record's value.
pub fn json_schema() -> Schema {
    schemars::schema_for!(Document)
}

impl BindingRecord {
    /// The record's key.
    pub fn key(&self) -> String {
        Key(self.address, &self.computer).to_string()
    }

    /// The record's value; `None` is a tombstone.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let seen = self.seen?;
        let document = Document {
            version: VERSION,
            address: self.address,
            computer: Arc::clone(&self.computer),
            first_seen: seen.span.first(),
            last_seen: seen.span.last(),
            says: seen.says,
        };
        let value = serde_json::to_vec(&document);
        Some(value.expect("structs of strings and numbers are always JSON"))
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`BindingRecordError`], where the record cannot be used.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, BindingRecordError> {
        let text = String::from_utf8_lossy(key);
        let parts = text
            .split_once('|')
            .and_then(|(address, computer)| Some((address.parse::<IpAddr>().ok()?, computer)));
        let Some((address, computer)) = parts else {
            return Err(BindingRecordError::Key(text.into_owned()));
        };
        let is_name = !computer.is_empty()
            && event::is_kept_whole(computer)
            && !computer.contains(|letter: char| letter.is_ascii_uppercase());
        if !is_name || !event::is_routable(address) || address != address.to_canonical() {
            return Err(BindingRecordError::Nonsense(text.into_owned()));
        }
        let seen = value
            .map(|value| seen(&Key(address, computer), value))
            .transpose()?;
        Ok(Self {
            address,
            computer: computer.into(),
            seen,
        })
    }
}

fn seen(key: &Key<'_>, value: &[u8]) -> Result<Seen, BindingRecordError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let Versioned { version } = serde_json::from_slice(value)?;
    if version != VERSION {
        return Err(BindingRecordError::Version(version));
    }
    let document: Document = serde_json::from_slice(value)?;
    if (document.address, &*document.computer) != (key.0, key.1) {
        return Err(BindingRecordError::Mismatch(key.to_string()));
    }
    let span = Span::new(document.first_seen, document.last_seen)
        .ok_or_else(|| BindingRecordError::Span(key.to_string()))?;
    Ok(Seen {
        span,
        says: document.says,
    })
}

struct Key<'a>(IpAddr, &'a str);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}", self.0, self.1)
    }
}
