//! The flag that ends all threads.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Ends threads, and wakes those that wait. Clones share one flag.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Sets the flag, for good.
    pub fn set(&self) {
        let (is_set, changed) = &*self.0;
        *is_set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Whether threads are to end.
    pub fn is_set(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits this long, or until the flag is set; returns whether it is.
    pub fn wait(&self, span: Duration) -> bool {
        let (is_set, changed) = &*self.0;
        let guard = is_set.lock().unwrap_or_else(PoisonError::into_inner);
        let (guard, _) = changed
            .wait_timeout_while(guard, span, |is_set| !*is_set)
            .unwrap_or_else(PoisonError::into_inner);
        *guard
    }
}
