//! Why the alerts that were told last say what they say, for `/status`.

use super::correlator::CorrelatorMember;
use crate::telemetry::EXPLANATIONS;

impl CorrelatorMember {
    /// Explains the last alerts of the batch that has just been committed and is still there: no more of them than
    /// `/status` shows, so that a flood of alerts costs no more than a few.
    pub(super) fn explain_batch(&self) {
        let owned = self.partitions.values().map(|partition| &partition.owned);
        let committed = owned.filter(|owned| owned.commit().is_some());
        let mut told: Vec<_> = committed
            .flat_map(|owned| {
                let told = owned.alerts().iter().filter(|pending| pending.alert.is_told);
                told.map(move |pending| (pending, owned.correlator()))
            })
            .collect();
        told.sort_by_key(|(pending, _)| pending.appended);
        for (pending, correlator) in &told[told.len().saturating_sub(EXPLANATIONS)..] {
            if let Some(explanation) = correlator.explain(&pending.alert.key) {
                self.shared.status.explain(explanation);
            }
        }
    }
}
