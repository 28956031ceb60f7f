//! The detection: rules, and the join that turns observations into alerts. Pure: no I/O, no clock, nothing
//! of Kafka.

mod access;
mod accounts;
mod aliases;
mod builtin_rules;
mod campaigns;
mod crowd;
mod exceptions;
mod explanation;
mod join;
mod outcome;
mod rests_on;
mod revision;
mod risk;
mod rule;
mod rule_check;
mod rule_set;
mod sensors;
mod session_evidence;
mod settings;

pub use access::{
    AccessAlert, AlertKey, Attribution, Candidate, Confidence, Conflict, ConflictKind, Content, Counts,
    Dropped, Evidence, EvidenceRole, Omitted, Strength, Who,
};
pub use builtin_rules::{BUILTIN_RULES, BuiltinRule};
pub use campaigns::{
    CAMPAIGN, Campaign, CampaignAsset, CampaignSettings, Campaigns, Sighting, SightingRecord,
};
pub use crowd::{MANY_SOURCES, ManySources, OVERFLOW, Overflow, SeenSource};
pub use exceptions::{
    Action, Covering, Exception, ExceptionEntry, Exceptions, Limit, PLACEHOLDER, Shortfall, Unexpected,
    json_schema as exceptions_json_schema,
};
pub use explanation::{
    ExceptedBy, ExplainedAccess, Explanation, Finding, Reason, Seen, Window,
    json_schema as explanation_json_schema,
};
pub use join::{ClockState, Join};
pub use outcome::{Counters, Disposition, JoinOutput, StateSize};
pub use rests_on::{Ground, GroundLog, Says};
pub use revision::{AlertId, Body, Revision, Status};
pub use risk::{Raised, RiskBy};
pub use rule::{Attack, Pipes, Reference, Rule, UsedFrom, WatchedAccounts, WatchedCallBack, json_schema};
pub use rule_set::{ALL_RULES, DEFAULT_RULES, RuleError, RuleSet, parse as parse_rule};
pub use sensors::{Resolution, SENSOR_BLIND, SensorBlind, SensorState};
pub use session_evidence::{Keep, SessionEvidence};
pub use settings::{JoinSettings, Limits, SensorSettings, Settle};
