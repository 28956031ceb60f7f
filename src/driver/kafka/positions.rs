//! How far a router worker has come in each of its partitions.

use rdkafka::Offset;
use rdkafka::topic_partition_list::TopicPartitionList;

/// The next offset of each partition. A process reads few topics and a partition is a small number, so both are found
/// without hashing.
#[derive(Debug, Default)]
pub(super) struct Positions {
    topics: Vec<Topic>,
    is_dirty: bool,
}

#[derive(Debug)]
struct Topic {
    name: String,
    partitions: Vec<Option<Position>>,
}

#[derive(Clone, Copy, Debug)]
struct Position {
    next: i64,
    committed: Option<i64>,
}

impl Positions {
    /// Everything below `next` has been dealt with.
    pub(super) fn set(&mut self, topic: &str, partition: i32, next: i64) {
        let known = self.topics.iter().position(|known| known.name == topic);
        let topic = known.unwrap_or_else(|| {
            self.topics.push(Topic {
                name: topic.to_owned(),
                partitions: Vec::new(),
            });
            self.topics.len() - 1
        });
        let partitions = &mut self.topics[topic].partitions;
        let index = usize::try_from(partition).unwrap_or_default();
        if partitions.len() <= index {
            partitions.resize(index + 1, None);
        }
        partitions[index]
            .get_or_insert(Position {
                next,
                committed: None,
            })
            .next = next;
        self.is_dirty = true;
    }

    /// Whether anything has been read from this partition since it was taken over.
    pub(super) fn owns(&self, topic: &str, partition: i32) -> bool {
        self.topics
            .iter()
            .filter(|known| known.name == topic)
            .any(|known| {
                let index = usize::try_from(partition).unwrap_or_default();
                known.partitions.get(index).is_some_and(Option::is_some)
            })
    }

    /// The partition is someone else's now.
    pub(super) fn forget(&mut self, topic: &str, partition: i32) {
        let index = usize::try_from(partition).unwrap_or_default();
        for known in self.topics.iter_mut().filter(|known| known.name == topic) {
            if let Some(position) = known.partitions.get_mut(index) {
                *position = None;
            }
        }
    }

    /// Whether anything has not been committed.
    pub(super) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// What has not been committed.
    pub(super) fn dirty(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for topic in &self.topics {
            for (partition, position) in (0..).zip(&topic.partitions) {
                if let Some(Position { next, committed }) = *position
                    && committed != Some(next)
                {
                    let mut element = list.add_partition(&topic.name, partition);
                    // The only failure is an offset that Kafka reserves, which no log reaches.
                    let _ = element.set_offset(Offset::Offset(next));
                }
            }
        }
        list
    }

    /// Everything has been committed.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(positions: &Positions) -> Vec<(String, i32, Offset)> {
        let list = positions.dirty();
        list.elements()
            .iter()
            .map(|element| (element.topic().to_owned(), element.partition(), element.offset()))
            .collect()
    }

    #[test]
    fn only_what_moved_since_the_last_commit_and_is_still_owned_is_committed() {
        let mut positions = Positions::default();
        assert!(!positions.is_dirty());
        positions.set("a", 2, 5);
        positions.set("b", 0, 1);
        positions.set("a", 2, 6);
        assert_eq!(
            listed(&positions),
            [
                ("a".to_owned(), 2, Offset::Offset(6)),
                ("b".to_owned(), 0, Offset::Offset(1))
            ]
        );
        positions.clean();
        assert!(!positions.is_dirty() && listed(&positions).is_empty());
        positions.set("a", 2, 7);
        positions.set("b", 0, 2);
        positions.forget("b", 0);
        assert_eq!(listed(&positions), [("a".to_owned(), 2, Offset::Offset(7))]);
        assert!(positions.owns("a", 2) && !positions.owns("b", 0) && !positions.owns("c", 9));
    }
}
