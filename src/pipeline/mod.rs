//! The two pure processors, router and correlator: a record and a clock reading in, records out.

mod checkpoint;
mod correlator;
mod dead_letter;
mod program;
mod record;
mod router;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use correlator::{AlertRecord, Applied, Correlator, LogRecord, PartitionsChanged, Recovery, Seek};
pub use dead_letter::DeadLetter;
pub use program::Program;
pub use record::ObservationRecord;
pub use router::{NoEvent, Origin, Reason, Routed, RoutedObservation, Router};
