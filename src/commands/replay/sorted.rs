//! Sorting more than fits in memory: sorted runs in temporary files, merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write as _};

/// A key that orders, and bytes that go with it.
pub(super) type Item<K> = (K, Vec<u8>);

/// What can stand in a run: a fixed number of numbers, compared in order.
pub(super) type Key = [i64; 4];

/// Takes items in any order, up to a bound in memory, and gives them back sorted.
#[derive(Debug)]
pub(super) struct Sorter {
    bound: usize,
    held: usize,
    items: Vec<Item<Key>>,
    runs: Vec<File>,
}

impl Sorter {
    /// Holds about `bound` bytes of payload in memory.
    pub(super) fn new(bound: usize) -> Self {
        Self {
            bound,
            held: 0,
            items: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Takes an item. Keys must differ for the order to be certain.
    ///
    /// # Errors
    /// The system's error where a run cannot be written.
    pub(super) fn push(&mut self, key: Key, payload: Vec<u8>) -> io::Result<()> {
        self.held += payload.len() + size_of::<Item<Key>>();
        self.items.push((key, payload));
        if self.held > self.bound {
            self.spill()
        } else {
            Ok(())
        }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.items.sort_unstable_by_key(|item| item.0);
        let mut file = BufWriter::with_capacity(1 << 18, tempfile::tempfile()?);
        for (key, payload) in self.items.drain(..) {
            for part in key {
                file.write_all(&part.to_le_bytes())?;
            }
            file.write_all(&(payload.len() as u64).to_le_bytes())?;
            file.write_all(&payload)?;
        }
        self.held = 0;
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.runs.push(file);
        Ok(())
    }

    /// Gives every item back, in order of keys.
    ///
    /// # Errors
    /// The system's error where a run cannot be read, or that of `visit`.
    pub(super) fn finish<E: From<io::Error>>(
        mut self,
        mut visit: impl FnMut(Key, Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.items.sort_unstable_by_key(|item| item.0);
        let mut in_memory = self.items.into_iter();
        let mut runs: Vec<BufReader<File>> = self
            .runs
            .into_iter()
            .map(|file| BufReader::with_capacity(1 << 16, file))
            .collect();
        let last = runs.len();
        let mut heap = BinaryHeap::new();
        for (index, run) in runs.iter_mut().enumerate() {
            heap.extend(read(run)?.map(|item| Reverse((item, index))));
        }
        heap.extend(in_memory.next().map(|item| Reverse((item, last))));
        while let Some(Reverse(((key, payload), index))) = heap.pop() {
            visit(key, payload)?;
            let next = if index == last {
                in_memory.next()
            } else {
                read(&mut runs[index])?
            };
            heap.extend(next.map(|item| Reverse((item, index))));
        }
        Ok(())
    }
}

fn read(run: &mut impl Read) -> io::Result<Option<Item<Key>>> {
    let mut key: Key = [0; 4];
    let mut word = [0; 8];
    for (index, part) in key.iter_mut().enumerate() {
        match run.read_exact(&mut word) {
            Err(error) if index == 0 && error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        *part = i64::from_le_bytes(word);
    }
    run.read_exact(&mut word)?;
    let length = usize::try_from(u64::from_le_bytes(word)).map_err(io::Error::other)?;
    let mut payload = vec![0; length];
    run.read_exact(&mut payload)?;
    Ok(Some((key, payload)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn items_come_back_as_a_plain_sort_would_give_them_whatever_fits_in_memory(
            parts in prop::collection::vec((-3..3i64, any::<i64>(), prop::collection::vec(any::<u8>(), 0..20)), 0..80),
            bound in 0..2_000usize,
        ) {
            let items: Vec<Item<Key>> = parts
                .into_iter()
                .zip(0..)
                .map(|((a, b, payload), place)| ([a, b, 0, place], payload))
                .collect();
            let mut sorter = Sorter::new(bound);
            for (key, payload) in items.clone() {
                sorter.push(key, payload).unwrap();
            }
            let mut found = Vec::new();
            sorter
                .finish(|key, payload| {
                    found.push((key, payload));
                    Ok::<(), io::Error>(())
                })
                .unwrap();
            let mut expected = items;
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
