//! What an alert rests on: by whose word it names a source, an account, a time and a pipe.
//!
//! Every entry is the word of an observation that the document lists; what no log says is in none. What the asset's own log
//! says weighs more than what others say of themselves, and of one log a record of the access itself more than one of the
//! session.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::revision::words;
use super::{Content, Evidence, EvidenceRole};
use crate::event::{Agent, Detail, Log};

/// One log that says one thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Ground {
    /// What it says.
    pub says: Says,
    /// How far it is from the word of the asset about the access itself.
    #[serde(skip)]
    weakness: Weakness,
    /// The event's number.
    pub event: &'static str,
    /// The log.
    pub log: GroundLog,
    /// Whose log it is.
    pub computer: Arc<str>,
    /// Which agent shipped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Arc<Agent>>,
}

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// The address that the access came from.
    Source,
    /// The account that was used.
    Account,
    /// When it was.
    Time,
    /// Which pipe was opened.
    Pipe,
}

/// Where it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroundLog {
    /// In the log `Security`.
    Security,
    /// In the log of Sysmon.
    Sysmon,
    /// In no log: the inventory gives the source its name.
    Inventory,
    /// In no log: a binding gives the source its name or, with an event, says that this connection was to the asset.
    Binding,
}

words!(Says: Source = "source", Account = "account", Time = "time", Pipe = "pipe");
words!(GroundLog: Security = "security", Sysmon = "sysmon", Inventory = "inventory", Binding = "binding");

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weakness {
    /// A record of the access, by the asset, with its source.
    Audit,
    /// A record of the access, by the asset.
    Access,
    /// A record of the session, by the asset.
    Session,
    /// A record of the session, by the client.
    Client,
}

impl Content {
    /// What the alert rests on: by what is said, the strongest first.
    pub fn rests_on(&self) -> Vec<Ground> {
        let grounds: BTreeSet<Ground> = self
            .evidence
            .iter()
            .filter(|evidence| evidence.role != EvidenceRole::Conflicting)
            .flat_map(|evidence| self.grounds_of(evidence))
            .collect();
        grounds.into_iter().collect()
    }

    /// The number of an event, how far it is from the asset's word about the access, and what it says.
    fn said_by(&self, evidence: &Evidence) -> (&'static str, Weakness, Vec<Says>) {
        match &evidence.observation.event.detail {
            Detail::ShareAccess(share) => {
                let mut says = vec![Says::Time];
                says.extend(share.pipe().map(|_| Says::Pipe));
                says.extend(
                    (share.source_ip.is_some() && share.source_ip == self.source_ip).then_some(Says::Source),
                );
                says.extend(share.account.is_some().then_some(Says::Account));
                ("5145", Weakness::Audit, says)
            }
            Detail::PipeConnected(_) => ("18", Weakness::Access, vec![Says::Time, Says::Pipe]),
            Detail::NetworkConnection(connection) if connection.of_client => ("3", Weakness::Session, vec![]),
            Detail::NetworkConnection(connection) => {
                let is_by_asset = evidence.observation.is_local || !connection.initiated;
                let weakness = if is_by_asset {
                    Weakness::Session
                } else {
                    Weakness::Client
                };
                let says = self.source_ip.map(|_| Says::Source);
                (
                    match connection.reported_by {
                        Log::Sysmon => "3",
                        Log::Security => "5156",
                    },
                    weakness,
                    says.into_iter().collect(),
                )
            }
            Detail::Logon(logon) => {
                let mut says = vec![];
                says.extend((self.source_ip == Some(logon.source_ip)).then_some(Says::Source));
                says.extend(logon.account.is_some().then_some(Says::Account));
                let is_access = evidence.role == EvidenceRole::Access;
                says.extend(is_access.then_some(Says::Time));
                let weakness = if is_access {
                    Weakness::Audit
                } else {
                    Weakness::Session
                };
                ("4624", weakness, says)
            }
            Detail::ShareSession(session) => {
                let mut says = vec![];
                says.extend((self.source_ip == Some(session.source_ip)).then_some(Says::Source));
                says.extend(session.account.is_some().then_some(Says::Account));
                ("5140", Weakness::Session, says)
            }
        }
    }

    fn grounds_of(&self, evidence: &Evidence) -> impl Iterator<Item = Ground> {
        let event = &evidence.observation.event;
        let (number, weakness, says) = self.said_by(evidence);
        let (computer, agent) = (Arc::clone(&event.computer), evidence.observation.agent.clone());
        let log = match event.detail.log() {
            Log::Sysmon => GroundLog::Sysmon,
            Log::Security => GroundLog::Security,
        };
        let ground = move |says, log, agent| Ground {
            says,
            weakness,
            event: number,
            log,
            computer: Arc::clone(&computer),
            agent,
        };
        let bound = (evidence.observation.is_bound && says.contains(&Says::Source))
            .then(|| ground(Says::Source, GroundLog::Binding, None));
        let said: Vec<Ground> = says
            .into_iter()
            .map(|says| ground(says, log, agent.clone()))
            .chain(bound)
            .collect();
        said.into_iter()
    }
}
