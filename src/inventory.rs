//! The protected hosts, which of them an event is about, and asset lists of other tools as such an inventory.

pub mod import;

pub use pipewarden_core::inventory::*;
