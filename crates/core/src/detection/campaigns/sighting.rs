//! What an alert says of its source, as it is published to the partition of that source.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::detection::{
    AccessAlert, AlertId, AlertKey, Attribution, Body, Confidence, Content, Revision, Status,
};
use crate::event::{AssetId, Outcome};
use crate::time::{AppendTime, EventTime};

/// The most entries of each list in a sighting.
const LISTED: usize = 8;

/// What one revision of an alert says of its source. Observations are partitioned by asset, so no partition has all accesses of
/// one source; all sightings of a source are in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The Kafka key: the asset of the inventory that owns the address, else the address.
    pub source: Arc<str>,
    /// The source's address.
    pub source_ip: IpAddr,
    /// The alert.
    pub alert_id: AlertId,
    /// The revision of the alert: of several sightings the one with the greatest counts.
    pub revision: u64,
    /// Of the alert. What is not active takes an earlier sighting back.
    pub status: Status,
    /// The alert's rule.
    pub rule: Arc<str>,
    /// The protected host.
    pub asset: AssetId,
    /// The first access.
    pub first: EventTime,
    /// The last access.
    pub last: EventTime,
    /// How the source is known.
    pub attribution: Attribution,
    /// How sure that is.
    pub confidence: Confidence,
    /// Granted or, all of them, denied; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Whether an exception downgrades the alert.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub downgraded: bool,
    /// The pipes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pipes: Vec<Arc<str>>,
    /// What else was opened, as `share\path`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<Arc<str>>,
    /// `DOMAIN\name`, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Arc<str>>,
    /// How many entries these lists leave out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: u32,
    /// The stream time of the record that wrote the revision.
    pub decided: AppendTime,
    /// The id of the policy that it was decided by.
    pub policy: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it by reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The value of a record on the sightings topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are sightings, and none is kept as a record"
)]
pub enum SightingRecord {
    /// What an alert says of its source.
    Sighting(Sighting),
    /// Nothing but the passing of time, as on the observations topic.
    Tick {},
}

impl SightingRecord {
    /// The record's value.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("structs of strings and numbers are always JSON")
    }

    /// Reads a record's value.
    ///
    /// # Errors
    /// serde's, where the value is not such a document.
    pub fn decode(value: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(value)
    }
}

impl Sighting {
    /// The sighting that a revision causes, which names this source and is decided by this policy. `None` unless it is about
    /// timely accesses of a source, and differs in what campaigns read from the alert's last sighting.
    pub fn of(revision: &Revision, source: &str, policy: &str) -> Option<Self> {
        let Body::Access(AccessAlert {
            key,
            has_sighting: true,
            content,
            ..
        }) = &revision.body
        else {
            return None;
        };
        let listed = |texts: &[Arc<str>]| texts.iter().take(LISTED).cloned().collect();
        let left_out = |texts: &[Arc<str>]| texts.len().saturating_sub(LISTED);
        let omitted = left_out(&content.pipes) + left_out(&content.paths) + left_out(&content.accounts);
        Some(Self {
            source: source.into(),
            source_ip: key.who.source()?.to_canonical(),
            alert_id: revision.id,
            revision: revision.number,
            status: content.status,
            rule: Arc::clone(&key.rule),
            asset: key.asset.clone(),
            first: content.first,
            last: content.last,
            attribution: content.attribution,
            confidence: content.confidence,
            outcome: content.outcome,
            downgraded: content.exception.is_some(),
            pipes: listed(&content.pipes),
            paths: listed(&content.paths),
            accounts: listed(&content.accounts),
            omitted: u32::try_from(omitted).unwrap_or(u32::MAX),
            decided: revision.created,
            policy: policy.to_owned(),
        })
    }

    /// Whether alerts with this key cause sightings: they are about a source, and about accesses that arrived in time.
    pub(in crate::detection) const fn is_caused_by(key: &AlertKey) -> bool {
        key.who.source().is_some() && key.arrival_bucket.is_none()
    }

    /// Whether campaigns read the same of both contents of an alert. What is not active says nothing.
    pub(in crate::detection) fn says_the_same(before: Option<&Content>, now: &Content) -> bool {
        let active = |content: &&Content| content.status == Status::Active;
        match (before.filter(active), Some(now).filter(active)) {
            (None, None) => true,
            (Some(before), Some(now)) => {
                (before.first, before.last, before.attribution, before.confidence)
                    == (now.first, now.last, now.attribution, now.confidence)
                    && before.outcome == now.outcome
                    && before.exception.is_some() == now.exception.is_some()
                    && before.pipes == now.pipes
                    && before.paths == now.paths
                    && before.accounts == now.accounts
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// Whether it counts: it is of an active alert.
    pub(super) fn counts(&self) -> bool {
        self.status == Status::Active
    }

    /// How many touches it takes in state.
    pub(super) fn touches(&self) -> usize {
        if self.counts() && self.first != self.last {
            2
        } else {
            1
        }
    }
}
