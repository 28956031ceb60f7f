//! The policy in force: replaced whole, and taken up by every worker between two batches.

use std::sync::{Arc, Mutex, PoisonError};

use pipewarden_engine::Policy;

/// The latest policy that was found valid. Clones share it.
#[derive(Clone, Debug)]
pub struct ActivePolicy(Arc<Mutex<Arc<Policy>>>);

impl ActivePolicy {
    /// With this policy in force.
    pub fn new(policy: Policy) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(policy))))
    }

    /// The latest policy.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The latest policy, if it is not the one that a worker has.
    pub(super) fn other_than(&self, own: &Arc<Policy>) -> Option<Arc<Policy>> {
        let latest = self.policy();
        (!Arc::ptr_eq(&latest, own)).then_some(latest)
    }

    /// Puts another in its place: workers take it up as soon as what the old one decided is committed.
    pub fn replace(&self, policy: Policy) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }
}
