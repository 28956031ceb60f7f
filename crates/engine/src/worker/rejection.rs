//! Records that a broker rejects for good: whatever is tried again, it is not the same record.
//!
//! A broker takes or rejects what is sent together as a whole. So the batch is written once more, each record on its own. The one
//! that is rejected then is replaced: a document by a [stub](pipewarden_core::alert::stub) of the same alert and revision, with a
//! dead letter that holds the whole; a dead letter by one without its payload. What is rejected again is left out. Each rejection
//! makes a batch smaller, so a worker goes on whatever a broker rejects.

use std::sync::Arc;

use super::batch::{Batch, Part, Pending};
use super::io::PartitionId;
use crate::{DeadLetter, DeadLetterReason, Origin};
use pipewarden_core::alert;

/// The topic of a record that a correlator writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// Alerts in ECS.
    Alerts,
    /// Alerts in OCSF.
    Findings,
    /// Suppressed alerts.
    Suppressed,
    /// Sightings.
    Sightings,
    /// Dead letters.
    DeadLetters,
}

impl Destination {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Alerts,
        Self::Findings,
        Self::Suppressed,
        Self::Sightings,
        Self::DeadLetters,
    ];

    /// The label in metrics: the key of `kafka.topics`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Findings => "alerts_ocsf",
            Self::Suppressed => "suppressed",
            Self::Sightings => "sightings",
            Self::DeadLetters => "dead_letters",
        }
    }
}

/// One record of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// The partition whose part of the batch it is in.
    pub partition: PartitionId,
    /// Where it goes.
    pub destination: Destination,
    /// Its place among the alerts, or the dead letters, of that part.
    pub index: usize,
}

/// Why a record is rejected for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectionCause {
    /// It is larger than the topic or the client allows.
    TooLarge,
    /// The broker holds it for invalid.
    Invalid,
}

impl RejectionCause {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::TooLarge, Self::Invalid];

    /// The word in metrics, stubs and dead letters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "record_too_large",
            Self::Invalid => "invalid_record",
        }
    }
}

/// A broker has rejected a record for good. Its transaction is aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Which record; `None` where it was sent together with others.
    pub record: Option<RecordId>,
    /// Why.
    pub cause: RejectionCause,
    /// The error of the broker or the client.
    pub problem: String,
}

/// A record that was replaced or left out, because the broker rejects it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The partition that caused it.
    pub partition: PartitionId,
    /// Where it should have gone.
    pub destination: Destination,
    /// Its key.
    pub key: String,
    /// How many bytes it had.
    pub bytes: usize,
    /// Why.
    pub cause: RejectionCause,
    /// Whether nothing takes its place.
    pub is_left_out: bool,
}

/// After so many rejections of invalid records for one destination, all records of the batch for it are replaced.
const ENOUGH: u32 = 8;

impl Batch {
    /// The batch to try after a rejection. `name_of` gives the topic of a partition's records.
    pub(super) fn after(&self, rejection: &Rejection, name_of: &dyn Fn(PartitionId) -> String) -> Self {
        let mut next = self.clone();
        next.is_one_by_one = true;
        let Some(rejected) = rejection.record else {
            return next;
        };
        let all: Vec<Measured> = (self.records())
            .filter(|record| record.id.destination == rejected.destination)
            .map(|record| Measured {
                id: record.id,
                bytes: record.value.len(),
                is_short: self.is_short(record.id),
            })
            .collect();
        let Some(known) = all.iter().find(|one| one.id == rejected).copied() else {
            return next;
        };
        let earlier = next
            .rejections
            .entry((rejected.destination, known.is_short))
            .or_default();
        let least = match rejection.cause {
            // What is as large is rejected as well. So that a batch full of large records takes a few attempts and not
            // thousands, a second rejection takes away what is a quarter as large, and so on.
            RejectionCause::TooLarge => known.bytes.checked_shr(*earlier * 2).unwrap_or(0),
            RejectionCause::Invalid if *earlier >= ENOUGH => 0,
            RejectionCause::Invalid => usize::MAX,
        };
        *earlier += 1;
        // What is short already is left out only where something short is rejected.
        let is_rejected =
            |one: &Measured| one.id == rejected || (one.bytes >= least && (known.is_short || !one.is_short));
        let mut all: Vec<Measured> = all.into_iter().filter(is_rejected).collect();
        // From the last on, since a dead letter that is left out moves those after it.
        all.sort_unstable_by_key(|one| one.id);
        for Measured { id, bytes, .. } in all.into_iter().rev() {
            let Some(part) = next.parts.iter_mut().find(|part| part.partition == id.partition) else {
                continue;
            };
            let topic = name_of(id.partition);
            let (key, is_left_out) = Arc::make_mut(part).replace(id, rejection, &topic);
            next.replaced.push(Replacement {
                partition: id.partition,
                destination: id.destination,
                key,
                bytes,
                cause: rejection.cause,
                is_left_out,
            });
        }
        next
    }

