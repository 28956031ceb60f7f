//! What decides: events as they arrive, the inventory, the rules and their join, and the alert as a document.

pub mod alert;
pub mod detection;
pub mod event;
pub mod inventory;
pub mod problems;
pub mod time;
pub mod words;
