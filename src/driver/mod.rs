//! Who feeds the processors: Kafka, or an in-process log with the same rules.

pub mod kafka;

pub use pipewarden_engine::local as memory;
use pipewarden_engine::owned;
