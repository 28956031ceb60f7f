//! The program in force: replaced whole, and taken up by every worker between two batches.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::{error, info};

use super::service::Shared;
use crate::config::Watch;
use crate::pipeline::Program;
use crate::telemetry::wall_clock;

/// The latest program that was found valid. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct InForce(Arc<Mutex<Arc<Program>>>);

impl InForce {
    pub(super) fn new(program: Program) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(program))))
    }

    /// The latest program.
    pub(super) fn program(&self) -> Arc<Program> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The latest program, if it is not the one that a worker has.
    pub(super) fn other_than(&self, own: &Arc<Program>) -> Option<Arc<Program>> {
        let latest = self.program();
        (!Arc::ptr_eq(&latest, own)).then_some(latest)
    }

    fn replace(&self, program: Program) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(program);
    }
}

/// Looks after the files until the service ends. What is wrong is told, and what was in force stays so.
pub(super) fn follow(shared: &Shared, watch: &mut Watch) {
    let interval = shared.settings.reload.interval;
    while !interval.is_zero() && !shared.stop.wait(interval) {
        match watch.changed() {
            None => {}
            Some(Ok(program)) if program.fingerprint() == shared.in_force.program().fingerprint() => {}
            Some(Ok(program)) => {
                info!(
                    rules = program.rules.rules().len(),
                    assets = program.inventory.assets().len(),
                    exceptions = program.exceptions.entries().len(),
                    fingerprint = program.fingerprint(),
                    "rules, inventory or exceptions have changed and are taken up"
                );
                shared.in_force.replace(program);
                shared.metrics.reload("applied");
                tell(shared);
            }
            Some(Err(problem)) => {
                error!("a change is refused and what was in force stays so: {problem}");
                shared.metrics.reload("refused");
            }
        }
    }
}

/// Says what is in force, to whoever asks.
pub(super) fn tell(shared: &Shared) {
    let program = shared.in_force.program();
    if shared.settings.correlator.enabled {
        let exceptions = program.exceptions.entries();
        shared.metrics.will_cover(exceptions);
        shared.status.exceptions(exceptions, wall_clock());
    }
    shared.metrics.config_version(program.version());
    shared.status.config_version(program.version());
}
