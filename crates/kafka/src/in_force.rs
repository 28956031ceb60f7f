//! The program in force: replaced whole, and taken up by every worker between two batches.

use std::sync::{Arc, Mutex, PoisonError};

use pipewarden_engine::Program;

/// The latest program that was found valid. Clones share it.
#[derive(Clone, Debug)]
pub struct InForce(Arc<Mutex<Arc<Program>>>);

impl InForce {
    /// Begins with this program.
    pub fn new(program: Program) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(program))))
    }

    /// The latest program.
    pub fn program(&self) -> Arc<Program> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The latest program, if it is not the one that a worker has.
    pub(super) fn other_than(&self, own: &Arc<Program>) -> Option<Arc<Program>> {
        let latest = self.program();
        (!Arc::ptr_eq(&latest, own)).then_some(latest)
    }

    /// Puts another in its place: workers take it up as soon as what the old one decided is committed.
    pub fn replace(&self, program: Program) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(program);
    }
}
