//! The two pure processors, router and correlator: a record and a clock reading in, records out.

mod checkpoint;
mod record;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use record::ObservationRecord;
