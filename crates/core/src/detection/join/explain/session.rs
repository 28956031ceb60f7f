//! What belongs to the session of a share access by its logon id.

use super::nearest::Nearest;
use super::{ExplainedAccess, Explainer, Reason, Stored};
use crate::detection::join::{accesses, connections, links};

impl Explainer<'_> {
    /// Adds the logons and share sessions of an access that bear its logon id, and not its address and port as well.
    pub(super) fn logon_of(&self, access: &Stored, explained: &mut ExplainedAccess) {
        let tuple = accesses::tuple(access);
        let mut joined = Nearest::to(access);
        for evidence in links::evidence_of(access, self.asset, self.settings) {
            if tuple.is_none() || connections::tuple(evidence) != tuple {
                joined.add(evidence, Reason::SameLogon);
            }
        }
        explained.joined.extend(joined.findings());
    }
}
