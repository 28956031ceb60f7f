//! The page: alerts for people, in a browser.
//!
//! ```text
//!   file, topics, engine --> Store --> api, stream --> assets/*.js      pipewarden ui
//!   replay ------------------------> report ---------> assets/*.js      replay --html
//! ```
//!
//! What is held has bounds; [`Store`] shares it between who reads alerts and who serves them. Nothing in here
//! decides about an alert, and no request changes anything.

mod answers;
mod api;
mod assets;
mod bundle;
mod guard;
mod held;
mod intake;
mod openapi;
mod report;
mod row;
mod store;
mod stream;
mod tail;

pub use answers::{About, Bounds, ServiceState, Source, Windows};
pub use api::serve;
pub use intake::{Incoming, Line, read_line};
pub use report::Report;
pub use store::Store;
pub use tail::Tail;
