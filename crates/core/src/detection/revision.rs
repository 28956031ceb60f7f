//! What the join publishes: a [`Revision`] is one whole alert at one moment.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    AccessAlert, Attribution, CAMPAIGN, Campaign, Confidence, Evidence, Exception, ManySources, Overflow,
    SENSOR_BLIND, SensorBlind, Sighting,
};
use crate::event::AssetId;
use crate::log::{At, Offset};
use crate::time::{AppendTime, EventTime};

/// The namespace of every identifier that Pipewarden derives.
pub(super) const NAMESPACE: Uuid = Uuid::from_u128(0x7a0e_6a54_4d0c_5d0b_9a35_3f1f_d8c6_51e8);

/// UUIDv5 of an alert's key: the Kafka key of all its revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertId(pub Uuid);

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where an alert is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It holds.
    Active,
    /// Better evidence moved all its accesses to other alerts.
    Superseded,
    /// An exception covers it.
    Suppressed,
    /// A sensor is no longer blind.
    Resolved,
}

/// Gives an enum the words by which documents, metrics and docs name its values.
macro_rules! words {
    ($type:ident: $($variant:ident = $word:literal),+) => {
        impl $type {
            /// The word used in documents, metrics and docs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(super) use words;

words!(Status: Active = "active", Superseded = "superseded", Suppressed = "suppressed", Resolved = "resolved");

/// One whole revision of one alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// The alert: derived from what identifies it in `body`.
    pub id: AlertId,
    /// 2 x offset when a deadline wrote it, 2 x offset + 1 when the record at that offset did.
    pub number: u64,
    /// Whether this is the first revision in which the alert is active.
    pub is_first: bool,
    /// Whether the alert is or ever was active: one that was suppressed from its start was never on the alerts topic.
    pub is_published: bool,
    /// The stream time of the record that wrote it. No part of what two revisions are compared by.
    pub created: AppendTime,
    /// The alert itself.
    pub body: Body,
}

/// The kinds of alert.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every revision is of the largest kind"
)]
pub enum Body {
    /// Accesses to one asset.
    Access(AccessAlert),
    /// A sensor of an asset that is missing.
    SensorBlind(SensorBlind),
    /// What one source did to several assets, or along a chain of rules.
    Campaign(Campaign),
    /// Accesses whose own alerts would be too many.
    Overflow(Overflow),
    /// More sources of one asset than single hosts account for.
    ManySources(ManySources),
}

impl Revision {
    /// Where the alert is in its life.
    pub fn status(&self) -> Status {
        match &self.body {
            Body::Access(alert) => alert.content.status,
            Body::SensorBlind(sensor) => sensor.status(),
            Body::Campaign(campaign) => campaign.status(),
            Body::Overflow(_) => Status::Active,
            Body::ManySources(many) => many.status(),
        }
    }

    /// The event time of the first access; of a missing sensor, by the log's clock, when the first access arrived that it
    /// should have logged.
    pub fn start(&self) -> EventTime {
        match &self.body {
            Body::Access(alert) => alert.content.first,
            Body::SensorBlind(sensor) => EventTime::on_log(sensor.first),
            Body::Campaign(campaign) => campaign.first,
            Body::Overflow(overflow) => overflow.times.0,
            Body::ManySources(many) => many.times.0,
        }
    }

    /// The id of the rule.
    pub fn rule_id(&self) -> Arc<str> {
        match &self.body {
            Body::Access(alert) => Arc::clone(&alert.key.rule),
            Body::SensorBlind(_) => SENSOR_BLIND.into(),
            Body::Campaign(_) => CAMPAIGN.into(),
            Body::Overflow(overflow) => Arc::clone(&overflow.rule.id),
            Body::ManySources(many) => Arc::clone(&many.rule.id),
        }
    }

    /// How the source is known; a sensor has none.
    pub fn attribution(&self) -> Attribution {
        match &self.body {
            Body::Access(alert) => alert.content.attribution,
            Body::SensorBlind(_) | Body::Overflow(_) | Body::ManySources(_) => Attribution::None,
            Body::Campaign(campaign) => campaign.attribution(),
        }
    }

    /// How sure the alert is: only the source of an access can be in doubt.
    pub fn confidence(&self) -> Confidence {
        match &self.body {
            Body::Access(alert) => alert.content.confidence,
            Body::Campaign(campaign) => campaign.confidence,
            Body::SensorBlind(_) => Confidence::High,
            Body::Overflow(_) | Body::ManySources(_) => Confidence::Low,
        }
    }

    /// The address of the source, where it is known and another host.
    pub fn source_ip(&self) -> Option<IpAddr> {
        match &self.body {
            Body::Access(alert) => alert.key.who.source(),
            Body::Campaign(campaign) => Some(campaign.source_ip),
            Body::SensorBlind(_) | Body::Overflow(_) | Body::ManySources(_) => None,
        }
    }

    /// The protected host that the document names; of several, the one that was touched first.
    pub fn asset(&self) -> &AssetId {
        match &self.body {
            Body::Access(alert) => &alert.key.asset,
            Body::SensorBlind(sensor) => &sensor.asset,
            Body::Campaign(campaign) => campaign.first_asset(),
            Body::Overflow(overflow) => &overflow.asset,
            Body::ManySources(many) => &many.asset,
        }
    }

    /// The same for all alerts of one rule, asset and source, so that a SIEM can throttle.
    pub fn story_id(&self) -> Uuid {
        match &self.body {
            Body::Access(alert) => alert.key.story_id(),
            // A sensor has one alert, for ever.
            Body::SensorBlind(_) => self.id.0,
            Body::Campaign(campaign) => campaign.story_id(),
            Body::Overflow(overflow) => overflow.story_id(),
            Body::ManySources(many) => many.story_id(),
        }
    }

    /// The exception that covers the alert and did not cover its last revision.
    pub fn newly_excepted_by(&self) -> Option<&Arc<Exception>> {
        match &self.body {
            Body::Access(alert) if alert.is_excepted_anew => {
                alert.content.exception.as_ref().map(|covering| &covering.entry)
            }
            _ => None,
        }
    }

    /// Makes the revision cause a sighting though campaigns read nothing new of it, where it may cause one at all.
    pub fn repeat_sighting(&mut self) {
        if let Body::Access(alert) = &mut self.body {
            alert.has_sighting = Sighting::is_caused_by(&alert.key);
        }
    }

    /// The observations that the document lists.
    pub fn evidence(&self) -> &[Evidence] {
        match &self.body {
            Body::Access(alert) => &alert.content.evidence,
            Body::SensorBlind(_) | Body::Campaign(_) | Body::Overflow(_) | Body::ManySources(_) => &[],
        }
    }
}

/// The number of a revision that a deadline writes, before the record at `offset` is applied.
pub(super) const fn by_deadline(offset: Offset) -> u64 {
    2 * offset.get()
}

/// The number of a revision that the record at `offset` itself writes.
pub(super) const fn by_record(offset: Offset) -> u64 {
    2 * offset.get() + 1
}

/// When a deadline writes: at the stream time or, at the end of input, which is after all time, when it is due.
pub(super) fn written_by_deadline(at: At, deadline: AppendTime) -> AppendTime {
    if at.now == AppendTime::MAX {
        deadline
    } else {
        at.now
    }
}
