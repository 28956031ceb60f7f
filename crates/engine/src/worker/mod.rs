//! The protocol of the workers: consumer group, transactions, takeover and change of policy, as state machines without I/O.
//!
//! ```text
//!                       Input                        Output
//!   librdkafka    --> +---------+ --> ask, seek, pause, resume         --> librdkafka
//!   or the        --> | Machine | --> publish, renew the producer      --> or the
//!   in-process log -> +---------+ --> append a tick, observe, end      --> in-process log
//! ```
//!
//! An adapter hands in each [`Input`] with the time and executes each [`Output`] in order. There are two adapters of the same
//! machine: one for librdkafka, one for the [in-process log](crate::local). The machine has no clock, no thread and no lock.
//! It asserts its invariants in production too: a worker that ends is replaced, and repeats what it had not committed; one
//! that goes on with a wrong state publishes wrong alerts.
//!
//! The protocol of a correlator worker:
//!
//! - A *partition* is assigned, located, restored and then live (`partition.rs`). What its records cause is pending.
//! - From time to time all that is pending becomes a *batch*, which one transaction writes together with the offsets
//!   (`publisher.rs`). A batch never changes, and no transaction is open between two records.
//! - When a transaction is aborted, a new producer is made, so that no late request of the old one can take effect, and the
//!   same batch is tried again. Meanwhile nothing is fetched, so that what is pending is bounded.
//! - What no repetition cures is not repeated: a record that the broker rejects for good is replaced (`rejection.rs`).
//! - A revocation publishes what is pending before the callback returns. A loss of partitions publishes nothing.
//! - Another policy replaces the old one between two batches, by locating and restoring every partition again.
//!
//! Start with [`Input`] and [`Output`], then [`Machine::handle`]. [`RouterMachine`] is the simpler machine of router workers.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use pipewarden_core::detection::{JoinSettings, RuleSet};
//! use pipewarden_core::inventory::{Inventory, UnlistedHosts};
//! use pipewarden_core::log::Partition;
//! use pipewarden_engine::Policy;
//! use pipewarden_engine::worker::{At, Input, Machine, MachineSettings, Output, PartitionId};
//!
//! let policy = Policy::new(
//!     RuleSet::builtin(),
//!     Arc::new(Inventory::empty()),
//!     UnlistedHosts::Watch,
//!     JoinSettings::default(),
//!     "example".to_owned(),
//! );
//! let settings = MachineSettings {
//!     observations: "observations".to_owned(),
//!     sightings: "sightings".to_owned(),
//!     partitions: 1,
//!     sightings_partitions: 1,
//!     commit_interval: Duration::from_millis(100),
//!     budget: Duration::from_secs(60),
//!     explanations: 0,
//! };
//! let now = At::default();
//! let mut machine: Machine<()> = Machine::new(settings, Arc::new(policy), now);
//!
//! // The group assigns a partition: the machine asks for the committed offset first.
//! let partition = PartitionId::observations(Partition::ZERO);
//! machine.handle(Input::Assigned { partitions: vec![partition], membership: () }, now);
//! let outputs = std::iter::from_fn(|| machine.next_output());
//! let outputs: Vec<_> = outputs.filter(|output| !matches!(output, Output::Observe(_))).collect();
//! assert!(matches!(outputs[..], [Output::Resume(_), Output::AskCommitted { .. }]));
//!
//! // Nothing is committed: next it asks for the watermarks of the log.
//! machine.handle(Input::Committed { partition, committed: None }, now);
//! assert!(matches!(machine.next_output(), Some(Output::AskLog { .. })));
//! ```

mod assignment;
mod batch;
mod coverage;
mod fact;
mod housekeeping;
mod io;
mod machine;
mod partition;
mod publisher;
mod rejection;
mod router;
mod tick;

#[cfg(test)]
mod tests;

pub use batch::{Batch, BatchRecord, Part, Pending};
pub use coverage::{PARTITION_INPUTS, PARTITION_STATES, WORKER_INPUTS, WORKER_STATES};
pub use fact::{AppliedRecord, Fact, Loss, PartitionReport, WorkerState};
pub use io::{
    At, CommitCalls, CommittedOffset, End, Ended, Fetched, Input, Output, PartitionId, RETRY_BACKOFF,
    RenewalReason, Renewed, Topic,
};
pub use machine::{Machine, MachineSettings};
pub use rejection::{Destination, RecordId, Rejection, RejectionCause, Replacement};
pub use router::{
    InputPartition, Position, ROUTER_INPUTS, ROUTER_STATES, RouterFact, RouterInput, RouterMachine,
    RouterOutput,
};
