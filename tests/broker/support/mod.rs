//! A broker, topics on it, the program as a process, and hostile days for both.
//!
//! `benches/macro` uses some of it.

pub mod broker;
pub mod chaos;
mod libraries;
pub mod proxied;
pub mod proxy;
pub mod service;
pub mod topics;
pub mod transactions;
