//! What stands beside the service.

pub mod generator;
pub mod import;
pub mod interchange;
pub mod rule_tests;
