//! Who feeds the processors: Kafka, or an in-process log with the same rules.

pub mod kafka;
pub mod memory;
mod owned;
