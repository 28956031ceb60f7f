//! Documents that are written and not yet published.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::document_writer::Millis;

/// Documents by the time at which they are published. Documents of attacks come before copies of benign ones of the same
/// time, and otherwise in the order in which they were added: each source counts for itself, so that one does not
/// change the order of the other's.
#[derive(Debug, Default)]
pub(super) struct PublishQueue {
    heap: BinaryHeap<Reverse<Entry>>,
    from_attacks: u64,
    benign_copies: u64,
}

#[derive(Debug)]
struct Entry {
    at: Millis,
    is_benign_copy: bool,
    number: u64,
    document: Vec<u8>,
}

impl Entry {
    fn key(&self) -> (Millis, bool, u64) {
        (self.at, self.is_benign_copy, self.number)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PublishQueue {
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Adds a document of an attack.
    pub(super) fn push_attack(&mut self, at: Millis, document: Vec<u8>) {
        self.from_attacks += 1;
        self.heap.push(Reverse(Entry {
            at,
            is_benign_copy: false,
            number: self.from_attacks,
            document,
        }));
    }

    /// Adds the copy of a benign document.
    pub(super) fn push_benign_copy(&mut self, at: Millis, document: Vec<u8>) {
        self.benign_copies += 1;
        self.heap.push(Reverse(Entry {
            at,
            is_benign_copy: true,
            number: self.benign_copies,
            document,
        }));
    }

    /// Whether the first document is due by `now`.
    pub(super) fn is_due(&self, now: Millis) -> bool {
        self.heap.peek().is_some_and(|Reverse(first)| first.at <= now)
    }

    /// The first document.
    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        self.heap.pop().map(|Reverse(first)| first.document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_leave_by_time_then_source_then_order_of_arrival() {
        let mut queue = PublishQueue::default();
        queue.push_benign_copy(5, b"copy".to_vec());
        queue.push_attack(5, b"z".to_vec());
        queue.push_attack(5, b"a".to_vec());
        queue.push_attack(3, b"early".to_vec());
        assert!(!queue.is_due(2));
        assert!(queue.is_due(3));
        let mut left = std::iter::from_fn(|| queue.pop());
        assert_eq!(left.next().unwrap(), b"early");
        assert_eq!(left.next().unwrap(), b"z");
        assert_eq!(left.next().unwrap(), b"a");
        assert_eq!(left.next().unwrap(), b"copy");
        assert_eq!(left.next(), None);
    }
}
