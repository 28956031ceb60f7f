//! The identities topic, as a router worker reads it and writes to it.

use pipewarden_kafka::IdentityFact;
use tracing::{debug, info, warn};

use crate::telemetry::metrics::IdentityRead;
use crate::telemetry::{Metrics, Status};

pub(super) fn report(metrics: &Metrics, status: &Status, worker: &str, fact: IdentityFact<'_>) {
    match fact {
        IdentityFact::ReadingBegan => status.update(worker, |status| status.is_reading_identities = true),
        IdentityFact::Progress { records, partitions } => {
            info!(worker, records, partitions, "the identities topic is being read");
        }
        IdentityFact::ReadingEnded { records, size, took } => {
            info!(
                worker,
                records,
                addresses = size.addresses,
                bindings = size.bindings,
                seconds = took.as_secs_f64(),
                "the identities topic is read"
            );
            status.update(worker, |status| status.is_reading_identities = false);
        }
        IdentityFact::Read(record) => metrics.identity_read(if record.seen.is_some() {
            IdentityRead::Binding
        } else {
            IdentityRead::Tombstone
        }),
        IdentityFact::Undecodable {
            topic,
            partition,
            offset,
            problem,
            is_first,
        } => {
            metrics.identity_read(IdentityRead::Undecodable);
            if is_first {
                warn!(
                    topic,
                    partition,
                    offset,
                    "a record is skipped: {problem}; further ones are counted in \
                     pipewarden_identity_records_read_total"
                );
            } else {
                debug!(topic, partition, offset, "a record is skipped: {problem}");
            }
        }
        IdentityFact::Published(record) => metrics.identity_published(record),
        IdentityFact::Table {
            size,
            dropped,
            contradicted,
        } => metrics.identities(worker, size, dropped, contradicted),
    }
}
