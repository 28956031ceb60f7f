//! What must be found.

use std::net::IpAddr;

use pipewarden_core::detection::{Attribution, Confidence};
use pipewarden_core::time::EventTime;
use serde::{Deserialize, Serialize};

/// One attack, and what its alert must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Its number, from 1.
    pub attack: u64,
    /// The host that was attacked, by its canonical name.
    pub asset: String,
    /// The pipe that was opened, normalised.
    pub pipe: String,
    /// The attacker's address.
    pub attacker: IpAddr,
    /// How the source can be known from what was logged.
    pub attribution: Attribution,
    /// How sure that is.
    pub confidence: Confidence,
    /// The addresses that what was logged leaves as the source, sorted.
    pub sources: Vec<IpAddr>,
    /// The first access, by the asset's clock.
    pub first_access: EventTime,
    /// The last access, by the asset's clock.
    pub last_access: EventTime,
    /// When the document was published with which every kind that was logged had been seen of an access: a connection of
    /// another port is no evidence of it.
    pub complete_at: EventTime,
    /// Whether Windows denied every access: then no pipe was opened.
    pub denied: bool,
    /// The documents of the attack, copies aside.
    pub documents: u64,
}
