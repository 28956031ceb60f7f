//! Short names of the computers that have a binding.

use std::collections::HashMap;
use std::sync::Arc;

use crate::inventory::lookup::label;

/// The computers by first label, sorted, each with the number of its bindings. Nearly always there is one.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    by_label: HashMap<Box<str>, Vec<(Arc<str>, u32)>>,
}

impl Names {
    /// A binding has come. Returns the one copy of the name that all bindings share.
    pub(super) fn add(&mut self, computer: &Arc<str>) -> Arc<str> {
        let Some(computers) = self.by_label.get_mut(label(computer)) else {
            let mut computers = Vec::with_capacity(1);
            computers.push((Arc::clone(computer), 1));
            self.by_label.insert(label(computer).into(), computers);
            return Arc::clone(computer);
        };
        match computers.binary_search_by(|(known, _)| known.cmp(computer)) {
            Ok(index) => {
                let (known, bindings) = &mut computers[index];
                *bindings += 1;
                Arc::clone(known)
            }
            Err(index) => {
                computers.insert(index, (Arc::clone(computer), 1));
                Arc::clone(computer)
            }
        }
    }

    /// A binding has gone.
    pub(super) fn remove(&mut self, computer: &str) {
        let label = label(computer);
        let Some(computers) = self.by_label.get_mut(label) else {
            return;
        };
        if let Ok(index) = computers.binary_search_by(|(known, _)| (**known).cmp(computer)) {
            let (_, bindings) = &mut computers[index];
            *bindings -= 1;
            if *bindings == 0 {
                computers.remove(index);
            }
        }
        if computers.is_empty() {
            self.by_label.remove(label);
        }
    }

    /// The one computer whose name begins with this label.
    pub(super) fn only(&self, short: &str) -> Option<&Arc<str>> {
        match &self.by_label.get(short)?[..] {
            [(computer, _)] => Some(computer),
            _ => None,
        }
    }
}
