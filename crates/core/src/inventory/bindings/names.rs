//! Short names of the computers that have a binding.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// The computers, each with the number of its bindings. The order of names finds those of one first label without a
/// second copy of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(BTreeMap<Arc<str>, u32>);

impl Names {
    /// Counts a binding in. Returns the one copy of the name that all bindings share.
    pub(super) fn add(&mut self, computer: &Arc<str>) -> Arc<str> {
        let known = self.0.get_key_value(computer).map(|(known, _)| known);
        let shared = Arc::clone(known.unwrap_or(computer));
        *self.0.entry(Arc::clone(&shared)).or_default() += 1;
        shared
    }

    /// Counts a binding out.
    pub(super) fn remove(&mut self, computer: &str) {
        if let Some(bindings) = self.0.get_mut(computer) {
            *bindings -= 1;
            if *bindings == 0 {
                self.0.remove(computer);
            }
        }
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
