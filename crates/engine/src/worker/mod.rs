//! The correlator worker as a machine without I/O: what happens to it goes in, what it asks for comes out.
//!
//! ```text
//!                       Input                        Output
//!   librdkafka    --> +---------+ --> ask, seek, pause, resume         --> librdkafka
//!   or the        --> | Machine | --> publish, renew the producer      --> or the
//!   in-process log -> +---------+ --> append a tick, observe, end      --> in-process log
//! ```
//!
//! The whole protocol in prose. A *partition* is assigned, located, restored and then live (`partition.rs`). What its
//! records cause waits; from time to time everything that waits is cut into a *batch*, which one transaction writes
//! together with the offsets (`publisher.rs`). A batch never changes. When its transaction is aborted, a new producer is made,
//! so that nothing of the old one can arrive late, and the same batch is tried again; meanwhile nothing is fetched, so
//! that what waits is bounded. A revocation publishes what waits before the callback returns; a loss publishes nothing.
//! No transaction is ever open between two records. Another policy is taken up between two batches, by locating and
//! restoring every partition again.
//!
//! An adapter feeds the machine and executes its outputs in order. There are two of one and the same machine: one for
//! librdkafka, one for the [in-process log](crate::local). The machine has no clock, no thread and no lock; it
//! asserts what must hold, in production too, since a worker that ends is repeated and one that is wrong is not.

mod assignment;
mod batch;
mod coverage;
mod fact;
mod housekeeping;
mod io;
mod machine;
mod partition;
mod publisher;
mod router;
mod tick;

#[cfg(test)]
mod tests;

pub use batch::{Batch, Part, Pending};
pub use coverage::{PARTITION_INPUTS, PARTITION_STATES, WORKER_INPUTS, WORKER_STATES};
pub use fact::{AppliedRecord, Fact, Loss, PartitionReport, WorkerState};
pub use io::{At, CommittedOffset, End, Ended, Fetched, Input, Output, PartitionId, Renewed, Topic};
pub use machine::{Machine, MachineSettings};
pub use router::{
    InputPartition, Position, ROUTER_INPUTS, ROUTER_STATES, RouterFact, RouterInput, RouterMachine,
    RouterOutput,
};
