//! The detection: rules, and the join that turns observations into alerts. Pure: no I/O, no clock, nothing
//! of Kafka.

mod exceptions;
mod join;
mod revision;
mod rule;
mod rule_set;
mod settings;

pub use exceptions::{Action, Exception, ExceptionError, Exceptions, json_schema as exceptions_json_schema};
pub use join::{Fate, Join, StateSize, Step, Tally};
pub use revision::{
    AlertId, AlertKey, Attribution, Candidate, Confidence, Content, Counts, Omitted, Revision, Status,
};
pub use rule::{Attack, Pipes, Rule, json_schema};
pub use rule_set::{RuleError, RuleSet};
pub use settings::{JoinSettings, Limits, Settle};
