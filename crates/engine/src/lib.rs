//! The two processors, router and correlator: a record and a clock reading in, records out; and the in-process log that
//! runs them for `replay`, tests and simulation.

mod checkpoint;
mod correlator;
mod dead_letter;
pub mod local;
pub mod owned;
mod program;
mod record;
mod router;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use correlator::{AlertRecord, Applied, Correlator, LogRecord, PartitionsChanged, Recovery, Seek};
pub use dead_letter::DeadLetter;
pub use program::Program;
pub use record::ObservationRecord;
pub use router::{NoEvent, Origin, Reason, Routed, RoutedObservation, Router};
