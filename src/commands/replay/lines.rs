//! Lines of bounded length, through one buffer.

use std::io::{self, Read};

/// The longest line that is read. Winlogbeat's own bound on a record is 1 MB.
pub(super) const LONGEST: usize = 16 << 20;

/// How much is read at once: enough to make calls rare, little enough to stay in a processor's cache.
const CHUNK: usize = 256 << 10;

/// A line, or the fact that it is too long to be one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Without its end.
    Line(&'a [u8]),
    /// Skipped.
    TooLong,
}

/// Reads lines one at a time. A line is not copied but for the part that was read with the line before.
#[derive(Debug)]
pub(super) struct Lines<R> {
    from: R,
    buffer: Vec<u8>,
    /// What has been read and not given out.
    held: std::ops::Range<usize>,
    chunk: usize,
    number: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self::with_chunk(from, CHUNK)
    }

    fn with_chunk(from: R, chunk: usize) -> Self {
        Self {
            from,
            buffer: vec![0; chunk],
            held: 0..0,
            chunk,
            number: 0,
        }
    }

    /// The next line and its number from 1; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Piece<'_>)>> {
        let mut searched = 0;
        let mut is_too_long = false;
        let end = loop {
            let held = &self.buffer[self.held.clone()];
            if let Some(end) = memchr::memchr(b'\n', &held[searched..]) {
                break searched + end;
            }
            searched = held.len();
            if searched > LONGEST {
                is_too_long = true;
                self.held.start = self.held.end;
                searched = 0;
            }
            if self.read_more()? == 0 {
                if self.held.is_empty() && !is_too_long {
                    return Ok(None);
                }
                break self.held.len();
            }
        };
        let begin = self.held.start;
        self.held.start = (begin + end + 1).min(self.held.end);
        self.number += 1;
        if is_too_long || end > LONGEST {
            return Ok(Some((self.number, Piece::TooLong)));
        }
        let mut line = &self.buffer[begin..begin + end];
        if self.number == 1 {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        Ok(Some((
            self.number,
            Piece::Line(line.strip_suffix(b"\r").unwrap_or(line)),
        )))
    }

    /// Reads behind what is held, which is moved to the front for it; 0 at the end of input.
    fn read_more(&mut self) -> io::Result<usize> {
        self.buffer.copy_within(self.held.clone(), 0);
        self.held = 0..self.held.len();
        if self.held.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        } else if self.buffer.len() > self.chunk && self.held.end < self.chunk / 2 {
            // A long line has passed.
            self.buffer.truncate(self.chunk);
            self.buffer.shrink_to(self.chunk);
        }
        loop {
            match self.from.read(&mut self.buffer[self.held.end..]) {
                Ok(read) => {
                    self.held.end += read;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &[u8], capacity: usize) -> Vec<Vec<u8>> {
        let mut lines = Lines::with_chunk(text, capacity);
        let mut all = Vec::new();
        while let Some((number, piece)) = lines.next().unwrap() {
            assert_eq!(number, all.len() as u64 + 1);
            match piece {
                Piece::Line(line) => all.push(line.to_vec()),
                Piece::TooLong => all.push(b"too long".to_vec()),
            }
        }
        all
    }

    #[test]
    fn line_ends_and_a_byte_order_mark_are_no_part_of_a_line() {
        assert_eq!(
            all(b"\xef\xbb\xbfa\r\nb\n\nc", 2),
            [b"a".as_slice(), b"b", b"", b"c"]
        );
    }

    #[test]
    fn a_line_beyond_the_bound_is_reported_and_the_next_is_read() {
        let mut text = vec![b'x'; LONGEST + 1];
        text.extend_from_slice(b"\nnext\n");
        assert_eq!(all(&text, 1 << 16), [b"too long".as_slice(), b"next"]);
    }

    proptest! {
        #[test]
        fn lines_are_those_of_a_plain_split(text in "[ab\n]{0,60}", capacity in 1..9usize) {
            let mut expected: Vec<Vec<u8>> = text.split('\n').map(|line| line.as_bytes().to_vec()).collect();
            if expected.last().is_some_and(Vec::is_empty) {
                expected.pop();
            }
            prop_assert_eq!(all(text.as_bytes(), capacity), expected);
        }
    }
}
