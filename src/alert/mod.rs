//! The alert document: one revision as an ECS document that a SIEM can take as it is.

mod attack;
mod document;
mod ecs;
mod title;

pub use document::{
    Candidate, Destination, Document, Ecs, Event, Evidence, Excepted, File, Host, Observer, Own, OwnAsset,
    OwnSource, Process, Related, RuleInfo, Source, Tactic, Technique, Threat, User,
};
pub use ecs::{AssetFacts, document};
