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
use crate::event::{Agent, Detail, Log, Logon};

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

    /// What a logon says, and how weakly: one that is an access as strongly as an audit does.
    fn said_by_logon(&self, logon: &Logon, role: EvidenceRole) -> (Weakness, Vec<Says>) {
        let mut says = vec![];
        says.extend((self.source_ip == Some(logon.source_ip)).then_some(Says::Source));
        says.extend(logon.account.is_some().then_some(Says::Account));
        if role == EvidenceRole::Access {
            says.push(Says::Time);
            (Weakness::Audit, says)
        } else {
            (Weakness::Session, says)
        }
    }

    fn grounds_of(&self, evidence: &Evidence) -> impl Iterator<Item = Ground> {
        let event = &evidence.observation.event;
        let log = event.detail.log();
        let (number, weakness, says) = match &event.detail {
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
                    match log {
                        Log::Sysmon => "3",
                        Log::Security => "5156",
                    },
                    weakness,
                    says.into_iter().collect(),
                )
            }
            Detail::Logon(logon) => {
                let (weakness, says) = self.said_by_logon(logon, evidence.role);
                ("4624", weakness, says)
            }
            Detail::ShareSession(session) => {
                let mut says = vec![];
                says.extend((self.source_ip == Some(session.source_ip)).then_some(Says::Source));
                says.extend(session.account.is_some().then_some(Says::Account));
                ("5140", Weakness::Session, says)
            }
        };
        let (computer, agent) = (Arc::clone(&event.computer), evidence.observation.agent.clone());
        let log = match log {
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
