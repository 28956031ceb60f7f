//! Lines of bounded length, through one buffer.

use std::io::{self, BufRead};

/// The longest line that is read. Winlogbeat's own bound on a record is 1 MB.
const LONGEST: usize = 16 << 20;

/// A line, or the fact that it is too long to be one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Without its end.
    Line(&'a [u8]),
    /// Skipped.
    TooLong,
}

/// Reads lines one at a time.
#[derive(Debug)]
pub(super) struct Lines<R> {
    from: R,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            buffer: Vec::new(),
            number: 0,
        }
    }

    /// The next line and its number from 1; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Piece<'_>)>> {
        self.buffer.clear();
        let mut is_too_long = false;
        let mut read_any = false;
        loop {
            let available = match self.from.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                break;
            }
            read_any = true;
            let end = memchr::memchr(b'\n', available);
            let taken = end.unwrap_or(available.len());
            is_too_long |= self.buffer.len() + taken > LONGEST;
            if !is_too_long {
                self.buffer.extend_from_slice(&available[..taken]);
            }
            self.from.consume(taken + usize::from(end.is_some()));
            if end.is_some() {
                break;
            }
        }
        if !read_any {
            return Ok(None);
        }
        self.number += 1;
        if is_too_long {
            return Ok(Some((self.number, Piece::TooLong)));
        }
        let mut line = self.buffer.as_slice();
        if self.number == 1 {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        Ok(Some((
            self.number,
            Piece::Line(line.strip_suffix(b"\r").unwrap_or(line)),
        )))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &[u8], capacity: usize) -> Vec<Vec<u8>> {
        let mut lines = Lines::new(io::BufReader::with_capacity(capacity, text));
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
    fn a_line_beyond_the_bound_is_told_and_the_next_is_read() {
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
