//! What every worker is given.

use std::sync::Arc;

use super::active_policy::ActivePolicy;
use super::observer::Observer;
use super::settings::ServiceSettings;
use super::stop::Stop;

/// What every worker is given. Clones share it.
#[derive(Clone)]
pub(super) struct WorkerContext {
    pub(super) settings: Arc<ServiceSettings>,
    pub(super) active_policy: ActivePolicy,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) stop: Stop,
}
