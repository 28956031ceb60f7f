//! The bindings topic, as a router worker reads it and publishes to it.

use pipewarden_kafka::BindingFact;
use tracing::{debug, info, warn};

use crate::diagnostics::with_causes;
use crate::telemetry::metrics::BindingRead;
use crate::telemetry::{Metrics, Status};

pub(super) fn report(metrics: &Metrics, status: &Status, worker: &str, fact: BindingFact<'_>) {
    match fact {
        BindingFact::ReadingBegan => status.update(worker, |status| status.is_reading_bindings = true),
        BindingFact::Progress { records, partitions } => {
            info!(worker, records, partitions, "the bindings topic is being read");
        }
        BindingFact::ReadingEnded { records, size, took } => {
            info!(
                worker,
                records,
                addresses = size.addresses,
                bindings = size.bindings,
                seconds = took.as_secs_f64(),
                "the bindings topic is read"
            );
            status.update(worker, |status| status.is_reading_bindings = false);
        }
        BindingFact::Read(record) => metrics.binding_read(if record.seen.is_some() {
            BindingRead::Binding
        } else {
            BindingRead::Tombstone
        }),
        BindingFact::Undecodable {
            topic,
            partition,
            offset,
            problem,
            is_first,
        } => {
            metrics.binding_read(BindingRead::Undecodable);
            let problem = with_causes(problem);
            if is_first {
                warn!(
                    topic,
                    partition,
                    offset,
                    "a record is skipped: {problem}; further ones are counted in \
                     pipewarden_binding_records_read_total"
                );
            } else {
                debug!(topic, partition, offset, "a record is skipped: {problem}");
            }
        }
        BindingFact::Published(record) => metrics.binding_published(record),
        BindingFact::Table {
            size,
            dropped,
            conflicts,
        } => metrics.bindings(worker, size, dropped, conflicts),
    }
}
