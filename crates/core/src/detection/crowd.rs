//! Alerts that stand for more accesses, or more sources, than alerts of their own can show.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use super::revision::NAMESPACE;
use super::{AlertId, Covering, Rule, Status};
use crate::event::AssetId;
use crate::time::{AppendTime, EventTime};

/// The word by which documents and identifiers name the accesses of an [`Overflow`].
pub const OVERFLOW: &str = "overflow";
/// The word by which documents and identifiers name the sources of [`ManySources`].
pub const MANY_SOURCES: &str = "many_sources";

/// Accesses whose own alerts would be too many: they are counted, and those who made them listed, first and last.
#[derive(Clone, Debug, PartialEq)]
pub struct Overflow {
    /// The rule that watches what was accessed.
    pub rule: Arc<Rule>,
    /// The protected host; of several, the first.
    pub asset: AssetId,
    /// Whether accesses to other hosts of the partition count as well.
    pub is_of_partition: bool,
    /// Start of the bucket of arrival.
    pub bucket: AppendTime,
    /// How many accesses.
    pub accesses: u32,
    /// Event time of the first access and of the last.
    pub times: (EventTime, EventTime),
    /// The first sources in order of arrival, each once.
    pub first: Vec<SeenSource>,
    /// The last sources that differ, the latest last.
    pub last: Vec<SeenSource>,
    /// Whether every access has its source among these.
    pub is_complete: bool,
    /// The exception that downgrades it.
    pub exception: Option<Covering>,
}

/// A source, and when it made an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenSource {
    /// Its address.
    pub ip: IpAddr,
    /// Event time of the access.
    pub time: EventTime,
}

/// More sources of one rule and asset in a bucket and the one before it than single hosts account for. Each has an alert of
/// its own beside this one.
#[derive(Clone, Debug, PartialEq)]
pub struct ManySources {
    /// The rule that watches what was accessed.
    pub rule: Arc<Rule>,
    /// The protected host.
    pub asset: AssetId,
    /// Start of the later bucket.
    pub bucket: EventTime,
    /// How many sources.
    pub sources: u32,
    /// The IPv6 network of 64 bits that holds so many of them that these alone are too many.
    pub network: Option<String>,
    /// How many accesses.
    pub accesses: u32,
    /// Event time of the first access and of the last.
    pub times: (EventTime, EventTime),
    /// Whether they are no longer too many, since better evidence took accesses from some.
    pub is_superseded: bool,
    /// The exception that downgrades it.
    pub exception: Option<Covering>,
}

impl Overflow {
    /// Its identifier.
    pub fn id(&self) -> AlertId {
        let start = EventTime::on_log(self.bucket).as_micros();
        let name = format!("{}\0{start}\0{}", self.story_name(), self.bucket.as_millis());
        AlertId(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }

    /// The same across buckets.
    pub fn story_id(&self) -> Uuid {
        Uuid::new_v5(&NAMESPACE, self.story_name().as_bytes())
    }

    fn story_name(&self) -> String {
        format!("{}\0{}\0{OVERFLOW}", self.rule.id, self.asset)
    }
}

impl ManySources {
    /// Its identifier.
    pub fn id(&self) -> AlertId {
        let name = format!("{}\0{}", self.story_name(), self.bucket.as_micros());
        AlertId(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }

    /// The same across buckets.
    pub fn story_id(&self) -> Uuid {
        Uuid::new_v5(&NAMESPACE, self.story_name().as_bytes())
    }

    /// Active, or superseded.
    pub const fn status(&self) -> Status {
        if self.is_superseded {
            Status::Superseded
        } else {
            Status::Active
        }
    }

    fn story_name(&self) -> String {
        format!("{}\0{}\0{MANY_SOURCES}", self.rule.id, self.asset)
    }
}
