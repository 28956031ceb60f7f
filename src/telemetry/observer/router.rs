//! A router worker's protocol.

use std::time::Instant;

use tracing::{info, warn};

use crate::engine::UnknownInput;
use crate::telemetry::metrics::RebalanceEvent;
use crate::telemetry::{Metrics, Status};
use crate::worker::RouterFact;

pub(super) fn report(metrics: &Metrics, status: &Status, worker: &str, fact: RouterFact) {
    match fact {
        RouterFact::Assigned(partitions) => {
            metrics.rebalance(RebalanceEvent::Assigned);
            status.update(worker, |status| status.is_assigned = true);
            if partitions > 0 {
                info!(worker, partitions, "partitions are taken over");
            }
        }
        RouterFact::Revoked(partitions) => {
            metrics.rebalance(RebalanceEvent::Revoked);
            info!(worker, partitions, "partitions are handed over");
        }
        RouterFact::Lost(partitions) => {
            metrics.rebalance(RebalanceEvent::Lost);
            status.update(worker, |status| status.is_assigned = false);
            warn!(
                worker,
                partitions, "partitions were lost; their new owner routes again what was not committed"
            );
        }
        RouterFact::Owns(partitions) => status.update(worker, |status| status.partitions = partitions),
        RouterFact::Paused => {
            status.note(worker, |worker| worker.paused(true, Instant::now()));
            warn!(
                worker,
                "the broker takes no more records for now: reading is paused"
            );
        }
        RouterFact::Resumed => {
            status.note(worker, |worker| worker.paused(false, Instant::now()));
            info!(worker, "the broker takes records again: reading is resumed");
        }
        RouterFact::Committed => metrics.router_commit(),
        RouterFact::NotFlushed => warn!(
            worker,
            "the broker has not acknowledged all records: offsets are committed later"
        ),
        RouterFact::NotCommitted { problem } => warn!(
            worker,
            "offsets are not committed; the next commit covers them: {problem}"
        ),
    }
}

/// Input flows, and nothing in it is a document of a shape that is read: said once, since it looks like a quiet day.
pub(super) fn unknown_input(worker: &str, unknown: &UnknownInput) {
    let messages = unknown.messages;
    let seen = unknown.seen.join("; ");
    warn!(
        worker,
        messages,
        seen,
        "nothing can be detected: none of the messages that were looked at is a document of Winlogbeat; docs/telemetry.md \
         (Shapes) shows which are read"
    );
}
