//! Names of the computers that have a binding.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

/// The computers, each with the addresses that it is bound to. The order of names finds those of one first label without a
/// second copy of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(BTreeMap<Arc<str>, Vec<IpAddr>>);

impl Names {
    /// Counts a binding in. Returns the one copy of the name that all bindings share.
    pub(super) fn add(&mut self, computer: &Arc<str>, address: IpAddr) -> Arc<str> {
        let known = self.0.get_key_value(computer).map(|(known, _)| known);
        let shared = Arc::clone(known.unwrap_or(computer));
        let addresses = self.0.entry(Arc::clone(&shared));
        // Nearly every computer has one.
        addresses.or_insert_with(|| Vec::with_capacity(1)).push(address);
        shared
    }

    /// Counts a binding out.
    pub(super) fn remove(&mut self, computer: &str, address: IpAddr) {
        if let Some(addresses) = self.0.get_mut(computer) {
            addresses.retain(|other| *other != address);
            if addresses.is_empty() {
                self.0.remove(computer);
            }
        }
    }

    /// The addresses that a computer is bound to, each once.
    pub(super) fn addresses(&self, computer: &str) -> &[IpAddr] {
        self.0.get(computer).map_or(&[], Vec::as_slice)
    }

    /// The one computer whose first label this is.
    pub(super) fn only(&self, short: &str) -> Option<&Arc<str>> {
        let prefix = format!("{short}.");
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let full = self.0.range::<str, _>(from).map(|(name, _)| name);
        let mut all = self
            .0
            .get_key_value(short)
            .map(|(name, _)| name)
            .into_iter()
            .chain(full.take_while(|name| name.starts_with(&prefix)));
        let first = all.next()?;
        all.next().is_none().then_some(first)
    }
}
