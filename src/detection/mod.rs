//! The detection: rules, and the join that turns observations into alerts. Pure: no I/O, no clock, nothing
//! of Kafka.

mod join;
mod pack;
mod revision;
mod rule;
mod rule_set;
mod settings;

pub use join::{Fate, Join, StateSize, Step, Tally};
pub use pack::{PACK, PackedRule};
pub use revision::{
    AlertId, AlertKey, Attribution, Candidate, Confidence, Content, Counts, Omitted, Revision, Status,
};
pub use rule::{Attack, Pipes, Rule, json_schema};
pub use rule_set::{ALL_RULES, DEFAULT_RULES, RuleError, RuleSet};
pub(crate) use rule_set::{is_test_file, load as load_rule, parse as parse_rule, rule_files};
pub use settings::{JoinSettings, Limits, Settle};
