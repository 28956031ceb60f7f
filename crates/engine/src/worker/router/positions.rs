//! The positions of a router worker in its partitions.

use std::sync::Arc;

use pipewarden_core::log::{Offset, Partition};

/// An offset to commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The input topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: Partition,
    /// Everything below it has been routed.
    pub next: Offset,
}

/// The next offset of each partition. A process reads few topics and a partition is a small number, so both are found
/// without hashing.
#[derive(Debug, Default)]
pub(super) struct Positions {
    topics: Vec<Topic>,
    is_dirty: bool,
}

#[derive(Debug)]
struct Topic {
    name: Arc<str>,
    partitions: Vec<Option<Reached>>,
}

#[derive(Clone, Copy, Debug)]
struct Reached {
    next: Offset,
    committed: Option<Offset>,
}

impl Positions {
    /// Notes that everything below `next` has been routed.
    pub(super) fn set(&mut self, topic: &str, partition: Partition, next: Offset) {
        let known = self.topics.iter().position(|known| &*known.name == topic);
        let topic = known.unwrap_or_else(|| {
            self.topics.push(Topic {
                name: Arc::from(topic),
                partitions: Vec::new(),
            });
            self.topics.len() - 1
        });
        let partitions = &mut self.topics[topic].partitions;
        let index = index(partition);
        if partitions.len() <= index {
            partitions.resize(index + 1, None);
        }
        partitions[index]
            .get_or_insert(Reached {
                next,
                committed: None,
            })
            .next = next;
        self.is_dirty = true;
    }

    /// Drops a partition that the worker no longer owns.
    pub(super) fn forget(&mut self, topic: &str, partition: Partition) {
        let index = index(partition);
        for known in self.topics.iter_mut().filter(|known| &*known.name == topic) {
            if let Some(position) = known.partitions.get_mut(index) {
                *position = None;
            }
        }
    }

    /// Whether any position is not committed.
    pub(super) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// The positions that are not committed.
    pub(super) fn dirty(&self) -> Vec<Position> {
        let mut dirty = Vec::new();
        for topic in &self.topics {
            for (partition, reached) in (0..).map(Partition::new).zip(&topic.partitions) {
                if let Some(Reached { next, committed }) = *reached
                    && committed != Some(next)
                {
                    let topic = Arc::clone(&topic.name);
                    dirty.push(Position {
                        topic,
                        partition,
                        next,
                    });
                }
            }
        }
        dirty
    }

    /// Notes that everything is committed.
    pub(super) fn clean(&mut self) {
        for position in self
            .topics
            .iter_mut()
            .flat_map(|topic| &mut topic.partitions)
            .flatten()
        {
            position.committed = Some(position.next);
        }
        self.is_dirty = false;
    }
}

fn index(partition: Partition) -> usize {
    usize::try_from(partition.get()).expect("a partition's number fits an index")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(positions: &Positions) -> Vec<(String, u32, u64)> {
        let dirty = positions.dirty().into_iter();
        dirty
            .map(|position| {
                let (partition, next) = (position.partition.get(), position.next.get());
                (position.topic.to_string(), partition, next)
            })
            .collect()
    }

    fn set(positions: &mut Positions, topic: &str, partition: u32, next: u64) {
        positions.set(topic, Partition::new(partition), Offset::new(next));
    }

    #[test]
    fn only_what_moved_since_the_last_commit_and_is_still_owned_is_committed() {
        let mut positions = Positions::default();
        assert!(!positions.is_dirty());
        set(&mut positions, "a", 2, 5);
        set(&mut positions, "b", 0, 1);
        set(&mut positions, "a", 2, 6);
        assert_eq!(
            listed(&positions),
            [("a".to_owned(), 2, 6), ("b".to_owned(), 0, 1)]
        );
        positions.clean();
        assert!(!positions.is_dirty() && listed(&positions).is_empty());
        set(&mut positions, "a", 2, 7);
        set(&mut positions, "b", 0, 2);
        positions.forget("b", Partition::ZERO);
        assert_eq!(listed(&positions), [("a".to_owned(), 2, 7)]);
    }
}
