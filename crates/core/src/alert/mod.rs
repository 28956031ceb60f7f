//! The alert document: one revision as a document that a SIEM can take as it is, in ECS or OCSF.

mod access;
mod attack;
mod budget;
mod campaign;
mod crowd;
mod document;
mod ecs;
mod evidence;
mod format;
mod grounds;
mod ocsf;
mod pipewarden;
mod sensor;
mod title;

pub use attack::attack_name;
pub use budget::{DEFAULT_MAX_BYTES, LEAST_MAX_BYTES, STUB_MAX_BYTES, encode, stub};
pub use campaign::campaign_rule;
pub use document::{
    AssetFields, CampaignAssetFields, CampaignFields, CampaignGrounds, Candidate, Conflict, Destination,
    Document, Ecs, Event, Evidence, ExceptionFields, File, Ground, Host, ManySourcesFields, NamedBy, Network,
    Observer, OmittedFields, OverflowFields, OverflowSource, PipewardenFields, Process, Related,
    RiskByFields, RuleInfo, SensorFields, Source, SourceFields, SourceName, SuppressedBy, Tactic, Technique,
    Threat, UnexpectedFields, User,
};
pub use ecs::{AssetFacts, Weight, document, risk_score, severity};
pub use format::AlertFormat;
pub use ocsf::detection_finding;
pub use sensor::sensor_name;
