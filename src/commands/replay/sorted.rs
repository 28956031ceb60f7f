//! Sorting more than fits in memory: sorted runs in temporary files, merged.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write as _};

/// What can stand in a run: a fixed number of numbers, compared in order.
pub(super) type Key = [i64; 4];

/// What goes with a key. It is written only where it does not fit in memory.
pub(super) trait Payload: Sized {
    /// About how many bytes it takes in memory.
    fn size(&self) -> usize;

    fn encode(&self) -> Vec<u8>;

    /// # Errors
    /// Where these are not bytes that [`Payload::encode`] wrote.
    fn decode(bytes: &[u8]) -> io::Result<Self>;
}

/// Takes items in any order, up to a bound in memory, and gives them back sorted: by key, those of one key as they came.
#[derive(Debug)]
pub(super) struct Sorter<P> {
    bound: usize,
    held: usize,
    items: Vec<(Key, P)>,
    runs: Vec<File>,
}

/// The next item of a run, ordered by key and then by run, for the merge.
struct Next<P> {
    key: Key,
    run: usize,
    payload: P,
}

impl<P> PartialEq for Next<P> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<P> Eq for Next<P> {}

impl<P> PartialOrd for Next<P> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> Ord for Next<P> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.key, self.run).cmp(&(other.key, other.run))
    }
}

impl<P: Payload> Sorter<P> {
    /// Holds about `bound` bytes in memory.
    pub(super) fn new(bound: usize) -> Self {
        Self {
            bound,
            held: 0,
            items: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Takes an item.
    ///
    /// # Errors
    /// The system's error where a run cannot be written.
    pub(super) fn push(&mut self, key: Key, payload: P) -> io::Result<()> {
        self.held += payload.size() + size_of::<Key>();
        self.items.push((key, payload));
        if self.held > self.bound {
            self.spill()
        } else {
            Ok(())
        }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.items.sort_by_key(|item| item.0);
        let mut file = BufWriter::with_capacity(1 << 18, tempfile::tempfile()?);
        for (key, payload) in self.items.drain(..) {
            for part in key {
                file.write_all(&part.to_le_bytes())?;
            }
            let bytes = payload.encode();
            file.write_all(&(bytes.len() as u64).to_le_bytes())?;
            file.write_all(&bytes)?;
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
        mut visit: impl FnMut(Key, P) -> Result<(), E>,
    ) -> Result<(), E> {
        self.items.sort_by_key(|item| item.0);
        let mut in_memory = self.items.into_iter();
        let mut runs: Vec<BufReader<File>> = self
            .runs
            .into_iter()
            .map(|file| BufReader::with_capacity(1 << 16, file))
            .collect();
        let last = runs.len();
        let next = |(key, payload), run| Reverse(Next { key, run, payload });
        let mut heap = BinaryHeap::new();
        for (index, run) in runs.iter_mut().enumerate() {
            heap.extend(read(run)?.map(|item| next(item, index)));
        }
        heap.extend(in_memory.next().map(|item| next(item, last)));
        while let Some(Reverse(Next { key, run, payload })) = heap.pop() {
            visit(key, payload)?;
            let item = if run == last {
                in_memory.next()
            } else {
                read(&mut runs[run])?
            };
            heap.extend(item.map(|item| next(item, run)));
        }
        Ok(())
    }
}

fn read<P: Payload>(run: &mut impl Read) -> io::Result<Option<(Key, P)>> {
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
    let mut bytes = vec![0; length];
    run.read_exact(&mut bytes)?;
    Ok(Some((key, P::decode(&bytes)?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Payload for Vec<u8> {
        fn size(&self) -> usize {
            size_of::<Self>() + self.len()
        }

        fn encode(&self) -> Vec<u8> {
            self.clone()
        }

        fn decode(bytes: &[u8]) -> io::Result<Self> {
            Ok(bytes.to_vec())
        }
    }

    proptest! {
        #[test]
        fn items_come_back_as_a_plain_stable_sort_would_give_them_whatever_fits_in_memory(
            parts in prop::collection::vec((-3..3i64, -3..3i64, prop::collection::vec(any::<u8>(), 0..20)), 0..80),
            bound in 0..2_000usize,
        ) {
            let items: Vec<(Key, Vec<u8>)> = parts.into_iter().map(|(a, b, payload)| ([a, b, 0, 0], payload)).collect();
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
            expected.sort_by_key(|item| item.0);
            prop_assert_eq!(found, expected);
        }
    }
}
