//! What operators see: metrics, logs, health and readiness.

mod endpoints;
mod logging;
mod metrics;
mod observer;
mod status;
mod unready;

use std::time::{SystemTime, UNIX_EPOCH};

pub use endpoints::serve;
pub use logging::init as init_logging;
pub use metrics::{Consumed, Metrics};
pub use observer::Reporter;
pub use status::{EXPLANATIONS, InForce, Readiness, Status, WorkerStatus};

pub use crate::http::Protection;
use crate::time::AppendTime;

/// Now, by this machine's clock. Only for latencies and what people see: no decision about an alert may depend on it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the edge that the ban points to"
)]
pub fn wall_clock() -> AppendTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    AppendTime::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
