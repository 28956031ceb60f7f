//! This machine's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use pipewarden_core::time::AppendTime;

/// Now. Only for ticks and the age of bindings: no decision about an alert may depend on it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the edge that the ban points to"
)]
pub(super) fn wall_clock() -> AppendTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    AppendTime::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