    /// Whether the record is a stub, or a dead letter without payload.
    fn is_short(&self, id: RecordId) -> bool {
        let part = self.parts().find(|part| part.partition == id.partition);
        part.is_some_and(|part| match id.destination {
            Destination::DeadLetters => part.dead_letters[id.index].payload.is_empty(),
            // It is as short as one can be, so there is no stub of it.
            Destination::Sightings => true,
            _ => part.alerts[id.index].is_stub,
        })
    }
}

/// A record and its size.
#[derive(Clone, Copy)]
struct Measured {
    id: RecordId,
    bytes: usize,
    is_short: bool,
}

impl Part {
    /// Replaces one record, or leaves it out; its key, and whether nothing takes its place.
    fn replace(&mut self, id: RecordId, rejection: &Rejection, topic: &str) -> (String, bool) {
        if id.destination == Destination::DeadLetters {
            let letter = &mut self.dead_letters[id.index];
            let key = letter.key();
            let is_left_out = !letter.drop_payload();
            if is_left_out {
                self.dead_letters.remove(id.index);
            }
            return (key, is_left_out);
        }
        let pending = &self.alerts[id.index];
        let key = pending.alert.key.clone();
        if pending.is_stub && id.destination != Destination::Sightings {
            self.alerts[id.index].left_out.insert(id.destination);
            return (key, true);
        }
        let letter = self.letter_of(id, rejection, topic);
        self.dead_letters.push(letter);
        let pending = &mut self.alerts[id.index];
        if id.destination == Destination::Sightings {
            pending.left_out.insert(id.destination);
            return (key, true);
        }
        pending.is_stub = true;
        let cause = rejection.cause.as_str();
        let value = alert::stub(&pending.alert.value, cause);
        let finding = pending.alert.finding.as_deref();
        let finding = finding.map(|finding| alert::stub(finding, cause));
        match (value, finding) {
            (Some(value), finding @ (None | Some(Some(_)))) => {
                pending.alert.value = value;
                pending.alert.finding = finding.flatten();
                (key, false)
            }
            // No document of ours.
            _ => {
                pending.left_out.insert(id.destination);
                (key, true)
            }
        }
    }

    /// The dead letter that keeps a whole document.
    fn letter_of(&self, id: RecordId, rejection: &Rejection, topic: &str) -> DeadLetter {
        let pending = &self.alerts[id.index];
        let origin = Origin {
            topic,
            partition: self.partition.number,
            offset: pending.offset,
        };
        // Several alerts of one record must not have one key.
        let element = (self.dead_letters.iter())
            .filter(|letter| letter.offset == pending.offset)
            .count();
        let instead = match id.destination {
            Destination::Sightings => "nothing takes its place, and campaigns do without it",
            _ => "a stub takes its place",
        };
        let message = format!(
            "the broker rejects alert {} for {} ({}): {instead}",
            pending.alert.key,
            id.destination.as_str(),
            rejection.cause.as_str()
        );
        let documents = pending.documents();
        let whole = documents
            .filter(|document| document.destination == id.destination)
            .map(|document| document.value)
            .next();
        DeadLetter::of(
            DeadLetterReason::RecordRejected,
            message,
            origin,
            whole.unwrap_or_default(),
        )
        .of_element(u32::try_from(element).ok())
    }
}

impl Pending {
    /// Whether its documents are neither stubs nor left out anywhere.
    pub fn is_whole(&self) -> bool {
        !self.is_stub && self.left_out.is_empty()
    }
}
