//! What an index makes of alerts: a real OpenSearch, with the template of `schemas/index/` and alerts of every kind.
//!
//! | module | what it holds |
//! |---|---|
//! | `alerts` | a day whose alerts are of every kind and status, through router and correlator |
//! | `upserts` | revisions that arrive in any order; fields and their types |
//! | `queries` | what `docs/siem.md` tells its readers to search for |
//! | `opensearch` | where the index comes from |
//!
//! Apart from the tests beside a broker, some of which know how long things may take. Without a JDK and Maven a test skips loudly;
//! `PIPEWARDEN_REQUIRE_BROKER=1` makes that a failure.

// Helpers of tests, which `clippy.toml` does not recognise as such.
#![allow(clippy::unwrap_used)]

mod alerts;
mod opensearch;
mod queries;
mod upserts;

#[allow(unreachable_pub, reason = "shared with the tests beside a broker")]
#[path = "../broker/support/libraries.rs"]
mod libraries;
